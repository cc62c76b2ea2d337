"""The training batches of one epoch, one after another."""

from collections.abc import Iterator

from torch import Tensor

from alexctl.data.batches import Batches
from alexctl.data.epochs import Epochs


def epoch_of(batches: Batches, seed: int, epoch: int, *, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """The training batches of one epoch from `first_step` on."""
    epochs = Epochs(batches, seed)
    epochs.begin(epoch, first_step)
    for size in batches.sizes(first_step):
        yield epochs.take(size)
