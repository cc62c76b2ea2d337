"""A process whose output can't be written goes on; one that is told to stop is told so by a person, not by a net."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alexctl import process

FULL = Path("/dev/full")
MAIN = "from alexctl.cli.main import main; main()"


def python(code: str, *words: str, redirected: str = "") -> subprocess.CompletedProcess:
    """A Python that runs the code, its streams redirected as a shell does."""
    line = f'exec "$0" -P -c "$@" {redirected}'
    return subprocess.run(["sh", "-c", line, sys.executable, code, *words], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_what_is_closed_at_the_start_is_opened_for_those_to_come(closed):
    """A file that took the number of standard error would get what a worker prints."""
    code = (
        "import os, subprocess, sys; from alexctl import process; process.open_streams(); print('out');"
        "print('err', file=sys.stderr, flush=True); assert min(os.pipe()) > 2;"
        "sys.exit(subprocess.run(['sh', '-c', 'true <&0 >&1 2>&2']).returncode)"
    )
    done = python(code, redirected=closed)
    assert done.returncode == 0
    assert done.stdout == "out\n" * (">&-" not in closed.split())
    assert done.stderr == "err\n" * ("2>&-" not in closed)


@pytest.mark.skipif(not FULL.exists(), reason="there is no disk that is always full")
def test_output_that_cant_be_written_is_dropped_and_remembered():
    code = (
        "import sys; from alexctl import process; process.open_streams(); print('a' * 100_000); print(1, file=sys.stderr);"
        "first, again = process.lost_output(), process.lost_output(); sys.exit(first.errno if again is None else 1)"
    )
    assert python(code, redirected=">/dev/full 2>/dev/full").returncode == 28


def test_a_pipe_that_does_not_wait_is_waited_for():
    """As a terminal may be after a program like Node used it: without room, a write comes back undone."""
    code = "import os; from alexctl import process; os.set_blocking(1, False); process.open_streams(); print('a' * 300_000)"
    with subprocess.Popen([sys.executable, "-P", "-c", code], stdout=subprocess.PIPE) as started:
        assert started.stdout.read(1) == b"a"
        assert started.stdout.read() == b"a" * 299_999 + b"\n"
    assert started.returncode == 0


@pytest.mark.skipif(not FULL.exists(), reason="there is no disk that is always full")
def test_help_that_cant_be_written_is_a_line_and_an_exit_code():
    done = python(MAIN, "--help", redirected=">/dev/full")
    assert (done.returncode, done.stderr) == (1, "alexctl: can't write to standard output: No space left on device\n")
    assert python(MAIN, "--help", redirected=">&-").returncode == 0
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-P", "-c", MAIN, "--help"], stdout=writer, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize(("ignored", "code"), [(False, 130), (True, 0)])
def test_a_hangup_is_a_stop_unless_nohup_ignores_it(ignored, code):
    text = (
        "import os, signal, sys; from alexctl import process; process.on_stop(process.raise_interrupt)\n"
        "try: os.kill(os.getpid(), signal.SIGHUP)\nexcept process.Interrupt as told: sys.exit(130)\n"
    )
    line = "trap '' HUP; " * ignored + 'exec "$0" -P -c "$1"'
    assert subprocess.run(["sh", "-c", line, sys.executable, text], timeout=60).returncode == code


def test_whose_interrupt_it_is():
    """A net may raise KeyboardInterrupt too; where Python's own handler raises it, nobody can tell the two apart."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert process.is_interrupt(KeyboardInterrupt())
    process.on_stop(process.raise_interrupt)
    assert not process.is_interrupt(KeyboardInterrupt())
    assert not process.is_interrupt(SystemExit(0))
    with pytest.raises(process.Interrupt) as caught:
        os.kill(os.getpid(), signal.SIGINT)
    assert process.is_interrupt(caught.value)
