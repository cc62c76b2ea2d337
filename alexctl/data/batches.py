"""Minibatches of pictures that stay on the device as bytes; no DataLoader, no copies but the batch itself."""

import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from alexctl.data.sources import DataSet
from alexctl.errors import UserError
from alexctl.nets.draw import generator


class Batches:
    """The pictures of one data set on one device: shuffled training batches, test batches, the net's input scaling.

    Batches are (batch, channels, height, width) float32 in channels_last order, with (batch,) int64 labels.
    """

    def __init__(
        self, data: DataSet, *, device: torch.device, scaling: str, batch_size: int, num_train: int | None = None
    ):
        chosen = slice(None) if num_train is None else subset(data.train_labels, num_train)
        self.batch_size = batch_size
        self.device = device
        self.train_images = _resident(data.train_images[chosen], device)
        self.train_labels = torch.from_numpy(data.train_labels[chosen]).to(device)
        self.test_images = _resident(data.test_images, device)
        self.test_labels = torch.from_numpy(data.test_labels).to(device)
        self.num_train = len(self.train_labels)
        self.steps_per_epoch = -(-self.num_train // batch_size)
        self.mean, self.scale = _statistics(self.train_images, scaling)

    def order(self, seed: int, epoch: int) -> Tensor:
        """A fresh permutation for each (seed, epoch), the same for every arm (cuda-convnet went through in file order)."""
        return torch.randperm(self.num_train, generator=generator(seed, "order", epoch)).to(self.device)

    def epoch(self, seed: int, epoch: int, *, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The training batches of one epoch from `first_step` on; the last one holds what is left over."""
        order = self.order(seed, epoch)
        for start in range(first_step * self.batch_size, self.num_train, self.batch_size):
            index = order[start : start + self.batch_size]
            yield self._scaled(self.train_images[index]), self.train_labels[index]

    def in_order(self, part: str, *, batch_size: int = 500) -> Iterator[tuple[Tensor, Tensor]]:
        """All pictures of `train` or `test` once, for evaluation."""
        images, labels = (
            (self.test_images, self.test_labels) if part == "test" else (self.train_images, self.train_labels)
        )
        for start in range(0, len(labels), batch_size):
            yield self._scaled(images[start : start + batch_size]), labels[start : start + batch_size]

    def _scaled(self, pictures: Tensor) -> Tensor:
        return pictures.float().sub_(self.mean).mul_(self.scale).permute(0, 3, 1, 2)


def subset(labels: np.ndarray, count: int) -> np.ndarray:
    """The positions of `count` pictures spread evenly over the data, which may be sorted by class.

    UserError when there are fewer.
    """
    if count > len(labels):
        raise UserError(f"num_train: {count} pictures asked for, the data has {len(labels)}")
    return np.arange(count) * len(labels) // count


def _resident(images, device: torch.device) -> Tensor:
    """On the CPU the memory map itself, shared by all workers; on an accelerator one copy."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(images).to(device)


def _statistics(images: Tensor, scaling: str, *, chunk: int = 5000) -> tuple[Tensor, Tensor]:
    """(mean, scale) that broadcast over (batch, height, width, channels), from the training pictures alone."""
    total = torch.zeros(images.shape[1:], dtype=torch.float64)
    squares = torch.zeros(images.shape[-1], dtype=torch.float64)
    for part in images.split(chunk):
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
    return mean.float().to(images.device), scale.float().to(images.device)
