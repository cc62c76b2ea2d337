"""The paper's update rule (section 5)."""

from collections.abc import Mapping

import torch
from torch import nn


class Momentum:
    """The paper's update (section 5): v <- m v - wd lr w - lr g;  w <- w + v. Weight decay is multiplied by the rate.

    Biases have no weight decay and their own rate, as in the 2011 and 2012 files; `bias_drops` says whether the schedule
    lowers that too, which differs from run to run of 2012. `weight_decay` is one number for all
    weights, or a table of parameter names, those that are missing having none.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        lr: float,
        momentum: float,
        weight_decay: float | Mapping[str, float],
        bias_rate: float = 1.0,
        bias_drops: bool = True,
    ):
        self.lr, self.momentum = lr, momentum
        self.velocity = {name: torch.zeros_like(p) for name, p in net.named_parameters() if p.requires_grad}
        alike: dict[tuple[float, float, bool], list[str]] = {}
        for name in self.velocity:
            own = weight_decay.get(name, 0.0) if isinstance(weight_decay, Mapping) else weight_decay
            key = (bias_rate, 0.0, bias_drops) if name.endswith("bias") else (1.0, own, True)
            alike.setdefault(key, []).append(name)
        self.alike = alike  # (rate, weight decay, whether the schedule lowers the rate) -> names
        named = dict(net.named_parameters())
        self.groups = [
            ([named[name] for name in names], [self.velocity[name] for name in names], *key)
            for key, names in alike.items()
        ]

    @torch.no_grad()
    def step(self, *, factor: float = 1.0) -> None:
        """One update; `factor` is where the schedule stands."""
        for weights, velocities, rate, decay, drops in self.groups:
            lr = self.lr * rate * (factor if drops else 1.0)
            torch._foreach_mul_(velocities, self.momentum)
            # A weight that this batch did not go through (only a user's own net has any) has the gradient 0.
            slopes = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
            torch._foreach_add_(velocities, slopes, alpha=-lr)
            if decay:
                torch._foreach_add_(velocities, weights, alpha=-lr * decay)
            torch._foreach_add_(weights, velocities)
            for weight in weights:
                weight.grad = None
