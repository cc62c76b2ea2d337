"""The sizes of AlexNet's maps, worked out before it is built; its layers as a table, read off the built net."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from alexctl.errors import UserError

POOLS = {"3/2": 3, "2/2": 2, "2/2-naive": 2}  # the side of the windows; their stride is 2


@dataclass(frozen=True, kw_only=True)
class ConvSpec:
    """A convolutional layer before the picture's size is known; `number` is the layer's place in the paper."""

    number: int
    maps: int
    kernel: int
    stride: int = 1
    padding: int
    pooled: bool = False


class TooSmall(ValueError):
    """A window that is larger than the map it should lie on."""


def windows(size: int, window: int, stride: int) -> int:
    """How many windows fit on a side by the ceil rule of the 2012 code: the last may hang over the edge.

    Raises TooSmall when not even the first lies on the map.
    """
    if window > size:
        raise TooSmall(f"a window of {window} on a map of {size}")
    return 1 + math.ceil((size - window) / stride)


def fit(convs: list[ConvSpec], side: int, pooling: str) -> tuple[list[int], int]:
    """(each layer's padding, the last map's side) along one side of a picture, in pixels.

    With 2/2, conv2 and the last convolution are padded just so much less that their poolings give the sizes of 3/2,
    as in the authors' run 147 (conv2 from 2 to 1, conv5 from 1 to 0). Raises TooSmall.
    """
    own = [conv.padding for conv in convs]
    if pooling != "2/2":
        return own, _sides(convs, side, own, POOLS[pooling])[-1]
    wanted = _sides(convs, side, own, POOLS["3/2"])
    for place in (1, len(convs) - 1):
        while _sides(convs, side, own, POOLS["2/2"])[place] != wanted[place]:
            own[place] -= 1
            if own[place] < 0:
                raise TooSmall(f"conv{convs[place].number} can't give way any further")
    return own, wanted[-1]


def _sides(convs: list[ConvSpec], side: int, paddings: list[int], pool: int) -> list[int]:
    """The side of the map that each layer hands on."""
    sides = []
    for conv, padding in zip(convs, paddings, strict=True):
        side = windows(side + 2 * padding, conv.kernel, conv.stride)
        side = windows(side, pool, 2) if conv.pooled else side
        sides.append(side)
    return sides


def fit_picture(convs: list[ConvSpec], height: int, width: int, pooling: str) -> tuple[list[tuple[int, int]], int]:
    """(each layer's padding down and across, how many places the last map has) for pictures of height x width px.

    UserError names the smallest picture that the net can take.
    """
    try:
        (down, last_height), (across, last_width) = fit(convs, height, pooling), fit(convs, width, pooling)
    except TooSmall:
        least = smallest(convs, pooling)
        raise UserError(
            f"pictures of {height}x{width} px are too small, a pooling would find no map; "
            f"this net takes {least}x{least} px or more"
        ) from None
    return list(zip(down, across, strict=True)), last_height * last_width


def smallest(convs: list[ConvSpec], pooling: str) -> int:
    """The side of the smallest square picture, in pixels, from which on every size fits."""
    side = 1024
    while _fits(convs, side - 1, pooling):
        side -= 1
    return side


def _fits(convs: list[ConvSpec], side: int, pooling: str) -> bool:
    try:
        fit(convs, side, pooling)
    except TooSmall:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """A layer as built: sides in pixels or places, counts for one picture; fully connected layers have no kernel.

    A kernel is `kernel` x `kernel` x `kernel_maps` weights; for a fully connected unit `kernel_maps` is its inputs.
    """

    name: str
    kind: str  # conv, norm, pool, fc
    kernel: int | None = None
    kernel_maps: int | None = None
    stride: int | None = None
    padding: tuple[int, int] | None = None
    maps: int
    height: int = 1
    width: int = 1
    num_parameters: int = 0
    num_macs: int = 0  # multiply-accumulates
    num_neurons: int = 0
    sees: str  # picture, all, own tower, both towers, own map


def layer_table(net: nn.Module) -> list[LayerRow]:
    """The layers of an AlexNet in the order in which a picture meets them, from its modules and a picture sent through.

    The picture and the weights are torch's meta tensors: nothing is computed, and the net stays as it is.
    """
    rows: list[LayerRow] = []
    hooks = [
        layer.register_forward_hook(lambda layer, _, output, name=name: rows.extend(_row(net, name, layer, output)))
        for name, layer in net.named_children()
    ]
    height, width, channels = net.image_shape
    tensors = {name: tensor.to("meta") for name, tensor in (*net.named_parameters(), *net.named_buffers())}
    was_training = net.training
    try:
        net.eval()
        torch.func.functional_call(net, tensors, (torch.zeros(1, channels, height, width, device="meta"),))
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()
    return rows


def _row(net: nn.Module, name: str, layer: nn.Module, output: Tensor) -> list[LayerRow]:
    maps, *sides = output.shape[1:]
    size = dict(zip(("height", "width"), sides, strict=False))
    same = {"name": name, "maps": maps, "num_parameters": sum(p.numel() for p in layer.parameters()), **size}
    towers = net.knobs.towers
    if isinstance(layer, nn.MaxPool2d):
        return [
            LayerRow(kind="pool", kernel=layer.kernel_size, stride=layer.stride, padding=(0, 0), sees="own map", **same)
        ]
    if name.startswith("norm"):
        alone = isinstance(layer, nn.BatchNorm2d)
        return [LayerRow(kind="norm", sees="own map" if alone else "own tower" if towers > 1 else "all", **same)]
    if not name.startswith(("conv", "fc")):
        return []
    if name == "conv1":
        sees = "picture"
    elif layer.groups > 1:
        sees = "own tower"
    else:
        sees = "both towers" if towers > 1 else "all"
    counts = {
        "num_macs": layer.weight.numel() * math.prod(sides), "num_neurons": output[0].numel(), "sees": sees,
        "kernel_maps": layer.weight.shape[1],
    }  # fmt: skip
    if name.startswith("fc"):
        return [LayerRow(kind="fc", **counts, **same)]
    (kernel, _), (stride, _) = layer.kernel_size, layer.stride
    return [LayerRow(kind="conv", kernel=kernel, stride=stride, padding=layer.padding, **counts, **same)]
