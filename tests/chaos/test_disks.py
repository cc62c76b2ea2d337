"""Disks that fill up, that may only be read, folders that vanish: one line, and nothing that was done is lost."""

import contextlib
import os
import resource
import shutil

import pytest

from chaos import tally
from chaos.disks import NotPossible, small_disk
from chaos.harness import (
    SEARCH,
    alexctl,
    assert_same,
    at_work,
    copy,
    finish,
    one_line,
    start,
    states,
    torn,
    wait_for,
    wait_until_left,
    words,
)

KIB, MIB = 2**10, 2**20
NO_ROOM = ("No space left on device", "disk full?")
FULL = "a disk that fills up"
TOO_LARGE = "a file that may not grow (RLIMIT_FSIZE)"
READ_ONLY = "a read-only disk"
VANISHED = "a results folder that vanishes in the middle"
IS_FILE = "a file where the results folder should be"


@pytest.fixture
def disk(place, request):
    """A small disk at `place/disk`, or a line in the table that says why there is none, and None."""
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(small_disk(place / "disk", size="16m"))
        except NotPossible as reason:
            tally.impossible(request.param, str(reason))
            made = None
        yield made


@pytest.mark.parametrize("disk", [FULL], indirect=True)
def test_a_disk_that_fills_up(tiny_root, place, undisturbed, completes, disk):
    """Full from the start, full at the first checkpoints, full in the middle of the search; then there is room."""
    if disk is None:
        return a_file_that_may_not_grow(tiny_root, place, completes)
    campaign = disk.outside / "results" / "small"
    said = words(tiny_root, results="disk/results")
    before: set[str] = set()
    for left in (0, 300 * KIB, 3 * MIB):
        disk.fill(left)
        tally.tried(FULL)
        ended = alexctl(place, *said, within=disk.within)
        line = one_line(ended)
        assert NO_ROOM[0] in line or NO_ROOM[1] in line
        assert torn(campaign) == []
        done = {name for name, state in states(campaign).items() if state == "done"}
        assert before <= done
        assert "failed" not in states(campaign).values()  # the disk's fault is no trial's
        before = done
        tally.survived(FULL)
    tally.tried(FULL)
    disk.free()
    ended = alexctl(place, *said, within=disk.within)
    assert ended.code == 0, ended.err
    assert_same(campaign, undisturbed.campaign)
    disk.fill(0)
    assert "No space left on device" in one_line(alexctl(place, *said, within=disk.within))
    assert_same(campaign, undisturbed.campaign)
    tally.survived(FULL)
    return None


def a_file_that_may_not_grow(root, place, completes) -> None:
    """What can be done where nothing may be mounted: no file longer than 200 KiB, which a checkpoint is."""
    tally.tried(TOO_LARGE)
    limit = 200 * KIB
    ended = alexctl(
        place, *words(root), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )  # fmt: skip
    line = one_line(ended)
    assert "File too large" in line or NO_ROOM[1] in line
    assert torn(place / "results") == []
    assert "failed" not in states(place / "results" / "small").values()
    completes(place)
    tally.survived(TOO_LARGE)


@pytest.mark.parametrize("disk", [READ_ONLY], indirect=True)
def test_a_read_only_disk(tiny_root, place, undisturbed, disk):
    """Nothing there yet, a trial still to run, and a finished campaign: each is one line and changes nothing; a report still shows it."""
    if disk is None:
        pytest.skip("nothing can be mounted here")
    finished, begun = (copy(undisturbed.campaign, disk.outside / name / "small") for name in ("finished", "begun"))
    shutil.rmtree(next(begun.glob("trials/relu-s1-*")))
    disk.remount("ro")
    unwritable = [
        words(tiny_root, results="disk/nothing"), words(tiny_root, results="disk/begun"),
        words(tiny_root, results="disk/finished"),
    ]  # fmt: skip
    tally.tried(READ_ONLY, len(unwritable) + 1)
    for said in unwritable:
        assert "Read-only file system" in one_line(alexctl(place, *said, within=disk.within)), said
    report = alexctl(place, "report", "--results", "disk/finished", within=disk.within)
    assert (report.code, "so the page shows tables" in report.err) == (0, True), report.err
    assert_same(finished, undisturbed.campaign)
    disk.remount("rw")
    again = alexctl(place, *words(tiny_root, results="disk/begun"), within=disk.within)
    assert again.code == 0, again.err
    assert_same(begun, undisturbed.campaign)
    tally.survived(READ_ONLY, len(unwritable) + 1)


def test_a_file_where_the_folder_should_be(tiny_root, place):
    tally.tried(IS_FILE, 2)
    (place / "results").write_text("mine")
    assert "results" in one_line(alexctl(place, *words(tiny_root)))
    (place / "other").mkdir()
    (place / "other" / "small").write_text("mine")
    assert "other/small" in one_line(alexctl(place, *words(tiny_root, results="other")))
    assert ((place / "results").read_text(), (place / "other" / "small").read_text()) == ("mine", "mine")
    tally.survived(IS_FILE, 2)


def test_a_results_folder_that_vanishes(tiny_root, place, completes):
    campaign = place / "results" / "small"
    tally.tried(VANISHED)
    started = start(place, *words(tiny_root))
    assert wait_for(lambda: at_work(campaign, started.began, seeds=SEARCH), started)
    os.rename(place / "results", place / "gone")  # at once, as on a disk that is pulled out  # noqa: PTH104
    shutil.rmtree(place / "gone", ignore_errors=True)
    assert "results" in one_line(finish(started))
    wait_until_left(place)
    shutil.rmtree(place / "gone", ignore_errors=True)
    completes(place)
    tally.survived(VANISHED)
