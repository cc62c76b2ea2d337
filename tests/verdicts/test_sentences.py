"""An effect in words, as sentences and tables have it."""

import pytest

from alexctl.statistics import Outcome, paired_effect
from alexctl.verdicts.rules import Claimed, sentence, verdict
from alexctl.verdicts.sentences import amount, describe

CENSORED = Outcome(censored=True)


def side(*values):
    return {seed: v if isinstance(v, Outcome) else Outcome(value=v) for seed, v in enumerate(values)}


def points(*values):
    """An effect whose pairs differ by these percentage points."""
    return paired_effect(side(*(0.5 + v / 100 for v in values)), side(*[0.5] * len(values)), scale="points")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((2, 2.5, 3), "lower by 2.50 points (95% interval 1.26 to 3.74, n = 3 seeds)"),
        ((-2, -2.5, -3), "higher by 2.50 points (95% interval 1.26 to 3.74, n = 3 seeds)"),
        ((-1, -2, -3), "higher by 2.00 points (95% interval 0.48 lower to 4.48 higher, n = 3 seeds)"),
        ((1, 2), "lower by 1.00 and 2.00 points (n = 2 seeds, no interval)"),
        ((1, -2), "lower by 1.00 and higher by 2.00 points (n = 2 seeds, no interval)"),
        ((-2,), "higher by 2.00 points (n = 1 seed, no interval)"),
    ],
)
def test_a_difference_in_words(values, words):
    """An arm whose error is below the control's is lower, whatever the sign of the number."""
    assert describe(points(*values)) == words


def test_an_interaction_keeps_its_sign_and_other_numbers_their_unit():
    assert describe(points(-1, -2, -3), signed=True) == (
        "difference -2.00 points (95% interval -4.48 to +0.48, n = 3 seeds)"
    )
    effect = paired_effect(side(0.1234, 0.1235, 0.1236), side(0.12, 0.12, 0.12), scale="difference")
    assert describe(effect, each="pair") == "lower by 0.0035 (95% interval 0.00325 to 0.00375, n = 3 pairs)"


def test_the_sentence_says_that_it_was_looked():
    effect = paired_effect(side(8, 9, 10), side(2, 2, 2), scale="ratio", budget=60, level=0.9866)
    assert "(98.7% interval, widened for 5 looks, " in describe(effect, num_looks=5)
    bound = paired_effect(side(CENSORED, 9, 10), side(2, 2, 2), scale="ratio", budget=60, level=0.9866)
    assert "(98.7%, widened for 5 looks, n = 3 seeds;" in describe(bound, num_looks=5)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"bound": "exact", "effect": 1.2, "low": 1, "high": 2, "scale": "points"}, "+1.20 points"),
        ({"bound": "exact", "effect": 5.83, "low": 1, "high": 7, "scale": "ratio"}, "5.83"),
        ({"bound": "at_least", "effect": 5.83, "low": 2.975, "high": None, "scale": "ratio"}, "more than 2.98"),
        ({"bound": "at_most", "effect": 5.83, "low": None, "high": 0.5, "scale": "ratio"}, "less than 0.500"),
        ({"bound": "at_least", "effect": 5.83, "low": None, "high": None, "scale": "ratio"}, "-"),
        ({"bound": "none", "effect": None, "low": None, "high": None, "scale": "ratio"}, "-"),
        ({"bound": None, "effect": None, "low": None, "high": None, "scale": "ratio"}, "-"),
        ({"bound": "exact", "effect": -0.00123, "low": None, "high": None, "scale": "difference"}, "-0.00123"),
    ],
)
def test_an_effect_in_a_table(line, words):
    assert amount(line) == words


def test_no_size_is_plain_english():
    effect = paired_effect(side(CENSORED, CENSORED, 50, 50), side(CENSORED, CENSORED, 10, 10), scale="ratio", budget=60)
    said = verdict(effect, Claimed(size=6.0, margin=1.25))
    assert sentence(said.word, "on x", describe(effect), said.detail) == (
        "Undecided (on x): no size can be given, since in 2 of 4 pairs neither side reached the target (n = 4 seeds; "
        "2 of 4 control trials censored; 2 of 4 arm trials censored); raise `epochs`, so that more trials reach the target."
    )
