"""Padding, blank squares and mixtures, redone image by image with numpy."""

import numpy as np
import pytest
import torch
from one_epoch import epoch_of
from test_batches import batches

from alexctl.data.epochs import Epochs


def begun(made, epoch=1, seed=4):
    epochs = Epochs(made, seed)
    epochs.begin(epoch)
    return epochs


def images_of(made, epoch=1, seed=4):
    """(the images of an epoch, their labels), in its order."""
    found = list(epoch_of(made, seed, epoch))
    return torch.cat([images for images, _ in found]).numpy(), torch.cat([labels for _, labels in found]).numpy()


@pytest.mark.parametrize(("crop", "flips"), [(None, False), (28, True)])
def test_padded_images_are_blank_beyond_their_edge(tiny_data, crop, flips):
    """Each is a square of the image with 3 blank pixels around it; where it lies goes 3 pixels beyond each way."""
    made = batches(tiny_data, "standardised", pad_crop=3, crop=crop, flips=flips)
    plain = np.concatenate(
        [view.numpy() for (view,), _ in batches(tiny_data, "standardised").in_order("train")]
    )  # images as they lie, whole
    padded = np.pad(plain, ((0, 0), (0, 0), (3, 3), (3, 3)))
    epochs, side = begun(made), crop or 32
    corners = epochs.corners.numpy() + 3
    assert (corners.min(), corners.max()) == (0, 32 - side + 6)
    found, _ = images_of(made)
    for place, (image, index) in enumerate(zip(found, epochs.order.tolist(), strict=True)):
        top, left = corners[:, place]
        expected = padded[index, :, top : top + side, left : left + side]
        if flips and epochs.mirrored[place]:
            expected = expected[:, :, ::-1]
        assert np.array_equal(image, expected)


def test_without_padding_images_stay_where_they_are(tiny_data):
    assert np.array_equal(images_of(batches(tiny_data))[0], images_of(batches(tiny_data, pad_crop=0))[0])
    assert begun(batches(tiny_data)).corners is None


@pytest.mark.parametrize("side", [7, 8])
def test_a_square_is_blank_and_may_hang_over_the_edge(tiny_data, side):
    made = batches(tiny_data, cutout=side)
    epochs, (found, _), (plain, _) = begun(made), images_of(made), images_of(batches(tiny_data))
    centres = epochs.centres.numpy()
    assert centres.min() == 0
    assert centres.max() == 31
    for image, before, (down, right) in zip(found, plain, centres.T, strict=True):
        expected = before.copy()
        top, left = down - side // 2, right - side // 2
        expected[:, max(0, top) : top + side, max(0, left) : left + side] = 0
        assert np.array_equal(image, expected)


def test_mixtures_are_shares_of_images_and_of_their_labels(tiny_data):
    """One share a batch, of each image and the one before it; the labels say as much of their classes."""
    made = batches(tiny_data, mixup=0.5)
    epochs = begun(made)
    plain, mixed = (list(epoch_of(batches(tiny_data, **options), 4, 1)) for options in ({}, {"mixup": 0.5}))
    assert len(set(epochs.shares.tolist())) == made.steps_per_epoch == 5
    hot = np.eye(10, dtype=np.float32)
    for share, (before, labels), (images, shares) in zip(epochs.shares.numpy(), plain, mixed, strict=True):
        others, other_labels = (np.roll(part.numpy(), 1, 0) for part in (before, labels))
        assert np.allclose(images.numpy(), share * before.numpy() + (1 - share) * others, atol=1e-4)
        assert np.allclose(shares.numpy(), share * hot[labels] + (1 - share) * hot[other_labels], atol=1e-6)


@pytest.mark.parametrize("options", [{"pad_crop": 4}, {"cutout": 8}, {"mixup": 1.0}])
def test_each_epoch_has_its_own_and_each_arm_the_same(tiny_data, options):
    made = batches(tiny_data, order="file", **options)
    first, again, next_one = (images_of(made, epoch)[0] for epoch in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, next_one)
    rest = torch.cat([images for images, _ in epoch_of(made, 4, 0, first_step=3)]).numpy()
    assert np.array_equal(rest, first[3 * 16 :])


def test_batches_stay_in_the_order_that_convolutions_are_fast_in(tiny_data):
    made = batches(tiny_data, pad_crop=4, cutout=8, mixup=1.0)
    images, _ = next(epoch_of(made, 0, 0))
    assert images.is_contiguous(memory_format=torch.channels_last)
