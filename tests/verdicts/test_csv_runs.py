"""Somebody else's table: what is read as it is meant, what is left out and said, what is refused with its line."""

import math

import pytest

from alexctl.errors import UserError
from alexctl.stats import Outcome
from alexctl.verdicts.csv_runs import read

TIDY = """\
run,model,seed,error
a,base,0,0.21
b,base,1,0.22
c,base,2,0.20
d,wide,0,0.19
e,wide,1,0.20
f,wide,2.0,0.185
"""
SMALL = "model,seed,error\nbase,0,0.2\nbase,1,0.3\nwide,0,0.1\nwide,1,0.1\n"
VALUES = {"base": {"0": 0.2, "1": 0.3}, "wide": {"0": 0.1, "1": 0.1}}


def runs_of(folder, text=TIDY, scale="difference", where=(), **columns):
    path = folder / "runs.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read(path, **{"arm": "model", "pair": "seed", "measure": "error", **columns}, scale=scale, where=where)


def values_of(runs):
    return {arm: {pair: outcome.value for pair, outcome in kept.items()} for arm, kept in runs.arms.items()}


def faults_of(folder, text, scale="difference", **options):
    with pytest.raises(UserError) as caught:
        runs_of(folder, text, scale, **options)
    return list(caught.value.faults)


def table(*rows, header="model,seed,error"):
    return "\n".join([header, *rows]) + "\n"


def keyed(*keys, arms=("base", "wide")):
    return table(*(f"{arm},{key},0.{i}1" for arm in arms for i, key in enumerate(keys)))


@pytest.mark.parametrize(
    "text",
    [
        SMALL,
        SMALL.replace(",", ";"),
        SMALL.replace(",", "\t"),
        SMALL.replace("\n", "\r\n"),
        SMALL.replace("\n", "\r"),
        SMALL.replace(",", ";").replace(".", ","),
        SMALL.replace(",", "\t").replace(".", ","),
        "sep=;\r\n" + SMALL.replace(",", ";"),
        "SEP=|\n" + SMALL.replace(",", "|"),
        "\ufeff" + SMALL,
        "\ufeff" + "sep=,\n" + SMALL,
        SMALL.replace(",", "\t").encode("utf-16"),
        "# by hand,\n\n" + SMALL.replace("wide,0", "# half-way\n\nwide,0") + "\n# the end\n",
        "# " + SMALL,
        "#" + SMALL.replace(",", ";"),
        SMALL + ",,\n,,\n,\n",
        SMALL.replace(",", ", ").replace("model", " model ").replace("base", "base "),
        SMALL.replace(",", ', "', 1).replace(",error", '", "error"').replace("base", '"base"'),
        "".join(f"{line},{'x' * 200_000}\n" for line in SMALL.splitlines()),
        "".join(f'{line},"two\nlines, a ""word""\n# and 3, 4, 0.5"\n' for line in SMALL.splitlines()),
        "".join(f'{line},5" disk\u2028next\x85\n' for line in SMALL.splitlines()),
    ],
)  # fmt: skip
def test_a_table_is_read_however_it_was_written(tmp_path, text):
    runs = runs_of(tmp_path, text)
    assert values_of(runs) == VALUES
    assert runs.notes == ()


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (TIDY.replace("0.22", "0,22"), ["runs.csv line 3 has 5 fields where the header has 4"]),
        (TIDY.replace("0.22", "high\x1b[2J"), ["runs.csv line 3: error is 'high\\x1b[2J', which is no number"]),
        (TIDY.replace("c,base,2", "c,base,"), ["runs.csv line 4: seed is empty"]),
        (TIDY.replace("wide", "base")[:60], ["runs.csv holds one arm only, 'base'; a comparison needs two arms or more in the column 'model'"]),
        ("run,model,seed,error\n", ["runs.csv holds no runs; a comparison needs two arms or more in the column 'model'"]),
        (b"model,seed,error\n\xff,1,2\n", ["runs.csv: byte 18 is no UTF-8 text; save it as CSV in UTF-8"]),
        ("model,seed,error,error\n", ["--measure: runs.csv has two columns 'error'; rename one"]),
        ("", ["runs.csv is empty; its first row should name the columns"]),
        ("# model, seed\n\n", ["runs.csv is empty; its first row should name the columns"]),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_its_line(tmp_path, text, faults):
    assert faults_of(tmp_path, text) == faults


QUOTES = table("base,0,0.2,ok", 'base,1,0.3,"19 inch', "wide,0,0.1,ok", "wide,1,0.1,ok", header="model,seed,error,note")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (QUOTES, "line 3 opens a quote that is never closed"),
        (QUOTES.replace("0.1,ok\n", '0.1,"ok"\n', 1), 'line 3 has a quote out of place; close it at the end of its cell, and write one inside a cell twice ("")'),
        (QUOTES.replace("wide,0,0.1,ok", 'wide,0,0.1,5"'), "line 3 opens a quote that swallows whole rows; close it in its cell"),
        (QUOTES.replace("wide,0,0.1,ok", 'wide,0,0.1,5"').replace(",", ";").replace(".", ","), "line 3 opens a quote that swallows whole rows; close it in its cell"),
        (QUOTES.replace('"19 inch', '"19 "inch"'), 'line 3 has a quote out of place; close it at the end of its cell, and write one inside a cell twice ("")'),
    ],
)  # fmt: skip
def test_a_quote_that_swallows_rows_is_named_with_its_line(tmp_path, text, fault):
    assert faults_of(tmp_path, text) == [f"runs.csv {fault}"]


def test_a_row_made_a_comment_is_said(tmp_path):
    runs = runs_of(tmp_path, SMALL + "#wide,2,0.9\n# wide, really\n")
    assert runs.notes == ("line 6 left out: a row that begins with # is a comment",)


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


def test_a_file_that_can_not_be_read(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"nothing\.csv: can't be read: No such file"):
        read(tmp_path / "nothing.csv", arm="a", pair="b", measure="c", scale="ratio")
    with pytest.raises(UserError, match="can't be read"):
        read(tmp_path, arm="a", pair="b", measure="c", scale="ratio")
    monkeypatch.setattr("alexctl.verdicts.csv_table.MOST_BYTES", 2**20)
    assert faults_of(tmp_path, SMALL + "\n" * 2**20) == ["runs.csv: over 1 MB; keep one row a run, such as its last"]


@pytest.mark.parametrize(
    ("keys", "pairs"),
    [
        (("10", "9", "2"), ("2", "9", "10")),
        (("007", "8.0", "-1"), ("-1", "7", "8")),
        (("1_12", "11_2"), ("11_2", "1_12")),
        (("20251207132258", "20251207132301"), ("20251207132258", "20251207132301")),
        (("1765113000000000001", "1765113000000000002"), ("1765113000000000001", "1765113000000000002")),
        (("1e3", "1000", "0x3e8"), ("0x3e8", "1000", "1e3")),
        (("0.50", "0.5", "1", "2"), ("0.5", "0.50", "1", "2")),
        (("0.1", "0.10000000000000001"), ("0.1", "0.10000000000000001")),
        (("٣", "3"), ("3", "٣")),
        (("x", "y 1"), ("x", "y 1")),
    ],
)
def test_keys_stay_apart_as_text_and_only_whole_numbers_are_numbers(tmp_path, keys, pairs):
    runs = runs_of(tmp_path, keyed(*keys))
    assert runs.pairs == pairs
    assert all(len(kept) == len(keys) for kept in runs.arms.values())


def test_whole_numbers_pair_however_they_are_written(tmp_path):
    runs = runs_of(tmp_path, table("base,1,0.2", "base,02,0.3", "wide,1.0,0.1", "wide,2,0.1"))
    assert [list(kept) for kept in runs.arms.values()] == [["1", "2"], ["1", "2"]]


def test_rows_that_sum_up_others_are_left_out_and_said(tmp_path):
    rows = [f"{arm},{key},0.2" for arm in ("base", "wide") for key in ("1", "2", "mean", "Std.", "mean ± std")]
    runs = runs_of(tmp_path, table(*rows))
    assert runs.pairs == ("1", "2")
    assert runs.notes == (
        "6 rows left out, since seed is 'mean' or 'Std.' or 'mean ± std' and they sum up others: lines 4, 5, 6, 9, 10, 11",
    )
    assert runs_of(tmp_path, keyed("max", "mean")).pairs == ("max", "mean")  # nothing else: these are the keys
    assert runs_of(tmp_path, keyed("1", "2", arms=("mean", "max"))).notes == ()  # arms, such as kinds of pooling


def test_an_odd_key_among_whole_numbers_is_refused(tmp_path):
    fault = "runs.csv line {}: seed is '{}' where others are whole numbers; if it is no run, take it out"
    assert faults_of(tmp_path, keyed("1", "2", "best")) == [fault.format(4, "best"), fault.format(7, "best")]
    assert faults_of(tmp_path, keyed("1", "2", "nan"))[0] == fault.format(4, "nan")


WANDB = table(
    "finished,base,0,0.2", "finished,base,1,0.3", "crashed,base,2,0.9", "Running,base,3,0.8",
    "finished,wide,0,0.1", "finished,wide,1,0.1", "killed,wide,2,0.9", "failed,wide,3,", header="State,model,seed,error",
)  # fmt: skip
OPTUNA = table(
    "base,0,0.2,COMPLETE", "base,1,0.3,COMPLETE", "wide,0,0.1,COMPLETE", "wide,1,0.1,COMPLETE", "wide,2,0.9,PRUNED",
    "wide,3,0.8,FAIL", "wide,4,0.9,PRUNED", header="model,seed,error,state",
)  # fmt: skip


def test_runs_that_are_not_over_are_left_out_by_name(tmp_path):
    runs = runs_of(tmp_path, WANDB)
    assert values_of(runs) == VALUES
    assert runs.notes == (
        "1 row left out, since State is crashed: line 4 (base 1 of 4)",
        "1 row left out, since State is Running: line 5 (base 1 of 4)",
        "1 row left out, since State is killed: line 8 (wide 1 of 4)",
        "1 row left out, since State is failed: line 9 (wide 1 of 4)",
    )
    runs = runs_of(tmp_path, OPTUNA)
    assert values_of(runs) == VALUES
    assert runs.notes == (
        "2 rows left out, since state is PRUNED: lines 6, 8 (wide 2 of 5)",
        "1 row left out, since state is FAIL: line 7 (wide 1 of 5)",
    )
    assert values_of(runs_of(tmp_path, WANDB.replace("State", "attributes.status"))) == VALUES


def test_a_state_that_is_none_we_know(tmp_path):
    assert faults_of(tmp_path, OPTUNA.replace("FAIL", "ZOMBIE").replace("state", "run state/state")) == [
        "runs.csv line 7: run state/state is 'ZOMBIE', which does not say whether a run is over; "
        "pick rows with --where 'run state/state=VALUE'"
    ]
    texas = SMALL.replace("error", "error,state").replace("0.1\n", "0.1,Texas\n").replace("0.2", "0.2,Ohio")
    assert values_of(runs_of(tmp_path, texas.replace("0.3", "0.3,"))) == VALUES


def test_all_runs_left_out_are_named_in_the_refusal(tmp_path):
    assert faults_of(tmp_path, OPTUNA.replace("wide,0,0.1,COMPLETE\nwide,1,0.1,COMPLETE\n", "")) == [
        "runs.csv holds one arm only, 'base'; a comparison needs two arms or more in the column 'model'",
        "2 rows left out, since state is PRUNED: lines 4, 6 (wide 2 of 3)",
        "1 row left out, since state is FAIL: line 5 (wide 1 of 3)",
    ]


def test_where_picks_rows(tmp_path):
    runs = runs_of(tmp_path, OPTUNA, where=["state = COMPLETE"])
    assert values_of(runs) == VALUES
    assert runs.notes == ("--where keeps 4 of 7 rows",)
    runs = runs_of(tmp_path, OPTUNA, where=["state=COMPLETE", "state=PRUNED", "seed=0.0", "seed=4"])
    assert values_of(runs) == {"base": {"0": 0.2}, "wide": {"0": 0.1, "4": 0.9}}


@pytest.mark.parametrize(
    ("where", "fault"),
    [
        ("state", "--where: should be COLUMN=VALUE, not 'state'"),
        ("stat=COMPLETE", "--where: runs.csv has no column 'stat', did you mean 'state'?"),
        ("state=complete", "--where: in runs.csv no state is 'complete', did you mean 'COMPLETE'?"),
    ],
)
def test_a_condition_that_fits_nothing(tmp_path, where, fault):
    assert faults_of(tmp_path, OPTUNA, where=[where]) == [fault]


def sweep(**factors):
    """Two arms, two seeds, and further factors, each crossed with all; the first column tells every row."""
    rows = [f"{arm},{seed}" for arm in ("base", "wide") for seed in (0, 1)]
    for values in factors.values():
        rows = [f"{row},{value}" for row in rows for value in values]
    rows = [f"r{i},{row},0.{i}" for i, row in enumerate(rows)]
    return table(*rows, header=",".join(["id", "model", "seed", *factors, "error"]))


def test_a_second_factor_of_a_sweep_is_named_with_the_way_to_pick(tmp_path):
    text = sweep(decay=(0.001, 0.01, 0.1))
    assert faults_of(tmp_path, text) == [
        "runs.csv line 3: 'base' has pair '0' in line 2 already; the two differ in decay; "
        "pick one with --where decay=VALUE (0.001, 0.01, 0.1)"
    ]
    assert len(runs_of(tmp_path, text, where=["decay=0.010"]).pairs) == 2
    assert faults_of(tmp_path, sweep(decay=(1, 2), **{"learning rate": (3, 4)})) == [
        "runs.csv line 3: 'base' has pair '0' in line 2 already; the two differ in learning rate; "
        "pick one with --where decay=VALUE (1, 2) and --where 'learning rate=VALUE' (3, 4)"
    ]


def test_a_run_there_twice(tmp_path):
    already = "runs.csv line 4: 'base' has pair '1' in line 3 already; "
    assert faults_of(tmp_path, TIDY.replace("c,base,2", "c,base,1")) == [
        already + "the two differ in run; keep one line a run, such as its last"
    ]
    assert faults_of(tmp_path, TIDY.replace("c,base,2", "b,base,1")) == [
        already + "keep one line a run, such as its last"
    ]


def test_a_run_without_a_value_is_left_out_and_one_that_diverged_is_counted(tmp_path):
    text = table("base,x,1", "base,y,2", "wide,y,1", "wide,z,5", "other,x,nan", "other,y,-Infinity", "wide,x,")
    runs = runs_of(tmp_path, text)
    assert runs.notes == ("1 run without a value of error, left out: line 8",)
    assert runs.arms["other"] == {"x": Outcome(diverged=True), "y": Outcome(diverged=True)}
    assert list(runs.arms["wide"]) == ["y", "z"]
    assert runs.pairs == ("x", "y", "z")


@pytest.mark.parametrize(
    "cell", ["20.08%", "20.08 ± 0.3", "N/A", "None", "-", "1_000", "0x1p3", '"4,015.15"', '"0,2"', "٣"]
)
def test_what_is_no_number_is_refused_never_guessed(tmp_path, cell):
    shown = cell.strip('"')
    assert faults_of(tmp_path, SMALL.replace("0.3", cell)) == [
        f"runs.csv line 3: error is '{shown}', which is no number"
    ]


@pytest.mark.parametrize("cells", [("1,234", "2,345"), ("1,5", "1.5"), ("1,5", "1,234,567")])
def test_a_comma_that_may_mean_a_thousand_is_refused(tmp_path, cells):
    text = SMALL.replace(",", ";").replace("0.2", cells[0]).replace("0.3", cells[1])
    assert f"runs.csv line 2: error is '{cells[0]}', which is no number" in faults_of(tmp_path, text)
    mixed = SMALL.replace(",", ";").replace(".", ",").replace("0,2", "1,234")  # 0,3 says what its commas are
    assert values_of(runs_of(tmp_path, mixed))["base"] == {"0": 1.234, "1": 0.3}


@pytest.mark.parametrize(
    ("scale", "value", "fault"),
    [
        ("points", "21", "error is 21, no fraction of 1; take --scale difference for per cent"),
        ("ratio", "-22", "error is -22; a ratio needs numbers above 0, take --scale difference"),
        ("ratio", "1e-400", "error is 0; a ratio needs numbers above 0, take --scale difference"),
        ("difference", "1e308", "error is 1e308, over 1e+290, too far to calculate with; take another unit"),
        ("difference", "-1e400", "error is -1e400, over 1e+290, too far to calculate with; take another unit"),
        ("ratio", "1e308", "error is 1e308, over 1e+30, too far to calculate with; take another unit"),
        ("ratio", "5e-324", "error is 5e-324, under 1e-30, too far to calculate with; take another unit"),
    ],
)
def test_numbers_that_do_not_fit_the_scale(tmp_path, scale, value, fault):
    assert faults_of(tmp_path, SMALL.replace("0.3", value), scale) == [f"runs.csv line 3: {fault}"]


def test_numbers_too_small_to_calculate_with(tmp_path):
    tiny = SMALL.replace("0.", "1e-31")
    assert faults_of(tmp_path, tiny) == [
        "runs.csv holds no error above 1e-290, too little to calculate with; take another unit"
    ]
    runs = runs_of(tmp_path, SMALL.replace("0.2", "1e-310").replace("0.3", "0"))
    assert math.isclose(runs.arms["base"]["0"].value, 1e-310)
