"""The runs of results/reference: told before they start, gone on with wherever they were begun, and nothing else published."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from report.made_up import falling, lay, shipped

from alexctl.campaign import reference_runs
from alexctl.campaign.reference_runs import ReferenceRun
from alexctl.store import files, layout, records
from alexctl.trials.lanes import Lanes
from tools import reference
from tools.published_files import refused

TOP = Path(__file__).parents[2]
KNOBS = {
    "lr": 0.01, "num_train": 64, "batch_size": 16, "epochs": 1, "seeds": 2, "epochs_after_target": 1.0,
}  # fmt: skip
SMALL = ReferenceRun(name="relu-vs-tanh-demo", knobs=KNOBS, folder="small", why="a test")
OTHER = ReferenceRun(
    name="relu-vs-tanh-demo", knobs={**KNOBS, "batch_size": 32}, folder="other", why="one more", devices=("cuda",)
)


@pytest.fixture
def began(monkeypatch, tiny_root, tiny_data) -> list[str]:
    """The names of the trials that are trained from here on; two runs there are, of a few steps each."""
    names, add = [], Lanes.add
    monkeypatch.setattr(
        Lanes, "add", lambda self, folder, until: (names.append(folder.name), add(self, folder, until))[1]
    )
    monkeypatch.setattr(reference, "RUNS", (SMALL, OTHER))
    return names


@pytest.fixture
def make(tmp_path, tiny_root):
    def make(*words: str) -> int:
        return reference.main(
            [*words, "--results", str(tmp_path), "--data-root", str(tiny_root), "--device", "cpu", "--workers", "1"]
        )

    return make


def test_a_dry_run_says_how_long_and_writes_nothing(make, began, tmp_path, capsys):
    assert make("--dry-run") == 0
    out = capsys.readouterr().out
    first, second = (line for line in out.splitlines() if line.startswith(("small", "other")))
    assert "not run" in first
    assert re.search(r"not run +4  (at most )?\d+ s ", first), "two arms, two seeds, one epoch"
    assert "too slow here, left out unless named" in second
    assert (began, list(tmp_path.iterdir())) == ([], [])


def test_it_runs_what_is_missing_and_then_nothing(make, began, tmp_path, capsys):
    assert make() == 0
    assert len(began) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["small"], "the other is for GPUs"
    capsys.readouterr()
    assert make() == 0
    assert "done" in capsys.readouterr().out
    assert len(began) == 4
    assert make("other") == 0, "named it runs here too"
    assert len(began) == 8


def test_trials_of_another_machine_are_gone_on_with(make, began, tmp_path, capsys):
    """Its first seed was run on a GPU; the second, of which only a folder without a checkpoint came, starts afresh."""
    assert make() == 0
    folder = tmp_path / "small"
    for path in folder.glob("trials/*/env.json"):
        files.write_json(path, files.read_json(path) | {"device": "NVIDIA H100 80GB HBM3"})
    (folder / layout.VERDICT).unlink()
    for path in folder.glob("trials/*-s1-*/status.json"):
        files.write_json(path, files.read_json(path) | {"state": "interrupted"})
    before = {path: path.read_bytes() for path in folder.glob("trials/*-s0-*/*")}
    began.clear()
    capsys.readouterr()
    assert make() == 0
    assert sorted(name.rsplit("-", 1)[0] for name in began) == ["relu-s1", "tanh-s1"]
    assert {path: path.read_bytes() for path in before} == before
    told = " ".join(capsys.readouterr().err.split())
    assert "trials so far ran on NVIDIA H100 80GB HBM3, the rest run on cpu" in told
    assert {record.state for record in records.trials_of(folder)} == {"done"}


def test_trials_of_two_machines_are_one_campaign(make, began, tmp_path):
    assert make() == 0
    elsewhere = shutil.copytree(tmp_path / "small", tmp_path.parent / f"{tmp_path.name}-elsewhere")
    for folder, seed in ((tmp_path / "small", 1), (elsewhere, 0)):
        for trial in (folder / layout.TRIALS).glob(f"*-s{seed}-*"):
            shutil.rmtree(trial)
    shutil.copytree(elsewhere / layout.TRIALS, tmp_path / "small" / layout.TRIALS, dirs_exist_ok=True)
    (tmp_path / "small" / layout.TRIALS_CSV).unlink()
    began.clear()
    assert make() == 0
    assert began == []
    assert (tmp_path / "small" / layout.TRIALS_CSV).read_bytes() == (elsewhere / layout.TRIALS_CSV).read_bytes()


def test_what_is_left_of_a_run_is_told(make, began, tmp_path, capsys, monkeypatch):
    ablation = shipped("relu-vs-tanh-demo", **{**KNOBS, "seeds": 1})
    lay(tmp_path, ablation, lambda job: falling(0.5, 1), data="shapes").folder.rename(tmp_path / "small")
    plan = files.read_json(tmp_path / "small" / layout.PLAN)
    assert plan["ablation"]["plan"]["seeds"] == 1
    assert make("--dry-run", "small") == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("small"))
    assert "2 of 4 reported trials" in line
    assert re.search(r" 2  (at most )?\d+ s ", line)


def test_one_run_that_cannot_go_on_leaves_the_others(make, began, tmp_path, capsys, monkeypatch):
    ablation = shipped("relu-vs-tanh-demo", **KNOBS)
    lay(tmp_path, ablation, lambda job: falling(0.5, 1), data="shapes").folder.rename(tmp_path / "small")
    plan = tmp_path / "small" / layout.PLAN
    files.write_json(plan, files.read_json(plan) | {"numerics": 2})
    before = plan.read_bytes()
    monkeypatch.setattr(reference, "RUNS", (SMALL, replace(OTHER, devices=reference_runs.ANY)))
    assert make() == 1
    assert "small: small holds results of older numerics" in " ".join(capsys.readouterr().err.split())
    assert plan.read_bytes() == before
    assert len(began) == 4
    assert make("smal") == 2
    assert "no reference run 'smal', did you mean 'small'?" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "name",
    [
        "x/weights.safetensors", "x/model.pt", "x/trials/relu-s0-12345678/weights.safetensors",
        "x/trials/relu-s0-12345678/probabilities.safetensors", "x/trials/relu-s0-12345678/net.json",
    ],
)  # fmt: skip
def test_weights_and_unknown_files_are_not_published(tmp_path, name):
    for fit in ("overview.csv", "x/plan.json", "x/figure.png", "x/trials/relu-s0-12345678/correct.bits"):
        files.make_folder((tmp_path / fit).parent)
        (tmp_path / fit).write_text("")
    assert refused(tmp_path) == []
    (tmp_path / name).write_text("")
    assert refused(tmp_path) == [tmp_path / name]
    (tmp_path / name).unlink()
    (tmp_path / "x" / "curves.csv").write_bytes(bytes(11_000_000))
    assert refused(tmp_path) == [tmp_path / "x" / "curves.csv"]


def test_what_is_published_holds_no_weights():
    """What git has or would take; a run that goes on keeps its checkpoints where git does not look."""
    listed = subprocess.run(
        ["git", "-C", str(TOP), "ls-files", "--cached", "--others", "--exclude-standard", "results/reference"],
        capture_output=True, text=True,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not in a checkout")
    known = {TOP / line for line in listed.stdout.splitlines()}
    assert known
    assert [path for path in refused(TOP / layout.REFERENCE) if path in known] == []
