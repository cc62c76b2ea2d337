"""The worker process: trials one after another, a JSON line per event on standard output.

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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from alexctl import process
from alexctl.ablation.own_code import look_beside
from alexctl.data.sources import DataSet, data_root
from alexctl.errors import UserError
from alexctl.regular_files import open_regular
from alexctl.store import files, layout
from alexctl.store.lock import Locked
from alexctl.training.device import choose_device
from alexctl.trials import stacked
from alexctl.trials.trial import ROWS_ONLY, Keeping, run

BEAT_SECONDS = 10.0
ORPHAN_SECONDS = 60.0  # that a trial has for its checkpoint when the parent is gone
PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>


def main() -> None:
    """Parses the command line and works."""
    process.open_streams()
    parser = argparse.ArgumentParser(prog="python -m alexctl.trials.worker", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
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
    Worker(data_root(options.data_root), options.device, keeping).work(options.folders, serve=options.serve)
    process.end(0)  # everything is written; Python would take a second to put torch away


class Worker:
    """A process that runs trials. Its standard output carries events; whatever else is printed goes to the trial's log."""

    def __init__(self, root: Path, device: str, keeping: Keeping):
        self.root, self.device_name, self.keeping = root, device, keeping
        self.events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        os.dup2(2, 1)
        self.writing = threading.Lock()
        self.stop = threading.Event()
        self.datasets: dict[str, DataSet] = {}
        process.on_stop(lambda *_: self.stop.set())

    def say(self, event: str, **fields: Any) -> None:
        try:
            with self.writing:
                self.events.write(json.dumps({"event": event, **fields}) + "\n")
        except OSError:
            self.stop.set()  # the parent is gone

    def work(self, folders: list[Path], *, serve: bool) -> None:
        if serve:
            _wake_when_orphaned()
            threading.Thread(target=self._beat, daemon=True).start()
            for line in self._orders():
                self._some([(Path(folder), until) for folder, until in json.loads(line)])
                if self.stop.is_set():
                    break
        for folder in folders:
            self._some([(folder, None)])

    def _beat(self) -> None:
        """A sign of life every so often, however long a step takes."""
        while True:
            self.say("alive")
            time.sleep(BEAT_SECONDS)

    def _orders(self) -> Iterator[bytes]:
        """Lines from the parent; its end, by death or by closing, stops the trial at hand too."""
        lines: queue.Queue[bytes | None] = queue.Queue()

        def read() -> None:
            # Unbuffered: a thread that waits in a buffered stdin aborts the process when it ends for another reason.
            with open(0, "rb", buffering=0, closefd=False) as orders:
                for line in orders:
                    lines.put(line)
            self.stop.set()
            lines.put(None)
            time.sleep(ORPHAN_SECONDS)  # time for a checkpoint; code that never comes back has to end too
            process.end(1)

        threading.Thread(target=read, daemon=True).start()
        while (line := lines.get()) is not None:
            yield line

    def _some(self, orders: list[tuple[Path, float | None]]) -> None:
        """One trial, or several as a stack; what is printed goes to the first one's log."""
        first = orders[0][0]
        self.say("start", folder=first.name)
        how = {"root": self.root, "keeping": self.keeping, "should_stop": self.stop.is_set, "datasets": self.datasets}
        try:
            self._log_to(first / layout.LOG)
            how["device"] = choose_device(self.device_name)
            if len(orders) == 1:
                self._told(first, run(first, until=orders[0][1], on_row=lambda row: self._row(first, row), **how))
            else:
                stacked.run(orders, on_row=self._row, on_end=self._told, **how)
        except Locked:
            self._told(first, "locked")
        except UserError as error:
            self.say("error", folder=first.name, message=str(error), exit_code=error.exit_code)
        except OSError as error:
            message = str(files.storage_error(first / layout.LOG, error))
            self.say("error", folder=first.name, message=message, exit_code=1)
        except ValueError as error:  # a log that is no file
            message = f"{first.name}: {error}; remove it, then run the same command again"
            self.say("error", folder=first.name, message=message, exit_code=1)
        finally:
            sys.stdout.flush()

    def _log_to(self, path: Path) -> None:
        """Has what is printed go to this file; what it can't take, nobody sees. ValueError where it is no file."""
        try:
            log = open_regular(path, append=True)
        except OSError:
            log = os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb")
        with log:
            os.dup2(log.fileno(), 2)
            os.dup2(log.fileno(), 1)

    def _row(self, folder: Path, row: dict[str, Any]) -> None:
        self.say("row", folder=folder.name, **row)

    def _told(self, folder: Path, state: str) -> None:
        self.say("end", folder=folder.name, state=state)


def _wake_when_orphaned() -> None:
    """Has Linux wake this process should it stand still (SIGSTOP) when its parent dies, so that it hears of it."""
    with contextlib.suppress(AttributeError, OSError):  # another system
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGCONT)


if __name__ == "__main__":
    main()
