"""Blank images sent through a net that stays as it is, and may be without numbers: to count, not to compute."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")
LARGE = 2**30  # bytes of parameters


class DryRun:
    """A net on a device, with stand-ins for its parameters and copies of its buffers; zeros where it has no numbers."""

    def __init__(self, net: nn.Module, device: str):
        self.net, self.device = net, device
        self.tensors: dict[str, Tensor] = {}
        for name, tensor in (*net.named_parameters(), *net.named_buffers()):
            if tensor.is_meta and device != "meta":
                other = torch.zeros_like(tensor, device=device)
            else:
                other = tensor.detach().to(device, copy=not isinstance(tensor, nn.Parameter))
            self.tensors[name] = other.requires_grad_(tensor.requires_grad)

    def logits(self, image_shape: tuple[int, int, int], num_images: int, *, training: bool) -> Tensor:
        """Those of so many blank images of (height, width, channels)."""
        height, width, channels = image_shape
        images = torch.zeros(num_images, channels, height, width, device=self.device)
        before = {module: module.training for module in self.net.modules()}
        self.net.train(training)
        try:
            return torch.func.functional_call(self.net, self.tensors, (images,))
        finally:
            for module, was in before.items():
                module.training = was


def dry_run(net: nn.Module, measure: Callable[[DryRun], T]) -> T:
    """What `measure` finds on the CPU or, for a large net, on the meta device if it can be found there.

    The meta device computes nothing, but torch takes seconds to import what it needs there.
    """
    if parameter_bytes(net) > LARGE:
        with suppress(Exception):
            return measure(DryRun(net, "meta"))
    return measure(DryRun(net, "cpu"))


def parameter_bytes(net: nn.Module) -> int:
    """How many bytes a net's parameters take."""
    return sum(parameter.numel() * parameter.element_size() for parameter in net.parameters())
