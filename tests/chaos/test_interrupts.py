"""Ctrl-C and SIGTERM: a checkpoint, a summary, exit 130 within 5 seconds; twice: at once."""

import os
import signal
import time

import pytest

from chaos import tally
from chaos.harness import (
    FINAL,
    at_work,
    copy,
    finish,
    start,
    states,
    torn,
    wait_for,
    wait_until_left,
    words,
    workers_of,
)

SECONDS = 5.0
AT_ONCE_SECONDS = 1.5


def stop(started, number: signal.Signals, *, within: float = SECONDS):
    """Sends the signal; the process has to end with 130 in time."""
    began = time.monotonic()
    started.process.send_signal(number)
    ended = finish(started)
    took = time.monotonic() - began
    assert ended.code == 130, (ended.code, ended.err)
    assert took < within, f"{took:.1f} s"
    assert "Traceback" not in ended.err + ended.out, ended.err
    return ended


def test_stopped_thrice_and_gone_on_with(tiny_root, place, completes):
    campaign = place / "results" / "small"
    for number, hanging in ((signal.SIGINT, 0), (signal.SIGTERM, 1)):
        fault = f"{number.name} once" + ", a worker hanging" * hanging
        tally.tried(fault)
        started = start(place, *words(tiny_root))
        # A trial that counts: one of the search might just have paused by itself.
        assert wait_for(lambda began=started.began: at_work(campaign, began, seeds=FINAL), started)
        time.sleep(0.1)
        for pid in workers_of(started.process.pid)[:hanging]:
            os.kill(pid, signal.SIGSTOP)
        ended = stop(started, number)
        assert "un the same command again to resume" in ended.err.splitlines()[-1]
        assert "interrupted" in states(campaign).values()
        for name, state in states(campaign).items():
            if state == "interrupted":
                assert (campaign / "trials" / name / "checkpoint.pt").is_file()
        assert torn(campaign) == []
        wait_until_left(place, seconds=1)
        tally.survived(fault)
    fault = "SIGINT twice"
    tally.tried(fault)
    started = start(place, *words(tiny_root))
    assert wait_for(lambda: at_work(campaign, started.began), started)
    for pid in workers_of(started.process.pid):
        os.kill(pid, signal.SIGSTOP)  # they hang, so the first Ctrl-C waits for them
    started.process.send_signal(signal.SIGINT)
    time.sleep(1.0)
    assert started.process.poll() is None
    stop(started, signal.SIGINT, within=AT_ONCE_SECONDS)
    assert torn(campaign) == []
    wait_until_left(place, seconds=2)
    completes(place)
    tally.survived(fault)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_it_starts(tiny_root, place, undisturbed, number):
    """Before there is a campaign: nothing to save, but no traceback either, and the same exit code."""
    fault = f"{number.name} while it starts"
    tally.tried(fault)
    for delay in (0.0, 0.5):
        started = start(place, *words(tiny_root))
        assert wait_for(lambda pid=started.process.pid: b"libtorch" in maps_of(pid), started)
        time.sleep(delay * undisturbed.first_trial / 2)
        stop(started, number)
    tally.survived(fault)


def maps_of(pid: int) -> bytes:
    """The files a process has in its memory: libraries among them."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return b""


def test_stopped_while_it_ends(tiny_root, place, undisturbed, completes):
    """Everything is trained; what is left are tables and figures."""
    tally.tried("SIGINT while it ends")
    campaign = copy(undisturbed.campaign, place / "results" / "small")
    started = start(place, *words(tiny_root))
    assert wait_for(lambda: (campaign / "verdict.json").stat().st_mtime > started.began, started)
    stop(started, signal.SIGINT)
    completes(place)
    tally.survived("SIGINT while it ends")
