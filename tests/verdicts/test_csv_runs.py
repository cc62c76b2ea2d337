"""The runs in somebody else's table: the keys that pair them, their numbers, and runs that are there twice."""

import math

import pytest

from alexctl.errors import UserError
from alexctl.statistics import Outcome
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


def test_many_faults_are_cut_short(tmp_path):
    faults = faults_of(tmp_path, TIDY, measure="run")
    assert len(faults) == 6
    assert faults[-1] == "and 1 more like these"


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


def test_an_odd_key_among_whole_numbers_is_refused(tmp_path):
    fault = "runs.csv line {}: seed is '{}' where others are whole numbers; if it is no run, take it out"
    assert faults_of(tmp_path, keyed("1", "2", "best")) == [fault.format(4, "best"), fault.format(7, "best")]
    assert faults_of(tmp_path, keyed("1", "2", "nan"))[0] == fault.format(4, "nan")


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
