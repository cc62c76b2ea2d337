"""Layers of 2011 and 2012 that torch lacks or does otherwise: unshared weights, and dropout whose masks are derived."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alexctl.randomness import derived_seed, happens


class LocallyConnected(nn.Module):
    """A convolution whose weights and biases are not shared between positions: cuda-convnet's `local`, stride 1.

    Takes (batch, in_channels, side, side), gives (batch, out_channels, out, out), out = side + 2 padding - kernel + 1,
    in channels_last order. `weight` is (out * out, kernel * kernel * in_channels, out_channels): positions by rows, then
    the window by rows with the maps innermost; `bias` is (out * out, out_channels). Both start at zero; the net draws.
    Raises ValueError for a window larger than the padded map, or images of another side.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, padding: int, *, side: int):
        super().__init__()
        self.kernel, self.padding, self.side = kernel, padding, side
        self.out_side = side + 2 * padding - kernel + 1
        if self.out_side < 1:
            raise ValueError(f"kernel: {kernel} is larger than the map, {side} and {padding} of padding on each side")
        self.fan_in = kernel * kernel * in_channels
        self.weight = nn.Parameter(torch.zeros(self.out_side**2, self.fan_in, out_channels))
        self.bias = nn.Parameter(torch.zeros(self.out_side**2, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.side, self.side):
            raise ValueError(f"made for maps of {self.side} x {self.side}, not {x.shape[2]} x {x.shape[3]}")
        num, out = x.shape[0], self.out_side
        x = F.pad(x, (self.padding,) * 4).permute(2, 3, 0, 1)  # rows, columns, batch, maps
        reach = range(self.kernel)
        windows = torch.cat([x[i : i + out, j : j + out] for i in reach for j in reach], 3)
        sums = torch.baddbmm(self.bias[:, None], windows.view(out * out, num, self.fan_in), self.weight)
        return sums.view(out, out, num, -1).permute(2, 0, 1, 3).contiguous().permute(0, 3, 1, 2)

    def layer_row(self, output: Tensor) -> dict[str, Any]:
        return {
            "kind": "local", "kernel": self.kernel, "kernel_maps": self.fan_in // self.kernel**2, "stride": 1,
            "padding": self.padding, "num_macs": self.weight.numel(), "sees": "all",
        }  # fmt: skip


def batch_group_or_layer(norm: str, channels: int, *, towers: int = 1) -> nn.Module:
    """Normalisation over the batch (Ioffe & Szegedy 2015), over groups of maps or over all of an image's.

    `group` (Wu & He 2018) has eight groups, or as many as divide the maps; `layer` (Ba et al. 2016) one, in each tower.
    """
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(math.gcd(8, channels) if norm == "group" else towers, channels)


class Dropout(nn.Module):
    """Sets each unit to zero with probability p in training, multiplies by 1 - p at test time (section 4.2).

    The mask is derived, not carried: drawn from (seed, name in the net, step), which `set_step` tells, so that
    resuming, the device or the number of workers can't change it. `part` = (i, n): the units are the i-th of n equal
    parts of a layer's, whose mask this is a part of. Raises RuntimeError in training before that.
    """

    def __init__(self, p: float):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"p: should be 0 or more and below 1, not {p}")
        self.p = p
        self.key: int | None = None  # of the masks
        self.step: Tensor | None = None
        self.part = (0, 1)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x * (1 - self.p)
        if self.step is None:
            raise RuntimeError("Dropout in training was not told which step it is: call set_step(net, seed, step)")
        kept = happens(self.key, self.step.to(x.device), x.numel(), 1 - self.p, rows=len(x), part=self.part)
        return x * kept.view(x.shape)


def set_step(net: nn.Module, seed: int, step: int | Tensor) -> None:
    """Tells every Dropout of a net, before it is trained, from which seed and for which step its mask is.

    A tensor (shape (), int64, on the net's device) is told once and then counted up in place.
    """
    for name, module in net.named_modules():
        if isinstance(module, Dropout):
            module.key = derived_seed(seed, "dropout", name)
            module.step = torch.tensor(step) if isinstance(step, int) else step
