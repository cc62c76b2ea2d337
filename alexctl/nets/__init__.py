"""Nets by name: the net NAME is the file NAME.py of this folder, its knobs are those that `ablation.knobs.NETS` names."""

from functools import partial
from importlib import import_module

from alexctl.ablation.knobs import Knobs
from alexctl.ablation.own_net import is_own
from alexctl.nets.contract import Net, NetSpec
from alexctl.nets.own import build_own


def find(name: str) -> NetSpec:
    """What is known of a net before it is built; code of the user's own is not run for it."""
    return NetSpec(factory=partial(build_own, name)) if is_own(name) else import_module(f"{__name__}.{name}").NET


def build(name: str, knobs: Knobs, *, image_shape: tuple[int, int, int], num_classes: int, seed: int) -> Net:
    """The net with its initial weights drawn from `seed`; image_shape is (height, width, channels)."""
    return find(name).factory(knobs, image_shape=image_shape, num_classes=num_classes, seed=seed)
