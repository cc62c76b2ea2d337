"""convnet4: cuda-convnet's `layers-19pct`, `-18pct` and `-80sec`, built from their knobs."""

from torch import Tensor, nn

from alexctl.ablation.knobs import ConvNet4Knobs
from alexctl.errors import UserError
from alexctl.nets.activations import ACTIVATIONS
from alexctl.nets.contract import NetSpec
from alexctl.nets.cuda_convnet import Net2011, average_pool, max_pool, norm_layer, pooled


class ConvNet4(Net2011):
    """cuda-convnet's `layers-19pct`: conv 5x5x32, max; conv 5x5x32, average; conv 5x5x64, average; FC to the classes.

    Takes (batch, channels, height, width) float images, gives (batch, classes) logits. Every pooling is 3x3 with
    stride 2 and counts partial windows (32 -> 16 -> 8 -> 4). 89,578 parameters for 32x32x3 images and ten classes.
    `norm="same-map"` makes it `layers-18pct`, `hidden=64` `layers-80sec` (145,578 parameters), with the other
    knobs that PUBLISHED names; no file has both, or
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
        activation = ACTIVATIONS[self.knobs.activation]
        # An increasing function and a maximum commute; four times fewer values to squash this way round.
        x = self.norm1(activation(max_pool(self.conv1(images))))
        x = self.norm2(average_pool(activation(self.conv2(x))))
        x = average_pool(activation(self.conv3(x))).flatten(1)
        if self.knobs.hidden is not None:
            x = activation(self.hidden(x))
        return self.fc(x)


NET = NetSpec(factory=ConvNet4)
