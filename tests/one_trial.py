"""One trial from its folder to its end, in this process and with no lane beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from alexctl.data.sources import DataSet
from alexctl.store.lock import FolderLock
from alexctl.training.graphs import finished
from alexctl.trials.trial import ROWS_ONLY, Keeping, TrialRun


def run(
    folder: Path,
    *,
    root: Path,
    device: torch.device,
    until: float | None = None,
    keeping: Keeping = ROWS_ONLY,
    on_row: Callable[[dict[str, Any]], None] = lambda row: None,
    should_stop: Callable[[], bool] = lambda: False,
    datasets: dict[str, DataSet] | None = None,
) -> str:
    """Runs or resumes one trial and returns the state it is left in: done, diverged, paused, interrupted or failed.

    `until` pauses it at that epoch with its checkpoint (the learning-rate search goes on from there, if at all).
    Raises Locked when another process has it. Whatever goes wrong inside is recorded, not raised.
    """
    lock = FolderLock(folder)
    try:
        return finished(
            TrialRun(
                lock, root, device, until, keeping, on_row, should_stop, datasets if datasets is not None else {}
            ).work()
        )
    finally:
        lock.release()
