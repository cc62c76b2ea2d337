"""How rates change on the way: tenths after some epochs, a cosine or a line down to 0, a warm-up before any of them."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Rate = float | Tensor
"""A learning rate or a factor of one: a number while it stays the same, else a tensor of shape () on the device."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When rates are lowered: after each of `drops` epochs to a tenth, those of the biases too or not.

    `first_drops` are more of them, for the first layer alone, which stays as it is from epoch `first_until` on.
    A `curve` "cosine" (Loshchilov & Hutter 2017, without restarts) or "linear" leads from the whole rate to 0 over the
    `num_steps` of the training, less the first `warm_up_steps`, in which the rate of all parameters rises in equal
    parts to the whole one (Goyal et al. 2017).
    """

    drops: tuple[int, ...] = ()
    bias_drops: bool = True
    first_drops: tuple[int, ...] = ()
    first_until: int | None = None
    curve: Literal["steps", "cosine", "linear"] = "steps"
    num_steps: int = 0
    warm_up_steps: int = 0

    @property
    def tells_the_first_apart(self) -> bool:
        """Whether the first layer has a schedule of its own."""
        return bool(self.first_drops) or self.first_until is not None

    @property
    def moves_each_step(self) -> bool:
        """Whether a rate may differ from one step to the next within an epoch."""
        return self.curve != "steps" or self.warm_up_steps > 0

    def scales(self, step: Tensor | None) -> tuple[Rate, Rate]:
        """What rates are multiplied by in a step: (those of biases that are not lowered, all others).

        `step` counts the steps before this one: a whole number, shape (), on the device, where all is worked out.
        """
        if not self.moves_each_step:
            return 1.0, 1.0
        if step is None:
            raise ValueError("a schedule that changes with each step needs the step")
        done = step.float()
        rise: Rate = 1.0
        if self.warm_up_steps:
            rise = ((done + 1) / self.warm_up_steps).clamp(max=1.0)
        if self.curve == "steps":
            return rise, rise
        rest = max(1, self.num_steps - self.warm_up_steps)
        share = ((done - self.warm_up_steps) / rest).clamp(0.0, 1.0)
        fall = (1 + torch.cos(math.pi * share)) / 2 if self.curve == "cosine" else 1 - share
        return rise, rise * fall


class Alike(NamedTuple):
    """What parameters that are updated together have in common."""

    rate: float = 1.0  # as a multiple of the weights'
    decay: float = 0.0
    is_bias: bool = False
    is_first: bool = False  # of the first layer, where that has a schedule of its own

    def factor(self, schedule: Schedule, epoch: int) -> float:
        """What their rate is multiplied by in this epoch, the first being 0; 0.0: they stay as they are."""
        if self.is_first and schedule.first_until is not None and epoch >= schedule.first_until:
            return 0.0
        if self.is_bias and not schedule.bias_drops:
            return 1.0
        drops = schedule.drops + schedule.first_drops * self.is_first
        return 0.1 ** sum(epoch >= drop for drop in drops)
