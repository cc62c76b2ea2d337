"""alexnet32: the paper's net shrunk to images of 32 px, a proxy."""

from typing import ClassVar

from alexctl.nets.alexnet import AlexNet
from alexctl.nets.alexnet_shapes import ConvSpec
from alexctl.nets.contract import NetSpec


class AlexNet32(AlexNet):
    """AlexNet shrunk to 32 px and a laptop: a proxy, which the paper does not define.

    The same layers, towers, links and knobs. Widths: a quarter of the kernels, an eighth of the fully connected
    units. conv1 is 4x4 with stride 1 instead of 11x11 with stride 4, so that a 32 px image gives maps of 31, 15, 7
    and 3: odd like the paper's 55, 27, 13 and 6 before each pooling, no window hanging over, and sizes that 2x2 pooling
    does not meet unless the same two paddings give way as in run 147. The initial weights of `paper` and `code` are
    larger by the root of how many times fewer inputs a unit has here, so that each layer passes on as much of its
    input as the paper's does; 0.01 as it stands leaves logits of 1e-6, and the loss stayed at that of guessing for the
    250 steps we watched. 708,322 parameters in two towers for 32x32x3 images and ten classes.
    """

    CONVS = (
        ConvSpec(number=1, maps=24, kernel=4, padding=1, pooled=True),
        ConvSpec(number=2, maps=64, kernel=5, padding=2, pooled=True),
        ConvSpec(number=3, maps=96, kernel=3, padding=1),
        ConvSpec(number=4, maps=96, kernel=3, padding=1),
        ConvSpec(number=5, maps=64, kernel=3, padding=1, pooled=True),
    )
    HIDDEN, MATCHED_HIDDEN = 512, 556  # the fully connected layers have less of the parameters here than in the paper
    FEWER_INPUTS: ClassVar[dict[str, float]] = {
        "conv1": 363 / 48, "conv2": 4, "conv3": 4, "conv4": 4, "conv5": 4, "fc6": 9216 / 576, "fc7": 8, "fc8": 8,
    }  # fmt: skip


NET = NetSpec(factory=AlexNet32, is_figure_2=True)
