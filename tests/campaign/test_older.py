"""A campaign of older numerics is read from the trials that lie in it, and never gone on with."""

import errno
import json

import pytest
from conftest import tiny_ablation
from typer.testing import CliRunner

from alexctl import api
from alexctl.ablation.setting import NUMERICS
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.job import Job
from alexctl.cli import show_results
from alexctl.cli.commands import app
from alexctl.errors import UserError
from alexctl.store import files, plan, records, rows_csv
from alexctl.verdicts.evidence import OLDER
from alexctl.verdicts.tables import derive

ABOUT = {"data_name": "shapes", "data_digest": "0" * 16, "num_classes": 10}


@pytest.fixture
def newer(monkeypatch):
    """What today's code writes becomes of older numerics, once this is called."""

    def raised() -> None:
        monkeypatch.setattr(plan, "NUMERICS", NUMERICS + 1)
        monkeypatch.setattr("alexctl.campaign.campaign.NUMERICS", NUMERICS + 1)
        monkeypatch.setattr("alexctl.report.command.NUMERICS", NUMERICS + 1)
        monkeypatch.setattr("alexctl.verdicts.evidence.NUMERICS", NUMERICS + 1)
        monkeypatch.setitem(OLDER, NUMERICS, OLDER[1])

    return raised


def test_of_all_older_numerics_it_is_known_what_they_were():
    assert sorted(OLDER) == list(range(1, NUMERICS))


def lay_down(made: Campaign, job: Job, errors, state="done") -> None:
    folder = made.folder / "trials" / job.name
    records.create(folder, ablation="tiny", arm=job.arm, phase=job.phase, seed=job.seed, setting=job.setting)
    rows = [
        {"epoch": float(i + 1), "step": 5 * (i + 1), "train_loss": 1.0, "train_error": error, "test_error": error,
         "train_seconds": 2.0 * (i + 1), "eval_seconds": 0.5}
        for i, error in enumerate(errors)
    ]  # fmt: skip
    rows_csv.write(folder, rows)
    records.write_end(
        folder, state, "it broke" if state == "failed" else None, rows, train_seconds=1.0, eval_seconds=1.0
    )


def final(made: Campaign, arm: str, lr: float, seed: int) -> Job:
    return Job(arm=arm, phase="final", seed=seed, setting=made.setting(arm, "final", lr))


@pytest.fixture
def older(tmp_path, newer):
    """A searched campaign whose reported rates (0.02, 0.01) are not those that any search over its rows would choose."""
    folder = tmp_path / "tiny"
    made = Campaign(tiny_ablation(lr="search", lr_grid=[0.01, 0.02], epochs=3), **ABOUT, folder=folder)
    (folder / "trials").mkdir(parents=True)
    made.write_plan({"git_commit": None})
    for arm in ("relu", "tanh"):
        for lr, error in ((0.01, 0.5), (0.02, 0.6)):
            lay_down(made, made.search(arm).jobs(lr)[0], [error] * 3)
    for seed in (0, 1):
        lay_down(made, final(made, "relu", 0.02, seed), [0.5, 0.2, 0.1])
        lay_down(made, final(made, "tanh", 0.01, seed), [0.5, 0.4, 0.2])
    newer()
    return folder


def test_the_evidence_is_the_reported_trials_at_their_own_rates(older):
    found = Campaign.open(older)
    evidence = found.evidence()
    assert evidence.rates == {"relu": 0.02, "tanh": 0.01}
    assert found.ready() == []
    assert [(r.arm, r.seed) for r in evidence.judged] == [("relu", 0), ("relu", 1), ("tanh", 0), ("tanh", 1)]
    tables = derive(evidence)
    assert len(tables.trials) == 8
    assert (tables.trials["phase"] == "search").sum() == 4
    (line,) = tables.verdict["comparisons"]
    assert line["n"] == 2
    assert line["effect"] > 1
    assert tables.verdict["older"] == OLDER[NUMERICS]


def test_trials_of_another_question_in_the_folder_do_not_count(older):
    made = Campaign(tiny_ablation(lr="search", lr_grid=[0.01, 0.02], epochs=5), **ABOUT, folder=older)
    for seed in (0, 1):
        lay_down(made, final(made, "relu", 0.02, seed), [0.9, 0.9, 0.9])
    assert {r.setting["epochs"] for r in Campaign.open(older).evidence().judged} == {3}


def test_of_two_rates_the_one_with_most_finished_trials_counts(older):
    made = Campaign(tiny_ablation(lr="search", lr_grid=[0.01, 0.02], epochs=3), **ABOUT, folder=older)
    lay_down(made, final(made, "relu", 0.04, 0), [0.9, 0.9, 0.9])
    assert Campaign.open(older).evidence().rates["relu"] == 0.02


def test_a_reported_trial_that_cannot_be_read_is_named(older):
    trial = next(path for path in (older / "trials").iterdir() if path.name.startswith("relu-s0-"))
    (trial / "rows.csv").write_text("nonsense\n")
    with pytest.raises(UserError, match=f"tiny/trials/{trial.name}"):
        Campaign.open(older).evidence()


def test_looks_are_judged_at_the_last_complete_one(tmp_path, newer):
    folder = tmp_path / "tiny"
    made = Campaign(tiny_ablation(looks=[4, 6]), **ABOUT, folder=folder)
    (folder / "trials").mkdir(parents=True)
    made.write_plan({"git_commit": None})
    for arm, seeds in (("relu", 6), ("tanh", 5)):
        for seed in range(seeds):
            lay_down(made, final(made, arm, 0.01, seed), [0.5, 0.2])
    newer()
    evidence = Campaign.open(folder).evidence()
    assert len(evidence.final) == 11
    assert {r.seed for r in evidence.judged} == {0, 1, 2, 3}


def test_it_is_refused_before_anything_is_written(older):
    before = {path: path.read_bytes() for path in older.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"tiny holds results of older numerics.*--name NAME.*--results PATH"):
        Campaign(tiny_ablation(), **ABOUT, folder=older).write_plan({"git_commit": None})
    with pytest.raises(UserError, match="older numerics"):
        api.ablate("relu-vs-tanh-demo", results=older.parent, folder_name="tiny", workers=1)
    assert {path: path.read_bytes() for path in older.rglob("*") if path.is_file()} == before


def test_a_plan_that_the_disk_does_not_give_is_not_written_over(older, monkeypatch):
    """It may be of older numerics, or ask something else."""
    before, campaign = (older / "plan.json").read_bytes(), Campaign(tiny_ablation(), **ABOUT, folder=older)

    def read(path, limit):
        raise OSError(errno.EIO, "Input/output error")

    with (
        monkeypatch.context() as patch,
        pytest.raises(UserError, match=r"tiny: plan\.json: .*; make it readable") as told,
    ):
        patch.setattr(files, "read_regular", read)
        campaign.write_plan({"git_commit": None})
    assert told.value.exit_code == 1
    assert (older / "plan.json").read_bytes() == before


def test_everything_that_shows_it_says_so_once(older, capsys):
    found = api.load_results(older.parent)
    assert repr(found["tiny"]).count(OLDER[NUMERICS]) == 1
    show_results.overview(found.values())
    assert " ".join(capsys.readouterr().out.split()).count(OLDER[NUMERICS]) == 1
    page, _ = api.write_report(older.parent)
    assert page.read_text().count("<b>Older numerics.</b>") == 1
    assert "the command chooses the rates, and trains, by today" in page.read_text()


def test_list_and_show_say_so(older):
    home = older.rename(older.parent / "relu-vs-tanh-demo")
    files.write_json(home / "verdict.json", derive(Campaign.open(home).evidence()).verdict)
    listed = CliRunner().invoke(app, ["list", "--results", str(home.parent), "--json"])
    rows = {row["name"]: row["results"] for row in json.loads(listed.output)}
    assert rows["relu-vs-tanh-demo"].count("older numerics") == 1
    shown = CliRunner().invoke(app, ["show", "relu-vs-tanh-demo", "--results", str(home.parent)])
    assert " ".join(shown.output.split()).count(OLDER[NUMERICS]) == 1


def test_a_plan_that_does_not_say_is_of_the_first_numerics(older):
    table = json.loads((older / "plan.json").read_text())
    assert table.pop("numerics") == NUMERICS
    (older / "plan.json").write_text(json.dumps(table))
    assert plan.read(older)["numerics"] == 1


def test_a_plan_of_newer_numerics_is_not_read(older):
    table = json.loads((older / "plan.json").read_text())
    (older / "plan.json").write_text(json.dumps(table | {"numerics": NUMERICS + 2}))
    with pytest.raises(UserError, match="newer alexctl"):
        Campaign.open(older)
