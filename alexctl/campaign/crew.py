"""Who trains a campaign: how many processes, on which devices, and how many trials at once in each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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

    `fills`: as many lanes as there is memory for; `why` says what their number rests on.
    """

    devices: tuple[str, ...]
    workers: int = 1
    lanes: int = 1
    inline: bool = False
    pair: str | None = None  # the two devices that each trial is given
    fills: bool = False
    why: str = ""

    @property
    def begins_early(self) -> bool:
        """Whether its processes are to start before the first trial is known: on a GPU that costs the probe nothing."""
        return not self.inline and self.devices[0].startswith("cuda")

    def fitted(self, free_bytes: int, step_bytes: int) -> "Crew":
        """With as many lanes as fit, where a step takes at most so many of a device's free bytes."""
        if not self.fills:
            return self
        sharing = -(-self.workers // len(self.devices))  # processes on one device
        lanes, why = lanes_that_fit(free_bytes // sharing, step_bytes)
        return replace(self, lanes=lanes, why=why)

    @property
    def at_once(self) -> int:
        """Trials under way at the same time."""
        return self.workers * self.lanes

    def __str__(self) -> str:
        if self.lanes == 1:
            return counted(self.workers, "worker") + (f", each on {self.pair}" if self.pair else "")
        where = counted(len(self.devices), "device") if len(self.devices) > 1 else self.devices[0]
        return f"{counted(self.at_once, 'lane')} on {where}{self.why}"


def crew_of(
    devices: "Sequence[torch.device]",
    *,
    workers: int | None,
    lanes: int | None,
    one_machine: bool,
    paired: bool = False,
) -> Crew:
    """By default a worker a core on a CPU, and one for each accelerator.

    Where seconds are compared (`one_machine`) each trial has its device for itself. `paired`: each trial is given both
    devices; on CPUs there is a worker for every two cores.
    """
    names, kind = tuple(map(str, devices)), devices[0].type
    if paired:
        each = max(1, default_workers(kind) // 2) if kind == "cpu" and not one_machine else 1
        return Crew(devices=names[:1], workers=workers or each, inline=workers == 1, pair=",".join(names))
    inline = workers == 1 or (kind != "cuda" and (workers or default_workers(kind)) == 1)
    workers = workers or (default_workers(kind) if kind == "cpu" else len(devices))
    if one_machine:
        return Crew(devices=names, workers=min(workers, len(devices)) if kind != "cpu" else workers, inline=inline)
    return Crew(devices=names, workers=workers, lanes=lanes or 1, inline=inline, fills=lanes is None and kind == "cuda")


def lanes_that_fit(free: int, step_bytes: int) -> tuple[int, str]:
    """(how many lanes fit into so many free bytes, why in words).

    Each lane needs the memory of its step twice, for what it does eagerly and for its graphs.
    """
    each = 2 * max(step_bytes, 2**26)
    fit = int(SHARE_OF_MEMORY * free / each)
    memory = f" (about {each / 2**30:.1f} GiB each, {free / 2**30:.1f} GiB free)"
    return max(1, min(MOST_LANES, fit)), memory if fit < MOST_LANES else f" ({MOST_LANES} at most on each)"
