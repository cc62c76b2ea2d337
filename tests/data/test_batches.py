"""Batches: every picture once an epoch, in an order that depends on seed and epoch alone, scaled by the training part."""

import numpy as np
import pytest
import torch

from alexctl.data.batches import Batches, subset
from alexctl.errors import UserError


def batches(data, scaling="mean-image", **options):
    return Batches(data, device=torch.device("cpu"), scaling=scaling, batch_size=16, **options)


def test_an_epoch_is_a_permutation(tiny_data):
    made = batches(tiny_data)
    assert made.steps_per_epoch == 5
    sizes = [len(labels) for _, labels in made.epoch(0, 0)]
    assert sizes == [16, 16, 16, 16, 6]
    assert sorted(made.order(0, 0).tolist()) == list(range(70))
    assert torch.equal(made.order(0, 0), batches(tiny_data).order(0, 0))
    assert not torch.equal(made.order(0, 0), made.order(0, 1))
    assert not torch.equal(made.order(0, 0), made.order(1, 0))


def test_going_on_in_the_middle(tiny_data):
    made = batches(tiny_data)
    whole, rest = list(made.epoch(3, 2)), list(made.epoch(3, 2, first_step=3))
    assert [torch.equal(a[0], b[0]) for a, b in zip(whole[3:], rest, strict=True)] == [True, True]


def test_scaling(tiny_data):
    images = np.asarray(tiny_data.train_images, dtype=np.float64)
    pictures, _ = next(batches(tiny_data).in_order("train", batch_size=70))
    assert np.allclose(pictures.permute(0, 2, 3, 1), images - images.mean(0), atol=1e-4)
    pictures, _ = next(batches(tiny_data, "standardised").in_order("train", batch_size=70))
    assert pictures.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert pictures.std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert pictures.is_contiguous(memory_format=torch.channels_last)


def test_a_part_of_the_pictures(tiny_data):
    assert subset(np.zeros(10), 4).tolist() == [0, 2, 5, 7]
    assert batches(tiny_data, num_train=35).num_train == 35
    with pytest.raises(UserError, match="71 pictures asked for, the data has 70"):
        batches(tiny_data, num_train=71)
