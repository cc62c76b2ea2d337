"""Minibatches of images that stay on the device as bytes; no DataLoader, no copies but the batch itself."""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from alexctl.data.sources import DataSet
from alexctl.errors import UserError
from alexctl.randomness import generator


class Batches:
    """The images of one data set on one device: training batches, test batches, the net's input scaling.

    Batches are (batch, channels, height, width) float32 in channels_last order, with (batch,) int64 labels. With `crop`
    height and width are its side: a random square of each training image (or the centre), the centre of each test
    image, less the centre of the mean image (cuda-convnet). `held_out` is the share of the training images that is
    held out: it is neither trained on nor part of any statistics. `order` "file" goes through the images as they lie
    in the file, in every epoch. `flips` mirrors half of the training images; `colour_noise` adds
    multiples of the principal components of the training images' colours (section 4.1), before epoch
    `colour_noise_until` only where that is given. An accelerator holds all
    images where they take at most half of its free memory (`resident` says it otherwise), else only the batches.
    """

    def __init__(
        self,
        data: DataSet,
        *,
        device: torch.device,
        scaling: str,
        batch_size: int,
        num_train: int | None = None,
        held_out: float = 0.0,
        order: str = "shuffled",
        crop: int | None = None,
        random_crops: bool = True,
        flips: bool = False,
        colour_noise: float = 0.0,
        colour_noise_until: int | None = None,
        resident: bool | None = None,
    ):
        chosen = slice(None) if num_train is None else subset(data.train_labels, num_train, data.notes)
        kept_back = slice(0)
        if held_out:
            chosen, kept_back = split(data.train_labels, np.arange(len(data.train_labels))[chosen], held_out)
        self.batch_size, self.device, self.in_file_order = batch_size, device, order == "file"
        self.random_crops, self.flips = random_crops, flips
        self.colour_noise, self.colour_noise_until = colour_noise, colour_noise_until
        keep = _fits(data, device) if resident is None else resident
        self.store = device if keep else torch.device("cpu")
        self.train_images = _kept(data.train_images[chosen], self.store)
        self.train_labels = torch.from_numpy(data.train_labels[chosen]).to(device)
        self.test_images = _kept(data.test_images, self.store)
        self.test_labels = torch.from_numpy(data.test_labels).to(device)
        self.validation_images = _kept(data.train_images[kept_back], self.store)
        self.validation_labels = torch.from_numpy(data.train_labels[kept_back]).to(device)
        self.num_train = len(self.train_labels)
        self.steps_per_epoch = -(-self.num_train // batch_size)
        found = data.once(("statistics", scaling, num_train, held_out), lambda: statistics(self.train_images, scaling))
        self.mean, self.scale = (part.to(device) for part in found)
        self.margins = _margins(self.train_images.shape[1:3], crop)
        self.shape = (*(side - margin for side, margin in zip(self.train_images.shape[1:3], self.margins, strict=True)),
                      self.train_images.shape[3])  # fmt: skip
        if self.mean.dim() == 3:
            self.mean = self._square(self.mean[None], *(margin // 2 for margin in self.margins))[0]
        self.components = None
        if colour_noise:
            found = data.once(("colours", num_train, held_out), lambda: colour_components(self.train_images))
            self.components = found.to(device)

    def order(self, seed: int, epoch: int) -> Tensor:
        """A fresh permutation for each (seed, epoch), the same for every arm; or the order of the file (cuda-convnet)."""
        if self.in_file_order:
            return torch.arange(self.num_train, device=self.device)
        return torch.randperm(self.num_train, generator=generator(seed, "order", epoch)).to(self.device)

    def epoch(self, seed: int, epoch: int, *, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The training batches of one epoch from `first_step` on; the last one holds what is left over."""
        order = self.order(seed, epoch)
        corners, mirrored, colours = self._draws(seed, epoch)
        for start in range(first_step * self.batch_size, self.num_train, self.batch_size):
            here = slice(start, start + self.batch_size)
            index, stored = order[here], order[here].to(self.store)
            if corners is None and mirrored is None:
                batch = self.scaled(self.train_images[stored])
            else:
                batch = self.scaled(self._gathered(stored, corners, mirrored, here))
            if colours is not None:
                batch = batch + (colours[here] * self.scale)[:, :, None, None]
            yield batch, self.train_labels[index]

    def in_order(self, part: str, *, batch_size: int = 500, views: int = 1) -> Iterator[tuple[list[Tensor], Tensor]]:
        """All images of `train`, `validation` or `test` once, for evaluation: the centre, or ten views (corners,
        centre, mirrored)."""
        images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
        down, right = self.margins
        corners = [(down // 2, right // 2)]
        if views == 10:
            corners += [(0, 0), (0, right), (down, 0), (down, right)]
        for start in range(0, len(labels), batch_size):
            block = images[start : start + batch_size]
            seen = [self.scaled(self._square(block, *corner)) for corner in corners]
            yield seen + [view.flip(3) for view in seen if views == 10], labels[start : start + batch_size]

    def images(self, part: str, index: Tensor) -> Tensor:
        """(n, height, width, channels) uint8: the centres of these images of `train` or `test`."""
        images = self.test_images if part == "test" else self.train_images
        return self._square(images[index.to(self.store)], *(margin // 2 for margin in self.margins))

    def _draws(self, seed: int, epoch: int) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """An epoch's corners (n, 2), mirrorings (n,) and colour shifts (n, channels), in the order the images come."""
        corners = mirrored = colours = None
        if any(self.margins) and self.random_crops:
            draw = generator(seed, "crop", epoch)
            corners = torch.stack([torch.randint(m + 1, (self.num_train,), generator=draw) for m in self.margins], 1)
            corners = corners.to(self.store)
        elif any(self.margins):
            corners = torch.tensor([margin // 2 for margin in self.margins], device=self.store).expand(
                self.num_train, 2
            )
        if self.flips:
            mirrored = torch.rand(self.num_train, generator=generator(seed, "flip", epoch)).to(self.store) < 0.5
        if self.components is not None and (self.colour_noise_until is None or epoch < self.colour_noise_until):
            alphas = torch.randn(self.num_train, len(self.components), generator=generator(seed, "colour", epoch))
            colours = (self.colour_noise * alphas).to(self.device) @ self.components
        return corners, mirrored, colours

    def _gathered(self, index: Tensor, corners: Tensor | None, mirrored: Tensor | None, here: slice) -> Tensor:
        """(batch, height, width, channels) uint8: each image from its own corner, mirrored where it is to be."""
        height, width, _ = self.shape
        top, left = (0, 0) if corners is None else (corners[here, 0, None], corners[here, 1, None])
        rows = (torch.arange(height, device=self.store) + top).expand(len(index), height)
        columns = torch.arange(width, device=self.store).expand(len(index), width)
        if mirrored is not None:
            columns = torch.where(mirrored[here, None], width - 1 - columns, columns)
        return self.train_images[index[:, None, None], rows[:, :, None], (columns + left)[:, None, :]]

    def _square(self, images: Tensor, top: int, left: int) -> Tensor:
        return images[:, top : top + self.shape[0], left : left + self.shape[1]]

    def scaled(self, images: Tensor) -> Tensor:
        """Bytes (n, height, width, channels) as a net takes them: float (n, channels, height, width)."""
        return images.to(self.device).float().sub_(self.mean).mul_(self.scale).permute(0, 3, 1, 2)


def _margins(size: tuple[int, int], crop: int | None) -> tuple[int, int]:
    """How many pixels a crop leaves over, down and across; UserError when it does not fit."""
    if crop is None:
        return 0, 0
    if crop > min(size):
        raise UserError(f"crop: {crop} does not fit images of {size[0]}x{size[1]} pixels; give {min(size)} or less")
    return size[0] - crop, size[1] - crop


def subset(labels: np.ndarray, count: int, notes: Sequence[str] = ()) -> np.ndarray:
    """The positions of `count` images spread evenly over the data, which may be sorted by class.

    UserError when there are fewer, with what the data's notes say was skipped.
    """
    if count > len(labels):
        skipped = "".join(f"; {note}" for note in notes if note.startswith("skipped"))
        raise UserError(f"num_train: {count} images asked for, the data has {len(labels)}{skipped}")
    return np.arange(count) * len(labels) // count


def split(labels: np.ndarray, chosen: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """(positions to train on, positions held out) of the chosen ones: the share of each class, spread evenly over the
    order they come in, so that the same images are held out in every trial.

    UserError where a class would have nothing left on one of the sides.
    """
    held_out = np.zeros(len(chosen), dtype=bool)
    for label in np.unique(labels[chosen]):
        mine = np.flatnonzero(labels[chosen] == label)
        count = round(share * len(mine))
        if not 0 < count < len(mine):
            raise UserError(
                f"validation: a share of {share:g} of the {len(mine)} training images of class {label} is {count}; both "
                f"sides need one at least, so give a share of {1 / len(mine):.2g} or more, or more images"
                + ("; a class of one image can't be held out" if len(mine) < 2 else "")
            )
        held_out[mine[(np.arange(count) * 2 + 1) * len(mine) // (2 * count)]] = True
    return chosen[~held_out], chosen[held_out]


def _fits(data: DataSet, device: torch.device) -> bool:
    """Whether an accelerator can hold all images in half of the memory that it has free."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch keeps it for whoever asks
    return data.train_images.nbytes + data.test_images.nbytes <= free / 2


def _kept(images, store: torch.device) -> Tensor:
    """On the CPU the memory map itself, shared by all workers; on an accelerator one copy."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(images).to(store)


def _chunk(images: Tensor) -> int:
    """How many images to add up at a time: 5000, or fewer where they are large."""
    return max(1, min(5000, 2**27 // images[0].numel()))


def statistics(images: Tensor, scaling: str) -> tuple[Tensor, Tensor]:
    """(mean, scale) that broadcast over (batch, height, width, channels), from the training images alone.

    `mean-image`: 0-255 less the mean image; `standardised`: each channel to mean 0, variance 1; `lenet`: 0-255 to
    -0.1 to 1.175, which on MNIST comes near both (LeCun et al. 1998).
    """
    if scaling == "lenet":
        return torch.tensor(20.0), torch.tensor(1.275 / 255)
    total = torch.zeros(images.shape[1:], dtype=torch.float64)
    squares = torch.zeros(images.shape[-1], dtype=torch.float64)
    for part in images.split(_chunk(images)):
        part = part.cpu().double()
        total += part.sum(0)
        squares += part.square().sum((0, 1, 2))
    mean_image = total / len(images)
    if scaling == "mean-image":
        mean, scale = mean_image, torch.ones(())
    else:
        mean = mean_image.mean((0, 1))
        variance = squares / images[..., 0].numel() - mean.square()
        scale = variance.clamp_min(1e-12).rsqrt()
    return mean.float(), scale.float()


def colour_components(images: Tensor) -> Tensor:
    """(channels, channels): the principal components of the colours of all training pixels, each times its deviation.

    Section 4.1 writes of eigenvalues; the code that was run took their roots, the standard deviations.
    """
    count, channels = images[..., 0].numel(), images.shape[-1]
    total = torch.zeros(channels, dtype=torch.float64)
    products = torch.zeros(channels, channels, dtype=torch.float64)
    for part in images.split(_chunk(images)):
        pixels = part.cpu().reshape(-1, channels).double()
        total += pixels.sum(0)
        products += pixels.T @ pixels
    mean = total / count
    variances, directions = torch.linalg.eigh(products / count - mean[:, None] * mean)
    return (directions * variances.clamp_min(0).sqrt()).T.float()
