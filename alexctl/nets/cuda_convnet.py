"""The convolutional nets of cuda-convnet for CIFAR-10 (2011), built from their knobs."""

import math

from torch import Tensor, nn

from alexctl.ablation.knobs import ConvLocalKnobs, ConvNet4Knobs
from alexctl.errors import UserError
from alexctl.nets.activations import ACTIVATIONS, GAIN
from alexctl.nets.layers import LocallyConnected, ResponseNorm, average_pool, max_pool, pooled
from alexctl.randomness import normal_


class Net2011(nn.Module):
    """What the nets of the 2011 files have in common: how they start, and what images and rates they expect."""

    def __init__(self, knobs: ConvNet4Knobs | ConvLocalKnobs):
        super().__init__()
        self.knobs = knobs

    def initialise(self, stds_2012: dict[str, float], *, seed: int) -> None:
        """Draws the weights of the layers named, with these deviations or, for `fan-in`, their own; biases are zero."""
        for name, std in stds_2012.items():
            layer = getattr(self, name)
            if self.knobs.init == "fan-in":
                fan_in = layer.fan_in if isinstance(layer, LocallyConnected) else layer.weight[0].numel()
                std = math.sqrt(GAIN[self.knobs.activation] / fan_in)
            normal_(layer.weight, std, seed=seed, name=name)
            nn.init.zeros_(layer.bias)

    @property
    def input_scaling(self) -> str:
        """`mean-image`: 0-255 minus the mean image, as in 2012; `standardised`: per channel to mean 0, variance 1."""
        return "mean-image" if self.knobs.init == "2012" else "standardised"

    @property
    def bias_rate(self) -> float:
        """The biases' learning rate as a multiple of the weights': epsB 0.002 against epsW 0.001 in the 2011 files."""
        return 2.0 if self.knobs.init == "2012" else 1.0


class ConvNet4(Net2011):
    """cuda-convnet's `layers-19pct`: conv 5x5x32, max; conv 5x5x32, average; conv 5x5x64, average; FC to the classes.

    Takes (batch, channels, height, width) float images, gives (batch, classes) logits. Every pooling is 3x3 with
    stride 2 and counts partial windows (32 -> 16 -> 8 -> 4). 89,578 parameters for 32x32x3 images and ten classes.
    `norm="same-map"` makes it `layers-18pct`, `hidden=64` `layers-80sec` (145,578 parameters); no file has both, or
    a norm across maps or over the batch: these stand where 18pct has its own, after the first and second pooling.
    Raises UserError for images that the third pooling would leave nothing of.
    """

    def __init__(self, knobs: ConvNet4Knobs, *, image_shape: tuple[int, int, int], num_classes: int, seed: int):
        super().__init__(knobs)
        height, width, channels = image_shape
        if min(height, width) < 8:
            raise UserError(f"convnet4 takes images of 8 x 8 pixels or more, not {height} x {width}")
        self.conv1 = nn.Conv2d(channels, 32, 5, padding=2)
        self.norm1 = norm_layer(knobs.norm, 32)
        self.conv2 = nn.Conv2d(32, 32, 5, padding=2)
        self.norm2 = norm_layer(knobs.norm, 32)
        self.conv3 = nn.Conv2d(32, 64, 5, padding=2)
        for _ in range(3):
            height, width = pooled(height), pooled(width)
        if knobs.hidden is not None:
            self.hidden = nn.Linear(64 * height * width, knobs.hidden)
        self.fc = nn.Linear(knobs.hidden or 64 * height * width, num_classes)
        stds = {"conv1": 1e-4, "conv2": 0.01, "conv3": 0.01}  # initW in the files
        stds |= {"fc": 0.01} if knobs.hidden is None else {"hidden": 0.1, "fc": 0.1}
        self.initialise(stds, seed=seed)

    @property
    def weight_costs(self) -> dict[str, float]:
        """Weight costs (wc) by parameter: of 80sec with a hidden layer, else of 19pct, or of 18pct with any norm.

        The last layer's differs between these files; `fc_cost` gives it the same in all, so that one thing is compared.
        """
        costs = {"conv1.weight": 0.004, "conv2.weight": 0.004, "conv3.weight": 0.004}
        if self.knobs.hidden is not None:
            costs |= {"hidden.weight": 0.03, "fc.weight": 0.03}
        else:
            costs |= {"fc.weight": 3.0 if self.knobs.norm == "none" else 1.0}
        return costs if self.knobs.fc_cost is None else costs | {"fc.weight": self.knobs.fc_cost}

    def forward(self, images: Tensor) -> Tensor:
        activation = ACTIVATIONS[self.knobs.activation]
        # An increasing function and a maximum commute; four times fewer values to squash this way round.
        x = self.norm1(activation(max_pool(self.conv1(images))))
        x = self.norm2(average_pool(activation(self.conv2(x))))
        x = average_pool(activation(self.conv3(x))).flatten(1)
        if self.knobs.hidden is not None:
            x = activation(self.hidden(x))
        return self.fc(x)


def norm_layer(norm: str, channels: int) -> nn.Module:
    """The layer of a `norm` knob: 18pct's for `same-map`, conv-local-11pct's for `cross-map`, torch's for `batch`."""
    if norm == "same-map":
        return ResponseNorm(3, alpha=5e-5, beta=0.75, k=1.0, maps="within", divided=True)
    if norm == "cross-map":
        return ResponseNorm(9, alpha=0.001, beta=0.75, k=1.0, maps="across", divided=True)
    return nn.BatchNorm2d(channels) if norm == "batch" else nn.Identity()


class ConvLocal(Net2011):
    """cuda-convnet's `layers-conv-local-13pct`: conv 5x5x64, max; conv 5x5x64, max; local 3x3x32 twice; FC to classes.

    `norm="cross-map"` with `local3_maps=64` is `layers-conv-local-11pct`; the norms stand where it has them, after the
    first pooling and before the second (section 3.3, footnote 3: the two files differ in more than the norm).
    Takes (batch, channels, side, side) float images, gives (batch, classes) logits. 1,116,490 and 2,112,970 parameters
    for the files' 24x24x3 crops (24 -> 12 -> 6) and ten classes.
    Raises UserError for images that are not square, or that the second pooling would leave nothing of.
    """

    STD_2012 = {"conv1": 1e-4, "conv2": 0.01, "local3": 0.04, "local4": 0.04, "fc": 0.01}  # noqa: RUF012

    def __init__(self, knobs: ConvLocalKnobs, *, image_shape: tuple[int, int, int], num_classes: int, seed: int):
        super().__init__(knobs)
        height, width, channels = image_shape
        if height != width or height < 4:
            raise UserError(f"convlocal takes square images of 4 x 4 pixels or more, not {height} x {width}")
        side = pooled(pooled(height))
        self.conv1 = nn.Conv2d(channels, 64, 5, padding=2)
        self.norm1 = norm_layer(knobs.norm, 64)
        self.conv2 = nn.Conv2d(64, 64, 5, padding=2)
        self.norm2 = norm_layer(knobs.norm, 64)
        self.local3 = LocallyConnected(64, knobs.local3_maps, 3, 1, side=side)
        self.local4 = LocallyConnected(knobs.local3_maps, 32, 3, 1, side=side)
        self.fc = nn.Linear(32 * side * side, num_classes)
        self.initialise(self.STD_2012, seed=seed)

    @property
    def weight_costs(self) -> dict[str, float]:
        """Weight costs (wc) by parameter: of 13pct, or of 11pct with its 64 maps.

        They hang on the maps, not on the norm, so that the norm alone can be compared.
        """
        return {
            "conv1.weight": 0.0,
            "conv2.weight": 0.0,
            "local3.weight": 0.004,
            "local4.weight": 0.004,
            "fc.weight": 0.01 if self.knobs.local3_maps == 64 else 0.004,
        }

    def forward(self, images: Tensor) -> Tensor:
        activation = ACTIVATIONS[self.knobs.activation]
        # An increasing function and a maximum commute; four times fewer values to squash this way round.
        x = self.norm1(activation(max_pool(self.conv1(images))))
        if self.knobs.norm == "none":
            x = activation(max_pool(self.conv2(x)))
        else:
            x = max_pool(self.norm2(activation(self.conv2(x))))
        x = activation(self.local4(activation(self.local3(x))))
        return self.fc(x.flatten(1))
