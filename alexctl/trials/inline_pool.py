"""Trials in this very process: what `--workers 1` does, and what a debugger wants."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from alexctl.errors import UserError
from alexctl.training.device import choose_device
from alexctl.trials.lanes import CROWDED, Lanes, Poisoned
from alexctl.trials.partner import Pair
from alexctl.trials.trial import Keeping


class InlinePool:
    """Trains when asked for events; rows are told while it does."""

    def __init__(
        self, *, root: Path, device: str, threads: int, keeping: Keeping, tell: Callable[[dict[str, Any]], None],
        should_stop: Callable[[], bool], pair: Pair | None = None,
    ):  # fmt: skip
        torch.set_num_threads(threads)
        self.tell, self.stopping = tell, False
        self.should_stop = lambda: self.stopping or should_stop()
        self.ends: list[dict[str, Any]] = []
        self.trials = Lanes(
            root=root, device=choose_device(device), keeping=keeping, tell=self._hear,
            should_stop=self.should_stop, pair=pair,
        )  # fmt: skip
        self.alone = False

    @property
    def free(self) -> int:
        """How many trials could be submitted now."""
        return 0 if self.alone and self.trials.lanes else self.lanes - len(self.trials.lanes)

    @property
    def lanes(self) -> int:
        """Trials at once, at most."""
        return self.trials.most

    @lanes.setter
    def lanes(self, most: int) -> None:
        self.trials.most = most

    most = lanes

    @property
    def free_alone(self) -> bool:
        """Whether one could be that is to be alone in its process."""
        return not self.trials.lanes

    def submit(self, folder: Path, until: float | None, *, alone: bool = False) -> None:
        """A trial, and the epoch it is to pause at."""
        self.alone = alone
        self.trials.add(folder, until)

    def events(self, timeout: float) -> Iterator[dict[str, Any]]:
        """Trains until a trial ends, or for about `timeout` seconds, and yields what has ended.

        UserError where the device takes no more work from this process.
        """
        if not (self.trials.lanes or self.ends):  # what there is to do, other processes are at
            time.sleep(timeout)
        deadline = time.monotonic() + timeout
        while self.trials.lanes and (self.should_stop() or (not self.ends and time.monotonic() < deadline)):
            try:
                self.trials.advance()
            except Poisoned as poisoned:
                raise UserError(
                    f"{poisoned.__cause__ or 'a CUDA error'}: this process can't use the device any more; run the same command again, "
                    "without --workers 1, and it is started anew after such an error",
                    exit_code=1,
                ) from poisoned
        ended, self.ends = self.ends, []
        yield from ended

    def _hear(self, event: dict[str, Any]) -> None:
        if event["event"] == "row":
            self.tell(event)
            return
        self.ends.append(event)
        if event.get("state") == CROWDED:
            self.lanes = max(1, len(self.trials.lanes))

    def stop(self) -> None:
        """Has each trial that is under way write its checkpoint."""
        self.stopping = True
        with contextlib.suppress(Poisoned):
            while self.trials.lanes:
                self.trials.advance()
        self.trials.close()
