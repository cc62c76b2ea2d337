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

# Page faults on freshly mapped buffers cost a quarter of a CPU step; with huge pages there are few (glibc on Linux only).
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


class Worker:
    """One child process and the trial it is at."""

    def __init__(self, number: int, *, root: Path, device: str, threads: int, events: queue.Queue):
        self.number, self.trial, self.options, self.events = number, None, (root, device, threads), events
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        root, device, threads = self.options
        command = [sys.executable, "-m", "alexctl.trial", "--serve", "--data-root", str(root), "--device", device]
        environment = {**os.environ, **HUGE_PAGES, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            [*command, "--threads", str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
            env=environment, start_new_session=True,  # Ctrl-C reaches the parent alone, which then asks
        )  # fmt: skip
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

    def order(self, folder: Path, until: float | None) -> None:
        if self.process is None:
            self.start()
        assert self.trial is None, self.trial
        self.trial = folder.name
        try:
            self.process.stdin.write(json.dumps({"folder": str(folder), "until": until}) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it died just now; its listener says so

    def dismiss(self) -> None:
        """The end of its orders: the worker writes its checkpoint and goes (closing works on every system)."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()


class LocalPool:
    """A fixed number of workers. `submit` gives a trial to a free one; `events` tells what happens, and when nothing does."""

    def __init__(self, *, workers: int, root: Path, device: str, threads: int):
        self.queue: queue.Queue = queue.Queue()
        self.workers = [Worker(i, root=root, device=device, threads=threads, events=self.queue) for i in range(workers)]

    @property
    def free(self) -> int:
        """How many trials could be submitted now."""
        return sum(worker.trial is None for worker in self.workers)

    def submit(self, folder: Path, until: float | None) -> None:
        next(worker for worker in self.workers if worker.trial is None).order(folder, until)

    def events(self, timeout: float) -> Iterator[dict[str, Any]]:
        """The next event (`row`, `end`, `error`, `died`) and all that wait behind it; nothing after `timeout` seconds."""
        try:
            first = self.queue.get(timeout=timeout)
        except queue.Empty:
            return
        waiting = [first]
        while not self.queue.empty():
            waiting.append(self.queue.get_nowait())
        for worker, event in waiting:
            if event["event"] == "gone":
                if event["process"] is not worker.process:
                    continue  # dismissed before, and replaced since
                worker.dismiss()
                worker.process = None
                if worker.trial is not None:
                    trial, worker.trial = worker.trial, None
                    yield {"event": "died", "folder": trial, "why": _cause(event["process"].returncode)}
                continue
            if event["event"] in ("end", "error"):
                worker.trial = None
            if event.get("state") == "interrupted":  # somebody told this one alone to stop; it takes no more orders
                worker.dismiss()
                worker.process = None
            yield event

    def stop(self, *, patience: float = 4.0) -> None:
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


def _cause(code: int) -> str:
    if code >= 0:
        return f"the worker process ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
    hint = " (by a person, or by the system for want of memory)" if name == "SIGKILL" else ""
    return f"the worker process was killed by {name}{hint}"
