"""What the machine itself can do: products of matrices, copies of memory, and the convolutions of a net by themselves."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alexctl.timing.timer import per_second
from alexctl.training.device import arithmetic, multiplying, synchroniser

GEMM_SIDE = 1024
COPY_BYTES = 2**28


@dataclass(frozen=True, kw_only=True)
class ConvShape:
    """One convolution as a net uses it: its input's (batch, channels, height, width), its weight's, and how it moves."""

    input: tuple[int, ...]
    weight: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    groups: int
    first: bool  # the gradient of the images is not asked for

    @property
    def flops(self) -> int:
        """Of the forward pass and the gradients, a multiply-accumulate being two."""
        sides = [
            (size + 2 * pad - kernel) // step + 1
            for size, pad, kernel, step in zip(self.input[2:], self.padding, self.weight[2:], self.stride, strict=True)
        ]
        macs = self.input[0] * self.weight[0] * self.weight[1] * self.weight[2] * self.weight[3] * sides[0] * sides[1]
        return 2 * macs * (2 if self.first else 3)


def conv_shapes(net: nn.Module, images: Tensor) -> list[ConvShape]:
    """The convolutions of a net in the order of a forward pass on these images."""
    found: list[ConvShape] = []

    def note(module: nn.Conv2d, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found.append(ConvShape(
            input=tuple(inputs[0].shape), weight=tuple(module.weight.shape), stride=module.stride,
            padding=module.padding, groups=module.groups, first=not found,
        ))  # fmt: skip

    hooks = [module.register_forward_hook(note) for module in net.modules() if isinstance(module, nn.Conv2d)]
    training = net.training
    try:
        with torch.no_grad():
            net.eval()(images)
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    return found


class Convolutions:
    """The convolutions of a net, forward and backward, and nothing else; channels_last, as alexctl trains."""

    def __init__(self, shapes: list[ConvShape], device: torch.device, precision: str = "float32"):
        self.device, self.precision = device, precision
        generator = torch.Generator().manual_seed(0)
        self.parts: list[tuple[ConvShape, Tensor, Tensor, Tensor]] = []
        for shape in shapes:
            x, weight = (torch.randn(size, generator=generator).to(device, memory_format=torch.channels_last)
                         for size in (shape.input, shape.weight))  # fmt: skip
            x.requires_grad_(not shape.first)
            weight.requires_grad_()
            output = self._forward(shape, x, weight)
            self.parts.append((shape, x, weight, torch.ones_like(output.detach())))

    def _forward(self, shape: ConvShape, x: Tensor, weight: Tensor) -> Tensor:
        with arithmetic(self.precision, self.device):
            return F.conv2d(x, weight, stride=shape.stride, padding=shape.padding, groups=shape.groups)

    def once(self) -> None:
        """One forward and backward pass of each."""
        for shape, x, weight, slope in self.parts:
            with multiplying(self.precision, self.device):
                self._forward(shape, x, weight).backward(slope)
            x.grad = weight.grad = None

    @property
    def flops(self) -> int:
        return sum(shape.flops for shape, *_ in self.parts)


def gemm_flops(device: torch.device, seconds: float) -> float:
    """Floating-point operations a second of a product of two square matrices, float32."""
    one, other = (torch.randn(GEMM_SIDE, GEMM_SIDE, device=device) for _ in range(2))
    return 2 * GEMM_SIDE**3 * per_second(lambda: torch.mm(one, other), synchroniser(device), seconds)


def copy_bytes(device: torch.device, seconds: float) -> float:
    """Bytes read and written a second by a copy larger than any cache."""
    source = torch.ones(COPY_BYTES // 4, device=device)
    target = torch.empty_like(source)
    return 2 * COPY_BYTES * per_second(lambda: target.copy_(source), synchroniser(device), seconds)
