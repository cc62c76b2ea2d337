"""Update rules: the paper's (section 5), Nesterov's momentum, Adam and AdamW. All that changes from step to step is a tensor."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from alexctl.training.schedule import Alike, Rate, Schedule

Tensors = Sequence[Tensor]


class Optimiser:
    """What the rules have in common: which parameters are updated together, with which rate, and what is kept of them.

    Biases have no weight decay and their own rate, as in the 2011 and 2012 files; whether the schedule lowers that too
    differs from run to run of 2012. A layer whose rate is 0 does not move, whatever its velocity, as in that code. The
    first layer is the one whose parameters come first. `weight_decay` is one number for all weights, or a table of
    parameter names, those that are missing having none. `steps` counts the steps before this one: a whole number, shape
    (), on the net's device; only rules and schedules that change with it need it.
    """

    KEEPS: ClassVar[tuple[str, ...]] = ("velocity",)  # for each parameter, a tensor of its shape

    def __init__(
        self,
        net: nn.Module,
        *,
        lr: float,
        momentum: float,
        weight_decay: float | Mapping[str, float],
        bias_rate: float = 1.0,
        schedule: Schedule | None = None,
        steps: Tensor | None = None,
    ):
        self.lr, self.momentum, self.schedule, self.steps = lr, momentum, schedule or Schedule(), steps
        named = {name: p for name, p in net.named_parameters() if p.requires_grad}
        self.kept = {kind: {name: torch.zeros_like(p) for name, p in named.items()} for kind in self.KEEPS}
        first = next(iter(named), "").rpartition(".")[0]
        self.alike: dict[Alike, list[str]] = {}
        for name in named:
            own = weight_decay.get(name, 0.0) if isinstance(weight_decay, Mapping) else weight_decay
            is_bias = name.endswith("bias")
            is_first = self.schedule.tells_the_first_apart and name.rpartition(".")[0] == first
            key = Alike(bias_rate if is_bias else 1.0, 0.0 if is_bias else own, is_bias, is_first)
            self.alike.setdefault(key, []).append(name)
        self.groups = [
            (key, [named[name] for name in names], [[kept[name] for name in names] for kept in self.kept.values()])
            for key, names in self.alike.items()
        ]

    @property
    def velocity(self) -> dict[str, Tensor]:
        """What is kept of each parameter's gradients, by its name."""
        return self.kept["velocity"]

    def factors(self, epoch: int) -> tuple[float, ...]:
        """What the rates of its groups are multiplied by in this epoch of the schedule."""
        return tuple(alike.factor(self.schedule, epoch) for alike, _, _ in self.groups)

    @torch.no_grad()
    def step(self, *, epoch: int = 0) -> None:
        """One update, in this epoch of the schedule."""
        of_kept_biases, of_others = self.schedule.scales(self.steps)
        for alike, weights, kept in self.groups:
            factor = alike.factor(self.schedule, epoch)
            if factor:
                scale = of_kept_biases if alike.is_bias and not self.schedule.bias_drops else of_others
                # A weight that this batch did not go through (only a user's own net has any) has the gradient 0.
                slopes = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
                self._update(weights, slopes, *kept, lr=self.lr * alike.rate * factor * scale, decay=alike.decay)
        self.forget_gradients()

    def _update(self, weights: Tensors, slopes: Tensors, *kept: Tensors, lr: Rate, decay: float) -> None:
        raise NotImplementedError

    def forget_gradients(self) -> None:
        """Those of a step that is over, or that was broken off."""
        for _, weights, _ in self.groups:
            for weight in weights:
                weight.grad = None

    def state(self) -> dict[str, dict[str, Tensor]]:
        """All that is kept from step to step."""
        return self.kept

    def load(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Goes on from such a state, which may hold more."""
        for kind, tensors in self.kept.items():
            for name, tensor in tensors.items():
                tensor.copy_(state[kind][name])


class Momentum(Optimiser):
    """The paper's update (section 5): v <- m v - wd lr w - lr g;  w <- w + v. Weight decay is multiplied by the rate.

    `nesterov`: w <- w + m v - wd lr w - lr g with the new v, which looks a step ahead (Sutskever et al. 2013).
    """

    def __init__(self, net: nn.Module, *, nesterov: bool = False, **options):
        super().__init__(net, **options)
        self.nesterov = nesterov

    def _update(self, weights: Tensors, slopes: Tensors, *kept: Tensors, lr: Rate, decay: float) -> None:
        (velocities,) = kept
        if self.nesterov and decay:
            slopes, decay = torch._foreach_add(slopes, weights, alpha=decay), 0.0
        torch._foreach_mul_(velocities, self.momentum)
        _add(velocities, slopes, -lr)
        if decay:
            _add(velocities, weights, -lr * decay)
        if self.nesterov:
            torch._foreach_add_(weights, velocities, alpha=self.momentum)
            _add(weights, slopes, -lr)
        else:
            torch._foreach_add_(weights, velocities)


class Adam(Optimiser):
    """Adam (Kingma & Ba 2015): each weight's mean slope over the root of its mean square, both corrected for their start.

    v <- m v + (1 - m) g;  s <- b s + (1 - b) g^2;  w <- w - lr (v / (1 - m^t)) / (sqrt(s / (1 - b^t)) + eps).
    `momentum` m is their beta1; beta2 b and eps are theirs. Weight decay adds wd w to the slope g; `decoupled`
    (AdamW, Loshchilov & Hutter 2019): it takes lr wd w off the weight instead.
    """

    KEEPS: ClassVar[tuple[str, ...]] = ("velocity", "squares")
    BETA2, EPS = 0.999, 1e-8

    def __init__(self, net: nn.Module, *, steps: Tensor, decoupled: bool = False, **options):
        super().__init__(net, steps=steps, **options)
        self.decoupled = decoupled

    def _update(self, weights: Tensors, slopes: Tensors, *kept: Tensors, lr: Rate, decay: float) -> None:
        velocities, squares = kept
        if decay and self.decoupled:
            torch._foreach_mul_(weights, 1 - lr * decay)
        elif decay:
            slopes = torch._foreach_add(slopes, weights, alpha=decay)
        torch._foreach_lerp_(velocities, slopes, 1 - self.momentum)
        torch._foreach_mul_(squares, self.BETA2)
        torch._foreach_addcmul_(squares, slopes, slopes, value=1 - self.BETA2)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, self._known(self.BETA2).sqrt())
        torch._foreach_add_(roots, self.EPS)
        ways = torch._foreach_div(velocities, roots)
        torch._foreach_div_(ways, self._known(self.momentum))
        _add(weights, ways, -lr)

    def _known(self, beta: float) -> Tensor:
        """1 - beta^t, the share of a running mean that is not its start of 0; t is the number of this step, from 1 on."""
        return -torch.expm1((self.steps + 1).float() * (math.log(beta) if beta else -math.inf))


def _add(targets: Tensors, terms: Tensors, factor: Rate) -> None:
    """targets += factor * terms; a factor that is a tensor stays on its device."""
    if isinstance(factor, Tensor):
        torch._foreach_add_(targets, torch._foreach_mul(terms, factor))
    else:
        torch._foreach_add_(targets, terms, alpha=factor)


OPTIMISERS: dict[str, Callable[..., Optimiser]] = {
    "sgd": Momentum,
    "nesterov": partial(Momentum, nesterov=True),
    "adam": Adam,
    "adamw": partial(Adam, decoupled=True),
}
"""By their name in a file (the knob `optimizer`)."""
