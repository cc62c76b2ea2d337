"""Data that breaks in the middle of a run: an image replaced by garbage, prepared arrays cut short."""

import os
from pathlib import Path

import pytest

from chaos import tally
from chaos.harness import (
    alexctl,
    assert_same,
    at_work,
    finish,
    one_line,
    start,
    states,
    torn,
    wait_for,
    words,
    write_ablation,
)
from chaos.images import draw_folder

GARBAGE = "an image that becomes garbage during a run"
CUT_SHORT = "prepared arrays cut short during a run"


@pytest.fixture(scope="module")
def album(undisturbed, tmp_path_factory):
    """(data root, folder with images, campaign run on them), the run having had an image spoilt under its hands."""
    folder = tmp_path_factory.mktemp("album").resolve()
    root, images = folder / "root", draw_folder(folder / "images")
    write_ablation(folder / "small.toml")
    campaign = folder / "results" / "small@images"
    spoilt = images / "train" / "dots" / "3.png"
    before, times = spoilt.read_bytes(), spoilt.stat()
    tally.tried(GARBAGE)
    started = start(folder, *said(root, images))
    assert wait_for(lambda: at_work(campaign, started.began), started)
    spoilt.write_bytes(b"no image any more")
    ended = finish(started)
    assert ended.code == 0, ended.err  # what runs has its own arrays
    again = alexctl(folder, *said(root, images))
    assert again.code == 2
    assert "train/dots/3.png is no image of a known kind; remove it or replace it" in one_line(again)
    spoilt.write_bytes(before)
    os.utime(spoilt, ns=(times.st_atime_ns, times.st_mtime_ns))
    again = alexctl(folder, *said(root, images))
    assert (again.code, again.out) == (0, ended.out)
    return root, images, campaign


def said(root: Path, images: Path, *more: str) -> list[str]:
    return words(root, "--data", f"imagefolder:{images}", *more)


def test_a_image_that_becomes_garbage(album):
    """The steps are the fixture's, since the next test wants what they leave."""
    assert torn(album[2]) == []
    tally.survived(GARBAGE)


def test_prepared_arrays_cut_short(album, place):
    """A worker that reads beyond the end gets SIGBUS: trials fail, the campaign ends, and the next one prepares anew."""
    root, images, whole = album
    campaign = place / "results" / "small@images"
    tally.tried(CUT_SHORT)
    started = start(place, *said(root, images))
    assert wait_for(lambda: at_work(campaign, started.began), started)
    (arrays,) = root.glob("prepared/*/train_images.npy")
    os.truncate(arrays, 1000)
    ended = finish(started)
    assert ended.code == 1, (ended.code, ended.err)
    assert "Traceback" not in ended.err + ended.out, ended.err
    assert torn(campaign) == []
    found = states(campaign)
    failed = [name for name, state in found.items() if state == "failed"]
    assert failed
    assert "killed by SIGBUS" in ended.out
    for name in failed:
        assert f"{name} failed: " in ended.out
    again = alexctl(place, *said(root, images, "--retry", "failed"))
    assert again.code == 0, again.err
    assert_same(campaign, whole)
    tally.survived(CUT_SHORT)
