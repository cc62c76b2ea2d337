"""Before the first trial of a user's own net: whether its seeds are seeds, and whether its last batch can be trained on."""

import torch
from torch import Tensor

from alexctl.ablation.own_code import in_a_line
from alexctl.ablation.setting import Setting
from alexctl.data.sources import DataSet
from alexctl.errors import UserError
from alexctl.process import is_interrupt
from alexctl.training.loop import Training

ROUNDING = 1e-3  # of an accelerator, whose sums have no fixed order; a CPU's have


def seeds_are_alike(setting: Setting, data: DataSet, device: torch.device) -> bool:
    """Whether two seeds draw the same weights, of a net that has drawn any.

    UserError where one seed gives other numbers the second time, or a last batch of one image can't be trained on.
    """
    net = setting.training.net
    first = Training(setting, 0, data, device=device)
    again = Training(setting, 0, data, device=device, batches=first.batches)
    other = Training(setting, 1, data, device=device, batches=first.batches)
    weights, weights_again, weights_other = (_weights(training) for training in (first, again, other))
    moved = [name for name, value in weights.items() if not _same(value, weights_again[name])]
    if moved:
        raise UserError(
            f"{net} gives other initial weights ('{moved[0]}') when it is made again with the same seed; draw them with "
            "torch, or from the argument `seed`, not from random or numpy.random"
        )
    for training in (first, again):
        _step(training)
    if not _same(first.sums, again.sums, 0.0 if device.type == "cpu" else ROUNDING):
        raise UserError(
            f"{net} gives another loss when the same step is taken again; let it draw with torch while it trains, "
            "not from random or numpy.random"
        )
    _try_last_batch(first)
    drawn = [name for name, value in weights.items() if value.numel() > 1 and (value != value.flatten()[0]).any()]
    return bool(drawn) and all(_same(weights[name], weights_other[name]) for name in drawn)


def _weights(training: Training) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in training.net.named_parameters()}


def _same(one: Tensor, other: Tensor, tolerance: float = 0.0) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=tolerance, atol=0.0, equal_nan=True)


def _step(training: Training) -> None:
    """The first of an epoch."""
    with training.launcher.turn():
        training.epochs.begin(0)
        training.launch_step(min(training.batches.batch_size, training.batches.num_train), 0)
        training.launcher.wait()


def _try_last_batch(training: Training) -> None:
    """UserError where an epoch ends in a batch of one image, with which the net, say with batch norm, can't do."""
    batches = training.batches
    if batches.num_train % batches.batch_size != 1:
        return
    try:
        with training.launcher.turn():
            training.epochs.begin(0)
            training.learn(*training.epochs.take(1), 0)
            training.launcher.wait()
    except BaseException as error:
        if is_interrupt(error):
            raise
        knobs = training.setting.training
        raise UserError(
            f"{knobs.net} can't train on a batch of one image ({in_a_line(error)}), and num_train = {batches.num_train} "
            f"leaves a last batch of one image at batch_size = {batches.batch_size}; "
            "take another num_train or batch_size"
        ) from None
