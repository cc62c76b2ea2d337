"""Nets by name: `build(setting, ...)` is the one way to make one."""

from torch import nn

from alexctl.knobs import Setting
from alexctl.nets.alexnet import AlexNet, AlexNet32
from alexctl.nets.convlocal import ConvLocal
from alexctl.nets.convnet import ConvNet4
from alexctl.nets.lenet import LeNet5
from alexctl.nets.own import build_own

BUILDERS = {
    "convnet4": ConvNet4,
    "convlocal": ConvLocal,
    "lenet5": LeNet5,
    "alexnet": AlexNet,
    "alexnet32": AlexNet32,
}


def build(setting: Setting, *, image_shape: tuple[int, int, int], num_classes: int, seed: int) -> nn.Module:
    """The setting's net with its initial weights drawn from `seed`; image_shape is (height, width, channels)."""
    given = {"image_shape": image_shape, "num_classes": num_classes, "seed": seed}
    if setting.training.net not in BUILDERS:
        return build_own(setting, **given)
    return BUILDERS[setting.training.net](setting.net, **given)
