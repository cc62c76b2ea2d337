"""Rows of somebody else's table that are no runs that count: left out by name, or refused."""

import pytest
from test_csv_runs import SMALL, VALUES, faults_of, keyed, runs_of, table, values_of


def test_rows_that_sum_up_others_are_left_out_and_said(tmp_path):
    rows = [f"{arm},{key},0.2" for arm in ("base", "wide") for key in ("1", "2", "mean", "Std.", "mean ± std")]
    runs = runs_of(tmp_path, table(*rows))
    assert runs.pairs == ("1", "2")
    assert runs.notes == (
        "6 rows left out, since seed is 'mean' or 'Std.' or 'mean ± std' and they sum up others: lines 4, 5, 6, 9, 10, 11",
    )
    assert runs_of(tmp_path, keyed("max", "mean")).pairs == ("max", "mean")  # nothing else: these are the keys
    assert runs_of(tmp_path, keyed("1", "2", arms=("mean", "max"))).notes == ()  # arms, such as kinds of pooling


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
