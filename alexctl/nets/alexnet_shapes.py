"""The sizes of AlexNet's maps, worked out before it is built."""

import math
from dataclasses import dataclass

from alexctl.errors import UserError

POOLS = {"3/2": 3, "2/2": 2, "2/2-naive": 2}  # the side of the windows; their stride is 2


@dataclass(frozen=True, kw_only=True)
class ConvSpec:
    """A convolutional layer before the image's size is known; `number` is the layer's place in the paper."""

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
    """(each layer's padding, the last map's side) along one side of an image, in pixels.

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


def fit_image(convs: list[ConvSpec], height: int, width: int, pooling: str) -> tuple[list[tuple[int, int]], int]:
    """(each layer's padding down and across, how many places the last map has) for images of height x width px.

    UserError names the smallest image that the net can take.
    """
    try:
        (down, last_height), (across, last_width) = fit(convs, height, pooling), fit(convs, width, pooling)
    except TooSmall:
        least = smallest(convs, pooling)
        raise UserError(
            f"images of {height}x{width} px are too small, a pooling would find no map; "
            f"this net takes {least}x{least} px or more"
        ) from None
    return list(zip(down, across, strict=True)), last_height * last_width


def smallest(convs: list[ConvSpec], pooling: str) -> int:
    """The side of the smallest square image, in pixels, from which on every size fits."""
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
