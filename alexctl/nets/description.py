"""A net by its name and knobs, taken apart: its layers, what they cost, and its figure."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from alexctl.ablation.knobs import Knobs, TrainingKnobs
from alexctl.ablation.own_net import is_own
from alexctl.ablation.setting import Setting
from alexctl.nets import build, native_shape
from alexctl.nets.layer_table import LayerRow, Totals, layer_table, on_meta_device, totals
from alexctl.nets.memory import training_bytes

DRAWN = ("alexnet", "alexnet32")
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
    def drawable(self) -> bool:
        """Whether it is a net of Figure 2."""
        return self.net in DRAWN


def describe(name: str, knobs: Knobs, image_size: int | None = None, num_classes: int | None = None) -> Description:
    """The net built for square images of image_size pixels, without its numbers; None: those it was made for.

    Raises UserError for images that the net can't take.
    """
    (height, width, channels), usual = native_shape(name)
    num_classes = num_classes or usual
    shape = (image_size or height, image_size or width, channels)
    training = TrainingKnobs(data="shapes", net=name, lr=1.0)  # which says nothing of the net
    setting = Setting(training=training, net=knobs, data_name="", data_digest="")

    def make() -> nn.Module:
        return build(setting, image_shape=shape, num_classes=num_classes, seed=0)

    net = make() if is_own(name) else on_meta_device(make)
    layers = layer_table(net, shape)
    return Description(
        net=name, knobs=knobs.model_dump(mode="json", exclude={"net_source"}),
        changed=knobs.model_dump(exclude_defaults=True, exclude={"net_source"}),
        image_shape=shape, num_classes=num_classes, layers=layers, totals=totals(layers), batch_size=BATCH_SIZE,
        training_bytes=training_bytes(net, shape, num_classes, BATCH_SIZE),
    )  # fmt: skip
