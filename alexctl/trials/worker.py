"""The worker process: trials one after another or in lanes, a JSON line per event on standard output.

`python -m alexctl.trials.worker DIR [DIR ...]` runs the trials in these folders; `--serve` takes orders from standard
input instead, as `LocalPool` gives them.
"""

import argparse
import contextlib
import ctypes
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from alexctl import process
from alexctl.ablation.own_code import look_beside
from alexctl.data.sources import data_root
from alexctl.errors import UserError
from alexctl.regular_files import open_regular
from alexctl.store import files, layout
from alexctl.training.device import choose_device
from alexctl.training.ranks import choose_pair
from alexctl.trials.lanes import Lanes, Poisoned
from alexctl.trials.partner import Pair
from alexctl.trials.trial import ROWS_ONLY, Keeping

BEAT_SECONDS = 10.0
ORPHAN_SECONDS = 60.0  # that a trial has for its checkpoint when the parent is gone
POISONED = 70  # the exit code of a worker whose device takes no more work
PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>


def main() -> None:
    """Parses the command line and works."""
    process.open_streams()
    parser = argparse.ArgumentParser(prog="python -m alexctl.trials.worker", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--devices", help="two of them, a rank on each for a net in two towers")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=1)
    parser.add_argument("--checkpoint-every", type=float, default=ROWS_ONLY.checkpoint_seconds)
    parser.add_argument("--keep-weights", action="store_true")
    parser.add_argument("--keep-predictions", action="store_true")
    parser.add_argument("--code", type=Path, action="append", default=[], help="a folder with nets of the user's own")
    options = parser.parse_args()
    for folder in reversed(options.code):  # the first is looked into first
        look_beside(folder)
    torch.set_num_threads(options.threads)
    keeping = Keeping(
        checkpoint_seconds=options.checkpoint_every, weights=options.keep_weights, predictions=options.keep_predictions,
    )  # fmt: skip
    worker = Worker(data_root(options.data_root), options.device, keeping, options.lanes, options.devices)
    worker.work(options.folders, serve=options.serve)
    process.end(0)  # everything is written; Python would take a second to put torch away


class Worker:
    """A process that runs trials. Its standard output carries events; whatever else is printed goes to the trial's log."""

    def __init__(self, root: Path, device: str, keeping: Keeping, lanes: int, devices: str | None = None):
        self.root, self.device_name, self.keeping, self.most = root, device, keeping, lanes
        self.devices = devices
        self.events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        os.dup2(2, 1)
        self.writing = threading.Lock()
        self.stop = threading.Event()
        self.orders: queue.Queue[tuple[Path, float | None, int] | None] = queue.Queue()
        self.lanes: Lanes | None = None
        self.logs: dict[Path, int] = {}
        self.logs_to: Path | None = None
        process.on_stop(lambda *_: self.stop.set())

    def say(self, event: str, **fields: Any) -> None:
        """Tells the parent, in a line."""
        try:
            with self.writing:
                self.events.write(json.dumps({"event": event, **fields}) + "\n")
        except OSError:
            self.stop.set()  # the parent is gone

    def work(self, folders: list[Path], *, serve: bool) -> None:
        if serve:
            _wake_when_orphaned()
            threading.Thread(target=self._beat, daemon=True).start()
            threading.Thread(target=self._listen, daemon=True).start()
        for folder in folders:
            self.orders.put((folder, None, self.most))
        if not serve:
            self.orders.put(None)
        self._train()

    def _train(self) -> None:
        """Takes up what is ordered, gives each trial its turn, and is back when all is done and no order can come, or
        somebody told it to stop."""
        more = True
        while (more and not self.stop.is_set()) or self.running:
            if more and self.running < self.most:
                try:
                    order = self.orders.get(block=not self.running)
                except queue.Empty:
                    order = ()
                if order is None:
                    more = False
                elif order:
                    self._take(*order)
            if self.running:
                self._advance()

    @property
    def running(self) -> int:
        """Trials under way."""
        return len(self.lanes.lanes) if self.lanes else 0

    def _take(self, folder: Path, until: float | None, most: int) -> None:
        """Takes up a trial, in one of so many lanes."""
        self.most = most
        self.say("start", folder=folder.name)
        self._close_logs()
        try:
            self.logs[folder] = _opened(folder / layout.LOG)
            self._log_to(folder)
            if self.lanes is None:
                pair = self._pair()
                self.lanes = Lanes(
                    root=self.root, device=pair.devices[0] if pair else choose_device(self.device_name), pair=pair,
                    keeping=self.keeping, most=self.most,
                    tell=lambda event: self.say(**event), should_stop=self.stop.is_set, turn_to=self._log_to,
                )  # fmt: skip
            self.lanes.most = most
            self.lanes.add(folder, until)
        except UserError as error:
            self.say("error", folder=folder.name, message=str(error), exit_code=error.exit_code)
        except OSError as error:
            message = str(files.storage_error(folder / layout.LOG, error))
            self.say("error", folder=folder.name, message=message, exit_code=1)
        except ValueError as error:  # a log that is no file
            message = f"{folder.name}: {error}; remove it, then run the same command again"
            self.say("error", folder=folder.name, message=message, exit_code=1)

    def _pair(self) -> Pair | None:
        if self.devices is None:
            return None
        return Pair(devices=choose_pair(self.devices), threads=torch.get_num_threads(), events=self.events.fileno())

    def _advance(self) -> None:
        try:
            self.lanes.advance()
        except Poisoned:
            traceback.print_exc()  # into the log of the trial whose turn it was
            process.end(POISONED)
        self._close_logs()

    def _close_logs(self) -> None:
        """Those of trials that are over."""
        running = {lane.folder for lane in self.lanes.lanes} if self.lanes else set()
        for folder in self.logs.keys() - running:
            sys.stdout.flush()
            os.close(self.logs.pop(folder))
            self.logs_to = None

    def _beat(self) -> None:
        """A sign of life every so often, however long a step takes."""
        while True:
            self.say("alive")
            time.sleep(BEAT_SECONDS)

    def _listen(self) -> None:
        """Orders from the parent, a line each; its end, by death or by closing, stops the trials at hand too."""
        # Unbuffered: a thread that waits in a buffered stdin aborts the process when it ends for another reason.
        with open(0, "rb", buffering=0, closefd=False) as lines:
            for line in lines:
                folder, until, lanes = json.loads(line)
                self.orders.put((Path(folder), until, lanes))
        self.stop.set()
        self.orders.put(None)
        time.sleep(ORPHAN_SECONDS)  # time for a checkpoint; code that never comes back has to end too
        process.end(1)

    def _log_to(self, folder: Path) -> None:
        """Has what is printed go to this trial's log."""
        if folder != self.logs_to:
            sys.stdout.flush()
            os.dup2(self.logs[folder], 2)
            os.dup2(self.logs[folder], 1)
            self.logs_to = folder


def _opened(path: Path) -> int:
    """A log, to add to; what it can't take, nobody sees. ValueError where it is no file."""
    try:
        with open_regular(path, append=True) as log:
            return os.dup(log.fileno())
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)


def _wake_when_orphaned() -> None:
    """Has Linux wake this process should it stand still (SIGSTOP) when its parent dies, so that it hears of it."""
    with contextlib.suppress(AttributeError, OSError):  # another system
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGCONT)


if __name__ == "__main__":
    main()
