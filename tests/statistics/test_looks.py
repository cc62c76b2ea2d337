"""Which looks there are, and how much wider they make the interval."""

import numpy as np
import pytest
from scipy import stats

from alexctl.statistics.looks import LOOKS, level_of, looks_up_to, planned


@pytest.mark.parametrize(
    ("most", "looks"),
    [(4, (4,)), (5, (4, 5)), (6, (4, 6)), (10, (4, 6, 10)), (12, (4, 6, 10, 12)), (24, (4, 6, 10, 16, 24)),
     (30, (4, 6, 10, 16, 24, 30))],
)  # fmt: skip
def test_looks(most, looks):
    assert looks_up_to(most) == looks
    assert planned(looks) == looks


@pytest.mark.parametrize("most", [0, 3, 101])
def test_no_looks(most):
    with pytest.raises(ValueError, match="looks begin at 4 seeds and end at 100"):
        looks_up_to(most)


@pytest.mark.parametrize("looks", [(), (3,), (4, 10), (6, 10), (10, 6, 4), (4, 6, 101)])
def test_looks_of_ones_own_have_no_level(looks):
    with pytest.raises(ValueError, match=r"should be the first of \[4, 6, 10, 16, 24\]"):
        planned(looks)
    if len(looks) > 1:
        with pytest.raises(ValueError, match=r"no level is known|looks begin"):
            level_of(looks)


def test_one_look_is_the_plain_interval():
    assert level_of(None) == level_of((4,)) == 0.95


def test_more_looks_are_wider():
    levels = [level_of(looks_up_to(n)) for n in (4, 6, 10, 16, 24, 100)]
    assert levels == sorted(levels)
    assert levels[4] == pytest.approx(1 - 0.0132, abs=0.0005)  # what a first simulation gave for these five looks


def test_looks_after_a_plain_interval_are_not_paid_for():
    """Nothing is there; a plain interval at 6 seeds, and looks up to 24 where it is undecided, find something too often."""
    values = np.random.default_rng(0).standard_normal((40_000, 24))

    def found(n: int, level: float) -> np.ndarray:
        some = values[:, :n]
        t = np.abs(some.mean(axis=1)) / (some.std(axis=1, ddof=1) / np.sqrt(n))
        return t > stats.t.ppf(0.5 + level / 2, n - 1)

    looked = np.any([found(n, level_of(LOOKS)) for n in LOOKS], axis=0)
    assert looked.mean() < 0.055
    assert (looked | found(6, 0.95)).mean() > 0.07
