"""The activations that nets are built with, by their name in a file, and the variance that initial weights need for them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def scaled_tanh(a: Tensor) -> Tensor:
    """1.7159 tanh(2a/3): f(1) = 1 and f(-1) = -1, about where the curve bends most (LeCun et al. 1998, appendix A)."""
    return 1.7159 * torch.tanh(2 / 3 * a)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "tanh": torch.tanh,
    "scaled-tanh": scaled_tanh,
    "gelu": F.gelu,  # x times the normal distribution function of x (Hendrycks & Gimpel 2016)
    "silu": F.silu,  # x sigmoid(x), also called swish (Ramachandran et al. 2017)
    "leaky-relu": F.leaky_relu,  # a slope of 0.01 below 0 (Maas et al. 2013)
    "elu": F.elu,  # exp(x) - 1 below 0 (Clevert et al. 2016)
    "sigmoid": torch.sigmoid,
}
INCREASING = ACTIVATIONS.keys() - {"gelu", "silu"}
"""Those that commute with a maximum."""

# Weights of variance GAIN / fan-in keep the variance from layer to layer: He et al. 2015 for ReLU, Glorot & Bengio 2010
# for tanh; the constants of the scaled one were chosen to do so (LeCun et al., Efficient BackProp, 1998). The others by
# He's argument: 1 / the mean of f(z)^2, z from N(0, 1).
GAIN = {
    "relu": 2.0, "tanh": 1.0, "scaled-tanh": 1.0, "gelu": 2.35172, "silu": 2.81076, "leaky-relu": 1.9998, "elu": 1.55052,
    "sigmoid": 3.40856,
}  # fmt: skip


class Activation(nn.Module):
    """One of these as a layer, for a net that is a sequence of layers."""

    def __init__(self, name: str):
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ACTIVATIONS[self.name](x)
