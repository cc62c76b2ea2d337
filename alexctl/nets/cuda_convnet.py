"""What the nets of cuda-convnet for CIFAR-10 (2011) have in common: their start, norms and poolings."""

import math

from torch import Tensor, nn
from torch.nn import functional as F

from alexctl.ablation.knobs import ConvLocalKnobs, ConvNet4Knobs
from alexctl.nets.activations import ACTIVATIONS, GAIN, INCREASING
from alexctl.nets.contract import ByKnobs
from alexctl.nets.layers import batch_group_or_layer
from alexctl.nets.response_norm import ResponseNorm
from alexctl.randomness import normal_


class Net2011(ByKnobs, nn.Module):
    """What the nets of the 2011 files have in common: how they start, and what images and rates they expect."""

    def __init__(self, knobs: ConvNet4Knobs | ConvLocalKnobs):
        super().__init__()
        self.knobs = knobs

    def initialise(self, stds_2012: dict[str, float], *, seed: int) -> None:
        """Draws the weights of the layers named, with these deviations or, for `fan-in`, their own; biases are zero."""
        for name, std in stds_2012.items():
            layer = getattr(self, name)
            if self.knobs.init == "fan-in":
                fan_in = getattr(layer, "fan_in", layer.weight[0].numel())
                std = math.sqrt(GAIN[self.knobs.activation] / fan_in)
            normal_(layer.weight, std, seed=seed, name=name)
            nn.init.zeros_(layer.bias)


def norm_layer(norm: str, channels: int) -> nn.Module:
    """The layer of a `norm` knob: 18pct's for `same-map`, conv-local-11pct's for `cross-map`, else torch's."""
    if norm == "same-map":
        return ResponseNorm(3, alpha=5e-5, beta=0.75, k=1.0, maps="within", divided=True)
    if norm == "cross-map":
        return ResponseNorm(9, alpha=0.001, beta=0.75, k=1.0, maps="across", divided=True)
    return nn.Identity() if norm == "none" else batch_group_or_layer(norm, channels)


def pooled_activation(x: Tensor, activation: str, pool: str) -> Tensor:
    """An activation, then `max` or `average` pooling; the other way round where that gives the same.

    An increasing function and a maximum commute; four times fewer values to squash this way round.
    """
    if pool == "max" and activation in INCREASING:
        return ACTIVATIONS[activation](max_pool(x))
    return (max_pool if pool == "max" else average_pool)(ACTIVATIONS[activation](x))


def max_pool(x: Tensor) -> Tensor:
    """The maximum of 3x3 windows with stride 2, the last ones partial (cuda-convnet's `pool=max`)."""
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


def average_pool(x: Tensor) -> Tensor:
    """The mean of 3x3 windows with stride 2; a partial one is divided by the pixels it has (cuda-convnet's `pool=avg`).

    torch does the same here: its divisor counts padding, but not what ceil mode adds beyond it, and there is no padding.
    """
    return F.avg_pool2d(x, 3, 2, ceil_mode=True)


def pooled(size: int) -> int:
    """The side of a map after 3x3 pooling with stride 2 in ceil mode: `1 + ceil((size - 3) / 2)` (cuda-convnet)."""
    return 1 + math.ceil((size - 3) / 2)
