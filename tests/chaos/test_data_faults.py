"""Data that breaks in the middle of a run: a picture replaced by garbage, prepared arrays cut short."""

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
from chaos.pictures import draw_folder

GARBAGE = "a picture that becomes garbage during a run"
CUT_SHORT = "prepared arrays cut short during a run"


@pytest.fixture(scope="module")
def album(undisturbed, tmp_path_factory):
    """(data root, folder with pictures, campaign run on them), the run having had a picture spoilt under its hands."""
    folder = tmp_path_factory.mktemp("album").resolve()
    root, pictures = folder / "root", draw_folder(folder / "pictures")
    write_ablation(folder / "small.toml")
    campaign = folder / "results" / "small@pictures"
    spoilt = pictures / "train" / "dots" / "3.png"
    before, times = spoilt.read_bytes(), spoilt.stat()
    tally.tried(GARBAGE)
    started = start(folder, *said(root, pictures))
    assert wait_for(lambda: at_work(campaign, started.began), started)
    spoilt.write_bytes(b"no picture any more")
    ended = finish(started)
    assert ended.code == 0, ended.err  # what runs has its own arrays
    again = alexctl(folder, *said(root, pictures))
    assert again.code == 2
    assert "train/dots/3.png is no picture of a known kind; remove it or replace it" in one_line(again)
    spoilt.write_bytes(before)
    os.utime(spoilt, ns=(times.st_atime_ns, times.st_mtime_ns))
    again = alexctl(folder, *said(root, pictures))
    assert (again.code, again.out) == (0, ended.out)
    return root, pictures, campaign


def said(root: Path, pictures: Path, *more: str) -> list[str]:
    return words(root, "--data", f"imagefolder:{pictures}", *more)


def test_a_picture_that_becomes_garbage(album):
    """The steps are the fixture's, since the next test wants what they leave."""
    assert torn(album[2]) == []
    tally.survived(GARBAGE)


def test_prepared_arrays_cut_short(album, place):
    """A worker that reads beyond the end gets SIGBUS: trials fail, the campaign ends, and the next one prepares anew."""
    root, pictures, whole = album
    campaign = place / "results" / "small@pictures"
    tally.tried(CUT_SHORT)
    started = start(place, *said(root, pictures))
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
    again = alexctl(place, *said(root, pictures, "--retry", "failed"))
    assert again.code == 0, again.err
    assert_same(campaign, whole)
    tally.survived(CUT_SHORT)
