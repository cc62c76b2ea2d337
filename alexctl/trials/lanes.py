"""Trials in lanes: each is a trial like any other, and they take turns, a step of one and a step of the next.

On an accelerator their steps are launched one after another and run side by side; a lane waits for nothing but its own
rows. Whatever befalls one leaves the others as they are.
"""

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from alexctl.data.sources import DataSet
from alexctl.errors import UserError
from alexctl.store import files, layout
from alexctl.store.lock import FolderLock, Locked
from alexctl.store.records import read_trial
from alexctl.training.device import is_out_of_memory, release_memory
from alexctl.training.graphs import WAITING
from alexctl.trials.partner import Pair
from alexctl.trials.trial import Keeping, Pieces, TrialRun

CROWDED = "crowded"
"""The state of a trial for which there was no memory beside the others: it goes on once there are fewer."""

BROKEN = "broken"
"""The state of a trial whose process ended with several in it: nobody knows whose fault it was, so it goes on alone."""

OVER = "over"
"""The state of a trial that another process has brought to its end meanwhile."""

PAUSE_SECONDS = 5e-5  # where all lanes wait for the device


class Poisoned(Exception):
    """The device takes no more work from this process, whichever of several trials brought that about."""


@dataclass(eq=False)
class Lane:
    """A trial, its lock, and what is left of it to do."""

    folder: Path
    lock: FolderLock
    pieces: Pieces


class Lanes:
    """The trials that are under way in this process.

    `tell` hears the events of each: `row`, and `end` with the state that it is left in (what `TrialRun.work` returns,
    `locked` by another process, OVER or CROWDED), or `error`, which is no fault of the trial's. `turn_to` is called with a
    trial's folder before its turn.
    """

    def __init__(
        self, *, root: Path, device: torch.device, keeping: Keeping, tell: Callable[[dict[str, Any]], None],
        should_stop: Callable[[], bool], turn_to: Callable[[Path], None] = lambda folder: None, most: int = 1,
        pair: Pair | None = None,
    ):  # fmt: skip
        self.root, self.device, self.keeping, self.most, self.pair = root, device, keeping, most, pair
        if device.type == "cuda":
            torch.cuda.set_device(device)  # libraries ask for the current one
        self.tell, self.should_stop, self.turn_to = tell, should_stop, turn_to
        self.datasets: dict[str, DataSet] = {}
        self.lanes: list[Lane] = []
        self.poisoned = False

    def add(self, folder: Path, until: float | None) -> None:
        """Takes a trial up, to pause at that epoch."""
        try:
            lock = FolderLock(folder)
        except Locked:
            self._told(folder, "locked")
            return
        record = read_trial(folder)
        if record is not None and not record.problem and record.is_over(until):
            lock.release()
            self._told(folder, OVER)
            return
        run = TrialRun(
            lock, self.root, self.device, until, self.keeping, lambda row: self._row(folder, row), self.should_stop,
            self.datasets, lanes=self.most, pair=self.pair, is_nobodys=self._is_nobodys,
        )  # fmt: skip
        # Trials begun together would else save at the same moments, each waiting for the others.
        run.saved -= self.keeping.checkpoint_seconds * len(self.lanes) / self.most
        self.lanes.append(Lane(folder, lock, run.work()))

    def advance(self) -> None:
        """Gives each lane one turn; Poisoned where this process can do no more."""
        waiting = bool(self.lanes)
        for lane in list(self.lanes):
            self.turn_to(lane.folder)
            waiting &= self._turn(lane) is WAITING
        if self.poisoned:
            raise Poisoned
        if waiting:
            time.sleep(PAUSE_SECONDS)

    def _turn(self, lane: Lane) -> object | None:
        try:
            with contextlib.redirect_stdout(sys.stderr):  # a net of the user's own may print
                return next(lane.pieces)
        except StopIteration as end:
            self._leave(lane, end.value)
        except Locked:
            self._leave(lane, "locked")
        except UserError as error:
            self._failed(lane, str(error), error.exit_code)
        except OSError as error:
            self._failed(lane, str(files.storage_error(lane.folder / layout.LOG, error)), 1)
        except Exception as error:
            if _poisons(error):
                raise Poisoned from error
            if not is_out_of_memory(error):
                raise
            self._leave(lane, CROWDED)
        release_memory(self.device)  # of a trial that is over, or had too little of it
        return None

    def close(self) -> None:
        """Lets go of the trials that are left, as they are."""
        for lane in self.lanes:
            lane.pieces.close()
            lane.lock.release()
        self.lanes = []

    def _is_nobodys(self, error: BaseException) -> bool:
        """Whether something else than this trial may have brought it about."""
        poisons = _poisons(error)
        self.poisoned |= poisons
        return len(self.lanes) > 1 and (poisons or is_out_of_memory(error))

    def _leave(self, lane: Lane, state: str) -> None:
        self._drop(lane)
        self._told(lane.folder, state)

    def _failed(self, lane: Lane, message: str, exit_code: int) -> None:
        self._drop(lane)
        self.tell({"event": "error", "folder": lane.folder.name, "message": message, "exit_code": exit_code})

    def _drop(self, lane: Lane) -> None:
        lane.pieces.close()
        lane.lock.release()
        self.lanes.remove(lane)

    def _row(self, folder: Path, row: dict[str, Any]) -> None:
        self.tell({"event": "row", "folder": folder.name, **row})

    def _told(self, folder: Path, state: str) -> None:
        self.tell({"event": "end", "folder": folder.name, "state": state})


def _poisons(error: BaseException) -> bool:
    """Whether it is an error after which CUDA gives this process nothing but errors."""
    is_cuda_error = isinstance(error, getattr(torch, "AcceleratorError", ())) or "CUDA error" in str(error)
    return is_cuda_error and not is_out_of_memory(error)
