"""What Figures 3 and 4 of the paper show, taken from a trained net; a report draws it with neither net nor data at hand."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alexctl.statistics.images import colour
from alexctl.store.inspection import Inspection
from alexctl.training.loop import Training

NUM_IMAGES, NUM_LABELS = 8, 5  # Figure 4, left
NUM_QUERIES, NUM_NEAR = 5, 6  # and right
LARGEST = 64  # pixels a side that an image is kept with


@torch.inference_mode()
def inspect(
    training: Training, classes: Sequence[str], *, after_batch: Callable[[], None] = lambda: None
) -> Inspection:
    """What a trained net makes of a few test images.

    Near are the training images whose Euclidean distance by what the last layer sees is least (section 6.1). Goes once
    through all training images.
    """
    net, batches = training.net, training.batches
    net.eval()
    truth = batches.test_labels.cpu().numpy()
    chosen = spread(truth, len(classes), NUM_IMAGES)
    images = batches.images("test", torch.from_numpy(chosen))
    logits, seen = _last_seen(net, batches.scaled(images))
    best = logits.softmax(1).topk(min(NUM_LABELS, len(classes)))
    predictions = [
        {"image": int(image), "truth": classes[truth[image]], "rank": rank + 1, "class": classes[guess],
         "probability": probability}
        for image, guesses, probabilities in zip(chosen, best.indices.tolist(), best.values.tolist(), strict=True)
        for rank, (guess, probability) in enumerate(zip(guesses, probabilities, strict=True))
    ]  # fmt: skip
    distances, indices = _nearest(training, seen[:NUM_QUERIES], after_batch)
    labels = batches.train_labels.cpu().numpy()
    neighbours = [
        {"image": int(image), "truth": classes[truth[image]], "rank": rank + 1, "neighbour": int(index),
         "class": classes[labels[index]], "distance": float(distance)}
        for image, near, far in zip(chosen, indices.tolist(), distances.tolist(), strict=False)
        for rank, (index, distance) in enumerate(zip(near, far, strict=True))
    ]  # fmt: skip
    net.train()
    return Inspection(
        images=_small(images), near=np.stack([_small(batches.images("train", row)) for row in indices]),
        predictions=predictions, neighbours=neighbours,
        kernels=first_kernels(net), towers=getattr(net, "num_towers", 1),
    )  # fmt: skip


def first_kernels(net: nn.Module) -> np.ndarray | None:
    """(n, height, width, channels) of the first convolution, tower after tower; None where there is none."""
    first = next((m for m in net.modules() if isinstance(m, nn.Conv2d)), None)
    return None if first is None else first.weight.detach().permute(0, 2, 3, 1).cpu().float().numpy()


def kernel_colours(net: nn.Module) -> list[dict[str, Any]] | None:
    """How coloured each tower's first kernels are (section 6.1); None of a net that is not in towers or sees no colours."""
    kernels, towers = first_kernels(net), getattr(net, "num_towers", None)
    if kernels is None or kernels.shape[3] != 3 or not isinstance(towers, int) or towers < 1 or len(kernels) % towers:
        return None
    return [asdict(colour(part)) for part in np.split(kernels, towers)]


def spread(labels: np.ndarray, num_classes: int, count: int) -> np.ndarray:
    """The positions of `count` images, chosen by no eye: the first of each of so many classes, evenly spread.

    With fewer classes than that, their second ones follow, and so on; fewer where the data has no more.
    """
    wanted = [i * num_classes // count if num_classes >= count else i % num_classes for i in range(count)]
    found = []
    for i, kind in enumerate(wanted):
        of_kind = np.flatnonzero(labels == kind)
        if (earlier := wanted[:i].count(kind)) < len(of_kind):
            found.append(of_kind[earlier])
    return np.array(found)


def _last_seen(net: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """(logits, what the last layer saw): (batch, classes) and (batch, units)."""
    last: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        last[:] = [inputs[0]]

    hooks = [module.register_forward_hook(keep) for module in net.modules() if not list(module.children())]
    try:
        logits = net(images)
    finally:
        for hook in hooks:
            hook.remove()
    return logits, last[0].flatten(1)


def _nearest(training: Training, queries: Tensor, after_batch: Callable[[], None]) -> tuple[Tensor, Tensor]:
    """(distances, positions in the training data), each (queries, neighbours), the nearest first."""
    best: tuple[Tensor, Tensor] | None = None
    start = 0
    for (images,), labels in training.batches.in_order("train"):
        _, seen = _last_seen(training.net, images)
        # By a matrix product, small distances between long vectors would be all rounding.
        apart = torch.cdist(queries, seen, compute_mode="donot_use_mm_for_euclid_dist")
        places = torch.arange(start, start + len(labels), device=apart.device).expand_as(apart)
        if best is not None:
            apart, places = torch.cat([best[0], apart], 1), torch.cat([best[1], places], 1)
        nearest = apart.topk(min(NUM_NEAR, apart.shape[1]), largest=False)
        best = nearest.values, places.gather(1, nearest.indices)
        start += len(labels)
        after_batch()
    return best


def _small(images: Tensor) -> np.ndarray:
    """(n, height, width, channels) uint8, no side longer than LARGEST."""
    longest = max(images.shape[1:3])
    if longest <= LARGEST:
        return images.cpu().numpy()
    size = [max(1, side * LARGEST // longest) for side in images.shape[1:3]]
    made = F.interpolate(images.permute(0, 3, 1, 2).float(), size, mode="area").round().to(torch.uint8)
    return made.permute(0, 2, 3, 1).cpu().numpy()
