"""Terminals, pipes and logs that are closed, full or gone: a campaign goes on in silence, to its own exit code."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chaos import tally
from chaos.harness import (
    Ended,
    assert_same,
    at_work,
    command,
    environment,
    wait_until_left,
    words,
)

CLOSED = {
    "stderr closed at the start": "2>&-",
    "stdout closed at the start": ">&-",
    "everything closed at the start": "<&- >&- 2>&-",
    "stdout and the log on a full disk": ">/dev/full 2>/dev/full",
}
GONE = "whoever read stdout and stderr is gone"


def in_a_shell(folder: Path, redirected: str, *said: str) -> Ended:
    """`alexctl ...` as a shell starts it with such redirections."""
    line = f'exec "$@" {redirected}'
    done = subprocess.run(
        ["sh", "-c", line, "sh", *command(*said)], cwd=folder, env=environment(), capture_output=True, text=True,
        timeout=240,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("fault", CLOSED)
def test_closed_or_full_from_the_start(tiny_root, place, undisturbed, fault):
    tally.tried(fault)
    ended = in_a_shell(place, CLOSED[fault], *words(tiny_root))
    assert ended.code == 0, ended.err
    assert_same(place / "results" / "small", undisturbed.campaign)
    wait_until_left(place, seconds=2)
    tally.survived(fault)


def test_a_full_disk_under_the_verdict_only(tiny_root, place, undisturbed):
    """The campaign's exit code is that of its trials; that nobody can read the verdict here is said."""
    fault = "stdout on a full disk"
    tally.tried(fault)
    ended = in_a_shell(place, ">/dev/full", *words(tiny_root, "--json"))
    assert ended.code == 0, ended.err
    last = "alexctl: can't write to standard output: No space left on device; the verdict is in results/small"
    assert ended.err.splitlines()[-1] == last
    assert_same(place / "results" / "small", undisturbed.campaign)
    tally.survived(fault)


def test_a_reader_that_goes(tiny_root, place, undisturbed):
    tally.tried(GONE)
    with subprocess.Popen(
        command(*words(tiny_root)), cwd=place, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as started:  # fmt: skip
        started.stdout.readline()
        started.stdout.close()
        assert started.wait(240) == 0
    assert_same(place / "results" / "small", undisturbed.campaign)
    tally.survived(GONE)


def in_a_terminal(folder: Path, *said: str, nohup: bool) -> tuple[int, int]:
    """(process, its terminal) of `alexctl ...` as the leader of a terminal's session."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
        os.execve(sys.executable, command(*said), environment())
    return child, terminal


@pytest.mark.parametrize("nohup", [True, False])
def test_a_terminal_that_closes(tiny_root, place, undisturbed, completes, nohup):
    """Under nohup it goes on; else a closed terminal is a request to stop, like SIGTERM."""
    fault = f"a terminal that closes{' under nohup' * nohup}"
    tally.tried(fault)
    campaign, began = place / "results" / "small", time.time()
    child, terminal = in_a_terminal(place, *words(tiny_root), nohup=nohup)
    while not at_work(campaign, began):
        if select.select([terminal], [], [], 0.01)[0]:
            os.read(terminal, 4096)  # who writes there would wait for it
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == (0 if nohup else 130)
    if nohup:
        assert_same(campaign, undisturbed.campaign)
    else:
        wait_until_left(place, seconds=2)
        completes(place)
    tally.survived(fault)
