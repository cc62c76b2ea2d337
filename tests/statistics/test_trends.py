"""A trend over a number: the slope of each seed by hand, what a censored arm leaves of it, and torn seeds."""

import math

import numpy as np
import pytest

from alexctl.statistics import Outcome, paired_effect, trend


def side(*values):
    return {seed: Outcome(value=value) for seed, value in enumerate(values)}


def test_the_slope_of_each_seed_is_that_of_its_least_squares_line():
    """Errors in points less than the control's, against doublings: numbers 1, 2 and 8 lie at 0, 1 and 3."""
    control = side(0.30, 0.31, 0.33)
    arms = {2: side(0.29, 0.28, 0.33), 8: side(0.25, 0.27, 0.30)}
    effect = trend(1, {number: paired_effect(control, arm, scale="points") for number, arm in arms.items()})
    gains = [[0, 1, 5], [0, 3, 4], [0, 0, 3]]
    expected = [np.polyfit([0, 1, 3], gain, 1)[0] for gain in gains]
    assert [pair.value for pair in effect.pairs] == pytest.approx(expected)
    assert effect.estimate == pytest.approx(np.mean(expected))
    half = 4.302653 * np.std(expected, ddof=1) / math.sqrt(3)  # Student's t, 2 degrees of freedom
    assert (effect.low, effect.high) == pytest.approx((effect.estimate - half, effect.estimate + half), rel=1e-5)


def test_of_times_it_is_a_factor_with_each_doubling():
    """Twice the number, and each time three quarters of the epochs: 4/3, whatever the seed's own level."""
    control = side(16, 32, 48)
    arms = {20: side(12, 24, 36), 40: side(9, 18, 27)}
    effect = trend(10, {number: paired_effect(control, arm, scale="ratio") for number, arm in arms.items()})
    assert [pair.value for pair in effect.pairs] == pytest.approx([4 / 3] * 3)


def test_the_control_may_stand_anywhere_among_the_numbers():
    levels = {1: side(0.30, 0.31), 2: side(0.29, 0.28), 8: side(0.25, 0.27)}
    slopes = []
    for control in levels:
        others = {number: arm for number, arm in levels.items() if number != control}
        effects = {number: paired_effect(levels[control], arm, scale="points") for number, arm in others.items()}
        slopes.append([pair.value for pair in trend(control, effects).pairs])
    assert slopes[1] == pytest.approx(slopes[0])
    assert slopes[2] == pytest.approx(slopes[0])


@pytest.mark.parametrize(
    ("times", "bound"),
    [((40, 20, 10), "exact"), ((None, 20, 10), "at_least"), ((40, None, 10), "exact"), ((40, 20, None), "at_most"), ((None, None, 10), "at_least"), ((None, 20, None), "none")],
)  # fmt: skip
def test_a_trial_that_never_crossed_bounds_its_slope(times, bound):
    """Numbers 1, 2, 4: the one in the middle has no weight; the control later than seen makes the slope steeper."""
    one, two, four = ({0: Outcome(value=t) if t else Outcome(censored=True)} for t in times)
    effects = {n: paired_effect(one, arm, scale="ratio", budget=60) for n, arm in ((2, two), (4, four))}
    effect = trend(1, effects)
    assert effect.bound == bound
    assert effect.num_censored_control + effect.num_censored_arm == times.count(None)


def test_a_seed_that_lacks_an_arm_has_no_slope_and_is_counted():
    control, whole = side(0.3, 0.3, 0.3), side(0.2, 0.2, 0.21)
    torn = {**side(0.25, 0.25, 0.26), 1: Outcome(diverged=True)}
    effect = trend(
        1, {2: paired_effect(control, torn, scale="points"), 4: paired_effect(control, whole, scale="points")}
    )
    assert [pair.seed for pair in effect.pairs] == [0, 2]
    assert (effect.num_left_out, effect.num_diverged_arm, effect.num_diverged_control) == (1, 1, 0)


def test_two_points_are_no_trend():
    with pytest.raises(ValueError, match="two arms"):
        trend(1, {2: paired_effect(side(1, 2, 3), side(1, 2, 4), scale="ratio")})
