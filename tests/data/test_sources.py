"""Names to prepared arrays: kept whole, found again, and refused when damaged."""

import hashlib
import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from alexctl.data import building, shapes, sources
from alexctl.data.sources import Facts, data_root, facts, list_sources, open_prepared, prepare, verify
from alexctl.errors import UserError


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(shapes, "NUM_TRAIN", 60)
    monkeypatch.setattr(shapes, "NUM_TEST", 20)
    return tmp_path


def only_folder(root: Path) -> Path:
    (found,) = (root / "prepared").glob("shapes-*")
    return found


def test_prepared_once_then_mapped(root, monkeypatch):
    told = []
    data = prepare("shapes", root, progress=lambda *word: told.append(word))
    assert told == [("drawing shapes, train", 60, 60), ("drawing shapes, test", 20, 20)]
    assert isinstance(data.train_images, np.memmap)
    assert not data.train_images.flags.writeable
    monkeypatch.setattr(shapes, "draw", None)
    for again in (prepare("shapes", root), open_prepared("shapes", data.digest, root)):
        assert again.digest == data.digest
        assert np.array_equal(again.test_images, data.test_images)
    assert verify("shapes", root) == [f"prepared/shapes-{data.digest}: 60 + 20 images, whole"]


def test_digest_is_that_of_the_content_and_of_nothing_else(root, tmp_path):
    # Written out: class names, then for each part its shape, labels and pixels.
    data = prepare("shapes", root)
    expected = hashlib.sha256(json.dumps(list(data.classes)).encode())
    for images, labels in ((data.train_images, data.train_labels), (data.test_images, data.test_labels)):
        expected.update(json.dumps(list(images.shape)).encode() + labels.tobytes() + images.tobytes())
    assert data.digest == expected.hexdigest()[:16]


@pytest.mark.parametrize("name", ["dataset.json", "train_images.npy", "train_labels.npy", "test_images.npy"])
def test_damaged_or_missing_files_are_told_and_made_anew(root, name):
    digest = prepare("shapes", root).digest
    path = only_folder(root) / name
    whole = path.read_bytes()
    for broken in (b"", whole[:20], whole[: len(whole) // 2]):
        path.write_bytes(broken)
        with pytest.raises(UserError, match=r"is damaged .* remove it and run again"):
            open_prepared("shapes", digest, root)
    path.unlink()
    with pytest.raises(UserError, match="run the same command again to prepare it"):
        open_prepared("shapes", digest, root)
    assert prepare("shapes", root).digest == digest
    assert path.read_bytes() == whole


def test_a_flipped_bit_is_found_by_verify(root):
    prepare("shapes", root)
    path = only_folder(root) / "test_images.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        verify("shapes", root)


def test_labels_beyond_the_classes_are_damage(root):
    digest = prepare("shapes", root).digest
    np.save(only_folder(root) / "train_labels.npy", np.full(60, 10))
    with pytest.raises(UserError, match="labels are not among the classes"):
        open_prepared("shapes", digest, root)


@pytest.mark.parametrize(("name", "digest"), [("../shapes", "0" * 16), ("shapes", "../../etc"), ("", "0" * 16)])
def test_no_name_leads_out_of_the_store(root, name, digest):
    with pytest.raises(UserError, match="no prepared data can be called"):
        open_prepared(name, digest, root)


def test_leftovers_of_a_killed_process_do_no_harm(root):
    leftover = root / "prepared/.shapes.tmp"
    leftover.mkdir(parents=True)
    (leftover / "train_images.npy").write_bytes(b"half")
    (root / "prepared/sources").mkdir()
    prepare("shapes", root)
    assert not leftover.exists()
    assert sorted(path.name for path in only_folder(root).iterdir()) == [
        "dataset.json",
        "test_images.npy",
        "test_labels.npy",
        "train_images.npy",
        "train_labels.npy",
    ]


def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(root, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(building.os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device; make room there"):
        prepare("shapes", root)
    assert not list((root / "prepared").glob("*shapes*/*"))


def test_a_root_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--data-root"):
        prepare("shapes", tmp_path / "file/below")


def _prepare_small(root):
    shapes.NUM_TRAIN, shapes.NUM_TEST = 60, 20
    return sources.prepare("shapes", root).digest


def test_processes_at_once_make_it_once(tmp_path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert len(set(pool.map(_prepare_small, [tmp_path] * 2))) == 1
    assert len(list((tmp_path / "prepared").glob("shapes-*"))) == 1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("shaps", "unknown data set 'shaps', did you mean 'shapes'?"),
        ("\x1b[2J", r"unknown data set '\\x1b\[2J'"),
        ("imagefolder:", "names no folder; write imagefolder:PATH"),
        ("imagefolder", "write imagefolder:PATH"),
        ("cifar10", "get it with `alexctl data fetch cifar10`, or use --data imagefolder:PATH, or --data shapes"),
        ("mnist", "get it with `alexctl data fetch mnist`"),
    ],
)
def test_what_is_not_there(tmp_path, spec, message):
    with pytest.raises(UserError, match=message):
        prepare(spec, tmp_path)


def test_fixed_sizes_are_not_stretched(tmp_path):
    with pytest.raises(UserError, match="shapes has images of 32 pixels, not 224"):
        prepare("shapes", tmp_path, image_size=224)


def test_list_tells_what_is_there_and_what_to_do(root):
    prepare("shapes", root)
    rows = list_sources(root)
    assert [(row["name"], row["state"]) for row in rows] == [
        ("cifar10", "missing"),
        ("mnist", "missing"),
        ("shapes", "built in"),
        ("shapes-grey", "built in"),
        ("shapes", "ready"),
    ]
    assert rows[0]["next"] == "alexctl data fetch cifar10"
    assert rows[4]["size_mb"] == 0.2
    (root / "cifar-10-python.tar.gz.part").write_bytes(b"half")
    assert list_sources(root)[0]["state"] == "half fetched"


def test_verify_of_the_unknown_and_the_unprepared(root):
    assert verify("shapes", root) == ["shapes: not prepared yet; the first run does it"]
    with pytest.raises(UserError, match="did you mean 'shapes'"):
        verify("shape", root)


def test_data_root_is_option_then_variable_then_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ALEXCTL_DATA", str(tmp_path))
    assert data_root(Path("here")) == Path("here")
    assert data_root() == tmp_path
    monkeypatch.delenv("ALEXCTL_DATA")
    assert data_root().name == "data"


@pytest.mark.parametrize("spec", ["shapes", "shapes-grey"])
def test_facts_are_those_of_the_prepared_images(spec, root):
    data, told = prepare(spec, root), facts(spec)
    assert (told.num_train, told.height, told.width, told.channels) == data.train_images.shape
    assert (told.num_test, told.num_classes) == (len(data.test_labels), len(data.classes))


def test_facts_of_published_data_and_of_folders(tmp_path):
    counts = {"num_classes": 10, "num_train": 50_000, "num_test": 10_000}
    assert facts("cifar10") == Facts(height=32, width=32, channels=3, **counts)
    assert facts("mnist", 28) == Facts(height=28, width=28, channels=1, **{**counts, "num_train": 60_000})
    for name in ("train/cat/1.jpg", "train/cat/2.jpg", "train/dog/1.jpg", "test/cat/1.jpg", "test/dog/1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"not looked at")
    told = facts(f"imagefolder:{tmp_path}", 64)
    assert told == Facts(height=64, width=64, channels=3, num_classes=2, num_train=3, num_test=2)
    with pytest.raises(UserError, match="cifar10 has images of 32 pixels, not 64"):
        facts("cifar10", 64)
    with pytest.raises(UserError, match="unknown data set"):
        facts("cifer10")
    with pytest.raises(UserError, match="no folder"):
        facts(f"imagefolder:{tmp_path / 'nowhere'}")
