"""Trials in this very process, one at a time: what `--workers 1` does, and what a debugger wants."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from alexctl.errors import UserError
from alexctl.store.lock import Locked
from alexctl.training.device import choose_device
from alexctl.trials import stacked, trial
from alexctl.trials.trial import Keeping


class InlinePool:
    """Runs what was submitted when asked for events; rows are told while it runs."""

    def __init__(
        self, *, root: Path, device: str, threads: int, keeping: Keeping, tell: Callable[[dict[str, Any]], None],
        should_stop: Callable[[], bool],
    ):  # fmt: skip
        torch.set_num_threads(threads)
        self.root, self.device, self.keeping, self.tell, self.should_stop = root, device, keeping, tell, should_stop
        self.waiting: list[tuple[Path, float | None]] = []
        self.datasets: dict[str, Any] = {}

    @property
    def free(self) -> int:
        """How many orders could be submitted now."""
        return int(not self.waiting)

    def submit(self, orders: list[tuple[Path, float | None]]) -> None:
        """Trials, and the epoch each is to pause at; several share a stack."""
        self.waiting = orders

    def events(self, timeout: float) -> Iterator[dict[str, Any]]:
        """Runs what waits and yields the end of each."""
        if not self.waiting:
            return
        orders, ends = self.waiting, []
        how = {
            "root": self.root, "device": choose_device(self.device), "keeping": self.keeping,
            "should_stop": self.should_stop, "datasets": self.datasets,
        }  # fmt: skip
        try:
            with contextlib.redirect_stdout(
                sys.stderr
            ):  # a net of the user's own may print; standard output is for results
                if len(orders) == 1:
                    ((folder, until),) = orders
                    said = {"event": "row", "folder": folder.name}
                    end = trial.run(folder, until=until, on_row=lambda row: self.tell(said | row), **how)
                    ends.append((folder, end))
                else:
                    stacked.run(
                        orders, on_row=lambda folder, row: self.tell({"event": "row", "folder": folder.name, **row}),
                        on_end=lambda folder, state: ends.append((folder, state)), **how,
                    )  # fmt: skip
        except Locked:
            ends.append((orders[0][0], "locked"))
        except UserError as error:
            self.waiting = []
            yield {"event": "error", "folder": orders[0][0].name, "message": str(error), "exit_code": error.exit_code}
            return
        self.waiting = []
        for folder, state in ends:
            yield {"event": "end", "folder": folder.name, "state": state}

    def stop(self) -> None:
        """Nothing runs between two calls, so there is nothing to stop."""
