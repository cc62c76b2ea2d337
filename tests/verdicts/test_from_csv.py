"""The same statistics for anybody's CSV: effects, which side is better, and what a claim must be told."""

import json

import pytest

from alexctl.errors import UserError
from alexctl.statistics import Outcome, paired_effect
from alexctl.verdicts.csv_runs import Runs
from alexctl.verdicts.from_csv import compare


def runs_of(scale="difference", measure="error", notes=(), paired_by="seed", **arms):
    """Arms of values, one a seed; None is a run that is not there, "x" one that diverged."""
    arms = arms or {"base": (0.21, 0.22, 0.20), "wide": (0.19, 0.20, 0.185)}
    outcomes = {
        arm: {str(i): Outcome(diverged=True) if v == "x" else Outcome(value=v) for i, v in enumerate(values) if v is not None}
        for arm, values in arms.items()
    }  # fmt: skip
    num_pairs = max(map(len, arms.values()))
    return Runs(name="runs.csv", measure=measure, scale=scale, arms=outcomes, notes=notes, paired_by=paired_by,
                pairs=tuple(str(i) for i in range(num_pairs)) if paired_by else ())  # fmt: skip


def lines_of(runs, **options):
    lines, _ = compare(runs, **options)
    json.dumps(lines, allow_nan=False)
    return lines


def test_the_same_statistics_as_for_our_own():
    (line,) = lines_of(runs_of("points"), control="base", claim=1.4)
    sides = ({i: Outcome(value=v) for i, v in enumerate(vs)} for vs in ((0.21, 0.22, 0.20), (0.19, 0.20, 0.185)))
    effect = paired_effect(*sides, scale="points")
    assert (line["effect"], line["low"], line["high"]) == (effect.estimate, effect.low, effect.high)
    assert (line["arm"], line["control"], line["pairs"]) == ("wide", "base", ["0", "1", "2"])
    assert line["verdict"] == "supported"
    assert line["p_value"] == pytest.approx(effect.p_value)
    assert line["sign_flip_note"] == "n < 6: cannot reach 5%"
    assert line["sentence"].startswith(
        "Supported (on runs.csv): lower by 1.83 points (95% interval 1.12 to 2.55, n = 3 pairs)"
    )


def test_units():
    effects = [lines_of(runs_of(scale), control="wide")[0]["effect"] for scale in ("difference", "points", "ratio")]
    assert effects == pytest.approx([-0.055 / 3, -5.5 / 3, (19 / 21 * 20 / 22 * 18.5 / 20) ** (1 / 3)])


@pytest.mark.parametrize(("control", "word"), [("base", "lower"), ("wide", "higher")])
@pytest.mark.parametrize("better", [None, True, False])
def test_without_a_claim_the_verdict_is_which_side_is_lower(control, word, better):
    (line,) = lines_of(runs_of(), control=control, higher_is_better=better)
    assert line["verdict"] == word
    assert (
        line["sentence"]
        == f"{word.capitalize()} (on runs.csv): {word} by 0.0183 (95% interval 0.0112 to 0.0255, n = 3 pairs)."
    )
    assert (line["effect"] > 0) == ((word == "higher") == bool(better))


@pytest.mark.parametrize("better", [True, False])
def test_a_claim_is_of_the_better_side(better):
    (line,) = lines_of(runs_of(measure="x"), control="base", claim=0.02, higher_is_better=better)
    assert line["verdict"] == ("contradicted" if better else "supported")
    assert "lower by 0.0183 (95% interval 0.0112 to 0.0255, n = 3 pairs)" in line["sentence"]
    assert line["effect"] == pytest.approx((-1 if better else 1) * 0.055 / 3)
    (line,) = lines_of(runs_of("ratio", measure="x"), control="base", claim=1.1, higher_is_better=better)
    assert line["verdict"] == ("contradicted" if better else "supported")
    assert f"ratio {'0.913' if better else '1.10'} (" in line["sentence"]


def test_a_margin_without_a_claim():
    (line,) = lines_of(runs_of(), control="base", margin=0.03)
    assert line["verdict"] == "no difference"
    assert "any effect is within the margin, 0.03." in line["sentence"]


@pytest.mark.parametrize("better", [True, False])
def test_missing_pairs_and_diverged_runs_are_counted_on_their_side(better):
    runs = runs_of("ratio", base=(1, 2, 3, 4), wide=(None, 1, 2, 3), other=("x", 3, "x", 4))
    wide, other = lines_of(runs, control="base", higher_is_better=better)
    assert (wide["pairs"], wide["num_unpaired"]) == (["1", "2", "3"], 1)
    assert "1 pair on one side only" in wide["sentence"]
    assert (other["pairs"], other["num_left_out"]) == (["1", "3"], 2)
    assert "2 of 4 arm trials diverged; 2 of 4 pairs left out" in other["sentence"]


def test_no_pair_in_common_is_not_judged():
    (line,) = lines_of(runs_of(base=(1, 2, None, None), wide=(None, None, 3, 4)), control="base", claim=1)
    assert (line["verdict"], line["n"]) == ("not judged", 0)
    assert line["sentence"] == (
        "Not judged (on runs.csv): no size can be given, since no pair has a value on both sides "
        "(n = 0 pairs; 4 pairs on one side only); compare runs that share nothing with --unpaired."
    )


def test_what_was_taken_for_granted_is_said():
    first = "the control is 'base', the first arm in the file; --control names another"
    lines, notes = compare(runs_of(measure="value", notes=("a row left out",)))
    unknown = (
        "value: its name does not tell which way is better, so effects are control - arm, above 0 where the arm is lower; "
        "--higher-is-better turns them round"
    )
    assert notes == (first, unknown, "a row left out")
    assert (lines[0]["higher_is_better"], lines[0]["direction_from"]) == (None, None)
    assert "control / arm, above 1 where the arm is lower" in compare(runs_of("ratio", measure="value"))[1][1]
    for claim in (None, 0.01):
        lines, notes = compare(runs_of(measure="test_acc"), control="base", claim=claim)
        assert notes == ("test_acc: higher is taken for better, by its name; else add --lower-is-better",)
        assert (lines[0]["higher_is_better"], lines[0]["direction_from"]) == (True, "name")
        lines, notes = compare(runs_of(), control="base", claim=claim)
        assert notes == ("error: lower is taken for better, by its name; else add --higher-is-better",)
        assert (lines[0]["higher_is_better"], lines[0]["direction_from"]) == (False, "name")
        lines, notes = compare(runs_of(), control="base", claim=claim, higher_is_better=True)
        assert notes == ()
        assert (lines[0]["higher_is_better"], lines[0]["direction_from"]) == (True, "option")


def test_of_many_comparisons_it_is_said_which_still_stand():
    arms = {"base": (5, 6, 7), "a": (4, 5, 6.01), "b": (4, 5.4, 6.3), "c": (4, 6.5, 7.5), "d": (1, None, None)}
    lines, (note,) = compare(runs_of(**arms), control="base", higher_is_better=False)
    p = [line["p_value"] for line in lines]
    assert (p[0] < p[1] < 0.05 < p[2], p[3]) == (True, None)
    assert [line["holm_p"] for line in lines] == pytest.approx([4 * p[0], 3 * p[1], 1.0, None])
    assert [line["verdict"] for line in lines] == ["lower", "lower", "undecided", "undecided"]
    assert [line["stands"] for line in lines] == ["yes", "no", None, None]
    fallen = " As one of 4 comparisons it does not stand after Holm's correction."
    assert [line["sentence"].endswith(fallen) for line in lines] == [False, True, False, False]
    assert note == (
        "4 comparisons found 2 differences; after Holm's correction for so many (5% for all together) 1 stands: a"
    )
    alike = {"base": (5, 6, 7), "a": (4, 6, 8), "b": (8, 6, 4)}
    assert compare(runs_of(**alike), control="base", higher_is_better=False)[1] == (
        "2 comparisons, none of which found a difference",
    )


def test_of_arms_that_diverge_holm_takes_the_test_that_decides():
    """Among the survivors a is better at p < 0.001; of all six pairs four say nothing of it."""
    arms = {"base": (5, 6, 7, 5.5, 6.5, 6.2), "a": (4, 4.99, 6.01, "x", "x", "x"), "b": (5, 6, 7.1, 5, 7, 6)}
    a, _ = lines_of(runs_of(**arms), control="base")
    assert (a["verdict"], a["stands"], a["p_value"] > 0.4, a["holm_p"] > 0.4) == ("undecided", None, True, True)
    few = {side: values[:5] for side, values in arms.items()}
    assert lines_of(runs_of(**few), control="base")[0]["p_value"] is None


@pytest.mark.parametrize("better", [True, False])
def test_an_arm_that_diverges_more_is_never_supported_whichever_way_is_better(better):
    base = tuple(10.0 + i / 10 for i in range(12))
    wide = tuple(v + (1 if better else -1) * (1 + i / 10) for i, v in enumerate(base[:-1]))
    (line,) = lines_of(runs_of(base=base, wide=(*wide, "x")), control="base", claim=1.0, higher_is_better=better)
    assert line["verdict"] == "undecided"
    assert "but the arm has more diverged trials than the control" in line["sentence"]
    assert "1 of 12 arm trials diverged" in line["sentence"]
    (line,) = lines_of(
        runs_of(base=(*base, "x"), wide=(*wide, "x", 1.0)), control="base", claim=1.0, higher_is_better=better
    )
    assert line["verdict"] == "supported"


@pytest.mark.parametrize(
    ("scale", "options", "fault"),
    [
        ("difference", {"control": "bas"}, "--control: no arm is called 'bas', did you mean 'base'?"),
        ("difference", {"claim": 0.0}, "--claim: should be a number other than 0, not 0; where no effect is claimed give --margin instead"),
        ("ratio", {"claim": -1.0}, "--claim: should be a ratio above 0 and not 1, not -1; where no effect is claimed give --margin instead"),
        ("ratio", {"margin": 0.5}, "--margin: should be a factor above 1, not 0.5"),
        ("points", {"margin": float("nan")}, "--margin: should be above 0, not nan"),
        ("points", {"claim": 2.0}, "--claim: say with --control which arm it is held against, choose from: base, wide"),
    ],
)  # fmt: skip
def test_an_option_that_can_not_be_meant(scale, options, fault):
    with pytest.raises(UserError) as caught:
        compare(runs_of(scale), **options)
    assert caught.value.faults == (fault,)


def test_a_claim_needs_to_know_which_way_is_better():
    with pytest.raises(UserError) as caught:
        compare(runs_of(measure="value"), control="base", claim=2.0)
    assert caught.value.faults == (
        "--claim: whether a higher value is better can't be told from its name; "
        "add --higher-is-better or --lower-is-better",
    )


EDGES = {
    "large": (1e290, -1e290, 3e289, 0.0), "squares": (1e200, 2e200, -1e160, 1e-200), "tiny": (1e-290, 5e-324, 0.0, -2e-290),
    "denormal": (1e-289, 5e-324, 1e-310, 0.0), "close": (1.0, 1.0000000000000002, 1.0, 1.0),
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("claim", [None, 1e308, 5e-324])
@pytest.mark.parametrize("better", [True, False])
def test_differences_at_the_edge_of_floating_point_are_numbers(name, claim, better):
    values = EDGES[name]
    runs = runs_of(base=values, wide=values[::-1], other=(*values[1:], values[0]))
    for line in lines_of(runs, control="base", claim=claim, margin=1e308, higher_is_better=better):
        assert line["low"] is None or line["low"] <= line["effect"] <= line["high"]
        assert len(line["sentence"]) < 300


@pytest.mark.parametrize("claim", [None, 1e308, 5e-324, 1.0000000000000002])
def test_ratios_at_the_edge_of_floating_point_are_numbers(claim):
    runs = runs_of("ratio", base=(1e30, 1e-30, 1e30), wide=(1e-30, 1e30, 1e-30), other=(1e30, 1e-30, 9e29))
    for line in lines_of(runs, control="base", claim=claim):
        assert line["low"] <= line["effect"] <= line["high"]
        assert len(line["sentence"]) < 300


def test_the_unit_of_a_difference_changes_nothing_but_the_unit():
    base, wide = (2.0, 2.1, 1.9, 2.2), (1.7, 1.9, 1.8, 1.8)
    (line,) = lines_of(runs_of(base=base, wide=wide))
    for unit in (2.0**-900, 2.0**-70, 2.0**900):
        (scaled,) = lines_of(runs_of(base=[v * unit for v in base], wide=[v * unit for v in wide]))
        for key in ("verdict", "p_value", "correlation", "sign_flip_p"):
            assert scaled[key] == line[key]
        for key in ("effect", "low", "high", "smallest_effect"):
            assert scaled[key] == line[key] * unit
