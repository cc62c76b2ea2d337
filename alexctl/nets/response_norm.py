"""Local response normalisation of 2011 and 2012: the layer, its gradient, and windows that cost little."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

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
    float32. First derivatives only. On a GPU `across` is one kernel each way, where Triton makes it (`kernels_for`).
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
        fused = kernels_for(x.device) if windows.across else None
        if fused and fused.takes(x, self.size, self.groups):
            maps = x.shape[1] // self.groups
            return fused.FusedResponseNorm.apply(x, self.size, maps, scale, self.beta, self.k)
        if x.dtype in (torch.bfloat16, torch.float16):  # which could not tell 2 from 2 and a ten-thousandth
            x = x.float()
        return _ResponseNorm.apply(x, windows, scale, self.beta, self.k)

    def layer_row(self, output: Tensor) -> dict[str, Any]:
        return {
            "kind": "norm",
            "sees": "own tower" if self.groups > 1 else "own map" if self.maps == "within" else "all",
        }


class ResponseScale(nn.Module):
    """What response normalisation does whatever its neighbours are, alpha being 0: b = a / k^beta, 0.595 a in the paper.

    An arm with it tells normalising from scaling. Takes, gives and rounds as ResponseNorm does.
    """

    def __init__(self, *, beta: float, k: float):
        super().__init__()
        self.factor = k**-beta

    def forward(self, x: Tensor) -> Tensor:
        return (x.float() if x.dtype in (torch.bfloat16, torch.float16) else x) * self.factor

    def layer_row(self, output: Tensor) -> dict[str, Any]:
        return {"kind": "norm", "sees": "own map"}


@cache
def kernels_for(device: torch.device) -> ModuleType | None:
    """alexctl.nets.fused_response_norm; None if the device is no GPU, or without a Triton that builds for it."""
    if device.type != "cuda":
        return None
    try:
        from alexctl.nets import fused_response_norm  # imports Triton, which takes a while and need not be installed
    except ImportError:
        return None
    return fused_response_norm if fused_response_norm.builds(device) else None


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


@cache  # a captured step may refer to them
def band(channels: int, before: int, after: int, groups: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(channels, channels), 1 where the row's map lies in the column's window, so that x @ band sums up windows."""
    maps = torch.arange(channels, device=device)
    apart = maps[:, None] - maps
    parts = maps // (channels // groups)
    made = ((-before <= apart) & (apart <= after) & (parts[:, None] == parts)).to(dtype)
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()  # other streams will read it
    return made


class _ResponseNorm(torch.autograd.Function):
    """y = x d^-beta with d = k + scale S(x^2), S the sum over windows.

    dL/dx = g d^-beta - 2 scale beta x S'(g x d^(-beta - 1)), where S' sums over the windows a unit lies in.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, windows: Windows, scale: float, beta: float, k: float) -> Tensor:
        normed, denominator = torch.empty_like(x), torch.empty_like(x)
        for a, b, d in _parts(x, normed, denominator):
            d.copy_(windows.sum(a * a)).mul_(scale).add_(k)
            _to_minus(d, beta, b).mul_(a)
        ctx.told = windows, scale, beta
        ctx.save_for_backward(x, denominator)
        return normed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
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
