"""The paper's update rule (section 5), and the schedule of its rates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When rates are lowered: after each of `drops` epochs to a tenth, those of the biases too or not.

    `first_drops` are more of them, for the first layer alone, which stays as it is from epoch `first_until` on.
    """

    drops: tuple[int, ...] = ()
    bias_drops: bool = True
    first_drops: tuple[int, ...] = ()
    first_until: int | None = None

    @property
    def tells_the_first_apart(self) -> bool:
        """Whether the first layer has a schedule of its own."""
        return bool(self.first_drops) or self.first_until is not None


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


class Momentum:
    """The paper's update (section 5): v <- m v - wd lr w - lr g;  w <- w + v. Weight decay is multiplied by the rate.

    Biases have no weight decay and their own rate, as in the 2011 and 2012 files; whether the schedule lowers that too
    differs from run to run of 2012. A layer whose rate is 0 does not move, whatever its velocity, as in that code. The
    first layer is the one whose parameters come first. `weight_decay` is one number for all weights, or a table of
    parameter names, those that are missing having none.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        lr: float,
        momentum: float,
        weight_decay: float | Mapping[str, float],
        bias_rate: float = 1.0,
        schedule: Schedule | None = None,
    ):
        self.lr, self.momentum, self.schedule = lr, momentum, schedule or Schedule()
        self.velocity = {name: torch.zeros_like(p) for name, p in net.named_parameters() if p.requires_grad}
        first = next(iter(self.velocity), "").rpartition(".")[0]
        self.alike: dict[Alike, list[str]] = {}
        for name in self.velocity:
            own = weight_decay.get(name, 0.0) if isinstance(weight_decay, Mapping) else weight_decay
            is_bias = name.endswith("bias")
            is_first = self.schedule.tells_the_first_apart and name.rpartition(".")[0] == first
            key = Alike(bias_rate if is_bias else 1.0, 0.0 if is_bias else own, is_bias, is_first)
            self.alike.setdefault(key, []).append(name)
        named = dict(net.named_parameters())
        self.groups = [
            (key, [named[name] for name in names], [self.velocity[name] for name in names])
            for key, names in self.alike.items()
        ]

    def factors(self, epoch: int) -> tuple[float, ...]:
        """What the rates of its groups are multiplied by in this epoch of the schedule."""
        return tuple(alike.factor(self.schedule, epoch) for alike, _, _ in self.groups)

    @torch.no_grad()
    def step(self, *, epoch: int = 0) -> None:
        """One update, in this epoch of the schedule."""
        for alike, weights, velocities in self.groups:
            factor = alike.factor(self.schedule, epoch)
            if factor:
                lr = self.lr * alike.rate * factor
                torch._foreach_mul_(velocities, self.momentum)
                # A weight that this batch did not go through (only a user's own net has any) has the gradient 0.
                slopes = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
                torch._foreach_add_(velocities, slopes, alpha=-lr)
                if alike.decay:
                    torch._foreach_add_(velocities, weights, alpha=-lr * alike.decay)
                torch._foreach_add_(weights, velocities)
        self.forget_gradients()

    def forget_gradients(self) -> None:
        """Those of a step that is over, or that was broken off."""
        for _, weights, _ in self.groups:
            for weight in weights:
                weight.grad = None
