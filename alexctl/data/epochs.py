"""One training's way through the images: the order of each epoch, crops, mirrorings and shifts of colour."""

import torch
from torch import Tensor

from alexctl import randomness
from alexctl.data.batches import Batches
from alexctl.randomness import derived_seed


class Epochs:
    """What one seed draws for an epoch, in tensors that stay where they are, and where in it the training is.

    So that `take` can be captured as a part of a CUDA graph: it reads its place, moves it on, and needs no word of the
    host's. All of it lies where the images do. Every arm with this seed draws the same.
    """

    def __init__(self, batches: Batches, seed: int):
        self.batches, self.seed = batches, seed
        count, store = batches.num_train, batches.store
        self.order = torch.arange(count, device=store)  # that of the file
        self.at = torch.zeros((), dtype=torch.int64, device=store)  # the next batch's first image
        self.corners = self.mirrored = self.colours = None
        if any(batches.margins):
            centre = [[margin // 2] for margin in batches.margins]
            self.corners = torch.tensor(centre, device=store).repeat(1, count)
        if batches.flips:
            self.mirrored = torch.zeros(count, dtype=torch.bool, device=store)
        if batches.components is not None:
            self.colours = torch.zeros(count, len(batches.components), device=batches.device)
        self.drawn: int | None = None

    @property
    def shifts_colours(self) -> bool:
        """Whether the colours of this epoch are shifted."""
        until = self.batches.colour_noise_until
        return self.colours is not None and (until is None or self.drawn < until)

    def begin(self, epoch: int, step: int = 0) -> None:
        """Draws an epoch, unless it is drawn already, and goes to the batch of this number."""
        self.at.fill_(step * self.batches.batch_size)
        if epoch == self.drawn:
            return
        self.drawn = epoch
        batches, count = self.batches, self.batches.num_train
        number = torch.full((), epoch, device=batches.store)
        if not batches.in_file_order:
            self.order.copy_(randomness.permutation(self._key("order"), number, count))
        if self.corners is not None and batches.random_crops:
            for row, (way, margin) in enumerate(zip(("down", "right"), batches.margins, strict=True)):
                self.corners[row] = randomness.integers(self._key("crop", way), number, count, margin + 1)
        if self.mirrored is not None:
            self.mirrored.copy_(randomness.happens(self._key("flip"), number, count, 0.5))
        if self.shifts_colours:
            components = batches.components
            alphas = randomness.normals(self._key("colour"), number.to(batches.device), count * len(components))
            self.colours.copy_(batches.colour_noise * alphas.view(count, -1) @ components)

    def _key(self, *purpose: str) -> int:
        return derived_seed(self.seed, *purpose)

    def take(self, size: int) -> tuple[Tensor, Tensor]:
        """The next `size` images of the epoch as a net takes them, and their labels."""
        batches = self.batches
        here = self.at + torch.arange(size, device=batches.store)
        index = self.order[here]
        if self.corners is None and self.mirrored is None:
            images = batches.scaled(batches.train_images[index])
        else:
            images = batches.scaled(self._gathered(index, here))
        if self.shifts_colours:
            images = images + (self.colours[here.to(batches.device)] * batches.scale)[:, :, None, None]
        self.at += size
        return images, batches.train_labels[index.to(batches.device)]

    def _gathered(self, index: Tensor, here: Tensor) -> Tensor:
        """(batch, height, width, channels) uint8: each image from its own corner, mirrored where it is to be."""
        height, width, _ = self.batches.shape
        top, left = (0, 0) if self.corners is None else self.corners[:, here, None]
        rows = (torch.arange(height, device=here.device) + top).expand(len(index), height)
        columns = torch.arange(width, device=here.device).expand(len(index), width)
        if self.mirrored is not None:
            columns = torch.where(self.mirrored[here, None], width - 1 - columns, columns)
        return self.batches.train_images[index[:, None, None], rows[:, :, None], (columns + left)[:, None, :]]
