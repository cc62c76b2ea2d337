"""The activations that nets are built with, by their name in a file, and the variance that initial weights need for them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def scaled_tanh(a: Tensor) -> Tensor:
    """1.7159 tanh(2a/3): f(1) = 1 and f(-1) = -1, about where the curve bends most (LeCun et al. 1998, appendix A)."""
    return 1.7159 * torch.tanh(2 / 3 * a)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "tanh": torch.tanh, "scaled-tanh": scaled_tanh}

# Weights of variance GAIN / fan-in keep the variance from layer to layer: He et al. 2015 for ReLU, Glorot & Bengio 2010
# for tanh; the constants of the scaled one were chosen to do so (LeCun et al., Efficient BackProp, 1998).
GAIN = {"relu": 2.0, "tanh": 1.0, "scaled-tanh": 1.0}


class Activation(nn.Module):
    """One of these as a layer, for a net that is a sequence of layers."""

    def __init__(self, name: str):
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ACTIVATIONS[self.name](x)
