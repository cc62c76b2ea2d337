"""convlocal: cuda-convnet's `layers-conv-local-13pct` and `-11pct`, built from their knobs."""

from torch import Tensor, nn

from alexctl.ablation.knobs import ConvLocalKnobs
from alexctl.errors import UserError
from alexctl.nets.activations import ACTIVATIONS
from alexctl.nets.contract import NetSpec
from alexctl.nets.cuda_convnet import Net2011, max_pool, norm_layer, pooled, pooled_activation
from alexctl.nets.layers import LocallyConnected


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
        """Weight costs (wc) by parameter, as in the files; the last layer's, which differs between them, is a knob."""
        return {
            "conv1.weight": 0.0,
            "conv2.weight": 0.0,
            "local3.weight": 0.004,
            "local4.weight": 0.004,
            "fc.weight": self.knobs.fc_cost,
        }

    def forward(self, images: Tensor) -> Tensor:
        activation = ACTIVATIONS[self.knobs.activation]
        x = self.norm1(pooled_activation(self.conv1(images), self.knobs.activation, "max"))
        if self.knobs.norm == "none":
            x = pooled_activation(self.conv2(x), self.knobs.activation, "max")
        else:
            x = max_pool(self.norm2(activation(self.conv2(x))))
        x = activation(self.local4(activation(self.local3(x))))
        return self.fc(x.flatten(1))


NET = NetSpec(factory=ConvLocal, native_shape=(24, 24, 3))
