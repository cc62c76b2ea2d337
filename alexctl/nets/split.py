"""A net in two towers cut in two: each of two ranks keeps one tower, and activations cross before the linked layers only."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alexctl.ablation.own_net import is_own
from alexctl.ablation.setting import Setting
from alexctl.errors import UserError
from alexctl.nets.alexnet import AlexNet, HangingConv2d, TowerLinear
from alexctl.nets.layer_table import LayerRow
from alexctl.nets.layers import Dropout
from alexctl.nets.response_norm import ResponseNorm

TOWERS = 2


class Swap(Protocol):
    """Two tensors on their way past each other."""

    def wait(self) -> Tensor:
        """What the other rank has sent."""


class Crossing(Protocol):
    """How a rank gives the other one what it asks for, and gets as much in return."""

    rank: int

    def swap(self, mine: Tensor, theirs: Tensor) -> Swap:
        """Starts sending `mine`, and receiving into `theirs`; both are contiguous and stay as they are until `wait`."""


def is_in_two_towers(setting: Setting) -> bool:
    """Whether the net of a setting can be cut in two."""
    return not is_own(setting.training.net) and getattr(setting.net, "towers", 1) == TOWERS


def half(state: Mapping[str, Tensor], tower: int) -> dict[str, Tensor]:
    """A tower's part of the tensors of a whole net: the first or the second half of each one's first dimension.

    An odd number, of classes, gives the first tower one more; a tensor of shape () is the same in both.
    """
    return {name: tensor.tensor_split(TOWERS)[tower] if tensor.dim() else tensor for name, tensor in state.items()}


def whole(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the whole net, from those of its towers."""
    return {name: torch.cat((mine, second[name])) if mine.dim() else mine for name, mine in first.items()}


def keep_half(net: AlexNet, crossing: Crossing) -> None:
    """Leaves a net in two towers the tower of this rank, and the crossings that its links ask for.

    It takes the same images and gives the same logits as before, on both ranks at once. Parameters keep their names;
    gradients are those of this half, the other rank's share in them included. UserError for a layer with an odd number
    of kernels or units.
    """
    num_classes = net.fc8.num_outputs
    for name, layer in list(net.named_children()):
        setattr(net, name, _half(name, layer, crossing))
    net.add_module("gathered", Gathered(crossing, num_classes))


def _half(name: str, layer: nn.Module, crossing: Crossing) -> nn.Module:
    mine: nn.Module
    if isinstance(layer, HangingConv2d):
        _refuse_odd(name, "kernels", layer.out_channels)
        if name == "conv1":
            kind, inputs, more = HangingConv2d, layer.in_channels, {}
        elif layer.groups == TOWERS:
            kind, inputs, more = HangingConv2d, layer.in_channels // TOWERS, {}
        else:
            kind, inputs, more = LinkedConv2d, layer.in_channels, {"crossing": crossing}
        window = (layer.kernel_size, layer.stride, layer.padding)
        mine = kind(inputs, layer.out_channels // TOWERS, *window, **more)
    elif isinstance(layer, TowerLinear):
        if name != "fc8":
            _refuse_odd(name, "units", layer.num_outputs)
        outputs = len(layer.bias.tensor_split(TOWERS)[crossing.rank])
        if layer.groups == TOWERS:
            mine = TowerLinear(layer.num_inputs // TOWERS, outputs, 1)
        else:
            mine = LinkedLinear(layer.num_inputs, outputs, crossing)
    elif isinstance(layer, nn.BatchNorm2d):
        mine = nn.BatchNorm2d(layer.num_features // TOWERS)
    elif isinstance(layer, nn.GroupNorm):
        mine = nn.GroupNorm(layer.num_groups // TOWERS, layer.num_channels // TOWERS)
    else:
        if isinstance(layer, ResponseNorm):
            layer.groups = 1
        elif isinstance(layer, Dropout):
            layer.part = (crossing.rank, TOWERS)
        return layer
    like = next(layer.parameters())
    mine.to(device=like.device, dtype=like.dtype)
    mine.load_state_dict(half(layer.state_dict(), crossing.rank))
    return mine


def _refuse_odd(name: str, what: str, count: int) -> None:
    if count % TOWERS:
        raise UserError(f"{name} has {count} {what}, which two devices can't share alike; give it an even number")


class LinkedConv2d(HangingConv2d):
    """A tower's half of a convolution that sees both: its own maps are convolved while those of the other arrive."""

    def __init__(self, *args: Any, crossing: Crossing):
        super().__init__(*args)
        self.crossing = crossing

    def forward(self, maps: Tensor) -> Tensor:
        theirs = _Link(maps, self.crossing)
        own, other = _own_first(self.weight.split(self.in_channels // TOWERS, 1), self.crossing.rank)
        sums = self._conv_forward(self.padded(maps), own, self.bias)
        return sums + self._conv_forward(self.padded(theirs.arrived()), other, None)


class LinkedLinear(TowerLinear):
    """A tower's half of a fully connected layer that sees both."""

    def __init__(self, num_inputs: int, num_outputs: int, crossing: Crossing):
        super().__init__(num_inputs, num_outputs, 1)
        self.crossing = crossing

    def forward(self, inputs: Tensor) -> Tensor:
        theirs = _Link(inputs, self.crossing)
        own, other = _own_first(self.weight.split(self.num_inputs // TOWERS, 1), self.crossing.rank)
        sums = F.linear(inputs, own, self.bias)
        return sums + F.linear(theirs.arrived(), other)


def _own_first(parts: tuple[Tensor, ...], rank: int) -> tuple[Tensor, Tensor]:
    return parts[rank], parts[1 - rank]


class Gathered(nn.Module):
    """The logits of all classes, on both ranks. Each takes the slope of its own ones from the whole loss, so that none is
    counted twice."""

    def __init__(self, crossing: Crossing, num_classes: int):
        super().__init__()
        self.crossing = crossing
        self.theirs = len(torch.empty(num_classes, device="meta").tensor_split(TOWERS)[1 - crossing.rank])

    def forward(self, logits: Tensor) -> Tensor:
        mine = logits.detach().contiguous()
        theirs = self.crossing.swap(mine, mine.new_empty(len(mine), self.theirs)).wait()
        return torch.cat((logits, theirs) if self.crossing.rank == 0 else (theirs, logits), 1)


class _Link:
    """What a linked layer sees of the other tower: on its way from here on, there once `arrived` is asked.

    In the backward pass autograd takes the later nodes first: it sends the other tower the slope of its activations as
    soon as that is known, computes this tower's own, and only then waits for what the other one sends.
    """

    def __init__(self, own: Tensor, crossing: Crossing):
        self.crossing = crossing
        self.swap: Swap | None = None
        self.token = _Sent.apply(own, self)

    def arrived(self) -> Tensor:
        """The other tower's activations, in the shape of one's own."""
        return _Arrived.apply(self.token, self)

    def start(self, mine: Tensor) -> None:
        """Sends this, in the order of its memory: a rank's maps lie as the other's do."""
        mine = _dense(mine)
        self.swap = self.crossing.swap(_in_order(mine), _in_order(theirs := torch.empty_like(mine)))
        self.theirs = theirs

    def end(self) -> Tensor:
        self.swap.wait()
        theirs, self.theirs, self.swap = self.theirs, None, None
        return theirs


def _dense(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last if tensor.dim() == 4 else torch.contiguous_format)


def _in_order(tensor: Tensor) -> Tensor:
    """A view that is contiguous."""
    return tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor


class _Sent(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, link: _Link) -> Tensor:
        ctx.link = link
        link.start(own)
        return own.new_empty(0)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        return ctx.link.end(), None


class _Arrived(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, token: Tensor, link: _Link) -> Tensor:
        ctx.link = link
        return link.end()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        ctx.link.start(slope)
        return slope.new_empty(0), None


def predicted_bytes(rows: list[LayerRow], batch_size: int, *, num_classes: int, itemsize: int = 4) -> int:
    """Bytes that cross in a training step, both ways, as the link mask has it: `rows` is the layer table of the whole net.

    Before each layer that sees both towers, but the image's own, each rank sends its half of what the layer sees, and in
    the backward pass as many slopes; and each its half of the logits.
    """
    count = num_classes
    for before, row in pairwise(rows):
        if row.sees == "both towers" and row.kind in ("conv", "fc"):
            count += 2 * before.maps * before.height * before.width
    return count * batch_size * itemsize
