"""lenet5: LeNet-5 of LeCun, Bottou, Bengio and Haffner (1998), and the short form that most people mean by its name."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alexctl.ablation.knobs import LeNet5Knobs
from alexctl.errors import UserError
from alexctl.nets.activations import ACTIVATIONS, GAIN
from alexctl.nets.contract import NetSpec
from alexctl.randomness import normal_, uniform_

C3_TABLE = (  # the maps of S2 that each map of C3 sees (1998, table I)
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip

DIGITS = """
..###.. ...##.. .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
.##.##. ..###.. ##...## ##...## ...###. ##..... .##..## .....## ##...## ##...##
##...## .####.. .....## .....## ...###. ##..... ##..... .....## ##...## ##...##
##...## ...##.. .....## .....## ..#.##. ##..... ##..... ....##. ##...## ##...##
##...## ...##.. .....## ....##. ..#.##. ##.###. ##..... ....##. .##.##. ##...##
##...## ...##.. ....##. ..###.. .##.##. ###..## ##.###. ...##.. ..###.. .##..##
##...## ...##.. ...##.. ....##. .#..##. .....## ###..## ...##.. .##.##. ..###.#
##...## ...##.. ..##... .....## ####### .....## ##...## ..##... ##...## .....##
##...## ...##.. .##.... .....## ....##. .....## ##...## ..##... ##...## .....##
##...## ...##.. ##..... .....## ....##. ##...## ##...## .##.... ##...## .....##
.##.##. ...##.. ##..... ##...## ....##. .##.##. .##.##. .##.... ##...## ##..##.
..###.. .###### ####### .#####. ....##. ..###.. ..###.. .##.... .#####. .####..
"""


class Subsampling(nn.Module):
    """The 1998 subsampling: the sum of each 2x2 square, times the map's coefficient, plus its bias, squashed.

    (batch, maps, height, width) to (batch, maps, height / 2, width / 2); two parameters a map.
    """

    fan_in = 4

    def __init__(self, num_maps: int, activation: Callable[[Tensor], Tensor]):
        super().__init__()
        self.activation = activation
        self.coefficient = nn.Parameter(torch.full((num_maps,), 1 / self.fan_in))
        self.bias = nn.Parameter(torch.zeros(num_maps))

    def forward(self, maps: Tensor) -> Tensor:
        sums = F.avg_pool2d(maps, 2, divisor_override=1)
        return self.activation(sums * self.coefficient[:, None, None] + self.bias[:, None, None])

    def layer_row(self, output: Tensor) -> dict[str, Any]:
        products = output[0].numel()  # a sum times the map's coefficient
        return {"kind": "subsampling", "kernel": 2, "stride": 2, "padding": 0, "num_macs": products, "sees": "own map"}


class SparseConv(nn.Module):
    """A 5x5 convolution whose every output map sees only the input maps that its line of `table` names.

    The weight is (pairs, 5, 5), a kernel for each pair of maps in the order of the table; what is not connected has no
    parameter.
    """

    def __init__(self, num_inputs: int, table: tuple[tuple[int, ...], ...]):
        super().__init__()
        self.num_inputs, self.out_channels = num_inputs, len(table)
        self.maps_seen = tuple(map(len, table))
        pairs = [(output, source) for output, sources in enumerate(table) for source in sources]
        places = torch.tensor([output * num_inputs + source for output, source in pairs])
        self.register_buffer("places", places, persistent=False)
        self.fan_in = torch.tensor([25.0 * len(table[output]) for output, _ in pairs], device="cpu")[:, None, None]
        self.weight = nn.Parameter(torch.zeros(len(pairs), 5, 5))
        self.bias = nn.Parameter(torch.zeros(len(table)))

    def forward(self, maps: Tensor) -> Tensor:
        full = self.weight.new_zeros(self.out_channels * self.num_inputs, 5, 5).index_copy(0, self.places, self.weight)
        return F.conv2d(maps, full.view(self.out_channels, self.num_inputs, 5, 5), self.bias)

    def layer_row(self, output: Tensor) -> dict[str, Any]:
        num_macs = self.weight.numel() * math.prod(output.shape[2:])
        sees = f"{min(self.maps_seen)} to {max(self.maps_seen)} maps"
        return {"kind": "conv", "kernel": 5, "stride": 1, "padding": 0, "num_macs": num_macs, "sees": sees}


class EuclideanRBF(nn.Module):
    """Minus the squared distance of the 84 units of F6 to each digit's code: (batch, 84) to (batch, 10).

    The codes are fixed, (10, 84), +1 where the digit's 7x12 bitmap is black and -1 where it is white. The bitmaps are
    ours (`DIGITS`): those of 1998 are an image in the paper.
    """

    def __init__(self):
        super().__init__()
        self.register_buffer("codes", digit_codes(), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        return -(features[:, None, :] - self.codes).square().sum(2)

    def layer_row(self, output: Tensor) -> dict[str, Any]:
        return {"kind": "rbf", "kernel_maps": 84, "num_macs": self.codes.numel(), "sees": "all"}


def digit_codes() -> Tensor:
    """The ten bitmaps as (10, 84) numbers +1 and -1, line by line from the top."""
    lines = [line.split() for line in DIGITS.split("\n") if line]
    bitmaps = ["".join(line[digit] for line in lines) for digit in range(10)]
    return torch.tensor([[1.0 if dot == "#" else -1.0 for dot in bitmap] for bitmap in bitmaps])


class LeNet5(nn.Module):
    """C1 5x5x6, S2, C3 5x5x16, S4, C5 5x5x120, F6 84 and the output, for 32x32 images of one channel.

    Takes (batch, 1, 32, 32) float images, gives (batch, classes) logits.

    Form "1998": subsampling with a coefficient, a bias and its own squashing, the sparse C3, and a Euclidean RBF output
    for the ten digits; 60,000 parameters. Its logits are minus the penalties, so that their cross-entropy is the
    discriminative ("MAP") criterion of 1998 without its constant j. Without j the length of F6's output x drops out of
    the softmax: what is learned from is 2 x.code, a softmax layer with fixed weights. The 1998 net was trained image
    by image with a diagonal Hessian, ours is not.

    Form "short": average pooling, every map of C3 sees all of S2, and a softmax layer; 61,706 parameters for ten classes.

    Init "1998": weights and coefficients uniform within 2.4 / fan-in; "fan-in": normal with a variance that keeps that
    of the activations, coefficients 1/4 (the average). Biases start at 0; the paper does not speak of them apart.

    UserError for images of another shape, and in form "1998" for other than ten classes.
    """

    input_scaling = "lenet"  # (pixel / 255) * 1.275 - 0.1: background -0.1, foreground 1.175 as in 1998
    bias_rate = 1.0
    weight_costs: ClassVar[dict[str, float]] = {}  # the paper of 1998 gives none

    def __init__(self, knobs: LeNet5Knobs, *, image_shape: tuple[int, int, int], num_classes: int, seed: int):
        super().__init__()
        _refuse(knobs, image_shape, num_classes)
        self.knobs = knobs
        self.activation = activation = ACTIVATIONS[knobs.activation]
        is_1998 = knobs.form == "1998"
        self.c1 = nn.Conv2d(1, 6, 5)  # 28x28
        self.s2 = Subsampling(6, activation) if is_1998 else nn.AvgPool2d(2)  # 14x14
        self.c3 = SparseConv(6, C3_TABLE) if is_1998 else nn.Conv2d(6, 16, 5)  # 10x10
        self.s4 = Subsampling(16, activation) if is_1998 else nn.AvgPool2d(2)  # 5x5
        self.c5 = nn.Conv2d(16, 120, 5)  # 1x1
        self.f6 = nn.Linear(120, 84)
        self.output = EuclideanRBF() if is_1998 else nn.Linear(84, num_classes)
        for name, layer in self.named_children():
            self._draw(name, layer, seed)

    def _draw(self, name: str, layer: nn.Module, seed: int) -> None:
        weight = layer.coefficient if isinstance(layer, Subsampling) else getattr(layer, "weight", None)
        if weight is None:
            return
        nn.init.zeros_(layer.bias)
        fan_in = layer.fan_in if isinstance(layer, Subsampling | SparseConv) else weight[0].numel()
        if self.knobs.init == "1998":
            uniform_(weight, 2.4 / fan_in, seed=seed, name=name)
        elif not isinstance(layer, Subsampling):
            normal_(weight, (GAIN[self.knobs.activation] / fan_in) ** 0.5, seed=seed, name=name)

    def forward(self, images: Tensor) -> Tensor:
        x = self.s2(self.activation(self.c1(images)))
        x = self.s4(self.activation(self.c3(x)))
        x = self.activation(self.c5(x)).flatten(1)
        return self.output(self.activation(self.f6(x)))


def _refuse(knobs: LeNet5Knobs, image_shape: tuple[int, int, int], num_classes: int) -> None:
    height, width, channels = image_shape
    if channels != 1:
        raise UserError(f"lenet5 sees one channel, these images have {channels}; try data = 'mnist' or another net")
    if (height, width) != (32, 32):
        raise UserError(f"lenet5 needs images of 32x32 pixels, not {height}x{width}")
    if knobs.form == "1998" and num_classes != 10:
        raise UserError(
            f"lenet5 in form '1998' has a code for each of ten digits, this data has {num_classes} classes; "
            "form = 'short' takes any number"
        )


NET = NetSpec(factory=LeNet5, native_shape=(32, 32, 1))
