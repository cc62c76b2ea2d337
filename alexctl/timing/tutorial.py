"""The training loop that PyTorch's CIFAR-10 tutorial teaches, step for step, on the net and images of the others.

https://pytorch.org/tutorials/beginner/blitz/cifar10_tutorial.html: PIL images, ToTensor and Normalize in a DataLoader,
SGD with momentum, the loss read at every step. Only the batch size is that of the comparison, and the DataLoader has as
many workers as do it best; the tutorial's own 4 images a batch and 2 workers would be slower.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from alexctl.timing.timer import per_second
from alexctl.training.device import arithmetic, multiplying


class Images(Dataset):
    """As torchvision.datasets.CIFAR10 hands them out: from an array in memory, by way of PIL, through a transform."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


class Tutorial:
    """One net on its way; `rate(seconds)` trains for about that long and gives the images a second."""

    def __init__(
        self, net: nn.Module, images: np.ndarray, labels: np.ndarray, *, batch_size: int, device: torch.device,
        threads: int, precision: str = "float32",
    ):  # fmt: skip
        from torchvision import transforms

        halves = (0.5,) * images.shape[3]
        transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(halves, halves)])
        self.data = Images(images, labels, transform)
        self.net, self.device, self.batch_size, self.threads = net.to(device), device, batch_size, threads
        self.precision = precision
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.001, momentum=0.9)

    def rate(self, seconds: float, *, workers: int) -> float:
        """Images a second with so many DataLoader workers, their start and the first step not counted."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            return self._rate(seconds, workers)
        finally:
            torch.set_num_threads(before)

    def best_workers(self, candidates: Sequence[int], seconds: float) -> int:
        """Which number of DataLoader workers does it best."""
        return max(candidates, key=lambda workers: self.rate(seconds, workers=workers))

    def _rate(self, seconds: float, workers: int) -> float:
        loader = DataLoader(self.data, batch_size=self.batch_size, shuffle=True, num_workers=workers)
        batches = (batch for _ in itertools.count() for batch in loader if len(batch[1]) == self.batch_size)
        return self.batch_size * per_second(lambda: self._step(*next(batches)), lambda: None, seconds)

    def _step(self, inputs: torch.Tensor, labels: torch.Tensor) -> None:
        inputs, labels = inputs.to(self.device), labels.to(self.device)
        self.optimizer.zero_grad()
        with multiplying(self.precision, self.device):
            with arithmetic(self.precision, self.device):
                outputs = self.net(inputs)
                loss = self.criterion(outputs, labels)
            loss.backward()
        self.optimizer.step()
        loss.item()  # read at every step, as the tutorial does, which waits for the device
