"""Who trains a campaign: how many processes, on which devices, and how many trials at once in each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alexctl.machine import default_workers
from alexctl.numbers import counted

if TYPE_CHECKING:
    import torch

MOST_LANES = 16  # more don't make an accelerator faster, and each has a trial that ends later
SHARE_OF_MEMORY = 0.8  # of what is free


@dataclass(frozen=True, kw_only=True)
class Crew:
    """Worker processes, on these devices in turn, or (`inline`) this process; each with so many lanes, a trial in each.

    `why` says what the number of lanes rests on.
    """

    devices: tuple[str, ...]
    workers: int = 1
    lanes: int = 1
    inline: bool = False
    why: str = ""

    @property
    def at_once(self) -> int:
        """Trials under way at the same time."""
        return self.workers * self.lanes

    def __str__(self) -> str:
        if self.lanes == 1:
            return counted(self.workers, "worker")
        where = counted(len(self.devices), "device") if len(self.devices) > 1 else self.devices[0]
        return f"{counted(self.at_once, 'lane')} on {where}{self.why}"


def crew_of(
    devices: "Sequence[torch.device]", *, workers: int | None, lanes: int | None, free_bytes: int, step_bytes: int,
    one_machine: bool,
) -> Crew:  # fmt: skip
    """The crew for trials of which a step takes at most so many of a device's free bytes.

    By default a worker a core on a CPU; on accelerators one each, with as many lanes as there is memory for. Where
    seconds are compared (`one_machine`) each trial has its device for itself.
    """
    names, kind = tuple(map(str, devices)), devices[0].type
    inline = workers == 1 or (kind != "cuda" and (workers or default_workers(kind)) == 1)
    workers = workers or (default_workers(kind) if kind == "cpu" else len(devices))
    if one_machine:
        return Crew(devices=names, workers=min(workers, len(devices)) if kind != "cpu" else workers, inline=inline)
    why = ""
    if lanes is None and kind == "cuda":
        lanes, why = lanes_that_fit(free_bytes, step_bytes)
    return Crew(devices=names, workers=workers, lanes=lanes or 1, inline=inline, why=why)


def lanes_that_fit(free: int, step_bytes: int) -> tuple[int, str]:
    """(how many lanes fit into so many free bytes, why in words).

    Each lane needs the memory of its step twice, for what it does eagerly and for its graphs.
    """
    each = 2 * max(step_bytes, 2**26)
    fit = int(SHARE_OF_MEMORY * free / each)
    memory = f" (about {each / 2**30:.1f} GiB each, {free / 2**30:.1f} GiB free)"
    return max(1, min(MOST_LANES, fit)), memory if fit < MOST_LANES else f" ({MOST_LANES} at most on each)"
