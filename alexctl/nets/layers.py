"""Layers of 2011 and 2012 that torch lacks or does otherwise: response normalisation, unshared weights, dropout, pools."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from alexctl.randomness import generator

Maps = Literal["across", "within"]


class ResponseNorm(nn.Module):
    """Local response normalisation (section 3.3): b = a / (k + alpha sum a^2)^beta, the sum over a's neighbours.

    `across`: the same position in `size` neighbouring maps (cuda-convnet's `cmrnorm`); `within`: the size x size square
    around it in its own map (`rnorm`). A window starts `size // 2` before its unit and is clipped at the edges, as in
    cuda-convnet and torch; the paper's formula, read to the letter, has the same window for odd sizes. `divided`: alpha
    is divided by the number of terms of a whole window (size, or size^2), as cuda-convnet, Caffe and torch do; not
    `divided` is the formula as printed. The authors' code ran the paper's alpha of 1e-4 divided, so as 2e-5.

    `groups`: the maps lie in so many equal parts, and no window across them reaches into the next, as on two GPUs.

    Takes and gives (batch, channels, height, width) in the same memory format, on any device; half precision becomes
    float32. First derivatives only.
    Raises ValueError for a size below 1 or an unknown `maps`.
    """

    def __init__(self, size: int, *, alpha: float, beta: float, k: float, maps: Maps, divided: bool, groups: int = 1):
        super().__init__()
        if size < 1:
            raise ValueError(f"size: should be 1 or more, not {size}")
        if maps not in get_args(Maps):
            raise ValueError(f"maps: should be {' or '.join(get_args(Maps))}, not {maps}")
        self.size, self.alpha, self.beta, self.k, self.maps, self.divided = size, alpha, beta, k, maps, divided
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        windows = Windows(self.size, across=self.maps == "across", groups=self.groups)
        scale = self.alpha / windows.num_terms if self.divided else self.alpha
        if x.dtype in (torch.bfloat16, torch.float16):  # which could not tell 2 from 2 and a ten-thousandth
            x = x.float()
        return _ResponseNorm.apply(x, windows, scale, self.beta, self.k)[0]

    def extra_repr(self) -> str:
        names = ("size", "alpha", "beta", "k", "maps", "divided")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


@dataclass(frozen=True)
class Windows:
    """The neighbours that are summed up: in maps (`across`, within their group) or in a square of the own map."""

    size: int
    across: bool
    groups: int

    @property
    def num_terms(self) -> int:
        return self.size if self.across else self.size**2

    def sum(self, x: Tensor, *, mirrored: bool = False) -> Tensor:
        """The sum over each unit's window, or (`mirrored`) over the windows that a unit lies in."""
        before, after = self.size // 2, (self.size - 1) // 2
        if mirrored:
            before, after = after, before
        if not self.across:
            return shifted_sum(x, (2, 3), before, after)
        channels = x.shape[1]
        if x.device.type == "cpu" and channels > BAND_CHANNELS:
            parts = [shifted_sum(part, (1,), before, after) for part in x.chunk(self.groups, 1)]
            return parts[0] if self.groups == 1 else torch.cat(parts, 1)
        within = band(channels, before, after, self.groups, x.device, x.dtype)
        if x.stride(1) == 1:  # channels_last
            return (x.permute(0, 2, 3, 1) @ within).permute(0, 3, 1, 2)
        return (within.T @ x.flatten(2)).view_as(x)


BAND_CHANNELS = 64  # up to here a matrix product is quicker than shifting on a CPU
PART = 2**18  # elements that about stay in a cache from one pass to the next


@lru_cache(maxsize=64)
def band(channels: int, before: int, after: int, groups: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(channels, channels), 1 where the row's map lies in the column's window, so that x @ band sums up windows."""
    maps = torch.arange(channels, device=device)
    apart = maps[:, None] - maps
    parts = maps // (channels // groups)
    return ((-before <= apart) & (apart <= after) & (parts[:, None] == parts)).to(dtype)


class _ResponseNorm(torch.autograd.Function):
    """y = x d^-beta with d = k + scale S(x^2), S the sum over windows; also gives d, which the gradient needs again.

    dL/dx = g d^-beta - 2 scale beta x S'(g x d^(-beta - 1)), where S' sums over the windows a unit lies in.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, windows: Windows, scale: float, beta: float, k: float) -> tuple[Tensor, Tensor]:
        normed, denominator = torch.empty_like(x), torch.empty_like(x)
        for a, b, d in _parts(x, normed, denominator):
            d.copy_(windows.sum(a * a)).mul_(scale).add_(k)
            _to_minus(d, beta, b).mul_(a)
        return normed, denominator

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        x, *ctx.told, _k = inputs
        ctx.save_for_backward(x, output[1])
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, _grad_of_denominator: None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 5
        windows, scale, beta = ctx.told

        x, denominator = ctx.saved_tensors
        slope = torch.empty_like(x)
        for a, d, g, s in _parts(x, denominator, grad, slope):
            _to_minus(d, beta, s).mul_(g)
            through = windows.sum((s * a).div_(d), mirrored=True)
            s.add_(through.mul_(a), alpha=-2 * scale * beta)
        return slope, *(None,) * 4


def _parts(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Some images at a time on a CPU, whose cache a whole batch would leave after each pass; no image sees another."""
    first = tensors[0]
    count = len(first)
    if first.device.type == "cpu" and first.numel() > PART:
        count = max(1, PART * len(first) // first.numel())
    return zip(*(tensor.split(count) for tensor in tensors), strict=True)


def _to_minus(x: Tensor, beta: float, result: Tensor) -> Tensor:
    """x^-beta, written into `result`; the usual beta of 0.75 by two roots, several times quicker than a power."""
    if beta != 0.75:
        return result.copy_(x).pow_(-beta)
    root = x.rsqrt()
    return result.copy_(root).sqrt_().mul_(root)


def shifted_sum(x: Tensor, dims: tuple[int, ...], before: int, after: int) -> Tensor:
    """The sum from `before` places before each unit to `after` places after it, along each of dims; clipped at edges."""
    for dim in dims:
        total, length = x.clone(), x.shape[dim]
        for shift in range(1, min(before, length - 1) + 1):
            total.narrow(dim, shift, length - shift).add_(x.narrow(dim, 0, length - shift))
        for shift in range(1, min(after, length - 1) + 1):
            total.narrow(dim, 0, length - shift).add_(x.narrow(dim, shift, length - shift))
        x = total
    return x


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

    def extra_repr(self) -> str:
        return f"kernel={self.kernel}, padding={self.padding}, side={self.side}"


class Dropout(nn.Module):
    """Sets each unit to zero with probability p in training, multiplies by 1 - p at test time (section 4.2).

    The mask is derived, not carried: drawn on the CPU from (seed, name in the net, step), which `set_step` tells, so
    that resuming, the device or the number of workers can't change it. Raises RuntimeError in training before that.
    """

    def __init__(self, p: float):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"p: should be 0 or more and below 1, not {p}")
        self.p = p
        self.drawn_from: tuple[int, str, str, int] | None = None  # seed and purpose of the mask
        self.register_buffer("mask", None, persistent=False)  # given from outside where several nets train as one

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x * (1 - self.p)
        if self.mask is not None:
            return x * self.mask
        if self.drawn_from is None:
            raise RuntimeError("Dropout in training was not told which step it is: call set_step(net, seed, step)")
        return x * self.draw(x.shape, *self.drawn_from).to(x.device)

    def draw(self, shape: Sequence[int], *drawn_from: int | str) -> Tensor:
        """The mask, true where a unit is kept."""
        return torch.rand(*shape, generator=generator(*drawn_from)) >= self.p

    def extra_repr(self) -> str:
        return f"p={self.p}"


def purpose(seed: int, name: str, step: int) -> tuple[int, str, str, int]:
    """What the mask of the Dropout of this name is drawn from."""
    return seed, "dropout", name, step


def set_step(net: nn.Module, seed: int, step: int) -> None:
    """Tells every Dropout of a net, before a training step, from which seed and for which step its mask is."""
    for name, module in net.named_modules():
        if isinstance(module, Dropout):
            module.drawn_from = purpose(seed, name, step)


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
