"""The images of a data set on a device, as bytes; no DataLoader, no copies but the batch itself."""

import warnings
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from alexctl.data.image_statistics import colour_components, statistics
from alexctl.data.sources import DataSet
from alexctl.data.subsets import split, subset
from alexctl.errors import UserError


class Batches:
    """The images of one data set on one device: training batches, test batches, the net's input scaling.

    Batches are (batch, channels, height, width) float32 in channels_last order, with (batch,) int64 labels. With `crop`
    height and width are its side: a random square of each training image (or the centre), the centre of each test
    image, less the centre of the mean image (cuda-convnet). `held_out` is the share of the training images that is
    held out: it is neither trained on nor part of any statistics. `order` "file" goes through the images as they lie
    in the file, in every epoch. `flips` mirrors half of the training images; `colour_noise` adds
    multiples of the principal components of the training images' colours (section 4.1), before epoch
    `colour_noise_until` only where that is given. `pad_crop` moves each training image by at most so many pixels each
    way (He et al. 2016: padded, then cropped), `cutout` blanks a square of this side in it (DeVries & Taylor 2017); what
    is blank is 0 as a net sees it, the mean. `mixup` mixes it with another of its batch (Zhang et al. 2018). An
    accelerator holds all images where they take at most half of its free memory (`resident` says it otherwise), else
    only the batches.
    """

    train_images: Tensor  # (n, height, width, channels) uint8, as those of the other parts
    train_labels: Tensor  # (n,) int64
    test_images: Tensor
    test_labels: Tensor
    validation_images: Tensor
    validation_labels: Tensor

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
        pad_crop: int = 0,
        cutout: int | None = None,
        mixup: float = 0.0,
        resident: bool | None = None,
    ):
        self.batch_size, self.device, self.in_file_order = batch_size, device, order == "file"
        self.random_crops, self.flips = random_crops, flips
        self.colour_noise, self.colour_noise_until = colour_noise, colour_noise_until
        self.pad_crop, self.cutout, self.mixup, self.num_classes = pad_crop, cutout, mixup, len(data.classes)
        if resident is None:  # decided once: what other lanes take of the memory does not count
            resident = data.once(("fits", str(device)), partial(_fits, data, device))
        self.store = device if resident else torch.device("cpu")
        parts = partial(_parts, data, self.store, device, num_train, held_out)
        if self.store.type != "cpu":  # one copy for all lanes
            parts = partial(data.once, ("images", str(device), num_train, held_out), parts)
        for name, tensor in parts().items():
            setattr(self, name, tensor)
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

    def sizes(self, first_step: int = 0) -> Iterator[int]:
        """How many images each batch of an epoch has from `first_step` on; the last one holds what is left over."""
        for start in range(first_step * self.batch_size, self.num_train, self.batch_size):
            yield min(self.batch_size, self.num_train - start)

    def in_order(self, part: str, *, batch_size: int = 500, views: int = 1) -> Iterator[tuple[list[Tensor], Tensor]]:
        """All images of `train`, `validation` or `test` once, as `seen` gives them."""
        for index in torch.arange(self.num_of(part), device=self.store).split(batch_size):
            yield self.seen(part, index, views=views)

    def num_of(self, part: str) -> int:
        """How many images `train`, `validation` or `test` has."""
        return len(getattr(self, f"{part}_labels"))

    def seen(self, part: str, index: Tensor, *, views: int = 1) -> tuple[list[Tensor], Tensor]:
        """(views, labels) of some images of a part, for evaluation: the centre, or ten views (corners, centre, mirrored)."""
        block = getattr(self, f"{part}_images")[index]
        down, right = self.margins
        corners = [(down // 2, right // 2)]
        if views == 10:
            corners += [(0, 0), (0, right), (down, 0), (down, right)]
        seen = [self.scaled(self._square(block, *corner)) for corner in corners]
        labels = getattr(self, f"{part}_labels")[index.to(self.device)]
        return seen + [view.flip(3) for view in seen if views == 10], labels

    def images(self, part: str, index: Tensor) -> Tensor:
        """(n, height, width, channels) uint8: the centres of these images of `train` or `test`."""
        images = self.test_images if part == "test" else self.train_images
        return self._square(images[index.to(self.store)], *(margin // 2 for margin in self.margins))

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


def _fits(data: DataSet, device: torch.device) -> bool:
    """Whether an accelerator can hold all images in half of the memory that it has free."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch keeps it for whoever asks
    return data.train_images.nbytes + data.test_images.nbytes <= free / 2


def _parts(
    data: DataSet, store: torch.device, device: torch.device, num_train: int | None, held_out: float
) -> dict[str, Tensor]:
    """The images, where they are kept, and the labels of the three parts."""
    chosen = slice(None) if num_train is None else subset(data.train_labels, num_train, data.notes)
    kept_back = slice(0)
    if held_out:
        chosen, kept_back = split(data.train_labels, np.arange(len(data.train_labels))[chosen], held_out)
    found = {
        "train": (data.train_images[chosen], data.train_labels[chosen]),
        "test": (data.test_images, data.test_labels),
        "validation": (data.train_images[kept_back], data.train_labels[kept_back]),
    }
    images = {f"{part}_images": _kept(these, store) for part, (these, _) in found.items()}
    return images | {f"{part}_labels": torch.from_numpy(labels).to(device) for part, (_, labels) in found.items()}


def _kept(images, store: torch.device) -> Tensor:
    """On the CPU the memory map itself, shared by all workers; on an accelerator one copy."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(images).to(store)
