"""Trials as runs of other tools, written and read again by their own packages.

Those of MLflow and W&B are skipped where they are not installed; `make test-exports` installs them and skips nothing.
"""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import alexctl as package
from alexctl.campaign.results import open_one
from alexctl.cli.main import main
from alexctl.errors import UserError
from alexctl.report import exports


def needs(name: str) -> None:
    if find_spec(name) is None:
        absent = f"{name} is not installed; `make test-exports` does it"
        pytest.fail(absent) if os.environ.get("ALEXCTL_EXPORTS_TEST") else pytest.skip(absent)


@pytest.fixture
def evidence(everything):
    return open_one(everything, "tiny")


def test_a_run_is_what_a_trial_is(evidence):
    found = {run.name: run for run in exports.runs(evidence)}
    assert found.keys() == {record.folder.name for record in evidence.counted}
    record = next(r for r in evidence.counted if (r.arm, r.seed, r.phase) == ("relu", 0, "final"))
    run = found[record.folder.name]
    assert run.group == "relu"
    assert run.parameters["activation"] == "relu"
    assert (run.parameters["seed"], run.parameters["phase"], run.parameters["control"]) == (0, "final", False)
    assert [(step, numbers["train_error"]) for step, _, numbers in run.rows] == [
        (row["step"], row["train_error"]) for row in record.rows
    ]
    assert 0 < run.results["epochs_to_target"] < 8
    lost = next(r for r in evidence.counted if (r.arm, r.seed, r.phase) == ("tanh", 1, "final"))
    assert "epochs_to_target" not in found[lost.folder.name].results, "it never got there, and no number says it did"
    search = next(run for run in found.values() if run.parameters["phase"] == "search")
    assert all("test_error" not in numbers for _, _, numbers in search.rows)


def test_tensorboard(evidence, tmp_path):
    needs("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    number = exports.export(evidence, "tensorboard", tmp_path / "runs")
    folders = {path.name: path for path in (tmp_path / "runs").iterdir()}
    assert len(folders) == number == len(evidence.counted)
    record = next(r for r in evidence.counted if (r.arm, r.seed, r.phase) == ("relu", 0, "final"))
    read = EventAccumulator(str(folders[record.folder.name]))
    read.Reload()
    errors = [(event.step, event.value) for event in read.Scalars("train_error")]
    assert errors == [(row["step"], pytest.approx(row["train_error"], rel=1e-6)) for row in record.rows]
    assert read.Scalars("result/epochs_to_target")[0].value > 0
    told = read.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert HParamsPluginData.FromString(told).session_start_info.hparams["arm"].string_value == "relu"


def test_mlflow(evidence, tmp_path):
    needs("mlflow")
    exports.export(evidence, "mlflow", tmp_path / "mlruns")
    with exports._environment(MLFLOW_ALLOW_FILE_STORE="true"):
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri())
        experiment = client.get_experiment_by_name("tiny")
        found = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
        assert found.keys() == {record.folder.name for record in evidence.counted}
        record = next(r for r in evidence.counted if (r.arm, r.seed, r.phase) == ("relu", 0, "final"))
        run = found[record.folder.name]
        assert (run.data.params["arm"], run.data.params["seed"], run.info.status) == ("relu", "0", "FINISHED")
        history = client.get_metric_history(run.info.run_id, "train_error")
        assert [(one.step, one.value) for one in history] == [(row["step"], row["train_error"]) for row in record.rows]
        assert run.info.user_id in (None, "")


def test_wandb(evidence, tmp_path):
    needs("wandb")
    number = exports.export(evidence, "wandb", tmp_path / "offline")
    runs = sorted((tmp_path / "offline" / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(runs) == number == len(evidence.counted)
    text = b"".join(path.read_bytes() for path in runs)
    for word in (b"result_epochs_to_target", b"train_error", *(r.folder.name.encode() for r in evidence.counted)):
        assert word in text
    assert os.uname().nodename.encode() + b".log" not in text
    assert not list((tmp_path / "offline").glob("wandb/*/logs")), "they hold this machine's paths"


@pytest.fixture
def alexctl(everything, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["alexctl", "export", *words, "--results", str(everything)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run


def test_as_it_is_typed(alexctl, tmp_path):
    needs("tensorboard")
    code, out, err = alexctl("one-seed", "runs", "--to", "tensorboard")
    assert (code, err) == (0, "")
    assert out == "2 runs: runs\nLook at them: tensorboard --logdir runs\n"
    before = sorted(Path("runs").rglob("*"))
    code, out, err = alexctl("one-seed", "runs", "--to", "tensorboard")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "runs is not an empty folder" in err
    assert sorted(Path("runs").rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nobody", "runs", "--to", "mlflow"), "no results of nobody in "),
        (("tiny", "runs", "--to", "excel"), "'excel' is not one of 'tensorboard', 'mlflow', 'wandb'"),
        (("tiny", "runs"), "missing option '--to'"),
    ],
)
def test_bad_input_is_one_line(alexctl, words, message):
    code, out, err = alexctl(*words)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert message in err


def test_a_package_that_is_not_installed_is_named(evidence, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "wandb"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(
        UserError, match=r"--to wandb needs the package wandb: `pip install 'alexctl\[wandb\]'` installs it"
    ):
        exports.export(evidence, "wandb", tmp_path / "x")


def test_which_campaign(everything, tmp_path):
    results = tmp_path / "results"
    for name in ("one-seed", "one-seed@mnist"):
        shutil.copytree(everything / "one-seed", results / name)
    assert open_one(results, "one-seed@mnist").folder.name == "one-seed@mnist"
    assert open_one(results, "one-seed").folder.name == "one-seed"
    (results / "one-seed").rename(results / "one-seed@shapes")
    with pytest.raises(
        UserError, match="there are several results of one-seed: one-seed@mnist, one-seed@shapes; name one"
    ):
        open_one(results, "one-seed")
    with pytest.raises(UserError, match="export to 'tensorbord': did you mean 'tensorboard'"):
        package.export("one-seed@mnist", "tensorbord", tmp_path / "x", results=results)
