"""Trials held against each other image by image: small cases worked out by hand, and the promises of the interval."""

import math

import numpy as np
import pytest

from alexctl.statistics import images
from alexctl.statistics.images import agreement, colour, crossed_interval, ensembles, mcnemar


def test_mcnemar_by_hand():
    """1 of 6 on one side: (1 + 6) / 64 twice is 14/64; the mid-p is that less the chance of just 1, 6/64."""
    assert mcnemar(1, 5) == pytest.approx((14 / 64, 8 / 64))
    assert mcnemar(5, 1) == pytest.approx((14 / 64, 8 / 64))
    assert mcnemar(0, 4) == pytest.approx((2 / 16, 1 / 16))
    assert mcnemar(2, 2) == pytest.approx((1.0, 1 - 3 / 16))  # half of 6/16
    assert mcnemar(0, 0) == (1.0, 1.0)


def test_mcnemar_of_many_images():
    """By sums of binomial coefficients; and far out, where those are no floats any more."""
    for first, second in ((40, 60), (430, 512)):
        total, fewer = first + second, min(first, second)
        tail = sum(math.comb(total, i) for i in range(fewer + 1)) / 2**total
        chance = math.comb(total, fewer) / 2**total
        assert mcnemar(first, second) == pytest.approx((2 * tail, 2 * tail - chance), rel=1e-9)
    exact, mid = mcnemar(200_000, 200_500)
    assert 0 < mid < exact < 1


T_1, T_2, T_5 = 12.70620, 4.302653, 2.570582  # Student's t at 97.5%, by degrees of freedom


def test_crossed_interval_by_hand():
    """Mean squares of seeds, images and rest: all 1/4, so (1/4 + 0) / 4; then 0, 1, 0, so (0 + 1) / 4; then of three images
    of which one does not matter, 0, 1 and 0 again, so 1 / 6."""
    for cells, mean, variance in (
        ([[1, 0], [0, 0]], 1 / 4, 1 / 16),
        ([[1, 0], [1, 0]], 1 / 2, 1 / 4),
        ([[1, -1, 0], [1, -1, 0]], 0, 2 / 6),
    ):
        half = T_1 * math.sqrt(variance)
        assert crossed_interval(np.array(cells, float)) == pytest.approx((mean - half, mean + half), rel=1e-6)
    assert crossed_interval(np.full((3, 10), 0.25)) == pytest.approx((0.25, 0.25))


def test_where_images_are_alike_it_is_students_interval_of_the_seeds():
    """Seeds of 0, 1 and 2 on every image: mean 1, standard deviation 1. It is never narrower
    than that, and wider at a higher level."""
    low, high = crossed_interval(np.repeat([[0.0], [1.0], [2.0]], 50, axis=1))
    assert (low, high) == pytest.approx((1 - T_2 / math.sqrt(3), 1 + T_2 / math.sqrt(3)), rel=1e-6)
    differences = np.random.default_rng(3).integers(-1, 2, size=(6, 300)).astype(float)
    each = differences.mean(1)
    low, high = crossed_interval(differences)
    assert high - low >= 2 * T_5 * each.std(ddof=1) / math.sqrt(6)
    lower, higher = crossed_interval(differences, 0.99)
    assert lower < low < each.mean() < high < higher


@pytest.mark.parametrize(("of_images", "of_seeds", "seeds_alone"), [(1.2, 0.1, 0.9), (0.8, 0.6, 1.0)])
def test_the_crossed_interval_holds_the_truth(of_images, of_seeds, seeds_alone):
    """Nets whose arms differ by image, by seed and by chance, though not in the mean: at least 93 of 100 intervals hold 0.
    Where images weigh more, those of seeds alone hold it in fewer than 90; where seeds do, percentiles of draws would."""
    generator, held, by_seeds, campaigns, n = np.random.default_rng(0), 0, 0, 400, 400
    for _ in range(campaigns):
        shared = generator.normal(1.6, 1.8, n)
        wrong = [
            shared
            + generator.normal(0, of_images, n)
            + generator.normal(0, of_seeds, (6, 1))
            + generator.normal(0, 1, (6, n))
            < 0
            for _ in range(2)
        ]
        differences = wrong[0].astype(float) - wrong[1]
        low, high = crossed_interval(differences)
        held += low <= 0 <= high
        each = differences.mean(1)
        by_seeds += abs(each.mean()) <= T_5 * each.std(ddof=1) / math.sqrt(6)
    assert held / campaigns >= 0.93
    assert by_seeds / campaigns < seeds_alone


def test_agreement_by_hand():
    """Of four images the first two agree on three. Right 3/4 and 1/2: by chance 3/8 + 1/8, so kappa is 1/2."""
    right = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)
    found = agreement(right)
    assert (found.num_pairs, found.share, found.kappa) == (1, 0.75, pytest.approx(0.5))
    found = agreement(np.vstack([right, right[:1]]))  # of the three pairs one agrees everywhere
    assert (found.num_pairs, found.share) == (3, pytest.approx((0.75 + 1 + 0.75) / 3))
    assert found.kappa == pytest.approx((0.5 + 1 + 0.5) / 3)
    assert agreement(np.ones((2, 5), bool)).kappa is None


def test_ensembles_by_hand():
    """Two images of class 0. Each net is sure of one and slightly wrong on the other; together they have both."""
    nets = [np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.4, 0.6], [0.9, 0.1]])]
    one, both = ensembles(nets, np.array([0, 0]))
    assert (one.size, one.num_subsets, one.error, one.top5_error) == (1, 2, 0.5, 0.0)
    assert (both.size, both.num_subsets, both.error) == (2, 1, 0.0)


def test_ensembles_top_five_and_ties():
    """The right class is sixth, then fifth; of equal ones the first counts, as a net's own errors have it."""
    scores = np.array([[0.3, 0.2, 0.15, 0.14, 0.13, 0.08]])
    assert ensembles([scores], np.array([5]))[0].top5_error == 1.0
    assert ensembles([scores], np.array([4]))[0].top5_error == 0.0
    even = np.full((2, 2), 0.5)
    assert ensembles([even], np.array([0, 1]))[0].error == 0.5


def test_ensembles_of_many_nets_take_a_bounded_number_of_subsets():
    generator = np.random.default_rng(1)
    nets = list(generator.dirichlet(np.ones(3), size=(9, 40)))
    labels = generator.integers(0, 3, 40)
    made = ensembles(nets, labels)
    assert [one.num_subsets for one in made] == [9, 20, 20, 20, 20, 20, 20, 9, 1]
    assert made == ensembles(nets, labels)
    assert len(set(images._subsets(9, 4))) == 20


def test_colour_by_hand():
    """Grey: none of it off the axis. Red alone: two thirds. Red against green: all of it."""
    grey, red, opposed = np.ones(3), np.array([1.0, 0, 0]), np.array([1.0, -1.0, 0])
    for weights, share in ((grey, 0.0), (red, 2 / 3), (opposed, 1.0)):
        found = colour(weights.reshape(1, 1, 1, 3))
        assert (found.num_kernels, found.num_coloured) == (1, int(share > 0.5))
        assert found.colour_share == pytest.approx(share)
    # Energies 3 and 2: of five parts two are colour. A kernel of zeros counts for nothing.
    mixed = colour(np.stack([grey, opposed, np.zeros(3)]).reshape(3, 1, 1, 3))
    assert (mixed.num_kernels, mixed.num_coloured, mixed.colour_share) == (3, 1, pytest.approx(0.4))
    assert colour(np.zeros((2, 5, 5, 3))).colour_share == 0.0


def test_weights_drawn_independently_are_two_thirds_colour():
    kernels = np.random.default_rng(0).normal(size=(200, 11, 11, 3)).astype(np.float32)
    assert colour(kernels).colour_share == pytest.approx(2 / 3, abs=0.01)
