"""alexnet: the paper's net, in one or two towers, built from its knobs."""

import math
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alexctl.ablation.knobs import AlexNetKnobs
from alexctl.nets.activations import GAIN, INCREASING, Activation
from alexctl.nets.alexnet_shapes import POOLS, ConvSpec, fit_image, windows
from alexctl.nets.contract import ByKnobs, NetSpec
from alexctl.nets.layers import Dropout, batch_group_or_layer
from alexctl.nets.response_norm import ResponseNorm, ResponseScale
from alexctl.randomness import normal_

BIAS_KNOB = ("conv2", "conv4", "conv5", "fc6", "fc7")  # section 5: these biases start at 1, the others at 0
QUARTERS = {"whole": 4, "three-quarters": 3, "halved": 2}  # of the kernels of conv1 to conv4
NORMED = {"both": (1, 2), "first": (1,), "second": (2,)}


class AlexNet(ByKnobs, nn.Sequential):
    """The net of section 3.5 and Figure 2: five convolutional and three fully connected layers, in two towers.

    Takes (batch, channels, height, width) float images of `image_shape` = (height, width, channels), gives
    (batch, classes) logits. 60,965,224 parameters for 224x224x3 or 227x227x3 images and 1000 classes.

    Two towers are two halves of the maps of every layer, computed on one device as grouped convolutions: a layer
    that is not in `links` sees its own tower's half. With `links = (8,)` the towers meet in the last layer only, as
    in run 150 (whose towers were wider, conv2 160 and FC 4096 each; here the widths stay). Response normalisation
    never crosses towers, as each GPU of 2012 had its own (layers-145.cfg). That file also has a second, spatial
    normalisation after conv2, of which the paper says nothing: `spatial_norm`.

    `width` multiplies the maps of every convolution and the units of fc6 and fc7.
    A layer left out (`without`) leaves its place, link included, to the next one. A layer's initial draws depend on
    the seed, its name and its shape.
    Raises UserError for images too small.
    """

    CONVS = (
        ConvSpec(number=1, maps=96, kernel=11, stride=4, padding=0, pooled=True),
        ConvSpec(number=2, maps=256, kernel=5, padding=2, pooled=True),
        ConvSpec(number=3, maps=384, kernel=3, padding=1),
        ConvSpec(number=4, maps=384, kernel=3, padding=1),
        ConvSpec(number=5, maps=256, kernel=3, padding=1, pooled=True),
    )
    HIDDEN = MATCHED_HIDDEN = 4096  # units of fc6 and of fc7; footnote 2: about as many parameters with halved kernels
    FEWER_INPUTS: ClassVar[dict[str, float]] = {}  # by layer: how many times fewer a unit has here than in the paper

    def __init__(self, knobs: AlexNetKnobs, *, image_shape: tuple[int, int, int], num_classes: int, seed: int):
        super().__init__()
        self.knobs, self.num_towers = knobs, knobs.towers
        height, width, channels = image_shape
        convs = [conv for conv in self.CONVS if conv.number != knobs.without]
        convs[-1] = replace(convs[-1], pooled=True)  # without conv5 its pooling stays
        paddings, num_places = fit_image(convs, height, width, knobs.pooling)
        for conv, padding in zip(convs, paddings, strict=True):
            channels = self._add_conv(conv, channels, padding)
        self.add_module("flat", nn.Flatten())
        num_inputs = channels * num_places
        hidden = self._widened(self.MATCHED_HIDDEN if knobs.fc_units == "matched" else self.HIDDEN)
        for number, num_outputs in ((6, hidden), (7, hidden), (8, num_classes)):
            self.add_module(f"fc{number}", TowerLinear(num_inputs, num_outputs, self._groups(number)))
            if number < 8:
                self.add_module(f"{knobs.activation}{number}", Activation(knobs.activation))
                if knobs.dropout:
                    self.add_module(f"dropout{number}", Dropout(knobs.dropout))
            num_inputs = num_outputs
        self._draw(seed)

    def _add_conv(self, conv: ConvSpec, channels: int, padding: tuple[int, int]) -> int:
        """Adds a convolution and what follows it; returns how many maps that hands on."""
        knobs, number = self.knobs, conv.number
        maps = self._widened(conv.maps * QUARTERS[knobs.kernels] // 4 if number < 5 else conv.maps)
        groups = self._groups(number)
        self.add_module(
            f"conv{number}", HangingConv2d(channels, maps, conv.kernel, conv.stride, padding, groups=groups)
        )
        parts: dict[str, nn.Module] = {knobs.activation: Activation(knobs.activation)}
        if knobs.norm != "none" and number in NORMED[knobs.norm_layers]:
            parts["norm"] = self._norm(maps)
            if knobs.spatial_norm and number == 2:  # cnorm2 of layers-145.cfg
                parts["spatial"] = ResponseNorm(5, alpha=1e-3, beta=0.75, k=1.0, maps="within", divided=True)
        if conv.pooled:
            pool = nn.MaxPool2d if knobs.pool == "max" else nn.AvgPool2d
            parts["pool"] = pool(POOLS[knobs.pooling], 2, ceil_mode=True)
        commutes = knobs.pool == "max" and knobs.activation in INCREASING
        after = knobs.norm_place == "after-relu" or (knobs.norm_place == "as-run" and number == 2)
        if "norm" in parts and after:
            order = (knobs.activation, "norm", "spatial", "pool")
        elif commutes:  # an increasing function and a maximum: four times fewer values to squash this way round
            order = ("norm", "spatial", "pool", knobs.activation)
        else:
            order = ("norm", "spatial", knobs.activation, "pool")
        for part in order:
            if part in parts:
                self.add_module(f"{part}{number}", parts[part])
        return maps

    def _widened(self, units: int) -> int:
        """So many times `width`, as many in each tower."""
        towers = self.knobs.towers
        return towers * max(1, round(units * self.knobs.width / towers))

    def _groups(self, number: int) -> int:
        """Into how many parts a layer's inputs fall: as many as there are towers, unless it sees them all."""
        links, without = self.knobs.links, self.knobs.without
        linked = number in links or (without in links and number == without + 1)
        return 1 if number == 1 or linked else self.knobs.towers

    def _norm(self, maps: int) -> nn.Module:
        if self.knobs.norm in ("batch", "group", "layer"):
            return batch_group_or_layer(self.knobs.norm, maps, towers=self.knobs.towers)
        if self.knobs.norm == "scale":
            return ResponseScale(beta=0.75, k=2.0)
        divided = self.knobs.lrn_alpha == "divided"
        return ResponseNorm(  # section 3.3
            5, alpha=1e-4, beta=0.75, k=2.0, maps="across", divided=divided, groups=self.knobs.towers
        )

    def _draw(self, seed: int) -> None:
        for name, layer in self.named_children():
            if not isinstance(layer, nn.Conv2d | TowerLinear):
                continue
            std = 0.03 if self.knobs.init == "code" and name in ("conv3", "conv4", "conv5") else 0.01
            std *= math.sqrt(self.FEWER_INPUTS.get(name, 1.0))
            if self.knobs.init == "fan-in":
                std = math.sqrt(GAIN[self.knobs.activation] / layer.weight[0].numel())
            normal_(layer.weight, std, seed=seed, name=name)
            nn.init.constant_(layer.bias, float(self.knobs.biases) if name in BIAS_KNOB else 0.0)

    @property
    def weight_costs(self) -> dict[str, float]:
        """Each weight's cost by its parameter's name: 0.0005 (section 5); biases and batch norm have none."""
        layers = [name for name, layer in self.named_children() if isinstance(layer, nn.Conv2d | TowerLinear)]
        return {f"{name}.weight": 0.0005 for name in layers}


class HangingConv2d(nn.Conv2d):
    """A convolution by the ceil rule: the last window may hang over the right and lower edge, where it meets zeros.

    So 11x11 with stride 4 makes the paper's 55x55 maps of 224 px; at 227 px nothing hangs over, and the floor rule
    of other frameworks gives the same (inconsistency 1 of our notes; layer.py of the 2012 code).
    """

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(self.padded(maps))

    def padded(self, maps: Tensor) -> Tensor:
        """The maps with the zeros that the last windows need, beside those of `padding`."""
        sides = zip(maps.shape[2:], self.kernel_size, self.stride, self.padding, strict=True)
        down, across = (
            (windows(side + 2 * padding, kernel, stride) - 1) * stride + kernel - side - 2 * padding
            for side, kernel, stride, padding in sides
        )
        return F.pad(maps, (0, across, 0, down)) if down or across else maps


class TowerLinear(nn.Module):
    """A fully connected layer in `groups` equal parts, each of which sees its own part of the inputs only.

    (batch, num_inputs) to (batch, num_outputs); the weight is (num_outputs, num_inputs / groups), drawn by the net.
    """

    def __init__(self, num_inputs: int, num_outputs: int, groups: int):
        super().__init__()
        self.num_inputs, self.num_outputs, self.groups = num_inputs, num_outputs, groups
        self.weight = nn.Parameter(torch.empty(num_outputs, num_inputs // groups))
        self.bias = nn.Parameter(torch.empty(num_outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        if self.groups == 1:
            return F.linear(inputs, self.weight, self.bias)
        parts = zip(inputs.chunk(self.groups, 1), self.weight.chunk(self.groups), strict=True)
        return torch.cat([F.linear(part, weight) for part, weight in parts], 1) + self.bias

    def layer_row(self, output: Tensor) -> dict[str, Any]:
        sees = "all" if self.groups == 1 else "own tower"
        return {"kind": "fc", "kernel_maps": self.weight.shape[1], "num_macs": self.weight.numel(), "sees": sees}


NET = NetSpec(factory=AlexNet, native_shape=(224, 224, 3), native_classes=1000, is_figure_2=True)
