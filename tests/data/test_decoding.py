"""Images decoded: what becomes of each kind, and how a broken one is named."""

import io
import signal
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, features
from small_folders import BLUE, RED, faults, image, load, pets

from alexctl.data import decoding, one_image
from alexctl.errors import UserError


@pytest.fixture
def folder(tmp_path):
    return pets(tmp_path)


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
    listed = tmp_path / "root/prepared/pets-faults.txt"
    assert lines[10] == f"... and 3 more, 13 in all: all are listed in {listed}"
    every = listed.read_text("utf-8").splitlines()
    assert every[:10] == list(lines[:10])
    assert [line.split()[0] for line in every[10:]] == ["train/dog/x6.png", "train/dog/x7.png", "train/dog/x8.png"]
    assert not list((tmp_path / "root/prepared").glob("*pets*/*"))  # nothing half-made is left


@pytest.mark.parametrize(
    ("broken", "read", "looked"),
    [
        ("train/cat/1.png", [], [2, 3, 5]),
        ("train/dog/1.png", [("train", 2)], [3, 5]),
        ("test/cat/1.png", [("train", 2), ("train", 3)], [2]),
    ],
)
def test_it_goes_on_counting_after_a_broken_one(folder, tmp_path, monkeypatch, broken, read, looked):
    """Blocks of two: of three training images and two test images, which are looked at too."""
    monkeypatch.setattr(decoding, "BLOCK", 2)
    (folder / broken).write_bytes(b"")
    told = []
    with pytest.raises(UserError):
        load(folder, tmp_path, progress=lambda *words: told.append(words))
    total = 5 if broken.startswith("train") else 2
    assert told == [
        *((f"decoding pets, {part}", done, 3) for part, done in read),
        *(("looking for more broken images in pets", done, total) for done in looked),
    ]


def test_faults_that_cannot_be_listed_are_counted_all_the_same(folder, tmp_path):
    for number in range(11):
        (folder / f"train/cat/x{number}.png").write_bytes(b"")
    (tmp_path / "root/prepared/pets-faults.txt").mkdir(parents=True)
    assert faults(folder, tmp_path)[10] == "... and 1 more, 11 in all"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
         "is a Git LFS pointer and not the image itself; fetch that with `git lfs pull`"),
        (b"/annex/objects/MD5E-s5--00.png\n",
         "is a git-annex pointer and not the image itself; fetch that with `datalad get`"),
        (b"<!DOCTYPE html>", "is no image of a known kind; remove it or replace it"),
    ],
)  # fmt: skip
def test_what_stands_in_place_of_an_image_is_named(folder, tmp_path, content, said):
    (folder / "train/cat/1.png").write_bytes(content)
    assert faults(folder, tmp_path) == (f"train/cat/1.png {said}",)


def test_avif_is_read_or_the_remedy_is_named(folder, tmp_path, monkeypatch):
    path = folder / "train/dog/1.avif"
    if not features.check("avif"):
        path.write_bytes(b"\0\0\0 ftypavif")
    else:
        image(path, BLUE)
        data = load(folder, tmp_path)
        assert np.abs(data.train_images[2].astype(int) - BLUE).max() <= 10
        monkeypatch.delitem(Image.OPEN, "AVIF")
        path.touch()
    assert "this Pillow can't read; bring Pillow up to date" in faults(folder, tmp_path)[0]


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
    monkeypatch.setattr(one_image, "MAX_PIXELS", 4000)
    lines = faults(folder, tmp_path)
    assert [line.split()[0] for line in lines] == ["train/cat/bomb.png", "train/cat/large.png"]
    assert "pixels; scale it down" in lines[0]


@pytest.mark.parametrize(("side", "part"), [(80, 2), (130, 4), (300, 8)])
def test_a_large_jpeg_is_decoded_at_a_fraction(folder, tmp_path, monkeypatch, side, part):
    """Nearly as it is decoded whole, a PNG of that size being refused; one that decodes whole is not touched."""
    wide = Image.new("L", (2 * side, side), 250)
    wide.paste(5, (side, 0, 2 * side, side))
    wide.convert("RGB").save(folder / "train/cat/1.jpg", quality=95)
    whole = load(folder, tmp_path)
    monkeypatch.setattr(one_image, "MAX_PIXELS", 2 * 60 * 60)
    (folder / "train/cat/1.jpg").touch()
    data = load(folder, tmp_path)
    assert f"too large to decode whole, decoded at 1/{part}: 1 of the images" in data.notes
    assert np.abs(data.train_images[0].astype(int) - whole.train_images[0]).max() <= 12
    assert data.train_images[0, :, 0].min() > 240
    assert Image.MAX_IMAGE_PIXELS == 89_478_485
    monkeypatch.setattr(one_image, "MAX_JPEG_PIXELS", 2 * side * side - 1)
    (folder / "train/cat/1.jpg").touch()
    assert "train/cat/1.jpg has more than" in faults(folder, tmp_path)[0]


def test_ctrl_c_waits_for_no_image(folder, tmp_path):
    """Not at once, and not when the process ends, which waits for the threads of an executor."""
    code = """
import os, signal, sys, time
from pathlib import Path
from alexctl.data import one_image, sources

def slow(*_):
    os.write(1, b".")
    time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may ignore it
one_image.decode = slow
try:
    sources.prepare("imagefolder:" + sys.argv[1], Path(sys.argv[2]))
except KeyboardInterrupt:
    sys.exit(130)
"""
    child = subprocess.Popen([sys.executable, "-c", code, folder, tmp_path / "root"], stdout=subprocess.PIPE)
    with child:
        assert child.stdout.read(1) == b"."
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130
    assert not (tmp_path / "root/prepared/.pets.tmp").exists()


def test_an_unreadable_file_is_named(folder, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)  # root may read everything, so the refusal is played
    assert faults(folder, tmp_path)[0] == "train/cat/1.png may not be read; change its permissions"
