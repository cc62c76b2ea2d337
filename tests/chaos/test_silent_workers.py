"""Workers that stand still (SIGSTOP), and workers whose parent dies: said, given up, gone on with, and none is left."""

import os
import signal
import sys

import pytest

from chaos import tally
from chaos.harness import (
    FINAL,
    Started,
    assert_same,
    at_work,
    finish,
    start,
    wait_for,
    wait_until_left,
    words,
    workers_of,
)

QUICK = (
    "from alexctl.trials import process_pool as pool; pool.SILENT_SECONDS, pool.GIVEN_UP_SECONDS = 5, 20; "
    "from alexctl.cli.main import main; main()"
)


def stopped_at_work(campaign, started: Started) -> list[int]:
    """Stops all workers while one of them is at a trial that counts, and returns their process numbers."""
    assert wait_for(lambda: at_work(campaign, started.began, seeds=FINAL), started)
    workers = workers_of(started.process.pid)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    return workers


def test_workers_that_are_stopped_for_good(tiny_root, place, undisturbed):
    """After a while it is said; then they are killed, and others go on from the checkpoints, to the same numbers."""
    fault = "workers stopped (SIGSTOP) for good"
    tally.tried(fault)
    campaign = place / "results" / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chaos.harness.command", lambda *said: [sys.executable, "-c", QUICK, *said])
        started = start(place, *words(tiny_root))
    stopped = stopped_at_work(campaign, started)
    ended = finish(started)
    assert ended.code == 0, ended.err
    said = [pid for pid in stopped if f"no sign of life from its worker, process {pid}; is it stopped?" in ended.err]
    assert said, ended.err
    assert ended.err.count(
        "its worker was killed after 20 s without a sign of life; the trial goes on in another"
    ) == len(said)
    assert_same(campaign, undisturbed.campaign)
    wait_until_left(place, seconds=2)
    tally.survived(fault)


def test_stopped_workers_do_not_outlive_their_parent(tiny_root, place, completes):
    """Linux wakes them at its death, and they find that nobody gives them orders any more."""
    fault = "the parent killed, its workers stopped"
    tally.tried(fault)
    started = start(place, *words(tiny_root))
    stopped_at_work(place / "results" / "small", started)
    started.process.kill()
    started.process.wait()
    wait_until_left(place)
    completes(place)
    tally.survived(fault)
