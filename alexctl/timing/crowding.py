"""How workers that share memory and cores slow each other, from the bench kept in a results folder."""

from pathlib import Path
from typing import Any

import torch

from alexctl.regular_files import odd_kind
from alexctl.store import files, layout


def latest(folder: Path) -> dict[str, Any] | None:
    """The table of a bench that was kept in this folder; None where there is none that can be read."""
    if odd_kind(folder) != "folder":  # a link could lead out of the results
        return None
    try:
        return files.read_json(folder / layout.BENCH_JSON)
    except ValueError:
        return None


def crowding(folder: Path, workers: int, device: torch.device) -> float | None:
    """How many times as long a step takes when so many workers share the memory and the cores.

    From the bench kept in this folder, in proportion where it had another number of workers; None where there is none
    of this kind of processor. On an accelerator, where one worker is usual, 1.
    """
    if device.type != "cpu" or workers == 1:
        return 1.0
    try:
        bench = latest(folder)
        if bench is None or bench["environment"]["cpu"] != torch.backends.cpu.get_cpu_capability():
            return None
        measured = bench["workers"] / bench["ratios"]["workers_to_alone"]
        return max(1.0, 1 + (measured - 1) * (workers - 1) / (bench["workers"] - 1))
    except (KeyError, TypeError, ZeroDivisionError):
        return None
