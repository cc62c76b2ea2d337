"""What a net is: what training asks of one, what a net of the user's own may leave out, what is known of it unbuilt."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from torch import Tensor

Scaling = Literal["mean-image", "standardised", "lenet"]  # `data.batches.statistics` says what each does
SCALINGS = get_args(Scaling)


@runtime_checkable
class Net(Protocol):
    """A torch.nn.Module that takes images, gives logits, and says how it is trained.

    Parameters whose name ends in `bias` have no weight decay and learn at `bias_rate`. What changes in training without
    being a parameter is a registered buffer, or a resumed trial can't have it back. A net in towers has `num_towers`,
    a layer that torch lacks has `layer_row` (see `layer_table`).

    The values here hold for a net of the user's own that does not say otherwise; our nets say all three.
    """

    input_scaling: Scaling = "standardised"
    bias_rate: float = 1.0  # the biases' learning rate as a multiple of the weights'
    weight_costs: Mapping[str, float] | None = None  # by parameter, for weight_decay = "file"; None: it knows none

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) floats to (batch, classes) logits."""


class ByKnobs:
    """A net whose `knobs` say which images and which rate of the biases it expects."""

    knobs: Any

    @property
    def input_scaling(self) -> str:
        """`mean-image` or `standardised`, as the knob says."""
        return self.knobs.input_scaling

    @property
    def bias_rate(self) -> float:
        """The biases' learning rate as a multiple of the weights', as the knob says."""
        return self.knobs.bias_rate


DEFAULTS = {name: getattr(Net, name) for name in Net.__annotations__}


@dataclass(frozen=True, kw_only=True)
class NetSpec:
    """What is known of a net before it is built; of the net NAME, alexctl/nets/NAME.py says it as `NET`.

    `factory(knobs, image_shape=(height, width, channels), num_classes=..., seed=...)` gives the net, its initial weights
    drawn from the seed; it raises UserError for images that the net can't take.
    """

    factory: Callable[..., Net]
    native_shape: tuple[int, int, int] = (32, 32, 3)  # of the images that it was made for; CIFAR-10's
    native_classes: int = 10
    is_figure_2: bool = False  # whether it is drawn as the paper's Figure 2
