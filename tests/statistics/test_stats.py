"""Statistics and verdicts against answers worked out by hand."""

import math

import numpy as np
import pytest

from alexctl.statistics import (
    Outcome,
    epochs_to_target,
    holm,
    interaction,
    learned,
    mean_interval,
    paired_effect,
    share_interval,
    sign_flip_p,
    smallest_effect,
    survival,
)
from alexctl.statistics.margins import largest_margin, rounding_range
from alexctl.verdicts.rules import Claimed, more_seeds, sentence, verdict
from alexctl.verdicts.sentences import describe

T2 = 4.302652729911275  # Student's t, 97.5%, 2 degrees of freedom (printed tables: 4.303)
NAN = float("nan")
CENSORED, DIVERGED = Outcome(censored=True), Outcome(diverged=True)


def side(*values):
    return {seed: v if isinstance(v, Outcome) else Outcome(value=v) for seed, v in enumerate(values)}


def ratios(*values, arm=2.0):
    """An effect whose pairs have these ratios."""
    return paired_effect(side(*(v * arm for v in values)), side(*[arm] * len(values)), scale="ratio", budget=60)


def points(*values):
    """An effect whose pairs differ by these percentage points."""
    return paired_effect(side(*(0.5 + v / 100 for v in values)), side(*[0.5] * len(values)), scale="points")


def judge(effect, claimed=6.0, *, margin=None, claimed_range=None, direction=None, **options):
    """The verdict on a claim of this size, with the largest margin beside it unless one is given."""
    if margin is None and claimed is not None:
        margin = largest_margin(claimed, claimed_range, effect.scale)
    about = Claimed(size=claimed, size_range=claimed_range, direction=direction, margin=margin)
    return verdict(effect, about, **options)


@pytest.mark.parametrize(
    ("epochs", "errors", "crossing"),
    [
        ([1, 2, 3], [0.5, 0.3, 0.2], 2.5),  # half-way between 0.3 and 0.2
        ([1, 2, 3], [0.5, 0.25, 0.3], 2.0),  # touching counts, and only the first time
        ([1, 2, 3], [0.5, 0.3, 0.26], None),
        ([1, 2, 3], [0.5, NAN, 0.0], 2.0),  # the NaN row is passed over: 1 + (0.25 / 0.5) * 2
        ([1, 2], [NAN, NAN], None),
        ([0.25], [0.2], 0.25),
        ([0.25], [0.3], None),
        ([0.25, 0.5], [0.1, 0.05], 0.25),
        ([], [], None),
    ],
)
def test_epochs_to_target(epochs, errors, crossing):
    assert epochs_to_target(epochs, errors, 0.25) == (None if crossing is None else pytest.approx(crossing))


def test_an_outcome_has_a_value_or_says_why_not():
    with pytest.raises(ValueError, match="finite value"):
        Outcome(value=NAN)
    assert Outcome(value=NAN, diverged=True).usable is False


def test_three_points_by_hand():
    """1, 2, 3: mean 2, sd 1, so the half width is t / sqrt(3)."""
    effect = points(1, 2, 3)
    assert effect.estimate == pytest.approx(2)
    assert effect.low == pytest.approx(2 - T2 / math.sqrt(3))
    assert effect.high == pytest.approx(2 + T2 / math.sqrt(3))
    # t = 2 sqrt(3); with 2 degrees of freedom p = 1 - t / sqrt(t^2 + 2)
    assert effect.p_value == pytest.approx(1 - math.sqrt(12 / 14))
    assert describe(effect) == "lower by 2.00 points (95% interval 0.48 higher to 4.48 lower, n = 3 seeds)"


def test_ratios_are_averaged_on_the_log_scale():
    effect = ratios(2, 4, 8)
    assert effect.estimate == pytest.approx(4)
    assert effect.low == pytest.approx(4 * 2 ** (-T2 / math.sqrt(3)))
    assert effect.high == pytest.approx(4 * 2 ** (T2 / math.sqrt(3)))
    assert describe(effect) == "ratio 4.00 (95% interval 0.715 to 22.4, n = 3 seeds)"


def test_the_level_widens_the_interval():
    effect = paired_effect(side(0.51, 0.52, 0.53), side(0.5, 0.5, 0.5), scale="points", level=0.99)
    assert effect.high - effect.estimate == pytest.approx(9.92484 / math.sqrt(3), rel=1e-5)
    assert "99% interval" in describe(effect)


def test_only_shared_seeds_are_paired_and_the_rest_is_counted():
    control = {0: Outcome(value=10), 1: Outcome(value=20), 7: Outcome(value=1)}
    effect = paired_effect(control, {1: Outcome(value=5), 0: Outcome(value=5)}, scale="ratio", budget=60)
    assert [(p.seed, p.control, p.arm, p.value) for p in effect.pairs] == [(0, 10, 5, 2), (1, 20, 5, 4)]
    assert effect.num_unpaired == 1
    assert describe(effect) == "ratio 2.00 and 4.00 (n = 2 seeds, no interval; 1 seed on one side only)"


def test_one_pair_and_none():
    assert describe(ratios(5)) == "ratio 5.00 (n = 1 seed, no interval)"
    assert (ratios(5).estimate, ratios(5).low, ratios(5).high) == (pytest.approx(5), None, None)
    assert describe(ratios()) == "no size can be given, since no seed has a value on both sides (n = 0 seeds)"
    assert judge(ratios()).word == "undecided"


def test_correlation_is_on_the_effects_scale():
    control, arm = side(1, math.e, math.e**2), side(math.e, 1, math.e**2)
    # logs 0 1 2 against 1 0 2: covariance 0.5, variances 1
    assert paired_effect(control, arm, scale="ratio", budget=60).correlation == pytest.approx(0.5)
    assert ratios(2, 3).correlation is None
    assert ratios(2, 3, 4).correlation is None  # the arm does not vary


def test_no_variance_gives_no_width_and_says_so():
    effect = ratios(6, 6, 6)
    assert (effect.estimate, effect.low, effect.high) == (pytest.approx(6), None, None)
    assert (effect.sd, effect.p_value, judge(effect).word) == (0, None, "undecided")
    assert describe(effect) == "ratio 6.00 (n = 3 seeds, no interval; all pairs agree exactly)"
    assert judge(points(0, 0, 0), 1.4).word == "no difference"


def test_identical_pairs_are_no_evidence():
    """Four pairs of +0.01 points each, without a margin: seeds that differ do not do that."""
    result = judge(points(0.01, 0.01, 0.01, 0.01), None)
    assert (result.word, result.more_seeds) == ("undecided", None)
    assert "pairs that agree exactly say nothing of chance" in result.detail


def test_control_censored_leaves_the_upper_end_open():
    """Budget 60: the pairs are at least 60/10, exactly 40/10 and exactly 50/10."""
    effect = paired_effect(side(CENSORED, 40, 50), side(10, 10, 10), scale="ratio", budget=60)
    logs = [math.log(v) for v in (6, 4, 5)]
    assert [p.bound for p in effect.pairs] == ["at_least", "exact", "exact"]
    assert effect.bound == "at_least"
    assert effect.low == pytest.approx(math.exp(np.mean(logs) - T2 * np.std(logs, ddof=1) / math.sqrt(3)))
    assert (effect.high, effect.correlation, effect.num_censored_control) == (None, None, 1)
    assert describe(effect) == "ratio more than 2.98 (95%, n = 3 seeds; 1 of 3 control trials censored)"
    assert judge(effect).word == "supported"
    assert (judge(effect, 2).word, judge(effect, 2).size) == ("supported", "larger")


def test_arm_censored_leaves_the_lower_end_open():
    effect = paired_effect(side(10, 10, 10), side(CENSORED, 40, 50), scale="ratio", budget=60)
    assert (effect.low, effect.bound, effect.num_censored_arm) == (None, "at_most", 1)
    assert effect.high == pytest.approx(1 / 2.978, rel=1e-3)
    assert describe(effect) == "ratio less than 0.336 (95%, n = 3 seeds; 1 of 3 arm trials censored)"
    assert judge(effect).word == "contradicted"


@pytest.mark.parametrize(
    ("control", "arm", "why"),
    [
        ((CENSORED, 40, 50), (CENSORED, 10, 10), "in 1 of 3 pairs neither side reached the target"),
        # each in a pair of its own: neither end is valid
        ((CENSORED, 40, 50), (10, CENSORED, 10), "control did not reach the target in some pairs and arm in others"),
    ],
)
def test_both_sides_censored_have_no_size(control, arm, why):
    effect = paired_effect(side(*control), side(*arm), scale="ratio", budget=60)
    assert (effect.estimate, effect.low, effect.high, effect.bound) == (None, None, None, "none")
    assert (
        describe(effect)
        == f"no size can be given, since {why} (n = 3 seeds; 1 of 3 control trials censored; 1 of 3 arm trials censored)"
    )
    result = judge(effect)
    assert (result.word, result.more_seeds) == ("undecided", None)
    assert "raise `epochs`" in result.detail


def test_diverged_counts_as_not_reached_where_there_is_a_budget():
    effect = paired_effect(side(DIVERGED, 50, 60), side(10, 10, 10), scale="ratio", budget=60)
    assert (effect.pairs[0].value, effect.pairs[0].bound) == (6, "at_least")
    assert (effect.num_diverged_control, effect.num_censored_control, effect.n) == (1, 0, 3)


def test_diverged_is_left_out_aloud_where_errors_are_compared():
    effect = paired_effect(side(0.5, 0.5, 0.5, 0.5), side(0.4, DIVERGED, 0.4, 0.4), scale="points")
    assert (effect.n, effect.num_left_out, effect.estimate) == (3, 1, pytest.approx(10))
    assert "1 of 4 arm trials diverged; 1 of 4 pairs left out" in describe(effect)


def test_censored_without_a_budget_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="budget"):
        paired_effect(side(CENSORED), side(1), scale="ratio", budget=None)
    with pytest.raises(ValueError, match="cannot be censored"):
        paired_effect(side(CENSORED), side(1), scale="points", budget=None)
    with pytest.raises(ValueError, match="above 0"):
        paired_effect(side(0), side(1), scale="ratio", budget=60)


@pytest.mark.parametrize(
    ("effect", "ends"),
    [
        (6, (5.5, 6.5)),
        (6.0, (5.5, 6.5)),
        (1.4, (1.35, 1.45)),
        (-1.7, (-1.75, -1.65)),
        (10.0, (9.5, 10.5)),
        (0.05, (0.045, 0.055)),
        (1e-05, (0.5e-05, 1.5e-05)),
    ],
)
def test_rounding_range(effect, ends):
    assert rounding_range(effect) == pytest.approx(ends)


@pytest.mark.parametrize(
    ("effect", "claimed", "word", "size"),
    [
        (points(0.1, 0.2, 0.3), 4.0, "no difference", None),  # 0.2 +- 0.25, margin 1.75
        (points(-0.1, -0.2, -0.3), 4.0, "no difference", None),  # whatever its sign
        (points(0.3, 0.31, 0.32), 4.0, "no difference", None),  # this rule goes before the others
        (points(-3, -3.1, -3.2), 4.0, "contradicted", None),
        (points(3.8, 4.0, 4.2), 4.0, "supported", None),  # 4 +- 0.5 meets 3.5 to 4.5
        (points(1.9, 2.0, 2.1), 4.0, "supported", "smaller"),
        (points(5.9, 6.0, 6.1), 4.0, "supported", "larger"),
        (points(-1, 2, 5), 4.0, "undecided", None),
        (points(0.4, 0.9, 2.4), 4.0, "undecided", None),
        (ratios(5.5, 6, 6.5), 6.0, "supported", None),
        (ratios(1.05, 1.06, 1.07), 6.0, "no difference", None),
        (ratios(1.42, 1.44, 1.46), 6.0, "supported", "smaller"),  # V4: 44% faster is a difference
        (ratios(0.4, 0.41, 0.42), 0.4, "supported", None),  # the claim is that the arm is slower
        (ratios(0.6, 0.61, 0.62), 0.4, "supported", "smaller"),
        (ratios(2, 2.1, 2.2), 0.4, "contradicted", None),
        (points(-1.6, -1.7, -1.8), -1.7, "supported", None),
        (points(1.6, 1.7, 1.8), None, "supported", None),
        (points(0.0, 0.01, -0.01), None, "undecided", None),
    ],
)
def test_verdicts(effect, claimed, word, size):
    result = judge(effect, claimed)
    assert (result.word, result.size) == (word, size)


def test_nothing_learned_comes_first():
    result = judge(points(3.8, 4.0, 4.2), 4.0, learned=False)
    assert result.word == "nothing learned"
    assert "below chance" in result.detail


def test_margins():
    """At most half of the least that is claimed, of a ratio 1.25."""
    assert judge(points(0.1, 0.2, 0.3), 4.0, margin=0.3).word == "undecided"
    assert judge(points(0.1, 0.2, 0.3), 4.0, margin=0.5).word == "no difference"
    assert judge(ratios(3, 3.1, 3.2), 6.0, claimed_range=(3, 6.5)).size is None
    with pytest.raises(ValueError, match="a factor"):
        judge(ratios(3, 3.1, 3.2), margin=1.0)
    assert largest_margin(6.0, None, "ratio") == 1.25
    assert largest_margin(1.2, (1.1, 1.3), "ratio") == pytest.approx(math.sqrt(1.1))
    assert largest_margin(0.5, None, "ratio") == 1.25  # a half is 0.45 to 0.55, the root of whose inverse is 1.35
    assert largest_margin(1.4, None, "points") == pytest.approx(0.675)
    assert largest_margin(-2.0, None, "points") == pytest.approx(0.75)
    assert largest_margin(1.0, (0.0, 2.0), "points") is None
    assert largest_margin(1.5, (0.0, 3.0), "ratio") is None  # V2: no logarithm of 0


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ((-0.1, 0.0, 0.1), "supported"),  # -0.25 to 0.25
        ((0.6, 0.7, 0.8), "supported"),  # better is not worse
        ((-0.2, -0.21, -0.22), "supported"),  # worse by less than the margin
        ((-0.5, -0.55, -0.6), "contradicted"),  # -0.67 to -0.43
        ((-0.9, 0.0, 0.9), "undecided"),
    ],
)
def test_not_worse(values, word):
    """V5: an arm that loses no more than the margin; that it would have to be better was another claim."""
    assert judge(points(*values), None, direction="not worse", margin=0.4).word == word


def test_survivors_do_not_speak_for_those_that_diverged():
    """V1: three of six seeds diverged, the others are 1.5 points better. Three are too few of all to say anything."""
    arm = side(0.485, DIVERGED, 0.484, DIVERGED, 0.486, DIVERGED)
    effect = paired_effect(side(*[0.5] * 6), arm, scale="points")
    assert (effect.n, effect.estimate) == (3, pytest.approx(1.5))
    assert sorted(effect.signs) == [-5, -5, -5, 1, 2, 3]
    result = judge(effect, None)
    assert result.word == "undecided"
    assert "diverged trials count as the worst" in result.detail
    assert judge(paired_effect(side(*[0.5] * 6), side(0.4, *[DIVERGED] * 5), scale="points"), None).word == "undecided"


def test_what_ended_at_chance_is_not_said_to_have_diverged():
    """Both count as the worst; the words and the counts keep them apart."""
    at_chance = Outcome(diverged=True, at_chance=True)
    effect = paired_effect(side(*[0.5] * 7), side(*[0.4] * 5, at_chance, DIVERGED), scale="points")
    assert (effect.num_diverged_arm, effect.num_at_chance_arm, effect.num_left_out) == (2, 1, 2)
    assert "1 of 7 arm trials diverged; 1 of 7 arm trials ended at chance; 2 of 7 pairs" in describe(effect)
    assert "trials that diverged or ended at chance count as the worst" in judge(effect, None).detail
    effect = paired_effect(side(*[0.5] * 6), side(*[0.4] * 5, at_chance), scale="points")
    assert "diverged" not in describe(effect) + judge(effect, None).detail


def test_an_unclear_regime_is_undecided_whoever_diverged():
    """The ranks of eight pairs would support the claim, of nets that perhaps do not overfit."""
    effect = paired_effect(side(*[0.5] * 7, DIVERGED), side(*[0.4 + i / 100 for i in range(8)]), scale="points")
    assert judge(effect, None).word == "supported"
    assert verdict(effect, Claimed(), regime="unclear").word == "undecided"


def test_an_arm_that_dies_more_often_is_never_supported():
    """Nor is it by a test that finds the others better for sure: two of twenty died."""
    arm = side(*[0.4 + i / 1000 for i in range(18)], DIVERGED, DIVERGED)
    effect = paired_effect(side(*[0.5] * 20), arm, scale="points")
    result = judge(effect, None)
    assert (result.word, "more diverged trials than the control" in result.detail) == ("undecided", True)
    turned = paired_effect(arm, side(*[0.5] * 20), scale="points")  # it is the control that dies, and is better
    assert judge(turned, None).word == "contradicted"
    steady = paired_effect(
        side(*[0.5] * 6, DIVERGED, DIVERGED), side(*[0.4 + i / 1000 for i in range(8)]), scale="points"
    )
    assert judge(steady, None).word == "supported"


def test_where_more_is_better_a_trial_that_diverged_is_the_worse_one_too():
    control, arm = side(*[0.5] * 6), side(*[0.9] * 5, DIVERGED)
    effect = paired_effect(arm, control, scale="difference", higher=True)
    assert sorted(effect.signs) == [-6, 3, 3, 3, 3, 3]


def test_shares_have_exact_intervals():
    assert share_interval(0, 6) == (0.0, pytest.approx(0.4593, abs=1e-4))  # the rule of three's exact form
    assert share_interval(2, 6) == (pytest.approx(0.0433, abs=1e-4), pytest.approx(0.7772, abs=1e-4))
    assert share_interval(6, 6) == (pytest.approx(0.5407, abs=1e-4), 1.0)


def test_the_regime_comes_before_the_effect():
    good = points(1.6, 1.7, 1.8)
    assert judge(good, None, regime="outside").word == "outside the claim's regime"
    assert judge(good, None, regime="unclear").word == "undecided"
    assert judge(good, None, regime="in").word == "supported"


def test_a_sentence():
    effect = ratios(4.9, 5, 5.1)
    said = judge(effect)
    assert sentence("holds on cifar10-jpeg", "on convnet4, cifar10-jpeg", describe(effect), said.detail) == (
        "Holds on cifar10-jpeg (on convnet4, cifar10-jpeg): "
        "ratio 5.00 (95% interval 4.76 to 5.25, n = 3 seeds); the claimed 6 is ruled out."
    )


def test_undecided_says_how_many_seeds_more():
    """Differences 1 +- 1.5 (sd): t(n-1, 97.5%) * 1.5 / sqrt(n) falls under 1 first at n = 12 (0.953; 1.008 at 11)."""
    effect = points(-0.5, 1.0, 2.5)
    assert more_seeds(effect) == 9
    assert "about 9 seeds more would decide" in judge(effect, 0.5, claimed_range=(0, 9)).detail
    assert more_seeds(points(-0.99, 0.01, 1.01)) == "over 100"
    assert "over 100 seeds more would decide" in judge(points(-0.99, 0.01, 1.01), 0.1).detail
    # inside a margin of 10, that margin is further off than 0, so it is cleared with fewer seeds: 9 against 1
    assert more_seeds(points(-3, 1, 5), margin=10) == 1


def test_undecided_speaks_of_studies_not_of_studys():
    effect = paired_effect(side(0.5, 0.5, 0.5), side(0.49, 0.51, 0.48), scale="points")
    assert " studies more would decide" in verdict(effect, Claimed(), each="study").detail


def test_undecided_with_bounds_wants_epochs_unless_seeds_can_do_it():
    few = paired_effect(side(CENSORED, 12, 60), side(20, 20, 20), scale="ratio", budget=60)
    assert judge(few).word == "undecided"
    assert judge(few).more_seeds == 10  # logs 1.10 -0.51 1.10, mean 0.562, sd 0.929: 2.179 * 0.929 / sqrt(13) = 0.561
    slow = paired_effect(side(CENSORED, 12, 9), side(55, 20, 20), scale="ratio", budget=60)
    assert judge(slow).more_seeds is None
    assert "raise `epochs`" in judge(slow).detail


def test_too_few_seeds_are_undecided():
    assert (judge(ratios(6)).word, judge(ratios(6)).more_seeds) == ("undecided", 2)
    assert "an interval needs at least 1 seed more" in judge(ratios(6, 6.1)).detail


def test_learned():
    assert learned([0.5, 0.6, 0.7], 0.9)  # 0.6 + 0.25
    assert not learned([0.5, 0.7, 0.9], 0.9)  # 0.7 + 0.5
    assert not learned([0.5, 0.5, NAN], 0.9)  # the diverged one counts as chance
    assert learned([0.87], 0.9)
    assert not learned([0.89], 0.9)
    assert not learned([0.5, 0.89], 0.9)
    assert not learned([0.9, 0.9, 0.9], 0.9)
    assert not learned([], 0.9)


def test_holm():
    # 0.01 * 3; then max(0.03, 0.02 * 2); then max(0.04, 0.03 * 1)
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]).size == 0


def test_sign_flip():
    assert sign_flip_p([1, 1, 1]) == 0.25  # 2 of 8
    assert sign_flip_p([1, 2, -3]) == 1
    assert sign_flip_p([3, 1, -1]) == 0.75  # sums 5, 3, 3, 1 and their mirrors, against 3: 6 of 8
    assert sign_flip_p([0.1] * 6) == 2 / 64
    with pytest.raises(ValueError, match="1 to 24"):
        sign_flip_p([])


def test_mean_interval_of_rounding_noise_has_no_width():
    assert mean_interval([math.log(12 / 2), math.log(18 / 3), math.log(6)])[1] == 0


@pytest.mark.parametrize("exponent", [-900, 900])
def test_mean_interval_of_any_size(exponent):
    unit = 2.0**exponent  # its square is no float
    near_one = mean_interval([1.0, 2.0, 4.0])
    assert mean_interval([unit, 2 * unit, 4 * unit], rounding=0.0) == tuple(unit * value for value in near_one)


def test_an_interaction_is_the_difference_of_the_differences():
    first = paired_effect(side(0.30, 0.31, 0.33), side(0.29, 0.30, 0.30), scale="points")  # 1, 1, 3
    second = paired_effect(side(0.30, 0.34, 0.30), side(0.25, 0.30, 0.24), scale="points")  # 5, 4, 6
    effect = interaction(first, second)
    assert [pair.value for pair in effect.pairs] == pytest.approx([4, 3, 3])
    assert effect.estimate == pytest.approx(10 / 3)
    assert (effect.low, effect.high) == pytest.approx(
        (10 / 3 - T2 * math.sqrt(1 / 3) / math.sqrt(3), 10 / 3 + T2 * math.sqrt(1 / 3) / math.sqrt(3))
    )
    ratio = interaction(ratios(2, 4, 8), ratios(4, 4, 4))
    assert [pair.value for pair in ratio.pairs] == pytest.approx([2, 1, 0.5])
    assert ratio.estimate == pytest.approx(1)


@pytest.mark.parametrize(
    ("one", "two", "bound"),
    [
        ("exact", "exact", "exact"), ("exact", "at_least", "at_least"), ("at_least", "exact", "at_most"),
        ("at_most", "exact", "at_least"), ("at_least", "at_least", "none"), ("at_most", "at_least", "at_least"),
        ("none", "exact", "none"),
    ],
)  # fmt: skip
def test_an_interaction_of_bounds(one, two, bound):
    """An effect that is at least 2, taken from one of exactly 3, leaves at most the difference."""
    cells = {
        "exact": (Outcome(value=30), Outcome(value=10)), "at_least": (Outcome(censored=True), Outcome(value=10)),
        "at_most": (Outcome(value=10), Outcome(censored=True)), "none": (Outcome(censored=True), Outcome(censored=True)),
    }  # fmt: skip
    effects = [
        paired_effect(dict.fromkeys(range(3), cells[kind][0]), dict.fromkeys(range(3), cells[kind][1]), scale="ratio", budget=60)
        for kind in (one, two)
    ]  # fmt: skip
    effect = interaction(*effects)
    assert effect.bound == bound
    assert (effect.num_censored_control, effect.num_censored_arm) == tuple(
        e.num_censored_control + e.num_censored_arm for e in effects
    )


def test_a_direction_without_a_size_turns_the_claim_round():
    worse = points(-2, -2.5, -3)
    assert judge(worse, None).word == "contradicted"
    assert judge(worse, None, direction="negative").word == "supported"
    assert judge(worse, -2.5).word == "supported"
    assert judge(points(1, 1.5, 2), -2.0).word == "contradicted"


@pytest.mark.parametrize("sign", [1, -1])
def test_where_nothing_is_claimed_to_differ_a_difference_contradicts(sign):
    said = {"claimed": None, "direction": "none", "margin": 0.5}
    assert judge(points(2 * sign, 2.5 * sign, 3 * sign), **said).word == "contradicted"
    assert judge(points(0.1 * sign, -0.1, 0.05, -0.05), **said).word == "no difference"
    assert judge(points(2 * sign, -2, 1, -1), **said).word == "undecided"


def test_survival_by_hand():
    """Of 4 trials one crosses at 2, two at 5, one never within 8: 1, then 3/4, then 3/4 * 1/3."""
    assert survival([5, 2, 8, 5], [False, False, True, False]) == [
        (0.0, 1.0, 4), (2.0, 0.75, 4), (5.0, pytest.approx(0.25), 3), (8.0, pytest.approx(0.25), 1),
    ]  # fmt: skip


def test_survival_at_the_edges():
    assert survival([3, 3], [False, True]) == [(0.0, 1.0, 2), (3.0, 0.5, 2)]  # the censored one was at risk then
    assert survival([7, 7], [True, True]) == [(0.0, 1.0, 2), (7.0, 1.0, 2)]
    assert survival([], []) == [(0.0, 1.0, 0)]


def test_survival_agrees_with_scipy():
    """A second implementation, on epochs of which some are tied and some censored in mid-race."""
    from scipy import stats as scipy_stats

    rng = np.random.default_rng(3)
    epochs, censored = rng.integers(1, 12, 40).astype(float), rng.random(40) < 0.3
    sample = scipy_stats.CensoredData.right_censored(epochs, censored)
    curve = scipy_stats.ecdf(sample).sf
    ours = {epoch: share for epoch, share, _ in survival(epochs, censored)}
    for epoch, share in ours.items():
        assert share == pytest.approx(float(curve.evaluate(epoch)))


def test_the_smallest_effect_is_found_four_times_in_five():
    """Simulated: with a true mean of the smallest effect, 80% of intervals leave 0 out on its side."""
    n, sd = 6, 2.0
    true = smallest_effect(sd, n)
    values = np.random.default_rng(0).normal(true, sd, (20_000, n))
    half = 2.570582 * values.std(axis=1, ddof=1) / math.sqrt(n)
    assert (values.mean(axis=1) - half > 0).mean() == pytest.approx(0.8, abs=0.01)
    assert smallest_effect(0.0, n) == 0
