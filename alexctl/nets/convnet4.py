"""convnet4: cuda-convnet's `layers-19pct`, `-18pct` and `-80sec`, built from their knobs."""

from torch import Tensor, nn

from alexctl.ablation.knobs import ConvNet4Knobs
from alexctl.errors import UserError
from alexctl.nets.activations import ACTIVATIONS
from alexctl.nets.contract import NetSpec
from alexctl.nets.cuda_convnet import Net2011, norm_layer, pooled, pooled_activation
from alexctl.nets.layers import Dropout


class ConvNet4(Net2011):
    """cuda-convnet's `layers-19pct`: conv 5x5x32, max; conv 5x5x32, average; conv 5x5x64, average; FC to the classes.

    Takes (batch, channels, height, width) float images, gives (batch, classes) logits. Every pooling is 3x3 with
    stride 2 and counts partial windows (32 -> 16 -> 8 -> 4). 89,578 parameters for 32x32x3 images and ten classes.
    `norm="same-map"` makes it `layers-18pct`, `hidden=64` `layers-80sec` (145,578 parameters), with the other
    knobs that PUBLISHED names; no file has both, or
    another norm: these stand where 18pct has its own, after the first and second pooling. `width` multiplies the maps
    of all three convolutions; `pool` replaces its maximum and averages by one of them; `dropout` is of what the last
    layer sees.
    Raises UserError for images that the third pooling would leave nothing of.
    """

    def __init__(self, knobs: ConvNet4Knobs, *, image_shape: tuple[int, int, int], num_classes: int, seed: int):
        super().__init__(knobs)
        height, width, channels = image_shape
        if min(height, width) < 8:
            raise UserError(f"convnet4 takes images of 8 x 8 pixels or more, not {height} x {width}")
        first, second, third = (max(1, round(maps * knobs.width)) for maps in (32, 32, 64))
        kernel = {"kernel_size": knobs.kernel, "padding": knobs.kernel // 2}
        self.conv1 = nn.Conv2d(channels, first, **kernel)
        self.norm1 = norm_layer(knobs.norm, first)
        self.conv2 = nn.Conv2d(first, second, **kernel)
        self.norm2 = norm_layer(knobs.norm, second)
        self.conv3 = nn.Conv2d(second, third, **kernel)
        for _ in range(3):
            height, width = pooled(height), pooled(width)
        if knobs.hidden is not None:
            self.hidden = nn.Linear(third * height * width, knobs.hidden)
        self.dropout = Dropout(knobs.dropout) if knobs.dropout else nn.Identity()
        self.fc = nn.Linear(knobs.hidden or third * height * width, num_classes)
        stds = {"conv1": 1e-4, "conv2": 0.01, "conv3": 0.01}  # initW in the files; fc's differs between them: a knob
        stds |= {"hidden": 0.1} if knobs.hidden is not None else {}
        self.initialise(stds | {"fc": knobs.fc_std}, seed=seed)

    @property
    def weight_costs(self) -> dict[str, float]:
        """Weight costs (wc) by parameter, as in the files; the last layer's, which differs between them, is a knob."""
        costs = {"conv1.weight": 0.004, "conv2.weight": 0.004, "conv3.weight": 0.004}
        if self.knobs.hidden is not None:
            costs["hidden.weight"] = 0.03
        return costs | {"fc.weight": self.knobs.fc_cost}

    def forward(self, images: Tensor) -> Tensor:
        activation, pool = self.knobs.activation, self.knobs.pool
        first, others = ("max", "average") if pool == "mixed" else (pool, pool)
        x = self.norm1(pooled_activation(self.conv1(images), activation, first))
        x = self.norm2(pooled_activation(self.conv2(x), activation, others))
        x = pooled_activation(self.conv3(x), activation, others).flatten(1)
        if self.knobs.hidden is not None:
            x = ACTIVATIONS[activation](self.hidden(x))
        return self.fc(self.dropout(x))


NET = NetSpec(factory=ConvNet4)
