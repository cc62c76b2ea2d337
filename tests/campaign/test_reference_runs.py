"""Which runs alexctl should come with, and which of them are still to run."""

import pytest
from report.made_up import falling, lay, shipped

from alexctl.ablation.load import load
from alexctl.campaign import reference_runs
from alexctl.campaign.reference_runs import RUNS, ReferenceRun, campaign_of, estimates, is_finished, unfinished
from alexctl.cli import show_list
from alexctl.store import files, layout

FAN_IN = ReferenceRun(name="relu-vs-tanh-fan-in", why="is anything left?")


def laid(folder, done=lambda job: True, **overrides):
    """The fan-in comparison at a fixed rate, as if it had been run; trials that are not `done` failed."""
    return lay(folder, shipped("relu-vs-tanh-fan-in", **overrides), lambda job: falling(0.05, 8, speed=0.8), data="cifar10",
               ends=lambda job: "done" if done(job) else "failed")  # fmt: skip


@pytest.fixture
def fixed_rate(monkeypatch):
    """Today's file with a rate of 0.01, as it is laid."""
    monkeypatch.setattr(reference_runs, "load", lambda name, overrides: shipped(name, **overrides))


def test_every_run_can_be_loaded_and_has_a_folder_of_its_own():
    for run in RUNS:
        assert load(run.name, overrides=run.knobs).base["data"] in ("cifar10", "mnist")
    assert len({run.campaign for run in RUNS}) == len(RUNS)
    assert [run.campaign for run in RUNS][:3] == ["relu-vs-tanh", "relu-vs-tanh-fan-in", "relu-vs-tanh-path"]
    assert RUNS[-1].command == "alexctl ablate relu-vs-tanh --set batch_size=512 --name relu-vs-tanh-batch-512"


def test_what_is_finished(tmp_path, fixed_rate):
    assert not is_finished(FAN_IN, tmp_path)
    assert campaign_of(FAN_IN, tmp_path) is None
    campaign = laid(tmp_path)
    assert is_finished(FAN_IN, tmp_path)
    (campaign.folder / layout.VERDICT).unlink()
    assert not is_finished(FAN_IN, tmp_path), "it has not been judged"


def test_fewer_seeds_than_the_file_asks_for_are_not_all(tmp_path, fixed_rate):
    laid(tmp_path, seeds=4)
    assert not is_finished(FAN_IN, tmp_path)
    assert len(campaign_of(FAN_IN, tmp_path).ready()) == 4, "two seeds more of two arms"


def test_a_trial_that_failed_is_still_to_run(tmp_path, fixed_rate):
    laid(tmp_path, done=lambda job: job.seed != 3)
    assert not is_finished(FAN_IN, tmp_path)


def test_tables_that_cannot_be_read_say_nothing(tmp_path, fixed_rate):
    campaign = laid(tmp_path)
    (campaign.folder / layout.TRIALS_CSV).write_text("arm\nrelu\n")
    assert not is_finished(FAN_IN, tmp_path)


def test_the_plan_says_the_precision(tmp_path, fixed_rate):
    laid(tmp_path, precision="bfloat16")
    assert is_finished(FAN_IN, tmp_path)
    assert {
        setting.training.precision for setting in [campaign_of(FAN_IN, tmp_path).setting("relu", "final", None)]
    } == {"bfloat16"}


def test_a_plan_of_older_numerics_is_not_finished(tmp_path, fixed_rate):
    campaign = laid(tmp_path)
    table = files.read_json(campaign.folder / layout.PLAN)
    files.write_json(campaign.folder / layout.PLAN, table | {"numerics": 2})
    assert not is_finished(FAN_IN, tmp_path)


def test_list_says_what_is_missing_and_how_long_it_takes(tmp_path, fixed_rate, capsys):
    laid(tmp_path)
    folder = files.make_folder(tmp_path / layout.BENCH)
    lines = "ablation,seconds,at_most,workers\nrelu-vs-tanh,7200,true,2\nlenet5-forms,3600,false,2\n"
    (folder / layout.COSTS_CSV).write_text(lines)
    show_list.reference_runs(tmp_path)
    out = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert f"{len(RUNS) - 1} reference runs to do; `make reference` does them in this order" in out
    assert "<= 2.0 h  alexctl ablate relu-vs-tanh" in out
    assert "60 min    alexctl ablate lenet5-forms" in out
    assert "~2.0 h    alexctl ablate relu-vs-tanh --set batch_size=32 --name relu-vs-tanh-batch-32" in out
    assert "?         alexctl ablate dropout" in out
    assert not [line for line in out if line.endswith("relu-vs-tanh-fan-in")]


def test_nothing_is_said_where_all_have_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(show_list, "unfinished", lambda home: [])
    show_list.reference_runs(tmp_path)
    assert capsys.readouterr().out == ""


def test_without_measurements_or_with_damaged_ones_there_are_no_estimates(tmp_path):
    assert estimates(tmp_path) == {}
    folder = files.make_folder(tmp_path / layout.BENCH)
    (folder / layout.COSTS_CSV).write_text("ablation,seconds\nlrn,soon\n")
    assert estimates(tmp_path) == {}
    assert unfinished(tmp_path) == list(RUNS)
