"""Two results side by side: when intervals overlap, when two sides agree, and which campaigns are compared."""

from types import SimpleNamespace

import pytest

from alexctl.errors import UserError
from alexctl.verdicts.side_by_side import agreement, overlapping, pairs


def side(low=None, high=None, *, verdict="supported", n=6, bound="exact"):
    return {"low": low, "high": high, "n": n, "bound": bound, "verdict": verdict}


@pytest.mark.parametrize(
    ("a", "b", "overlap"),
    [
        (side(1.0, 2.0), side(1.5, 3.0), True),
        (side(1.0, 2.0), side(2.0, 3.0), True),  # they touch
        (side(1.0, 2.0), side(2.1, 3.0), False),
        (side(2.1, 3.0), side(1.0, 2.0), False),
        (side(1.0, 4.0), side(2.0, 3.0), True),  # one inside the other
        (side(5.0, None, bound="at_least"), side(1.0, 6.0), True),
        (side(5.0, None, bound="at_least"), side(1.0, 4.0), False),
        (side(None, 5.0, bound="at_most"), side(6.0, None, bound="at_least"), False),
        (side(), side(1.0, 2.0), None),  # n = 2 has no interval
        (side(1.0, 2.0), side(1.0, 2.0, n=0), None),
        (side(1.0, 2.0), side(1.0, 2.0, bound="none"), None),
    ],
)  # fmt: skip
def test_overlap(a, b, overlap):
    assert overlapping(a, b) is overlap
    assert overlapping(b, a) is overlap


@pytest.mark.parametrize(
    ("a", "b", "same", "overlap", "agree", "words"),
    [
        ("supported", "supported", True, True, True, "yes: same verdict, and the intervals overlap"),
        ("supported", "supported", True, False, False, "no: same verdict, but the intervals do not overlap"),
        ("supported", "contradicted", False, False, False, "no: different verdicts, and the intervals do not overlap"),
        ("supported", "no difference", False, True, False, "no: different verdicts, though the intervals overlap"),
        ("supported", "undecided", False, True, None, "open: B undecided, and the intervals overlap"),
        ("undecided", "undecided", True, True, None, "open: A and B undecided, and the intervals overlap"),
        ("supported", "undecided", False, False, False, "no: different verdicts, and the intervals do not overlap"),
        ("supported", "not run yet", None, None, None, "not comparable: no verdict on the claim in B"),
        ("supported", "supported", True, None, None, "same verdict; the intervals cannot be compared"),
        ("supported", "contradicted", False, None, False, "no: different verdicts; the intervals cannot be compared"),
    ],
)  # fmt: skip
def test_agreement(a, b, same, overlap, agree, words):
    found, told = agreement(side(verdict=a), side(verdict=b), same, overlap)
    assert found is agree
    assert told.startswith(words)


def test_an_arm_of_one_side_only():
    assert agreement(None, side(), None, None) == (None, "only in B")
    assert agreement(side(), None, None, None) == (None, "only in A")


def campaign(folder, ablation):
    return SimpleNamespace(folder=SimpleNamespace(name=folder), ablation=SimpleNamespace(name=ablation))


def test_which_campaigns_are_compared():
    x, y, x_on = campaign("x", "x"), campaign("y", "y"), campaign("x@shapes", "x")
    assert pairs([x, y], [y, x_on]) == [(y, y)], "by the names of their folders"
    assert pairs([x, y], [x_on, campaign("z", "z")]) == [(x, x_on)], "else of the same ablation"
    assert pairs([x], [y]) == [(x, y)], "two are compared whatever they are called"
    with pytest.raises(UserError, match="no campaign is in both: x, y in A, z in B"):
        pairs([x, y], [campaign("z", "z")])
    with pytest.raises(UserError, match="no campaign is in both"):
        pairs([x, x_on, y], [campaign("x@mnist", "x"), campaign("z", "z")])  # which of the two?
