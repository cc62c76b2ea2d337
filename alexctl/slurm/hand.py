"""What a job of Slurm's does: `alexctl ablate` as a process of its own, stopped and queued again when time is up.

Slurm sends SIGUSR2 before a time limit and, where it is set up so, before it preempts; submitit then calls `checkpoint`
and requeues the job. A job that is preempted with SIGTERM alone is requeued here. Either way the process stops as at
Ctrl-C: each of its trials has a checkpoint, and whoever comes next goes on from there.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from alexctl.slurm import cluster
from alexctl.store import slurm_jobs

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

STOPPED = (130, -signal.SIGTERM)  # how an alexctl ends that was told to stop, the second before it could listen
LOOK_SECONDS = 0.3


class Hand:
    """Runs `alexctl` with some words in one job; all that is sent to the node is these strings."""

    def __init__(self, campaign: str, words: tuple[str, ...], patience: float):
        self.campaign, self.words = campaign, words
        self.patience = patience  # seconds for the checkpoints
        self.pid: int | None = None

    def __call__(self, number: int) -> None:
        """Ends with the process's exit code."""
        job_id = _job_id()
        slurm_jobs.begin(Path(self.campaign), job_id)
        # Slurm sends its signals to every process of a job; one that does not ignore SIGUSR2 would die of it.
        child = subprocess.Popen([sys.executable, "-m", "alexctl", *self.words], preexec_fn=_ignore_user_signal)
        self.pid = child.pid
        self._wait()
        code = child.wait()
        if code in STOPPED and cluster.state_of(job_id) == "RUNNING":  # preempted, for nobody has cancelled the job
            cluster.requeue(job_id)
            time.sleep(self.patience)
        if code:
            raise SystemExit(code if code > 0 else 128 - code)

    def checkpoint(self, number: int) -> "DelayedSubmission":
        """Called by submitit in its signal handler: ends the process, and says what the job is to do next time."""
        from submitit.helpers import DelayedSubmission

        if self.pid is not None and not _has_ended(self.pid):
            os.kill(self.pid, signal.SIGTERM)
            self._wait(self.patience)
            if not _has_ended(self.pid):
                os.kill(self.pid, signal.SIGKILL)  # what was trained since its last checkpoint is lost
        return DelayedSubmission(Hand(self.campaign, self.words, self.patience), number)

    def _wait(self, seconds: float = float("inf")) -> None:
        end = time.monotonic() + seconds
        while not _has_ended(self.pid) and time.monotonic() < end:
            time.sleep(LOOK_SECONDS)


def _has_ended(pid: int) -> bool:
    """Whether a child has; asked without the lock of Popen, which code that a signal has interrupted may hold."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _ignore_user_signal() -> None:
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def _job_id() -> str:
    from submitit import JobEnvironment

    return JobEnvironment().job_id
