"""Runs that share nothing, in somebody else's table: how they are read, compared, judged and worded."""

import json

import pytest
from scipy import stats

from alexctl.errors import UserError
from alexctl.verdicts.csv_runs import read
from alexctl.verdicts.from_csv import compare

WORDS = {"arm": "model", "pair": None, "measure": "error", "scale": "difference"}
BASE, WIDE = (0.21, 0.22, 0.20, 0.23), (0.19, 0.20, 0.185)


def read_text(folder, text, **words):
    path = folder / "runs.csv"
    path.write_text(text)
    return read(path, **{**WORDS, "unpaired": True, **words})


def table(header, *rows):
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def runs_of(folder, scale="difference", measure="error", **arms):
    rows = [(arm, value) for arm, values in arms.items() for value in values]
    return read_text(folder, table(f"model,{measure}", *rows), scale=scale, measure=measure)


def lines_of(runs, **options):
    lines, _ = compare(runs, **options)
    json.dumps(lines, allow_nan=False)
    return lines


def faults_of(folder, text, **words):
    with pytest.raises(UserError) as caught:
        read_text(folder, text, **words)
    return list(caught.value.faults)


def test_no_column_pairs_them_and_none_is_needed(tmp_path):
    (line,) = lines_of(runs_of(tmp_path, base=BASE, wide=WIDE), control="base")
    wanted = stats.ttest_ind(BASE, WIDE, equal_var=False)
    ends = wanted.confidence_interval()
    assert (line["low"], line["high"], line["p_value"]) == pytest.approx((ends.low, ends.high, wanted.pvalue))
    assert (line["degrees_of_freedom"], line["paired_by"], line["n"]) == (pytest.approx(wanted.df), None, 3)
    assert (line["control_values"], line["arm_values"], line["pairs"]) == (list(BASE), list(WIDE), [])
    assert line["rank_sum_p"] == pytest.approx(3 / 35)  # ranks 1, 2, 3.5: two ways as low, and 5, 6, 7 as far up
    assert (line["sign_flip_p"], line["correlation"]) == (None, None)
    assert line["sentence"] == (
        "Lower (on runs.csv): lower by 0.0233 (95% interval 0.00307 to 0.0436, n = 4 control and 3 arm runs)."
    )


@pytest.mark.parametrize("better", [True, False])
def test_a_claim_of_the_better_side(tmp_path, better):
    """Which side is which must not be lost where higher is better."""
    low, dead = (*WIDE, 0.19, 0.188, 0.191), ["nan"]
    arms = {"base": BASE, "wide": (*low, *dead)} if better else {"base": (*BASE, *dead), "wide": low}
    (line,) = lines_of(runs_of(tmp_path, scale="ratio", **arms), control="base", claim=1.1, higher_is_better=better)
    assert line["verdict"] == ("contradicted" if better else "supported")
    lost = "1 of 7 arm" if better else "1 of 5 control"
    assert f"{lost} runs diverged); diverged runs count as the worst in a rank-sum test, p = " in line["sentence"]
    assert (line["control_values"], line["arm_values"]) == (list(BASE), list(low))
    (line,) = lines_of(runs_of(tmp_path, base=BASE, wide=WIDE), control="base", claim=0.02, higher_is_better=better)
    assert line["verdict"] == ("contradicted" if better else "supported")
    assert (line["effect"] > 0) is not better
    assert "lower by 0.0233" in line["sentence"]


@pytest.mark.parametrize("better", [True, False])
def test_an_arm_that_diverges_more_is_never_supported(tmp_path, better):
    base = [10 + i / 10 for i in range(12)]
    wide = [v + (2 if better else -2) for v in base]
    words = {"control": "base", "claim": 1.0, "higher_is_better": better}
    (line,) = lines_of(runs_of(tmp_path, base=base, wide=[*wide, "nan"]), **words)
    assert line["verdict"] == "undecided"
    assert "but the arm has more diverged trials than the control" in line["sentence"]
    (line,) = lines_of(runs_of(tmp_path, base=base, wide=["nan"] * 5), **words)
    assert (line["verdict"], line["effect"], line["stands"]) == ("contradicted", None, "yes")
    assert "no size can be given, since arm has no run with a value" in line["sentence"]
    (line,) = lines_of(runs_of(tmp_path, base=base, wide=[*wide, "nan"], measure="x"), control="base")
    assert (line["verdict"], line["p_value"]) == ("undecided", None)
    assert "takes --higher-is-better or --lower-is-better" in line["sentence"]


def test_few_runs_and_how_many_more_it_takes(tmp_path):
    (line,) = lines_of(runs_of(tmp_path, base=(1, 2), wide=(0.5, 0.7)), control="base")
    assert line["sentence"] == (
        "Undecided (on runs.csv): lower by 0.9 (n = 2 runs a side, no interval); an interval needs at least 1 run more on "
        "each side."
    )
    (line,) = lines_of(runs_of(tmp_path, base=(1, 2, 3), wide=(1.5, 1, 1.6)), control="base")
    assert line["sentence"].endswith("n = 3 runs a side); about 10 runs more a side would decide.")
    (line,) = lines_of(runs_of(tmp_path, base=(1, 1, 1), wide=(2, 2, 2)), control="base")
    assert line["sentence"].endswith(
        "the runs of each side agree exactly); runs that agree exactly say nothing of chance."
    )


def test_holm_counts_all_arms(tmp_path):
    lines = lines_of(runs_of(tmp_path, base=BASE, wide=WIDE, deep=BASE), control="base")
    assert [line["holm_p"] for line in lines] == pytest.approx([2 * lines[0]["p_value"], 1.0])
    assert [line["stands"] for line in lines] == ["no", None]


def test_several_rows_of_one_run_are_no_runs(tmp_path):
    logs = table("model,seed,epoch,error", *((m, s, e, 0.1) for m in ("a", "b") for s in (1, 2) for e in (1, 2)))
    assert faults_of(tmp_path, logs)[0].startswith(
        "runs.csv line 3: 'a' has seed '1' in line 2 already; the two differ in epoch; pick one with --where epoch=VALUE"
    )
    assert len(read_text(tmp_path, logs, where=["epoch=2"]).arms["a"]) == 2
    for steps in ({"a": (1, 2, 1, 2), "b": (2, 1, 1, 2)}, {"a": (10, 20, 30), "b": (10, 20, 30, 40)}):
        rows = [(arm, step, 0.1) for arm, column in steps.items() for step in column]
        (fault,) = faults_of(tmp_path, table("model,_step,error", *rows))
        assert fault.startswith(
            "runs.csv has several rows a run, by its column _step; pick one with --where _step=VALUE"
        )
    best = [("a", 31, 0.1), ("a", 28, 0.1), ("b", 44, 0.1), ("b", 21, 0.1)]  # each run's best epoch
    assert len(read_text(tmp_path, table("model,epoch,error", *best)).arms["b"]) == 2


def test_what_tells_runs_apart_by_its_name(tmp_path):
    rows = [(m, f, s, 0.1) for m in ("a", "b") for f in (1, 2) for s in (1, 2)]
    assert len(read_text(tmp_path, table("model,fold,random_seed,error", *rows)).arms["a"]) == 4
    assert len(read_text(tmp_path, table("model,seed,error", ("a", 0, 1), ("a", 0, 2), ("b", 0, 1))).arms["a"]) == 2
    runs = read_text(tmp_path, table("model,run_id,error", ("a", 1, 1), ("a", 2, 2), ("a", "mean", 1.5), ("b", 1, 1)))
    assert (len(runs.arms["a"]), runs.notes[0]) == (
        2,
        "1 row left out, since run_id is 'mean' and they sum up others: line 4",
    )


def test_how_runs_are_paired_must_be_said(tmp_path):
    seeds, bare = table("model,seed,error", ("a", 1, 0.1), ("b", 1, 0.2)), table("model,error", ("a", 0.1), ("b", 0.2))
    say = "--pair: say which column pairs runs across arms, such as {}; for runs that share nothing add --unpaired instead"
    assert faults_of(tmp_path, seeds, unpaired=False) == [say.format("seed")]
    assert faults_of(tmp_path, bare, unpaired=False) == [say.format("the seed")]
    assert faults_of(tmp_path, seeds, pair="seed") == [
        "--pair and --unpaired: give one of them; without pairs no column pairs runs"
    ]
    assert faults_of(tmp_path, bare, pair="seed", unpaired=False) == [
        "--pair: runs.csv has no column 'seed', choose from: error, model (where runs share nothing: --unpaired)"
    ]
    assert faults_of(tmp_path, bare, measure="model") == ["--arm and --measure: should be two columns, not one twice"]
    (line,) = lines_of(read_text(tmp_path, table("model,t,error", ("a", 1, 1), ("b", 2, 1)), pair="t", unpaired=False))
    assert line["sentence"].endswith("; compare runs that share nothing with --unpaired.")


EDGES = {
    "large": (1e290, -1e290, 3e289, 0.0), "squares": (1e200, 2e200, -1e160, 1e-200), "tiny": (1e-290, 5e-324, 0.0, -2e-290),
    "denormal": (1e-289, 5e-324, 1e-310, 0.0), "close": (1.0, 1.0000000000000002, 1.0, 1.0), "mixed": (1e290, 1, 1e-290, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("claim", [None, 1e308, 5e-324])
def test_the_edge_of_floating_point_is_numbers(tmp_path, name, claim):
    values = EDGES[name]
    for line in lines_of(
        runs_of(tmp_path, base=values, wide=values[::-1], other=(1.0,) * 5), control="base", claim=claim, margin=1e308
    ):
        assert line["low"] is None or line["low"] <= line["effect"] <= line["high"]
        assert len(line["sentence"]) < 300
