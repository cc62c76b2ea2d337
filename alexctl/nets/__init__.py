"""Nets by name: `build(setting, ...)` is the one way to make one."""

from torch import nn

from alexctl.knobs import Setting
from alexctl.nets.convnet import ConvNet4

BUILDERS = {"convnet4": ConvNet4}


def build(setting: Setting, *, image_shape: tuple[int, int, int], num_classes: int, seed: int) -> nn.Module:
    """The setting's net with its initial weights drawn from `seed`; image_shape is (height, width, channels)."""
    return BUILDERS[setting.training.net](setting.net, image_shape=image_shape, num_classes=num_classes, seed=seed)
