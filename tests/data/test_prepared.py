"""Prepared data that changed on disk, or that a stranger laid out: found before the first trial, and made anew."""

import json
import os
import tracemalloc

import numpy as np
import pytest

from alexctl.data import building, prepared, shapes
from alexctl.data.building import Source, key_of
from alexctl.data.file_faults import FileFaults
from alexctl.data.sources import open_prepared, prepare, verify
from alexctl.errors import UserError

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(shapes, "NUM_TRAIN", 60)
    monkeypatch.setattr(shapes, "NUM_TEST", 20)
    return tmp_path / "root"


@pytest.fixture
def folder(root):
    """Where the drawn images are prepared."""
    return root / "prepared" / f"shapes-{prepare('shapes', root).digest}"


def change(folder, name):
    """One number or one word, such that everything still fits together."""
    path = folder / f"{name}.npy"
    if name == "classes":
        path = folder / "dataset.json"
        path.write_text(path.read_text("utf-8").replace('"ring"', '"rink"'), "utf-8")
        return
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", [*ARRAYS, "classes"])
def test_what_changed_on_disk_is_not_trained_on(root, folder, name):
    before = prepare("shapes", root)
    whole = before.train_images.copy(), before.train_labels
    change(folder, name)
    with pytest.raises(UserError, match="is damaged"):
        verify("shapes", root)
    data = prepare("shapes", root)
    assert data.digest == before.digest
    assert data.notes == (f"prepared/{folder.name} had changed on disk since it was prepared; it was prepared again",)
    assert np.array_equal(data.train_images, whole[0])
    assert np.array_equal(data.train_labels, whole[1])
    assert data.classes == shapes.CLASSES
    assert prepare("shapes", root).notes == ()  # told once


def test_what_changed_and_cannot_be_made_anew_is_refused(root, folder):
    def gone():
        raise UserError("its source is gone")

    change(folder, "test_images")
    with pytest.raises(UserError) as caught:
        building.open_or_build(Source(name="shapes", key=key_of("shapes", shapes.VERSION), read=gone), root, None)
    assert caught.value.faults == (
        f"prepared/{folder.name} had changed on disk since it was prepared",
        "its source is gone",
    )


def test_a_check_is_told_of_where_it_takes_long(root, folder, monkeypatch):
    told = []
    assert prepare("shapes", root, progress=lambda *words: told.append(words)).notes == ()
    assert told == []
    monkeypatch.setattr(building, "WORTH_SAYING", -1.0)
    monkeypatch.setattr(prepared, "HASHED_AT_ONCE", 100_000)
    data = prepare("shapes", root, progress=lambda *words: told.append(words))
    assert data.notes == ("checked in 0 s that the 80 prepared images are as they were",)
    assert {what for what, _, _ in told} == {"checking shapes, MB"}
    assert len(told) == 3  # of 184,320 and 61,440 bytes


def head(shape, descr="|u1", rest=b""):
    """The head of a file of arrays, as NumPy writes it."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (117 - len(text)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + rest


HEADS = {
    "more images than there are bytes": head((10**11, 32, 32, 3)),
    "as many as a number can count": head((10**30, 32, 32, 3)),
    "none": head((0, 32, 32, 3)),
    "fewer than there are bytes": head((1, 2, 2, 3), rest=bytes(13)),
    "objects, which are pickles": head((1,), "|O", b"cos\nsystem\n(S'touch pwned'\ntR."),
    "other numbers": head((1, 1, 1, 3), "|i1", bytes(3)),
    "a shape that is no shape": head("(" * 90),
    "another version": head((1, 1, 1, 3), rest=bytes(3)).replace(b"\x01\x00", b"\x03\x00"),
    "a length that lies": head((1, 1, 1, 3), rest=bytes(3)).replace(b"\x76\x00", b"\xff\xff"),
    "nothing": b"",
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("content", HEADS.values(), ids=HEADS)
def test_a_head_is_not_believed(root, folder, name, content):
    """Checked against the file's size before memory is asked for."""
    (folder / f"{name}.npy").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(UserError, match=r"is damaged .*: remove it and run again"):
        open_prepared("shapes", folder.name[-16:], root)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


@pytest.mark.parametrize("name", ARRAYS)
def test_a_file_with_a_hole_of_terabytes(root, folder, name):
    count = 10**9
    labels = name.endswith("labels")
    start = head((count,), "<i8") if labels else head((count, 32, 32, 3))
    (folder / f"{name}.npy").write_bytes(start)
    os.truncate(folder / f"{name}.npy", len(start) + count * (8 if labels else 3072))
    with pytest.raises(UserError, match="claims a shape of"):
        open_prepared("shapes", folder.name[-16:], root)


ABOUTS = {
    "not JSON": b"{",
    "a list": b"[1]",
    "deep": b"[" * 100_000,
    "deep inside": b'{"classes": ' + b"[" * 100_000,
    "large": b'"' + b"x" * (2**24 + 1),
    "no UTF-8": b'{"name": "\xff"}',
    "NaN": b'{"schema": NaN}',
}
FIELDS = {
    "name": [None, "other", 1, ["shapes"], "x" * 10**6],
    "digest": [None, "0" * 16, 7, "../../../../etc"],
    "schema": [None, 0, 2, True, "1", 1e300],
    "classes": [None, [], "abcdefghij", {"a": 1}, [1] * 10, [None] * 10, ["x" * 10**6] * 10, ["a"] * 9],
    "notes": [None, "text", [1], [["deep"]], ["x" * 10**6]],
}


@pytest.mark.parametrize("content", ABOUTS.values(), ids=ABOUTS)
def test_a_description_that_is_none(root, folder, content):
    (folder / "dataset.json").write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        open_prepared("shapes", folder.name[-16:], root)
    for index in (root / "prepared/sources").iterdir():
        index.write_bytes(content)
    assert prepare("shapes", root).digest == folder.name[-16:]


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in FIELDS.items() for value in values])
def test_a_description_of_the_wrong_kind(root, folder, key, value):
    about = json.loads((folder / "dataset.json").read_text("utf-8"))
    for changed in ({**about, key: value}, {name: kept for name, kept in about.items() if name != key}):
        (folder / "dataset.json").write_text(json.dumps(changed), "utf-8")
        with pytest.raises(UserError, match="is damaged"):
            open_prepared("shapes", folder.name[-16:], root)
        for index in (root / "prepared/sources").iterdir():
            index.write_text(json.dumps(changed), "utf-8")
        data = prepare("shapes", root)
        assert (data.digest, data.classes) == (folder.name[-16:], shapes.CLASSES)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX only")
@pytest.mark.parametrize("kind", ["pipe", "link", "link to a device", "folder"])
@pytest.mark.parametrize("name", ["dataset.json", "train_images.npy", "test_labels.npy", "index"])
def test_only_regular_files_are_opened(root, folder, tmp_path, kind, name):
    """A pipe would be waited for, a device has no end, a link leads to files of the user's."""
    path = next((root / "prepared/sources").iterdir()) if name == "index" else folder / name
    kept = path.rename(tmp_path / "kept")
    content = kept.read_bytes()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(kept if kind == "link" else "/dev/zero")
    if name != "index":
        with pytest.raises(UserError, match="is damaged"):
            open_prepared("shapes", folder.name[-16:], root)
        with pytest.raises(UserError, match="is damaged"):
            verify("shapes", root)
    if (kind, name) != ("folder", "index"):
        assert prepare("shapes", root).digest == folder.name[-16:]
    assert kept.read_bytes() == content


def test_planted_links_are_not_written_through(root, tmp_path):
    """Under every name that preparing writes to; the folder behind a link keeps what it holds, too."""
    precious = tmp_path / "precious"
    digest = prepare("shapes", tmp_path / "elsewhere").digest
    (precious / "inner").mkdir(parents=True)
    (precious / "file").write_text("mine")
    (root / "prepared/sources").mkdir(parents=True)
    key = key_of("shapes", shapes.VERSION)
    for name in (".shapes.lock", f"sources/{key}.json", f"sources/{key}.json.tmp"):
        (root / "prepared" / name).symlink_to(precious / "file")
    for name in (".shapes.tmp", f"shapes-{digest}"):
        (root / "prepared" / name).symlink_to(precious)
    assert prepare("shapes", root).digest == digest
    assert sorted(path.name for path in precious.iterdir()) == ["file", "inner"]
    assert (precious / "file").read_text() == "mine"
    assert not (root / "prepared" / f"shapes-{digest}").is_symlink()


def test_the_store_itself_is_no_link(root, tmp_path):
    """Neither is the folder of what is known of the sources; the data root may be one, since the user gives it."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (root / "prepared").mkdir(parents=True)
    (root / "prepared/sources").symlink_to(precious)
    prepare("shapes", root)
    (tmp_path / "second").mkdir()
    (tmp_path / "second/prepared").symlink_to(precious)
    with pytest.raises(UserError, match=r"second/prepared is a link, which is not followed; give .* --data-root"):
        prepare("shapes", tmp_path / "second")
    faults = FileFaults(["broken"] * 11)
    assert faults.listed_in(tmp_path / "second/prepared/pets-faults.txt") is faults
    assert not list(precious.iterdir())
    (tmp_path / "link").symlink_to(root)
    assert prepare("shapes", tmp_path / "link").notes == ()
