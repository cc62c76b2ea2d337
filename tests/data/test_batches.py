"""Batches: every image once an epoch, in an order that depends on seed and epoch alone, scaled by the training part."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from one_epoch import epoch_of

from alexctl.data import batches as module
from alexctl.data.batches import Batches
from alexctl.data.epochs import Epochs
from alexctl.data.image_statistics import _chunk, colour_components, statistics
from alexctl.data.subsets import subset
from alexctl.errors import UserError


def batches(data, scaling="mean-image", **options):
    return Batches(data, device=torch.device("cpu"), scaling=scaling, batch_size=16, **options)


def order(made, seed, epoch):
    epochs = Epochs(made, seed)
    epochs.begin(epoch)
    return epochs.order


def test_an_epoch_is_a_permutation(tiny_data):
    made = batches(tiny_data)
    assert made.steps_per_epoch == 5
    sizes = [len(labels) for _, labels in epoch_of(made, 0, 0)]
    assert sizes == [16, 16, 16, 16, 6]
    assert sorted(order(made, 0, 0).tolist()) == list(range(70))
    assert torch.equal(order(made, 0, 0), order(batches(tiny_data), 0, 0))
    assert not torch.equal(order(made, 0, 0), order(made, 0, 1))
    assert not torch.equal(order(made, 0, 0), order(made, 1, 0))


def test_going_on_in_the_middle(tiny_data):
    made = batches(tiny_data)
    whole, rest = list(epoch_of(made, 3, 2)), list(epoch_of(made, 3, 2, first_step=3))
    assert [torch.equal(a[0], b[0]) for a, b in zip(whole[3:], rest, strict=True)] == [True, True]


def test_an_epoch_that_is_begun_again_is_drawn_as_it_was(tiny_data):
    """What one epoch has left in its tensors is no part of the next."""
    made = batches(tiny_data, crop=24, flips=True, colour_noise=0.1, colour_noise_until=2)
    used = Epochs(made, 5)
    for epoch in (0, 3, 1):
        used.begin(epoch, 2)
        for size, fresh in zip(made.sizes(2), epoch_of(made, 5, epoch, first_step=2), strict=True):
            assert all(map(torch.equal, used.take(size), fresh))


def test_scaling(tiny_data):
    images = np.asarray(tiny_data.train_images, dtype=np.float64)
    (batch,), _ = next(batches(tiny_data).in_order("train", batch_size=70))
    assert np.allclose(batch.permute(0, 2, 3, 1), images - images.mean(0), atol=1e-4)
    (batch,), _ = next(batches(tiny_data, "standardised").in_order("train", batch_size=70))
    assert batch.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert batch.std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    (batch,), _ = next(batches(tiny_data, "lenet").in_order("train", batch_size=70))
    assert np.allclose(batch.permute(0, 2, 3, 1), images / 255 * 1.275 - 0.1, atol=1e-6)


def test_a_part_of_the_images(tiny_data):
    assert subset(np.zeros(10), 4).tolist() == [0, 2, 5, 7]
    assert batches(tiny_data, num_train=35).num_train == 35
    with pytest.raises(UserError, match="71 images asked for, the data has 70"):
        batches(tiny_data, num_train=71)


def test_images_held_out_are_even_over_the_classes_and_in_no_statistics(tiny_data):
    """Also of a part of the images; which they are hangs on the data alone, so they are the same for every arm and seed."""
    whole, made = batches(tiny_data), batches(tiny_data, held_out=0.1)
    assert (made.num_train, len(made.validation_labels)) == (60, 10)
    assert sorted(made.validation_labels.tolist()) == list(range(10))
    assert torch.equal(made.validation_images, batches(tiny_data, held_out=0.1, flips=True).validation_images)
    both = torch.cat([made.train_images, made.validation_images]).flatten(1).unique(dim=0)
    assert torch.equal(both, whole.train_images.flatten(1).unique(dim=0))
    seen = np.asarray(made.train_images, dtype=np.float64)
    assert np.allclose(made.mean, seen.mean(0), atol=1e-4)
    assert not np.allclose(made.mean, whole.mean, atol=1e-4)
    assert (batches(tiny_data, num_train=40, held_out=0.25).num_train) == 30


def test_the_order_of_the_file(tiny_data):
    made = batches(tiny_data, order="file")
    assert order(made, 0, 0).tolist() == order(made, 3, 7).tolist() == list(range(70))


def test_random_crops_and_flips_are_squares_of_the_images(tiny_data):
    """Each image of the batch is found, mirrored or not, at one corner of the image its label belongs to."""
    made = batches(tiny_data, crop=24, flips=True)
    assert made.shape == (24, 24, 3)
    images = torch.from_numpy(np.array(tiny_data.train_images))
    centre = images.double().mean(0)[4:28, 4:28]
    index = order(made, 5, 1)[:16]
    batch, labels = next(epoch_of(made, 5, 1))
    assert torch.equal(labels, made.train_labels[index])
    corners, flipped = set(), 0
    for image, at in zip(batch.permute(0, 2, 3, 1), index, strict=True):
        seen = (image.double() + centre).round().to(torch.uint8)
        hits = [
            (top, left, mirrored)
            for top in range(9)
            for left in range(9)
            for mirrored in (False, True)
            if torch.equal(images[at, top : top + 24, left : left + 24].flip(1) if mirrored
                           else images[at, top : top + 24, left : left + 24], seen)
        ]  # fmt: skip
        assert len(hits) >= 1
        corners.add(hits[0][:2])
        flipped += hits[0][2]
    assert len(corners) > 8
    assert 2 <= flipped <= 14
    rest = list(epoch_of(made, 5, 1, first_step=3))
    assert torch.equal(rest[0][0], list(epoch_of(made, 5, 1))[3][0])


def test_ten_views_are_corners_and_centre_and_their_mirrors(tiny_data):
    views, _ = next(batches(tiny_data, crop=24).in_order("test", batch_size=20, views=10))
    assert len(views) == 10
    images = torch.from_numpy(np.array(tiny_data.test_images)).double()
    centre = torch.from_numpy(np.array(tiny_data.train_images)).double().mean(0)[4:28, 4:28]
    corners = [(4, 4), (0, 0), (0, 8), (8, 0), (8, 8)]
    for view, mirror, (top, left) in zip(views[:5], views[5:], corners, strict=True):
        expected = images[:, top : top + 24, left : left + 24] - centre
        assert torch.allclose(view.permute(0, 2, 3, 1).double(), expected, atol=1e-4)
        assert torch.equal(mirror, view.flip(3))
    (only,), _ = next(batches(tiny_data, crop=24).in_order("test", batch_size=20))
    assert torch.equal(only, views[0])


def test_colour_noise_moves_whole_images_along_the_components(tiny_data):
    """Covariance and components by numpy; the shift of an image is the same at every pixel."""
    plain_, noisy = batches(tiny_data), batches(tiny_data, colour_noise=0.1)
    pixels = np.array(tiny_data.train_images, dtype=np.float64).reshape(-1, 3)
    components = colour_components(noisy.train_images).double().numpy()
    assert np.allclose(components.T @ components, np.cov(pixels.T, bias=True), rtol=1e-5)
    shift = next(epoch_of(noisy, 0, 0))[0] - next(epoch_of(plain_, 0, 0))[0]
    assert torch.allclose(shift, shift[:, :, :1, :1].expand_as(shift), atol=1e-4)
    shifts = torch.cat([a[0][:, :, 0, 0] - b[0][:, :, 0, 0] for e in range(40)
                        for a, b in zip(epoch_of(noisy, 0, e), epoch_of(plain_, 0, e), strict=True)])  # fmt: skip
    assert np.allclose(np.cov(shifts.T.numpy()), 0.01 * np.cov(pixels.T), rtol=0.1, atol=0.1)


def test_a_crop_that_does_not_fit(tiny_data):
    with pytest.raises(UserError, match="crop: 40 does not fit images of 32x32 pixels; give 32 or less"):
        batches(tiny_data, crop=40)


def test_centre_crops_are_those_of_the_test(tiny_data):
    made = batches(tiny_data, crop=24, random_crops=False)
    batch, _ = next(epoch_of(made, 0, 0))
    (centres,), _ = next(made.in_order("train", batch_size=70))
    assert torch.equal(batch, centres[order(made, 0, 0)[:16]])


def test_batches_that_are_fetched_are_those_that_are_held(tiny_data):
    """Images that an accelerator can't hold stay where they are; the batches are the same to the bit."""
    how = {"crop": 24, "flips": True, "colour_noise": 0.1}
    held, fetched = (batches(tiny_data, **how, resident=resident) for resident in (True, False))
    for one, other in zip(epoch_of(held, 0, 0), epoch_of(fetched, 0, 0), strict=True):
        assert all(map(torch.equal, one, other))
    assert fetched.store.type == "cpu"
    large = torch.zeros(3, 256, 256, 3, dtype=torch.uint8)
    assert (_chunk(large), _chunk(torch.zeros(1, 32, 32, 3))) == (5, 341)


@pytest.mark.parametrize("side", [1, 40])
def test_mean_and_scale_are_those_of_exact_sums(side):
    """Bright images, whose sums would outgrow what a float32 holds if all were added up at once."""
    images = np.random.default_rng(0).integers(250, 256, (300_000 // side**2, side, side, 3), dtype=np.uint8)
    mean, scale = statistics(torch.from_numpy(images), "mean-image")
    assert mean.numpy().tolist() == (images.sum(0, dtype=np.int64) / len(images)).astype(np.float32).tolist()
    assert scale == 1
    mean, scale = statistics(torch.from_numpy(images), "standardised")
    values = images.reshape(-1, 3).astype(np.float64)
    assert mean.tolist() == pytest.approx(values.mean(0).tolist(), rel=1e-6)
    assert scale.tolist() == pytest.approx((1 / values.std(0)).tolist(), rel=1e-5)


def test_what_the_images_come_to_is_computed_once_a_data_set(tiny_data, monkeypatch):
    data = replace(tiny_data)  # nothing computed yet
    first = batches(data, colour_noise=0.1, crop=24)
    for name in ("statistics", "colour_components"):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("computed again"))
    second = batches(data, colour_noise=0.1)
    assert torch.equal(second.components, first.components)
    assert second.mean.shape == (32, 32, 3), "whole again, although the first was cropped"
    monkeypatch.undo()
    fewer = batches(data, num_train=30)
    assert not torch.equal(fewer.mean, second.mean), "of fewer images it is another"
