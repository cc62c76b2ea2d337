"""The embedded images: the same bytes everywhere, every class as often, and out of a linear classifier's reach."""

import numpy as np
import pytest

from alexctl.data import shapes

GOLDEN = ([145, 93, 67], [164, 159, 214], 375815)


def test_drawn_twice_is_the_same_and_part_and_place_make_a_difference():
    wanted = np.arange(10)
    first = shapes.draw(wanted, np.random.Generator(np.random.PCG64(1)))
    assert first.shape == (10, 32, 32, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, shapes.draw(wanted, np.random.Generator(np.random.PCG64(1))))
    train, test = (next(shapes.blocks(wanted, part)) for part in ("train", "test"))
    assert (train != test).mean() > 0.9


def test_the_first_image_is_the_one_it_always_was():
    """Another platform, numpy or a change of the code that moves pixels shows here; the last must raise VERSION."""
    image = next(shapes.blocks(np.zeros(1, np.int64), "train"))[0]
    assert (image[0, 0].tolist(), image[16, 16].tolist(), int(image.sum())) == GOLDEN


def test_every_class_is_drawn_equally_often_and_not_in_turn():
    labels = shapes.labels(100, "train")
    assert np.bincount(labels).tolist() == [10] * 10
    assert labels.dtype == np.int64
    assert (labels[:10] != np.arange(10)).any()


def test_blocks_are_the_images_of_their_labels(monkeypatch):
    monkeypatch.setattr(shapes, "BLOCK", 4)
    assert [len(block) for block in shapes.blocks(np.zeros(10, np.int64), "test")] == [4, 4, 2]


# Points of the unit figure that are inside and outside, worked out on paper.
@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("disc", [(0, 0), (0.9, 0)], [(0.8, 0.8)]),
        ("ring", [(0.9, 0), (0, -0.7)], [(0, 0), (1.1, 0)]),
        ("square", [(0.8, 0.8)], [(0.9, 0)]),
        ("frame", [(0.75, 0), (0.7, 0.7)], [(0, 0), (0.5, 0.5), (1, 0)]),
        ("cross", [(1, 0), (0, -1), (0.2, 0.2)], [(0.5, 0.5), (1.1, 0)]),
        ("triangle", [(0, 0.5), (0, -1.1)], [(0, 0.7), (0.6, -0.6)]),
        ("star", [(0, 0), (0, 1.2)], [(0, -1), (0.5, 0.9)]),
        ("stripes", [(0, 0), (0.7, 0.9), (-0.7, 0)], [(0.36, 0), (0, 1.1)]),
        ("checks", [(0.25, 0.25), (-0.25, -0.25)], [(-0.25, 0.25), (1.25, 0.25)]),
        ("dots", [(0, 0), (0.75, -0.75)], [(0.37, 0), (0.37, 0.37), (1.1, 0)]),
    ],
)
def test_figures(name, inside, outside):
    for points, sign in ((inside, -1), (outside, 1)):
        u, v = np.array(points, np.float32).T
        assert (np.sign(shapes.FIGURES[name](u, v)) == sign).all(), points


@pytest.mark.slow
def test_a_linear_classifier_is_wrong_more_often_than_right():
    """What `convnet4` learns on these images it does not owe to a shortcut: 15 s of ridge regression on all pixels."""
    parts = {}
    for part, num in (("train", shapes.NUM_TRAIN), ("test", shapes.NUM_TEST)):
        labels = shapes.labels(num, part)
        images = np.concatenate(list(shapes.blocks(labels, part))).reshape(num, -1).astype(np.float32)
        parts[part] = (images, labels)
    x, y = parts["train"]
    mean = x.mean(0)
    x = (x - mean) / 64
    square, product = x.T @ x, x.T @ np.eye(10, dtype=np.float32)[y]
    errors = []
    for ridge in (100, 1000, 10_000):
        weights = np.linalg.solve(square + ridge * np.eye(len(square), dtype=np.float32), product)
        errors.append([
            float(np.mean((((images - mean) / 64) @ weights).argmax(1) != labels))
            for images, labels in parts.values()
        ])  # fmt: skip
    train_error, test_error = min(errors, key=lambda pair: pair[1])
    assert test_error > 0.5, errors
    assert train_error > 0.5, errors
