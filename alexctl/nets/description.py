"""A net by its name and knobs, taken apart: its layers, and what they cost."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from alexctl.ablation.knobs import Knobs, TrainingKnobs
from alexctl.ablation.own_code import raised_told
from alexctl.ablation.own_net import is_own
from alexctl.ablation.toml import key_values
from alexctl.nets import find
from alexctl.nets.layer_table import LayerRow, Totals, layer_table, totals
from alexctl.nets.memory import training_bytes

BATCH_SIZE = TrainingKnobs.model_fields["batch_size"].default


@dataclass(frozen=True, kw_only=True)
class Description:
    """A net for images of (height, width, channels); memory is that of a training step on `batch_size` images."""

    net: str
    knobs: dict[str, Any]
    changed: dict[str, Any]  # the knobs that are not at their default
    image_shape: tuple[int, int, int]
    num_classes: int
    layers: list[LayerRow]
    totals: Totals
    batch_size: int
    training_bytes: int

    @property
    def title(self) -> str:
        """The net, and what of its knobs is not at its default: 'alexnet32, towers = 1'."""
        return ", ".join(filter(None, (self.net, key_values(self.changed))))

    @property
    def drawable(self) -> bool:
        """Whether it is a net of Figure 2."""
        return find(self.net).is_figure_2


def describe(name: str, knobs: Knobs, image_size: int | None = None, num_classes: int | None = None) -> Description:
    """The net built for square images of image_size pixels; None: for those it was made for.

    Raises UserError for images that the net can't take.
    """
    spec = find(name)
    height, width, channels = spec.native_shape
    shape = (image_size or height, image_size or width, channels)
    num_classes = num_classes or spec.native_classes
    own = is_own(name)
    with raised_told(f"{name} raised {{}}") if own else nullcontext():
        with nullcontext() if own else torch.device("meta"):  # there nothing is drawn or kept
            net = spec.factory(knobs, image_shape=shape, num_classes=num_classes, seed=0)
        layers, memory = layer_table(net, shape), training_bytes(net, shape, num_classes, BATCH_SIZE)
    return Description(
        net=name, knobs=knobs.model_dump(mode="json", exclude={"net_source"}),
        changed=knobs.model_dump(exclude_defaults=True, exclude={"net_source"}),
        image_shape=shape, num_classes=num_classes, layers=layers, totals=totals(layers), batch_size=BATCH_SIZE,
        training_bytes=memory,
    )  # fmt: skip
