"""Image folders: what is decoded, and what is refused with one line that names it."""

import io
import os
import zlib

import numpy as np
import pytest
from PIL import Image

from alexctl.data import folders
from alexctl.data.sources import open_prepared, prepare
from alexctl.errors import UserError

RED, BLUE = (200, 10, 20), (10, 20, 200)


def image(path, colour=RED, size=(8, 8), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two classes, three training and two test images of 8 x 8 pixels, kept without loss."""
    root = tmp_path / "pets"
    image(root / "train/cat/2.png", (2, 0, 0))
    image(root / "train/cat/1.png", (1, 0, 0))
    image(root / "train/dog/1.png", (3, 0, 0))
    image(root / "test/cat/1.png", (4, 0, 0))
    image(root / "test/dog/1.png", (5, 0, 0))
    return root


def load(folder, tmp_path, image_size=8, **options):
    return prepare(f"imagefolder:{folder}", tmp_path / "root", image_size=image_size, **options)


def faults(folder, tmp_path):
    with pytest.raises(UserError) as caught:
        load(folder, tmp_path)
    assert "\n" not in "".join(caught.value.faults)
    return caught.value.faults


def test_reads_classes_and_files_in_order(folder, tmp_path):
    told = []
    data = load(f"{folder}/", tmp_path, progress=lambda *word: told.append(word))
    assert data.name == "pets"
    assert data.classes == ("cat", "dog")
    assert data.train_images.shape == (3, 8, 8, 3)
    assert data.train_images.dtype == np.uint8
    assert data.train_images[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert data.train_labels.tolist() == [0, 0, 1]
    assert data.test_images[:, 7, 7, 0].tolist() == [4, 5]
    assert data.test_labels.dtype == np.int64
    assert data.notes == ()
    assert told == [("decoding pets, train", 3, 3), ("decoding pets, test", 2, 2)]


def test_a_second_call_decodes_nothing_and_a_change_does(folder, tmp_path, monkeypatch):
    first = load(folder, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(folders, "_decode", None)
        assert load(folder, tmp_path).digest == first.digest
    image(folder / "train/dog/1.png", (9, 0, 0))
    os.utime(folder / "train/dog/1.png", ns=(1, 1))
    changed = load(folder, tmp_path)
    assert changed.digest != first.digest
    assert changed.train_images[2, 0, 0, 0] == 9


def test_the_same_pixels_have_the_same_digest_wherever_they_lie(folder, tmp_path):
    first = load(folder, tmp_path)
    (tmp_path / "elsewhere").mkdir()
    folder.rename(tmp_path / "elsewhere/pets")
    os.utime(tmp_path / "elsewhere/pets/test/dog/1.png", ns=(1, 1))
    assert load(tmp_path / "elsewhere/pets", tmp_path).digest == first.digest
    text = next((tmp_path / "root/prepared").glob("pets-*/dataset.json")).read_text()
    assert str(tmp_path) not in text


def test_the_name_is_the_folders_own_and_never_that_of_a_published_set(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    assert load(".", tmp_path).name == "pets"
    renamed = folder.rename(tmp_path / "cifar10")
    assert load(renamed, tmp_path).name == "cifar10-folder"
    renamed = renamed.rename(tmp_path / "=cmd|x\x1b[31m")
    data = load(renamed, tmp_path)
    assert data.name == "_cmd_x__31m"
    assert open_prepared(data.name, data.digest, tmp_path / "root").classes == ("cat", "dog")


def test_val_stands_in_for_test(folder, tmp_path):
    (folder / "test").rename(folder / "val")
    assert load(folder, tmp_path).test_images[:, 0, 0, 0].tolist() == [4, 5]


def test_shorter_side_is_resized_and_the_centre_kept(folder, tmp_path):
    # 32 x 16: black, but for the middle 16 x 16, which is what the cut keeps; its rim is blended with what was cut.
    wide = Image.new("RGB", (32, 16))
    wide.paste((255, 255, 255), (8, 0, 24, 16))
    wide.save(folder / "train/cat/1.png")
    image(folder / "train/cat/2.png", size=(1, 1))
    data = load(folder, tmp_path)
    assert data.train_images[0, :, 1:7].min() == 255
    assert data.train_images[0].min() > 200
    assert (data.train_images[1] == RED).all()
    assert data.notes == ("resized to 8 x 8, centre kept: 2 of the images",)


@pytest.mark.parametrize(
    ("mode", "colour", "file", "value", "note"),
    [
        ("L", 77, "a.png", (77, 77, 77), "grey converted to RGB"),
        ("1", 1, "a.png", (255, 255, 255), "grey converted to RGB"),
        ("P", 0, "a.gif", (0, 0, 0), "palette converted to RGB"),
        ("CMYK", (0, 255, 255, 0), "a.jpg", (255, 0, 0), "CMYK converted to RGB"),
        ("I;16", 77 * 256 + 9, "a.png", (77, 77, 77), "16-bit made 8-bit"),
        ("RGBA", (*RED, 0), "a.png", RED, "transparency dropped"),
    ],
)
def test_other_modes_become_rgb_and_are_counted(folder, tmp_path, mode, colour, file, value, note):
    image(folder / "train/cat" / file, colour, mode=mode)
    data = load(folder, tmp_path)
    index = sorted(path.name for path in (folder / "train/cat").iterdir()).index(file)
    assert np.abs(data.train_images[index].astype(int) - value).max() <= 3
    assert f"{note}: 1 of the images" in data.notes


def test_first_frame_of_an_animation(folder, tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    frames[0].save(folder / "train/cat/1.gif", save_all=True, append_images=frames[1:])
    data = load(folder, tmp_path)
    assert np.abs(data.train_images[0].astype(int) - RED).max() <= 3
    assert "first of several frames taken: 1 of the images" in data.notes


def test_exif_orientation_is_honoured_and_broken_exif_is_not_fatal(folder, tmp_path):
    turned = Image.new("RGB", (8, 8))
    turned.paste((255, 255, 255), (0, 0, 8, 4))  # white above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise: then white is on the right
    turned.save(folder / "train/cat/1.png", exif=exif)
    turned.save(folder / "train/cat/2.jpg", exif=b"Exif\0\0nonsense", quality=100)
    data = load(folder, tmp_path)
    assert data.train_images[0, :, :, 0].tolist() == [[0] * 4 + [255] * 4] * 8
    assert len(data.train_images) == 4


def test_broken_images_are_named_ten_at_most(folder, tmp_path):
    jpeg = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(jpeg, "JPEG")
    (folder / "train/cat/a.jpg").write_bytes(b"")
    (folder / "train/cat/b.jpg").write_text("no image at all")
    (folder / "train/cat/c\n\x1b[2J.jpg").write_bytes(jpeg.getvalue()[:900])
    (folder / "train/cat/d.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")
    for number in range(9):
        (folder / f"train/dog/x{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    lines = faults(folder, tmp_path)
    assert lines[0] == "train/cat/a.jpg is empty (0 bytes); remove it or replace it"
    assert lines[1] == "train/cat/b.jpg is no image of a known kind; remove it or replace it"
    assert lines[2].startswith(r"train/cat/c\n\x1b[2J.jpg is broken (image file is truncated")
    assert lines[3] == "train/cat/d.jpg is no image of a known kind; remove it or replace it"
    assert lines[10] == "... and 3 more"
    assert not list((tmp_path / "root/prepared").glob("*pets*/*"))  # nothing half-made is left


def test_faults_of_both_parts_are_told_in_one_go(folder, tmp_path):
    (folder / "train/cat/1.png").write_bytes(b"")
    (folder / "test/dog/1.png").write_text("no image")
    assert faults(folder, tmp_path) == (
        "train/cat/1.png is empty (0 bytes); remove it or replace it",
        "test/dog/1.png is no image of a known kind; remove it or replace it",
    )
    for part in ("train", "test"):
        (folder / part).rename(tmp_path / part)
    assert "has no folder train/ and no folder test/; " in faults(folder, tmp_path)[0]


def test_a_bomb_is_refused_before_it_is_decoded(folder, tmp_path, monkeypatch):
    # A real PNG head that claims 20,000 x 20,000 pixels and has none.
    head = bytearray(image(tmp_path / "small.png").read_bytes())
    head[16:24] = (20_000).to_bytes(4, "big") * 2
    head[29:33] = zlib.crc32(head[12:29]).to_bytes(4, "big")
    (folder / "train/cat/bomb.png").write_bytes(head)
    image(folder / "train/cat/large.png", size=(64, 64))
    monkeypatch.setattr(folders, "MAX_PIXELS", 4000)
    lines = faults(folder, tmp_path)
    assert [line.split()[0] for line in lines] == ["train/cat/bomb.png", "train/cat/large.png"]
    assert "pixels; scale it down" in lines[0]


def test_links_inside_are_followed_and_links_outside_are_refused_by_name(folder, tmp_path):
    outside = image(tmp_path / "secret/1.png")
    (folder / "train/cat/0.png").symlink_to(folder / "train/dog/1.png")
    assert load(folder, tmp_path).train_images[:, 0, 0, 0].tolist() == [3, 1, 2, 3]
    (folder / "train/cat/a.png").symlink_to(outside)
    (folder / "train/cat/b.png").symlink_to("b.png")
    (folder / "train/cow").symlink_to(outside.parent, target_is_directory=True)
    assert faults(folder, tmp_path) == (
        "train/cat/a.png is a symbolic link that leads outside the folder; copy there what it points to",
        "train/cat/b.png is a symbolic link to nothing; remove it",
        "train/cow is a symbolic link that leads outside the folder; copy there what it points to",
    )


def test_a_part_that_is_a_link_to_the_outside(folder, tmp_path):
    (folder / "test").rename(tmp_path / "elsewhere")
    (folder / "test").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert faults(folder, tmp_path)[0] == (
        "test is a symbolic link that leads outside the folder; copy there what it points to"
    )


def test_what_is_no_image_is_skipped_and_counted(folder, tmp_path):
    (folder / "train/cat/notes.txt").write_text("")
    (folder / "train/cat/.DS_Store").write_text("")
    (folder / "train/README").write_text("")
    (folder / "train/cat/more").mkdir()
    (folder / "test/dog/1.png").unlink()
    assert load(folder, tmp_path).notes == (
        "skipped 1 files outside class folders",
        "skipped 1 files that are not images",
        "skipped 1 folders inside class folders",
        "class dog has no test images",
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on Windows")
def test_a_pipe_is_refused_and_not_waited_for(folder, tmp_path):
    os.mkfifo(folder / "train/cat/3.png")
    assert faults(folder, tmp_path) == ("train/cat/3.png is no file but a device or a pipe; remove it",)


def test_an_unreadable_file_is_named(folder, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)  # root may read everything, so the refusal is played
    assert faults(folder, tmp_path)[0] == "train/cat/1.png may not be read; change its permissions"


def test_folders_of_the_wrong_shape(folder, tmp_path):
    assert faults(tmp_path / "nowhere", tmp_path)[0].startswith(f"there is no folder {tmp_path}/nowhere; ")
    assert "has no folder train/" in faults(folder / "test", tmp_path)[0]
    (folder / "test").rename(tmp_path / "test")
    assert "has no folder test/" in faults(folder, tmp_path)[0]
    (folder / "test").mkdir()
    assert "test/ holds no images" in faults(folder, tmp_path)[0]


def test_classes_that_do_not_fit(folder, tmp_path):
    image(folder / "test/cow/1.png")
    image(folder / "test/Dog/1.png")
    (folder / "train/hen").mkdir()
    lines = [line.removeprefix(f"{folder}: ") for line in faults(folder, tmp_path)]
    assert lines == [
        "dog and Dog are two spellings of one class; rename one",
        "class cow is in test/ but not in train/; add it there or remove it",
        "train/hen holds no images; add some or remove the folder",
    ]


def test_one_class_is_too_few(folder, tmp_path):
    for part in ("train", "test"):
        (folder / part / "dog").rename(tmp_path / part)
    assert "train/ has one class, cat" in faults(folder, tmp_path)[0]


def test_an_accent_written_in_two_ways(folder, tmp_path):
    image(folder / "train/chaton-e\u0301/1.png")
    image(folder / "test/chaton-\u00e9/1.png")
    assert load(folder, tmp_path).classes == ("cat", "chaton-\u00e9", "dog")
    image(folder / "train/chaton-\u00e9/1.png")
    assert "is there twice" in faults(folder, tmp_path)[0]


def test_a_folder_called_imagenet_that_is_not(folder, tmp_path):
    """A proxy must not pass for the paper's data: 1000 classes and over 1.2 million training images are asked for."""
    assert load(folder.rename(folder.with_name("imagenet-2012")), tmp_path).name == "imagenet-2012-folder"
    assert folders._is_imagenet([""] * 1000, {"train": range(1_281_167)})


def test_imagenet_cut_to_small_images_says_so(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_is_imagenet", lambda *_: True)
    place = folder.rename(folder.with_name("imagenet-2012"))
    assert load(place, tmp_path).name == "imagenet-2012-8px"
    assert load(place, tmp_path, image_size=224).name == "imagenet-2012"
