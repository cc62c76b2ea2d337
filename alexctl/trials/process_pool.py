"""Trials in worker processes on this machine: each takes one trial after another; a dead one costs its trial, not the rest."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alexctl import numbers
from alexctl.ablation.own_code import folders_beside
from alexctl.errors import UserError
from alexctl.process import open_descriptors
from alexctl.trials.stacked import BROKEN
from alexctl.trials.trial import ROWS_ONLY, Keeping

# Page faults on freshly mapped buffers cost a quarter of a CPU step; with huge pages there are few (glibc on Linux only).
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
START = Path(__file__).with_name("start_worker.py")
ATTEMPTS = 3  # processes that may end before they begin with a trial
SILENT_SECONDS, GIVEN_UP_SECONDS = 60.0, 600.0  # without a heartbeat: then it is said; then the worker is killed
AWAKE_SECONDS = 1.0  # at most this much of the time between two looks counts: more, and this process itself stood still


def worker_environment(threads: int) -> dict[str, str]:
    """What a worker's environment has besides its parent's."""
    return {**HUGE_PAGES, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


class WorkerProcess:
    """One child process and the trials it is at: one, or those of a stack."""

    def __init__(self, command: list[str], threads: int, events: queue.Queue):
        self.command, self.threads, self.events = command, str(threads), events
        self.process: subprocess.Popen | None = None
        self.trials: list[str] = []
        self.orders: list[tuple[Path, float | None]] = []  # until the process says that it has begun
        self.attempts = 0
        self.silent_seconds = 0.0
        self.told = self.given_up = False  # that it is silent; that it was killed for it

    def start(self) -> None:
        environment = os.environ | worker_environment(int(self.threads))
        try:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
                env=environment, start_new_session=True,  # Ctrl-C reaches the parent alone, which then asks
            )  # fmt: skip
        except OSError as error:
            raise UserError(f"can't start a worker: {error.strerror}; try fewer --workers", exit_code=1) from None
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()

    def _listen(self, process: subprocess.Popen) -> None:
        with process.stdout:
            for line in process.stdout:
                try:
                    self.events.put((self, json.loads(line)))
                except ValueError:
                    continue
        process.wait()
        self.events.put((self, {"event": "gone", "process": process}))

    def order(self, orders: list[tuple[Path, float | None]]) -> None:
        if self.process is None:
            self.start()
        self.trials, self.orders = [folder.name for folder, _ in orders], orders
        self.silent_seconds, self.told, self.given_up = 0.0, False, False
        self.attempts += 1
        try:
            self.process.stdin.write(json.dumps([[str(folder), until] for folder, until in orders]) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it died just now; its listener says so

    def hear(self, event: dict[str, Any]) -> None:
        """Keeps account of what the process is at, and that it lives."""
        self.silent_seconds, self.told = 0.0, False
        if event["event"] == "start":
            self.orders, self.attempts = [], 0
        elif event["event"] in ("end", "died", "given_up"):
            self.trials = [name for name in self.trials if name != event["folder"]]
        elif event["event"] == "error":
            self.trials = []
        if not self.trials:
            self.orders, self.attempts = [], 0

    def look(self, seconds: float) -> Iterator[dict[str, Any]]:
        """Counts the seconds that passed without a word of it. `silent` is told of each of its trials, once, and in the
        end it is killed: only a process that is gone leaves its trial to another."""
        if not self.trials:
            return
        self.silent_seconds += seconds
        if self.silent_seconds > SILENT_SECONDS and not self.told:
            self.told = True
            for name in self.trials:
                yield {"event": "silent", "folder": name, "pid": self.process.pid}
        if self.silent_seconds > GIVEN_UP_SECONDS and not self.given_up:
            self.given_up = True
            self.process.kill()

    def dismiss(self) -> None:
        """The end of its orders: the worker writes its checkpoint and goes (closing works on every system)."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()


class LocalPool:
    """A fixed number of workers. `submit` gives a trial to a free one; `events` tells what happens, and when nothing does."""

    def __init__(self, *, workers: int, root: Path, device: str, threads: int, keeping: Keeping = ROWS_ONLY):
        open_descriptors()  # of a program that imports alexctl; `main` has done so
        self.queue: queue.Queue = queue.Queue()
        command = [sys.executable, "-P", str(START), "--serve", "--data-root", str(root)]
        command += ["--device", device, "--threads", str(threads)]
        command += ["--checkpoint-every", str(keeping.checkpoint_seconds)]
        command += ["--keep-weights"] * keeping.weights + ["--keep-predictions"] * keeping.predictions
        command += [word for folder in folders_beside() for word in ("--code", str(folder))]
        self.workers = [WorkerProcess(command, threads, self.queue) for _ in range(workers)]
        self.looked = time.monotonic()

    @property
    def free(self) -> int:
        """How many orders could be submitted now."""
        return sum(not worker.trials for worker in self.workers)

    def submit(self, orders: list[tuple[Path, float | None]]) -> None:
        """Trials, and the epoch each is to pause at; several share a stack."""
        next(worker for worker in self.workers if not worker.trials).order(orders)

    def events(self, timeout: float) -> Iterator[dict[str, Any]]:
        """The next event (`row`, `end`, `error`, `died`, `silent`, `given_up`) and all that wait behind it; nothing after
        `timeout` seconds."""
        for worker, event in self._waiting(timeout):
            if event["event"] == "gone":
                if event["process"] is worker.process:  # else dismissed before, and replaced since
                    yield from self._bury(worker, event["process"].returncode)
                continue
            worker.hear(event)
            if event.get("state") == "interrupted" and not worker.trials:
                worker.dismiss()  # somebody told this one alone to stop; it takes no more orders
                worker.process = None
            if event["event"] not in ("start", "alive"):
                yield event
        now = time.monotonic()
        passed, self.looked = min(now - self.looked, AWAKE_SECONDS), now
        for worker in self.workers:
            yield from worker.look(passed)

    def _waiting(self, timeout: float) -> list[tuple[WorkerProcess, dict[str, Any]]]:
        try:
            waiting = [self.queue.get(timeout=timeout)]
        except queue.Empty:
            return []
        while not self.queue.empty():
            waiting.append(self.queue.get_nowait())
        return waiting

    def _bury(self, worker: WorkerProcess, code: int) -> Iterator[dict[str, Any]]:
        """What becomes of the trials of a worker whose process has ended with that exit code."""
        worker.dismiss()
        worker.process = None
        if worker.orders and worker.attempts < ATTEMPTS:  # it never began; the next process will
            worker.order(worker.orders)
            return
        for end in _ends(worker.trials, _cause(code, worker.given_up), worker.given_up):
            worker.hear(end)
            yield end

    def stop(self, *, patience: float = 2.5) -> None:
        """Asks every worker to write its checkpoint and go; kills those that do not within `patience` seconds."""
        running = [worker for worker in self.workers if worker.process is not None]
        for worker in running:
            worker.dismiss()
        deadline = time.monotonic() + patience
        for worker in running:
            try:
                worker.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
        for worker in running:
            with contextlib.suppress(subprocess.TimeoutExpired):  # a disk that hangs holds even a killed one
                worker.process.wait(0.5)


def _ends(trials: list[str], why: str, given_up: bool) -> list[dict[str, Any]]:
    """What is told of a dead process's trials: that it died of its only one, or that a stack broke, of which nobody
    knows whose fault it was."""
    if len(trials) == 1:
        return [{"event": "given_up" if given_up else "died", "folder": trials[0], "why": why}]
    return [{"event": "end", "folder": name, "state": BROKEN} for name in trials]


def _cause(code: int, given_up: bool) -> str:
    if given_up:
        return f"its worker was killed after {numbers.duration(GIVEN_UP_SECONDS)} without a sign of life"
    if code >= 0:
        return f"the worker process ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
    hint = " (by a person, or by the system for want of memory)" if name == "SIGKILL" else ""
    return f"the worker process was killed by {name}{hint}"
