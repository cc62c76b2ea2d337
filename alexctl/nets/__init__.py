"""Nets by name: `build(setting, ...)` is the one way to make one."""

from torch import nn

from alexctl.ablation.setting import Setting
from alexctl.nets.alexnet import AlexNet, AlexNet32
from alexctl.nets.cuda_convnet import ConvLocal, ConvNet4
from alexctl.nets.lenet import LeNet5
from alexctl.nets.own import build_own

BUILDERS = {
    "convnet4": ConvNet4,
    "convlocal": ConvLocal,
    "lenet5": LeNet5,
    "alexnet": AlexNet,
    "alexnet32": AlexNet32,
}

NATIVE_SHAPE = {  # (height, width, channels) and classes of the images that a net was made for; else CIFAR-10's
    "alexnet": ((224, 224, 3), 1000),
    "convlocal": ((24, 24, 3), 10),
    "lenet5": ((32, 32, 1), 10),
}


def native_shape(name: str) -> tuple[tuple[int, int, int], int]:
    """(height, width, channels) and number of classes of the images that a net was made for."""
    return NATIVE_SHAPE.get(name, ((32, 32, 3), 10))


def build(setting: Setting, *, image_shape: tuple[int, int, int], num_classes: int, seed: int) -> nn.Module:
    """The setting's net with its initial weights drawn from `seed`; image_shape is (height, width, channels)."""
    given = {"image_shape": image_shape, "num_classes": num_classes, "seed": seed}
    if setting.training.net not in BUILDERS:
        return build_own(setting, **given)
    return BUILDERS[setting.training.net](setting.net, **given)
