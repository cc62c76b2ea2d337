"""Trials in worker processes on this machine: each takes one after another, or some in lanes; a dead one costs no other."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from alexctl import numbers
from alexctl.ablation.own_code import folders_beside
from alexctl.errors import UserError
from alexctl.machine import worker_environment
from alexctl.process import open_descriptors
from alexctl.trials.lanes import BROKEN, CROWDED
from alexctl.trials.trial import ROWS_ONLY, Keeping

START = Path(__file__).with_name("start_worker.py")
ENDS = ("end", "error", "died", "given_up")  # events with which a worker is done with a trial
ATTEMPTS = 3  # processes that may end before they begin with a trial
SILENT_SECONDS, GIVEN_UP_SECONDS = 60.0, 600.0  # without a heartbeat: then it is said; then the worker is killed
AWAKE_SECONDS = 1.0  # at most this much of the time between two looks counts: more, and this process itself stood still


class WorkerProcess:
    """One child process and the trials it is at; `alone`: it is to have no more than the one it has."""

    def __init__(self, command: list[str], threads: int, events: queue.Queue):
        self.command, self.threads, self.events = command, str(threads), events
        self.process: subprocess.Popen | None = None
        self.trials: list[str] = []
        self.alone = False
        self.orders: dict[str, tuple[Path, float | None, int]] = {}  # until the process says that it has begun
        self.attempts = 0
        self.silent_seconds = 0.0
        self.told = self.given_up = False  # that it is silent; that it was killed for it
        self.why: str | None = None  # it was killed, where another process says so

    def start(self) -> None:
        environment = os.environ | worker_environment(int(self.threads))
        self.attempts += 1
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

    def free(self, lanes: int) -> int:
        """How many trials it could take up, of so many at once."""
        return 0 if self.alone and self.trials else max(0, lanes - len(self.trials))

    def order(self, folder: Path, until: float | None, lanes: int, *, alone: bool) -> None:
        """Has it take up a trial, in one of so many lanes."""
        if self.process is None:
            self.start()
        if not self.trials:
            self.silent_seconds, self.told, self.given_up = 0.0, False, False
        self.alone = alone
        self.trials.append(folder.name)
        self.orders[folder.name] = (folder, until, lanes)
        self._send(folder, until, lanes)

    def _send(self, folder: Path, until: float | None, lanes: int) -> None:
        try:
            self.process.stdin.write(json.dumps([str(folder), until, lanes]) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it died just now; its listener says so

    def order_again(self) -> None:
        """Has a new process do what the last one never began with."""
        self.start()
        for order in self.orders.values():
            self._send(*order)

    def hear(self, event: dict[str, Any]) -> None:
        """Keeps account of what the process is at, and that it lives."""
        self.silent_seconds, self.told = 0.0, False
        if event["event"] == "hangs" and self.trials:  # so its rank 1 says
            self.why = event["why"]
            self.process.kill()
        if event["event"] in ("start", *ENDS):
            self.orders.pop(event["folder"], None)
            self.attempts = 0
        if event["event"] in ENDS and event["folder"] in self.trials:
            self.trials.remove(event["folder"])

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
    """A fixed number of workers, each for so many trials at once and on one of the devices, in turn.

    `submit` gives a trial to a free one; `events` tells what happens, and when nothing does.
    """

    def __init__(
        self, *, workers: int, root: Path, devices: Sequence[str], threads: int, keeping: Keeping = ROWS_ONLY,
        lanes: int = 1, pair: str | None = None,
    ):  # fmt: skip
        open_descriptors()  # of a program that imports alexctl; `main` has done so
        self.queue: queue.Queue = queue.Queue()
        command = [sys.executable, "-P", str(START), "--serve", "--data-root", str(root)]
        command += ["--threads", str(threads), *(["--devices", pair] if pair else [])]
        command += ["--checkpoint-every", str(keeping.checkpoint_seconds)]
        command += ["--keep-weights"] * keeping.weights + ["--keep-predictions"] * keeping.predictions
        command += [word for folder in folders_beside() for word in ("--code", str(folder))]
        self.lanes = lanes
        self.workers = [
            WorkerProcess([*command, "--device", devices[number % len(devices)]], threads, self.queue)
            for number in range(workers)
        ]
        self.looked = time.monotonic()

    def begin(self) -> None:
        """Starts the processes, which takes them seconds, before there is a trial for them."""
        for worker in self.workers:
            worker.start()

    @property
    def free(self) -> int:
        """How many trials could be submitted now."""
        return sum(worker.free(self.lanes) for worker in self.workers)

    @property
    def most(self) -> int:
        """Trials at once, in all."""
        return self.lanes * len(self.workers)

    @property
    def free_alone(self) -> bool:
        """Whether one could be that is to be alone in its process."""
        return not all(worker.trials for worker in self.workers)

    def submit(self, folder: Path, until: float | None, *, alone: bool = False) -> None:
        """A trial, and the epoch it is to pause at, for the worker that has fewest."""
        free = [worker for worker in self.workers if worker.free(1 if alone else self.lanes)]
        min(free, key=lambda worker: len(worker.trials)).order(folder, until, self.lanes, alone=alone)

    def events(self, timeout: float) -> Iterator[dict[str, Any]]:
        """The next event (`row`, `end`, `error`, `died`, `silent`, `given_up`) and all that wait behind it; nothing after
        `timeout` seconds."""
        for worker, event in self._waiting(timeout):
            if event["event"] == "gone":
                if event["process"] is worker.process:  # else dismissed before, and replaced since
                    yield from self._bury(worker, event["process"].returncode)
                continue
            worker.hear(event)
            if event.get("state") == CROWDED:
                self.lanes = max(1, min(self.lanes, len(worker.trials)))
            if event.get("state") == "interrupted" and not worker.trials:
                worker.dismiss()  # somebody told this one alone to stop; it takes no more orders
                worker.process = None
            if event["event"] not in ("start", "alive", "hangs"):
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
        if worker.orders and len(worker.orders) == len(worker.trials) and worker.attempts < ATTEMPTS:
            worker.order_again()  # it never began; the next process will
            return
        why, worker.why = worker.why or _cause(code, worker.given_up), None
        for end in _ends(worker.trials, why, worker.given_up):
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
    """What is told of a dead process's trials: that it died of its only one, or that nobody knows of which of several."""
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
