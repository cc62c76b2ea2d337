"""The convolutional nets of cuda-convnet for CIFAR-10 (2011), built from their knobs."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alexctl.net_knobs import ConvNet4Knobs
from alexctl.nets.draw import normal_

ACTIVATIONS = {"relu": F.relu, "tanh": torch.tanh}
GAIN = {"relu": 2.0, "tanh": 1.0}  # variance kept from layer to layer: He et al. 2015; Glorot & Bengio 2010


class ConvNet4(nn.Module):
    """cuda-convnet's `layers-19pct`: conv 5x5x32, max; conv 5x5x32, average; conv 5x5x64, average; FC to the classes.

    Takes (batch, channels, height, width) float pictures, gives (batch, classes) logits. Every pooling is 3x3 with
    stride 2 and counts partial windows (32 -> 16 -> 8 -> 4). 89,578 parameters for 32x32x3 pictures and ten classes.
    """

    STD_2012 = (1e-4, 0.01, 0.01, 0.01)  # initW of conv1, conv2, conv3, fc10

    def __init__(self, knobs: ConvNet4Knobs, *, image_shape: tuple[int, int, int], num_classes: int, seed: int):
        super().__init__()
        height, width, channels = image_shape
        self.knobs = knobs
        self.conv1 = nn.Conv2d(channels, 32, 5, padding=2)
        self.conv2 = nn.Conv2d(32, 32, 5, padding=2)
        self.conv3 = nn.Conv2d(32, 64, 5, padding=2)
        for _ in range(3):
            height, width = pooled(height), pooled(width)
        self.fc = nn.Linear(64 * height * width, num_classes)
        for (name, layer), std in zip(self.named_children(), self.STD_2012, strict=True):
            if knobs.init == "fan-in":
                std = math.sqrt(GAIN[knobs.activation] / layer.weight[0].numel())
            normal_(layer.weight, std, seed=seed, name=name)
            nn.init.zeros_(layer.bias)

    @property
    def input_scaling(self) -> str:
        """`mean-image`: 0-255 minus the mean image, as in 2012; `standardised`: per channel to mean 0, variance 1."""
        return "mean-image" if self.knobs.init == "2012" else "standardised"

    @property
    def bias_rate(self) -> float:
        """The biases' learning rate as a multiple of the weights': epsB 0.002 against epsW 0.001 in the 2011 files."""
        return 2.0 if self.knobs.init == "2012" else 1.0

    def forward(self, pictures: Tensor) -> Tensor:
        activation = ACTIVATIONS[self.knobs.activation]
        # An increasing function and a maximum commute; four times fewer values to squash this way round.
        x = activation(F.max_pool2d(self.conv1(pictures), 3, 2, ceil_mode=True))
        x = F.avg_pool2d(activation(self.conv2(x)), 3, 2, ceil_mode=True)
        x = F.avg_pool2d(activation(self.conv3(x)), 3, 2, ceil_mode=True)
        return self.fc(x.flatten(1))


def pooled(size: int) -> int:
    """The side of a map after 3x3 pooling with stride 2 in ceil mode: `1 + ceil((size - 3) / 2)` (cuda-convnet)."""
    return 1 + math.ceil((size - 3) / 2)
