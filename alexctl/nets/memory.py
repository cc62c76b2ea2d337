"""About how much memory a training step holds, without taking it."""

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from alexctl.nets.dry_run import DryRun, dry_run, parameter_bytes
from alexctl.nets.layers import set_step

# Of every parameter while training: the weight, its gradient, its velocity; with Adam its squared gradients' mean too.
COPIES = {"sgd": 3, "nesterov": 3, "adam": 4, "adamw": 4}


def training_bytes(
    net: nn.Module, image_shape: tuple[int, int, int], num_classes: int, batch_size: int, *, optimizer: str = "sgd"
) -> int:
    """About how much memory one training step holds: parameters, gradients, velocities and what autograd saves.

    Each storage is counted once. Left out are the images of the data set, buffers and what a kernel needs for a
    moment. On the CPU two small batches are measured; what is saved grows by as much with every image.
    Raises what the net's forward raises.
    """

    def saved(run: DryRun) -> int:
        if run.device == "meta":
            return saved_bytes(run, image_shape, num_classes, batch_size)
        two, three = (saved_bytes(run, image_shape, num_classes, num) for num in (2, 3))
        return two + (three - two) * (batch_size - 2)

    return COPIES[optimizer] * parameter_bytes(net) + dry_run(net, saved)


def saved_bytes(run: DryRun, image_shape: tuple[int, int, int], num_classes: int, num_images: int) -> int:
    """What a forward pass keeps for its backward pass, parameters and buffers not counted."""
    kept: list[Tensor] = []  # alive to the end, so that no storage takes the place of another

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    set_step(run.net, 0, 0)
    labels = torch.zeros(num_images, dtype=torch.int64, device=run.device)
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = F.cross_entropy(run.logits(image_shape, num_images, training=True), labels)
    storages = {storage._cdata: storage for storage in (tensor.untyped_storage() for tensor in kept)}
    del loss
    own = {tensor.untyped_storage()._cdata for tensor in run.tensors.values()}
    return sum(storage.nbytes() for key, storage in storages.items() if key not in own)
