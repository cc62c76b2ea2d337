"""Runs that share nothing: Welch's t and the exact rank-sum test, against scipy and worked examples."""

import math

import numpy as np
import pytest
from scipy import stats

from alexctl.statistics import Outcome, paired_effect, rank_sum, unpaired_effect

DIVERGED = Outcome(diverged=True)
SIZES = [(3, 3), (4, 7), (12, 5)]


def runs(*values):
    return [DIVERGED if v == "x" else Outcome(value=float(v)) for v in values]


def drawn(n, m, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0.2, 0.01, n), rng.normal(0.19, 0.03, m)


@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize("level", [0.95, 0.987])
@pytest.mark.parametrize(
    ("scale", "as_theta"), [("difference", lambda v: v), ("points", lambda v: 100 * v), ("ratio", np.log)]
)
def test_welch_is_that_of_scipy(n, m, level, scale, as_theta):
    control, arm = drawn(n, m)
    effect = unpaired_effect(runs(*control), runs(*arm), scale=scale, level=level)
    wanted = stats.ttest_ind(as_theta(control), as_theta(arm), equal_var=False)
    ends = wanted.confidence_interval(level)
    back = math.exp if scale == "ratio" else float
    assert (effect.low, effect.high) == pytest.approx((back(ends.low), back(ends.high)))
    assert (effect.p_value, effect.df) == pytest.approx((wanted.pvalue, wanted.df))
    assert effect.estimate == pytest.approx(back(as_theta(control).mean() - as_theta(arm).mean()))
    assert effect.half_width() == pytest.approx((ends.high - ends.low) / 2)
    assert effect.n == min(n, m)


@pytest.mark.parametrize("n", [3, 6, 11])
@pytest.mark.parametrize(
    ("scale", "as_theta"), [("difference", lambda v: v), ("points", lambda v: 100 * v), ("ratio", np.log)]
)
def test_pairs_are_those_of_scipy(n, scale, as_theta):
    control, arm = drawn(n, n)
    effect = paired_effect(*(dict(enumerate(runs(*side))) for side in (control, arm)), scale=scale)
    wanted = stats.ttest_rel(as_theta(control), as_theta(arm))
    ends = wanted.confidence_interval()
    back = math.exp if scale == "ratio" else float
    assert (effect.low, effect.high) == pytest.approx((back(ends.low), back(ends.high)))
    assert effect.p_value == pytest.approx(wanted.pvalue)
    assert effect.correlation == pytest.approx(np.corrcoef(as_theta(control), as_theta(arm))[0, 1])
    assert effect.half_width() == pytest.approx((ends.high - ends.low) / 2)


def test_by_hand():
    """Means 4 and 1, variances 4 and 1 of three each: standard error sqrt(5/3), df (5/3)^2 / ((16/9 + 1/9) / 2)."""
    effect = unpaired_effect(runs(2, 4, 6), runs(0, 1, 2), scale="difference")
    assert (effect.estimate, effect.df, effect.sd) == pytest.approx((3, 25 / 8.5, 5**0.5))
    assert 3 - effect.low == effect.high - 3 == pytest.approx(stats.t.ppf(0.975, 25 / 8.5) * (5 / 3) ** 0.5)


def test_so_many_runs_more_make_it_so_narrow():
    control, arm = drawn(4, 7)
    effect = unpaired_effect(runs(*control), runs(*arm), scale="difference")
    shares = [control.var(ddof=1) / 9, arm.var(ddof=1) / 12]  # five more on each side
    df = sum(shares) ** 2 / (shares[0] ** 2 / 8 + shares[1] ** 2 / 11)
    assert effect.half_width(5) == pytest.approx(stats.t.ppf(0.975, df) * sum(shares) ** 0.5)


def test_the_smallest_effect_is_found_four_times_in_five():
    control, arm = drawn(8, 8, seed=1)
    effect = unpaired_effect(runs(*control), runs(*arm), scale="difference")
    t = stats.t.ppf(0.975, effect.df)
    error = effect.half_width() / t
    assert stats.nct.sf(t, effect.df, effect.smallest() / error) == pytest.approx(0.8, abs=1e-6)


def test_fewer_than_three_runs_have_no_interval():
    for control, arm in (((1,), (2, 3, 4)), ((1, 2), (2, 3, 4)), ((1, 2, 3), (4, 5))):
        effect = unpaired_effect(runs(*control), runs(*arm), scale="difference")
        assert effect.estimate == pytest.approx(np.mean(control) - np.mean(arm))
        assert (effect.low, effect.high, effect.p_value, effect.sd) == (None,) * 4
    effect = unpaired_effect(runs("x"), runs(2), scale="difference")
    assert (effect.estimate, effect.n, effect.num_diverged_control) == (None, 0, 1)


def test_runs_that_agree_exactly_say_nothing_of_chance():
    effect = unpaired_effect(runs(0.1, 0.1, 0.1), runs(0.3, 0.3, 0.3), scale="points")
    assert (effect.sd, effect.low, effect.p_value) == (0, None, None)
    one_side = unpaired_effect(runs(0.1, 0.1, 0.1), runs(0.3, 0.31, 0.32), scale="points")
    assert (one_side.df, one_side.low) == pytest.approx((2, -21 - stats.t.ppf(0.975, 2) / 3**0.5))


def test_rank_sums_against_scipy_and_by_hand():
    for n, m in SIZES:
        sides = drawn(n, m)
        p, shift = rank_sum(*sides)
        wanted = stats.mannwhitneyu(*sides, method="exact")
        assert (p, shift) == pytest.approx((wanted.pvalue, wanted.statistic - n * m / 2))
    assert rank_sum([4, 5, 6], [1, 2, 3]) == (2 / 20, 4.5)
    assert rank_sum([1, 1], [1, 1, 1]) == (1.0, 0.0)
    # Ranks 1.5, 1.5 | 3, 4: of the six pairs of ranks one has a sum as low, and one as high.
    assert rank_sum([1, 1], [2, 3]) == (2 / 6, -2.0)
    # Ranks 1, 2.5 | 2.5, 4: sums 3.5 twice, 5 twice, 6.5 twice.
    assert rank_sum([1, 2], [2, 3]) == (4 / 6, -1.5)


@pytest.mark.parametrize("higher", [True, False])
def test_a_run_that_diverged_is_the_worst_one(higher):
    effect = unpaired_effect(runs(1, 2, 3), runs(4, 5, "x"), scale="difference", higher=higher)
    assert (effect.num_left_out, effect.num_diverged_arm, effect.arm) == (1, 1, (4, 5))
    assert (effect.rank_p, effect.rank_shift) == rank_sum([1, 2, 3], [4, 5, -math.inf if higher else math.inf])
    assert unpaired_effect(runs(*range(60)), runs(*range(60)), scale="difference").rank_p is None


def test_the_unit_changes_nothing_but_the_unit():
    control, arm = drawn(5, 6)
    plain = unpaired_effect(runs(*control), runs(*arm), scale="difference")
    for unit in (2.0**-900, 2.0**900):
        scaled = unpaired_effect(runs(*control * unit), runs(*arm * unit), scale="difference")
        assert (scaled.p_value, scaled.df, scaled.rank_p) == (plain.p_value, plain.df, plain.rank_p)
        assert (scaled.low, scaled.high, scaled.sd) == (plain.low * unit, plain.high * unit, plain.sd * unit)


def test_what_can_not_be_meant():
    with pytest.raises(ValueError, match="censored"):
        unpaired_effect([Outcome(censored=True)], runs(1), scale="difference")
    with pytest.raises(ValueError, match="above 0"):
        unpaired_effect(runs(0), runs(1), scale="ratio")
