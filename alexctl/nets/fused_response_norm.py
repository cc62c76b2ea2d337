"""Response normalisation across maps on a GPU: one Triton kernel forward, one backward, each tensor moved once.

Forward reads x and writes y. Backward reads x and the gradient and writes the slope; it works out the denominators again,
so that nothing but x is kept in between. A thread has four neighbouring maps of one place, and reads those beside them in
fours as well: all sums are then its own. Only `alexctl.nets.response_norm` imports this file, where there is Triton.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

FOURS = 128  # of one program: one for each thread of four warps
MOST_TERMS = 16  # of a window, whose loop is unrolled
MOST_UNITS = 2**30  # of a tensor, whose places are 32-bit numbers


class FusedResponseNorm(torch.autograd.Function):
    """y = x / (k + scale sum x^2)^beta, the sum over `size` neighbouring maps among each `maps` maps (a group).

    x is (batch, channels, height, width), float32 or of half precision, y float32 in the same memory format; the gradient
    of x has x's type. For what `takes` says; first derivatives only.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, *told: float) -> Tensor:
        ctx.told = told  # size, maps, scale, beta, k
        x = x.contiguous(memory_format=_layout(x))
        ctx.save_for_backward(x)
        y = torch.empty_like(x, dtype=torch.float32)
        _launch(_forward, x, y, *told)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        slope = torch.empty_like(x)
        _launch(_backward, x, grad.contiguous(memory_format=_layout(x)), slope, *ctx.told)
        return slope, *(None for _ in ctx.told)


def takes(x: Tensor, size: int, groups: int) -> bool:
    """Whether the kernels are for this tensor and these windows; what they are not for is left to torch's operations."""
    plain = type(x) is Tensor  # has memory of its own
    fits = size <= MOST_TERMS and x.ndim == 4 and x.shape[1] % groups == 0 and x.numel() <= MOST_UNITS
    return plain and fits and x.dtype in (torch.float32, torch.bfloat16, torch.float16)


def builds(device: torch.device) -> bool:
    """Whether Triton makes kernels for this device: it refuses one that is too old, and it needs a C compiler."""
    try:
        FusedResponseNorm.apply(torch.zeros(1, 1, 1, 1, device=device), 1, 1, 1.0, 0.75, 1.0)
    except Exception:  # each part of it (driver, compiler, folder of what was built) raises what it likes
        return False
    return True


def _layout(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.stride(1) == 1 else torch.contiguous_format


def _launch(kernel: Any, *args: Tensor | float) -> None:
    """Runs the kernel on its tensors' device for all units; they are dense, and lie as the first of them does."""
    *tensors, size, maps, scale, beta, k = args
    x = tensors[0]
    step = 1 if _layout(x) == torch.channels_last else x.shape[2] * x.shape[3]  # from a unit to its next map
    fours = x.numel() // max(maps, 1) * triton.cdiv(maps, 4)
    numbers = (step, maps, float(scale), float(beta), float(k))  # an integer 1 would be a kernel of its own
    how = {"before": size // 2, "after": (size - 1) // 2, "roots": beta == 0.75, "fours": FOURS}
    with torch.cuda.device_of(x):
        kernel[(triton.cdiv(fours, FOURS),)](*tensors, fours, *numbers, **how, num_warps=4, enable_fp_fusion=True)


@triton.jit
def _places(num_fours, step, maps, fours: tl.constexpr):
    """The first unit of each four of this program, its place among the maps of its group, and whether there is one."""
    four = tl.program_id(0) * fours + tl.arange(0, fours)
    per_group = (maps + 3) // 4
    group = four // step // per_group
    place = four // step % per_group * 4
    return (group * maps + place) * step + four % step, place, four < num_fours


@triton.jit
def _fours(ptr, first, place, there, step, maps, near: tl.constexpr):
    """Each own four and near fours on either side of it, a tuple with a tensor for each unit; 0 outside the group."""
    units = ()
    for i in tl.static_range(2 * near + 1):
        shift = (tl.arange(0, 4) + 4 * (i - near))[None, :]
        inside = there[:, None] & (place[:, None] + shift >= 0) & (place[:, None] + shift < maps)
        four = tl.load(ptr + (first[:, None] + shift * step), mask=inside, other=0.0).to(tl.float32)
        even, odd = tl.split(tl.reshape(four, (four.shape[0], 2, 2)))
        a, c = tl.split(even)
        b, d = tl.split(odd)
        units += (a, b, c, d)
    return units


@triton.jit
def _store(ptr, four, first, place, there, step, maps):
    a, b, c, d = four
    values = tl.reshape(tl.join(tl.join(a, c), tl.join(b, d)), (a.shape[0], 4))
    shift = tl.arange(0, 4)[None, :]
    inside = there[:, None] & (place[:, None] + shift < maps)
    tl.store(ptr + (first[:, None] + shift * step), values, mask=inside)


@triton.jit
def _denominator(x, begin: tl.constexpr, terms: tl.constexpr, scale, k):
    total = x[begin] * x[begin]
    for i in tl.static_range(begin + 1, begin + terms):
        total += x[i] * x[i]
    return total * scale + k


@triton.jit
def _to_minus(d, beta, roots: tl.constexpr):
    """d^-beta; the usual beta of 0.75 by two roots."""
    if roots:
        root = tl.rsqrt(d)
        power = tl.sqrt(root) * root
    else:
        power = tl.exp(-beta * tl.log(d))
    return power


@triton.jit(do_not_specialize=["num_fours"])
def _forward(
    x_ptr, y_ptr, num_fours, step, maps, scale, beta, k,
    before: tl.constexpr, after: tl.constexpr, roots: tl.constexpr, fours: tl.constexpr,
):  # fmt: skip
    near: tl.constexpr = (before + 3) // 4  # fours on either side that windows reach into
    first, place, there = _places(num_fours, step, maps, fours)
    x = _fours(x_ptr, first, place, there, step, maps, near)
    y = ()
    for i in tl.static_range(4):
        d = _denominator(x, 4 * near + i - before, before + 1 + after, scale, k)
        y += (x[4 * near + i] * _to_minus(d, beta, roots),)
    _store(y_ptr, y, first, place, there, step, maps)


@triton.jit(do_not_specialize=["num_fours"])
def _backward(
    x_ptr, grad_ptr, slope_ptr, num_fours, step, maps, scale, beta, k,
    before: tl.constexpr, after: tl.constexpr, roots: tl.constexpr, fours: tl.constexpr,
):  # fmt: skip
    """g d^-beta - 2 scale beta x S'(g x d^(-beta - 1)), where S' sums over the windows that a unit lies in."""
    near: tl.constexpr = (before + 3) // 4  # fours on either side with units in whose windows an own unit lies
    far: tl.constexpr = (before + after + 3) // 4  # and with what lies in these windows
    first, place, there = _places(num_fours, step, maps, fours)
    x = _fours(x_ptr, first, place, there, step, maps, far)
    g = _fours(grad_ptr, first, place, there, step, maps, near)
    own = ()  # g d^-beta of units from after before the own four to before after it
    through = ()  # g x d^(-beta - 1) of these
    for i in tl.static_range(after + 4 + before):
        d = _denominator(x, 4 * far + i - after - before, before + 1 + after, scale, k)
        own += (g[4 * near + i - after] * _to_minus(d, beta, roots),)
        inside = (place + (i - after) >= 0) & (place + (i - after) < maps)  # elsewhere 0 / 0 where k is 0
        through += (tl.where(inside, own[i] * x[4 * far + i - after] / d, 0.0),)
    slope = ()
    for i in tl.static_range(4):
        total = through[i]
        for j in tl.static_range(1, before + 1 + after):
            total += through[i + j]
        slope += (own[after + i] - 2 * scale * beta * x[4 * far + i] * total,)
    _store(slope_ptr, slope, first, place, there, step, maps)
