"""One training's way through the images: the order of each epoch, and all that is done to images on the way."""

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
        self.corners = self.mirrored = self.colours = self.centres = self.shares = None
        if any(batches.margins) or batches.pad_crop:
            centre = [[margin // 2] for margin in batches.margins]
            self.corners = torch.tensor(centre, device=store).repeat(1, count)
        if batches.flips:
            self.mirrored = torch.zeros(count, dtype=torch.bool, device=store)
        if batches.components is not None:
            self.colours = torch.zeros(count, len(batches.components), device=batches.device)
        if batches.cutout is not None:
            self.centres = torch.zeros(2, count, dtype=torch.int64, device=store)
        if batches.mixup:
            self.shares = torch.ones(batches.steps_per_epoch, device=batches.device)
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
                drawn = randomness.integers(self._key("crop", way), number, count, margin + 2 * batches.pad_crop + 1)
                self.corners[row] = drawn - batches.pad_crop
        if self.mirrored is not None:
            self.mirrored.copy_(randomness.happens(self._key("flip"), number, count, 0.5))
        if self.shifts_colours:
            components = batches.components
            alphas = randomness.normals(self._key("colour"), number.to(batches.device), count * len(components))
            self.colours.copy_(batches.colour_noise * alphas.view(count, -1) @ components)

        if self.centres is not None:
            for row, (way, side) in enumerate(zip(("down", "right"), batches.shape[:2], strict=True)):
                self.centres[row] = randomness.integers(self._key("cutout", way), number, count, side)
        if self.shares is not None:  # on the CPU, the same for every device
            key, step = self._key("mixup"), torch.tensor(epoch)
            self.shares.copy_(randomness.betas(key, step, len(self.shares), batches.mixup))

    def _key(self, *purpose: str) -> int:
        return derived_seed(self.seed, *purpose)

    def take(self, size: int) -> tuple[Tensor, Tensor]:
        """The next `size` images of the epoch as a net takes them, and their labels: (size,) int64.

        Where images are mixed, labels are (size, classes) float32: the share that each class has in an image.
        """
        batches = self.batches
        here = self.at + torch.arange(size, device=batches.store)
        index = self.order[here]
        if self.corners is None and self.mirrored is None:
            images = batches.scaled(batches.train_images[index])
        else:
            images = self._moved(index, here)
        if self.shifts_colours:
            images = images + (self.colours[here.to(batches.device)] * batches.scale)[:, :, None, None]
        if self.centres is not None:
            images = images * self._outside(here)
        labels = batches.train_labels[index.to(batches.device)]
        if self.shares is not None:
            images, labels = self._mixed(images, labels)
        self.at += size
        return images, labels

    def _moved(self, index: Tensor, here: Tensor) -> Tensor:
        """(batch, channels, height, width): each image from its own corner, mirrored where it is to be, blank beyond it."""
        batches = self.batches
        height, width, _ = batches.shape
        top, left = (0, 0) if self.corners is None else self.corners[:, here, None]
        rows = (torch.arange(height, device=here.device) + top).expand(len(index), height)
        columns = torch.arange(width, device=here.device).expand(len(index), width)
        if self.mirrored is not None:
            columns = torch.where(self.mirrored[here, None], width - 1 - columns, columns)
        columns = columns + left
        if not batches.pad_crop:
            return batches.scaled(batches.train_images[index[:, None, None], rows[:, :, None], columns[:, None, :]])
        bottom, right = (side - 1 for side in batches.train_images.shape[1:3])
        near_rows, near_columns = rows.clamp(0, bottom), columns.clamp(0, right)
        images = batches.train_images[index[:, None, None], near_rows[:, :, None], near_columns[:, None, :]]
        within = (rows == near_rows)[:, None, :, None] & (columns == near_columns)[:, None, None, :]
        return batches.scaled(images) * within.to(batches.device)

    def _outside(self, here: Tensor) -> Tensor:
        """(batch, 1, height, width) bool: the pixels that each image's square leaves; it may hang over the edge."""
        side = self.batches.cutout
        within = []
        for centres, length in zip(self.centres, self.batches.shape[:2], strict=True):
            places = torch.arange(length, device=here.device) - (centres[here, None] - side // 2)
            within.append((places >= 0) & (places < side))
        return ~(within[0][:, None, :, None] & within[1][:, None, None, :]).to(self.batches.device)

    def _mixed(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Each image with the one before it in its batch, whose order is random already; one share for all of them."""
        step = (self.at // self.batches.batch_size).view(1).to(self.batches.device)
        share = self.shares.index_select(0, step)
        classes = torch.arange(self.batches.num_classes, device=labels.device)
        shares = (labels[:, None] == classes).float()
        labels = share * shares + (1 - share) * shares.roll(1, 0)
        return share * images + (1 - share) * images.roll(1, 0), labels
