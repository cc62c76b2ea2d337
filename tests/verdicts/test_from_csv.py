"""Anybody's CSV: what is read, what is refused with its line, and the same statistics as for our own trials."""

import pytest

from alexctl.errors import UserError
from alexctl.stats import Outcome, paired_effect
from alexctl.verdicts.from_csv import compare, read

TIDY = """\
run,model,seed,error
a,base,0,0.21
b,base,1,0.22
c,base,2,0.20
d,wide,0,0.19
e,wide,1,0.20
f,wide,2.0,0.185
"""


def write(folder, text, name="runs.csv"):
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def runs_of(folder, text=TIDY, scale="difference", **columns):
    return read(write(folder, text), **{"arm": "model", "pair": "seed", "measure": "error", **columns}, scale=scale)


def faults_of(folder, text, scale="difference", **columns):
    with pytest.raises(UserError) as caught:
        runs_of(folder, text, scale, **columns)
    return list(caught.value.faults)


def test_the_same_statistics_as_for_our_own(tmp_path):
    (line,) = compare(runs_of(tmp_path, scale="points"), control=None, claim=1.4, margin=None)
    sides = ({i: Outcome(value=v) for i, v in enumerate(vs)} for vs in ((0.21, 0.22, 0.20), (0.19, 0.20, 0.185)))
    effect = paired_effect(*sides, scale="points")
    assert (line["effect"], line["low"], line["high"]) == (effect.estimate, effect.low, effect.high)
    assert (line["arm"], line["control"], line["pairs"], line["verdict"]) == (
        "wide",
        "base",
        ["0", "1", "2"],
        "supported",
    )
    assert line["p_value"] == pytest.approx(effect.p_value)
    assert line["sign_flip_note"] == "n < 6: cannot reach 5%"
    assert line["sentence"].startswith(
        "Supported (on runs.csv): lower by 1.83 points (95% interval 1.12 to 2.55, n = 3 pairs)"
    )


def test_units(tmp_path):
    effects = [compare(runs_of(tmp_path, scale=scale), control="wide", claim=None, margin=None)[0]["effect"]
               for scale in ("difference", "points", "ratio")]  # fmt: skip
    assert effects == pytest.approx([-0.055 / 3, -5.5 / 3, (19 / 21 * 20 / 22 * 18.5 / 20) ** (1 / 3)])


@pytest.mark.parametrize(("control", "word"), [("base", "lower"), ("wide", "higher")])
def test_without_a_claim_the_verdict_is_which_side_is_lower(tmp_path, control, word):
    (line,) = compare(runs_of(tmp_path), control=control, claim=None, margin=None)
    assert line["verdict"] == word
    assert (
        line["sentence"]
        == f"{word.capitalize()} (on runs.csv): {word} by 0.0183 (95% interval 0.0112 to 0.0255, n = 3 pairs)."
    )


def test_a_margin_without_a_claim(tmp_path):
    (line,) = compare(runs_of(tmp_path), control=None, claim=None, margin=0.03)
    assert line["verdict"] == "no difference"
    assert "any effect is within the margin, 0.03." in line["sentence"]


def test_pairs_may_be_words_and_missing_ones_are_counted(tmp_path):
    text = "model,seed,error\nbase,x,1\nbase,y,2\nwide,y,1\nwide,z,5\nother,x,nan\nother,y,3\nwide,x,\n"
    runs = runs_of(tmp_path, text)
    wide, other = compare(runs, control=None, claim=None, margin=None)
    assert (wide["pairs"], wide["values"], wide["num_unpaired"]) == (["y"], [1.0], 2)
    assert "2 pairs on one side only" in wide["sentence"]
    assert (other["pairs"], other["num_left_out"]) == (["y"], 1)
    assert "1 of 2 arm trials diverged; 1 of 2 pairs left out" in other["sentence"]
    assert runs.notes == ("1 run without a value of error, left out: line 8",)


def test_numbers_pair_as_numbers_and_sort_as_numbers(tmp_path):
    text = "model,seed,error\na,10,1\na,9,1\na,2.0,1\nb,2,1\nb,1e1,1\n"
    runs = runs_of(tmp_path, text)
    assert runs.pairs == ("2", "9", "10")
    assert compare(runs, control=None, claim=None, margin=None)[0]["pairs"] == ["2", "10"]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (TIDY.replace("0.22", "0,22"), ["runs.csv line 3 has 5 fields where the header has 4"]),
        (TIDY.replace("0.22", "high\x1b[2J"), ["runs.csv line 3: error is 'high\\x1b[2J', which is no number"]),
        (TIDY.replace("c,base,2", "c,base,1"), ["runs.csv line 4: 'base' has pair '1' in line 3 already; keep one line a run, such as its last"]),
        (TIDY.replace("c,base,2", "c,base,"), ["runs.csv line 4: seed is empty"]),
        (TIDY.replace("wide", "base")[:60], ["runs.csv holds one arm only, 'base'; a comparison needs two arms or more in the column 'model'"]),
        ("run,model,seed,error\n", ["runs.csv holds no runs; a comparison needs two arms or more in the column 'model'"]),
        (b"model,seed,error\n\xff,1,2\n", ["runs.csv: byte 18 is no UTF-8 text; save it as CSV in UTF-8"]),
        ("model,seed,error,error\n", ["--measure: runs.csv has two columns 'error'; rename one"]),
        ("", ["--arm: runs.csv has no column 'model', there are none", "--pair: runs.csv has no column 'seed', there are none", "--measure: runs.csv has no column 'error', there are none"]),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_its_line(tmp_path, text, faults):
    assert faults_of(tmp_path, text) == faults


def test_missing_columns_are_all_named_with_the_nearest(tmp_path):
    assert faults_of(tmp_path, TIDY, arm="Model", measure="eror") == [
        "--arm: runs.csv has no column 'Model', did you mean 'model'?",
        "--measure: runs.csv has no column 'eror', did you mean 'error'?",
    ]
    assert faults_of(tmp_path, TIDY, arm="seed") == [
        "--arm, --pair and --measure: should be three columns, not one twice"
    ]


def test_many_faults_are_cut_short(tmp_path):
    faults = faults_of(tmp_path, TIDY, measure="run")
    assert len(faults) == 6
    assert faults[-1] == "and 1 more like these"


@pytest.mark.parametrize(
    ("scale", "fault"),
    [
        ("points", "runs.csv line 2: error is 21, no fraction of 1; take --scale difference for per cent"),
        ("ratio", "runs.csv line 3: error is -22; a ratio needs numbers above 0, take --scale difference"),
    ],
)
def test_numbers_that_do_not_fit_the_scale(tmp_path, scale, fault):
    text = TIDY.replace("0.21", "21").replace("0.22", "-22")
    assert fault in faults_of(tmp_path, text, scale)


@pytest.mark.parametrize(
    ("scale", "options", "fault"),
    [
        ("difference", {"control": "bas"}, "--control: no arm is called 'bas', did you mean 'base'?"),
        ("difference", {"claim": 0.0}, "--claim: should be a number other than 0, not 0; where no effect is claimed give --margin instead"),
        ("ratio", {"claim": -1.0}, "--claim: should be a ratio above 0 and not 1, not -1; where no effect is claimed give --margin instead"),
        ("ratio", {"margin": 0.5}, "--margin: should be a factor above 1, not 0.5"),
        ("points", {"margin": float("nan")}, "--margin: should be above 0, not nan"),
    ],
)  # fmt: skip
def test_an_option_that_can_not_be_meant(tmp_path, scale, options, fault):
    with pytest.raises(UserError) as caught:
        compare(runs_of(tmp_path, scale=scale), **{"control": None, "claim": None, "margin": None, **options})
    assert caught.value.faults == (fault,)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.csv: can't be read: No such file"):
        read(tmp_path / "nothing.csv", arm="a", pair="b", measure="c", scale="ratio")
    with pytest.raises(UserError, match="can't be read"):
        read(tmp_path, arm="a", pair="b", measure="c", scale="ratio")
