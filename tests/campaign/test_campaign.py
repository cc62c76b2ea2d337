"""Which trials there are and which are still to run: derived from the folder, nothing else."""

import json
import math
import shutil
from dataclasses import replace

import pytest
from conftest import tiny_ablation

from alexctl.campaign.arm_search import progress_of
from alexctl.campaign.campaign import Campaign
from alexctl.errors import UserError
from alexctl.report.rebuild import write
from alexctl.store import files, records, rows_csv
from alexctl.verdicts.tables import derive

SEARCH = {"lr": "search", "lr_grid": [0.1, 0.2], "lr_widenings": 0, "search_seeds": 1}


def campaign(folder, **overrides) -> Campaign:
    about = {"data_name": "shapes", "data_digest": "0" * 16, "num_classes": 10}
    overrides = {"train_error_from": "pass"} | overrides  # a row is of its own moment
    return Campaign(tiny_ablation(**overrides), **about, folder=folder)


def finish(made: Campaign, job, errors, state="done", **columns):
    """Lays down a trial as if it had been run: one row an epoch, with these further columns."""
    folder = made.folder / "trials" / job.name
    records.create(folder, ablation="tiny", arm=job.arm, phase=job.phase, seed=job.seed, setting=job.setting)
    rows = [
        {"epoch": float(i + 1), "step": 5 * (i + 1), "train_loss": 1.0, "train_error": error, "test_error": error,
         "train_seconds": 2.0 * (i + 1), "eval_seconds": 0.5, **columns}
        for i, error in enumerate(errors)
    ]  # fmt: skip
    rows_csv.write(folder, rows)
    status = {"schema": 1, "state": state, "num_rows": len(rows), "epochs_run": float(len(rows)), "error": None}
    files.write_json(folder / "status.json", status | {"error": "it broke" if state == "failed" else None})
    made.reload(job.name)


def test_control_first_then_seed_by_seed(tmp_path):
    jobs = campaign(tmp_path).ready()
    assert [(job.arm, job.seed, job.phase) for job in jobs] == [
        ("tanh", 0, "final"), ("relu", 0, "final"), ("tanh", 1, "final"), ("relu", 1, "final"),
    ]  # fmt: skip


def test_what_is_done_is_not_run_again(tmp_path):
    made = campaign(tmp_path)
    finish(made, made.ready()[0], [0.5, 0.2])
    assert [(job.arm, job.seed) for job in campaign(tmp_path).ready()] == [("relu", 0), ("tanh", 1), ("relu", 1)]
    more = campaign(tmp_path, seeds=3).ready()
    assert ("tanh", 0) not in [(job.arm, job.seed) for job in more]
    assert len(more) == 5
    assert len(campaign(tmp_path, lr=0.02).ready()) == 4


def test_failed_trials_wait_for_retry(tmp_path):
    made = campaign(tmp_path)
    first = made.ready()[0]
    finish(made, first, [0.5], state="failed")
    assert first.name not in [job.name for job in made.ready()]
    again = campaign(tmp_path)
    again.retry_failed = True
    assert first.name in [job.name for job in again.ready()]
    finish(again, first, [0.5], state="failed")
    assert first.name not in [job.name for job in again.ready()]  # a retry is one try


def test_the_search_leads_to_the_reported_trials(tmp_path):
    made = campaign(tmp_path, **SEARCH)
    first = made.ready()
    assert [(j.arm, j.phase, j.seed, j.setting.training.lr, j.until) for j in first] == [
        ("tanh", "search", 10000, 0.1, 1.0), ("tanh", "search", 10000, 0.2, 1.0),
        ("relu", "search", 10000, 0.1, 1.0), ("relu", "search", 10000, 0.2, 1.0),
    ]  # fmt: skip
    assert all(job.setting.training.evaluate_every == 0 for job in first)
    for job, error in zip(first[:2], (0.2, 0.4), strict=True):
        finish(made, job, [error], state="done" if error <= 0.25 else "paused")
    assert made.rate("tanh") == 0.1
    assert made.rate("relu") is None
    assert [(j.arm, j.phase) for j in made.ready()] == [("relu", "search")] * 2 + [("tanh", "final")] * 2
    assert {r.setting["lr"]: r.state for r in made.counted() if r.arm == "tanh" and r.phase == "search"} == {
        0.1: "done", 0.2: "stopped",
    }  # fmt: skip
    dropped = tmp_path / "trials" / first[1].name / "checkpoint.pt"
    dropped.write_bytes(b"")
    made.tidy()
    assert not dropped.exists()


@pytest.mark.parametrize("state", ["paused", None])
def test_rows_that_a_killed_search_trial_saved_on_its_way_decide_nothing(tmp_path, state):
    """Killed between its last rows and its status, it would for ever count as stopped, whatever its rows say."""
    made = campaign(tmp_path, **SEARCH)
    first = made.search("tanh").jobs(0.1)[0]
    finish(made, first, [0.9], state="paused")
    folder = made.folder / "trials" / first.name
    rows = [*rows_csv.read(folder), rows_csv.read(folder)[0] | {"epoch": 2.0, "step": 10, "train_error": 0.1}]
    rows_csv.write(folder, rows)
    if state is None:
        (folder / "status.json").unlink()
    progress = progress_of(made.reload(first.name), made.ablation.measure)
    assert (progress.epoch, progress.crossing) == (1.0 if state else 0.0, None)


def test_what_a_kill_left_in_a_finished_trial_is_tidied(tmp_path):
    made = campaign(tmp_path)
    first, second = made.ready()[:2]
    finish(made, first, [0.5, 0.2])
    finish(made, second, [0.5], state="interrupted")
    for job in (first, second):
        for name in ("checkpoint.pt", ".heartbeat", ".rows.csv.7.tmp"):
            (tmp_path / "trials" / job.name / name).write_bytes(b"")
    made.tidy()
    assert sorted(p.name for p in (tmp_path / "trials" / first.name).iterdir()) == [
        ".lock",  # as every trial has that was trained
        "rows.csv",
        "setting.json",
        "status.json",
    ]
    assert (tmp_path / "trials" / second.name / "checkpoint.pt").exists()


def test_a_failed_search_trial_holds_the_verdict(tmp_path):
    made = campaign(tmp_path, **SEARCH)
    jobs = made.ready()
    finish(made, jobs[0], [0.2])
    finish(made, jobs[1], [0.4], state="failed")
    assert made.rate("tanh") is None
    assert [job.arm for job in made.ready()] == ["relu", "relu"]
    (line,) = derive(made.evidence()).verdict["comparisons"]
    assert line["sentence"] == "Not judged: the learning-rate search of tanh lacks a trial that failed."
    again = campaign(tmp_path, **SEARCH)
    again.retry_failed = True
    assert jobs[1].name in [job.name for job in again.ready()]


def test_a_damaged_trial_is_named(tmp_path):
    made = campaign(tmp_path)
    job = made.ready()[0]
    finish(made, job, [0.5, 0.2])
    (tmp_path / "trials" / job.name / "rows.csv").write_text("epoch\n")
    with pytest.raises(UserError, match=f"{job.name}: rows.csv has other columns"):
        campaign(tmp_path).ready()


def test_a_trial_whose_folder_vanished_is_not_to_be_restored(tmp_path):
    """As on a disk that is pulled out: there is no folder to mend or to delete."""
    made = campaign(tmp_path)
    job = made.ready()[0]
    finish(made, job, [0.5])
    shutil.rmtree(tmp_path)
    made.reload(job.name)
    with pytest.raises(UserError, match="the folder has vanished"):
        made.record(job)


def test_the_plan_remembers_and_names_no_place(tmp_path):
    made = campaign(tmp_path, data="imagefolder:/somewhere/private/images")
    made.data_name = "images"
    assert made.write_plan({"git_commit": "a" * 40}) == []
    assert "private" not in (tmp_path / "plan.json").read_text()
    assert Campaign.open(tmp_path).ablation.arms == made.ablation.arms
    (note,) = made.write_plan({"git_commit": "b" * 40})
    assert "the code has changed" in note
    assert "aaaaaaaa then, bbbbbbbb now" in note


def test_more_seeds_put_no_trial_out_of_the_plan(tmp_path):
    code = {"git_commit": None}
    campaign(tmp_path, seeds=3).write_plan(code)
    assert campaign(tmp_path, seeds=5).write_plan(code) == []
    reworded = campaign(tmp_path, seeds=5)
    reworded.ablation = reworded.ablation.model_copy(update={"title": "Otherwise", "note": "A word to the reader."})
    assert reworded.write_plan(code) == []
    (note,) = campaign(tmp_path, seeds=4).write_plan(code)
    assert note.startswith("the plan has changed; trials that no longer belong to it")
    (note,) = campaign(tmp_path, seeds=6, epochs=7).write_plan(code)
    assert note.startswith("the plan has changed; trials that no longer belong to it")


def test_seeds_added_after_a_result_was_seen_are_an_unplanned_look(tmp_path):
    """It is kept in the plan for good, and said with every verdict: no interval can be paid for afterwards."""
    code = {"git_commit": None}
    made = campaign(tmp_path, seeds=3)
    made.write_plan(code)
    assert campaign(tmp_path, seeds=4).write_plan(code) == []  # nothing was there to be seen
    made.write_plan(code)
    for job in made.ready():
        finish(made, job, [0.5, 0.2 + 0.01 * job.seed])
    write(derive(made.evidence()), tmp_path)
    more = campaign(tmp_path, seeds=5)
    (note,) = more.write_plan(code)
    assert "seeds are added after a result with 3 was seen" in note
    assert more.write_plan(code) == []
    for job in more.ready():
        finish(more, job, [0.5, 0.2 + 0.01 * job.seed])
    for found in (more, Campaign.open(tmp_path)):
        (line,) = derive(found.evidence()).verdict["comparisons"]
        assert "after results with n = 3 were seen, so the interval promises no error rate" in line["sentence"]


def test_looks_that_are_planned_after_a_result_was_seen_are_an_unplanned_one(tmp_path):
    made = campaign(tmp_path, seeds=3)
    made.write_plan({})
    for job in made.ready():
        finish(made, job, [0.5, 0.2 + 0.01 * job.seed])
    write(derive(made.evidence()), tmp_path)
    notes = campaign(tmp_path, looks=[4, 6]).write_plan({})
    assert any("seeds are added after a result with 3 was seen" in note for note in notes)


def test_tables_by_hand(tmp_path):
    """tanh crosses 0.25 at 4 and 8 epochs, relu at 2 and 2: ratios 2 and 4; a third pair is censored in the control."""
    made = campaign(tmp_path, seeds=3, epochs=8)
    curves = {
        ("tanh", 0): [0.75, 0.625, 0.5, 0.25], ("tanh", 1): [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25],
        ("tanh", 2): [0.9] * 8, ("relu", 0): [0.5, 0.25], ("relu", 1): [0.3, 0.2], ("relu", 2): [0.5, 0.25],
    }  # fmt: skip
    for job in made.ready():
        finish(made, job, curves[job.arm, job.seed])
    tables = derive(made.evidence())
    final = tables.trials.set_index(["arm", "seed"])
    assert final.loc[("tanh", 0), "epochs_to_target"] == 4.0
    assert final.loc[("relu", 1), "epochs_to_target"] == pytest.approx(1.5)
    assert final.loc[("tanh", 2), "censored"] in (True,)
    summary = tables.summary.set_index("arm")
    assert (summary.loc["tanh", "n"], summary.loc["tanh", "num_censored"]) == (3, 1)
    assert summary.loc["tanh", "median"] is None
    assert summary.loc["relu", "median"] == 2.0
    (line,) = tables.verdict["comparisons"]
    assert (line["bound"], line["n"], line["seeds"]) == ("at_least", 3, [0, 1, 2])
    assert line["values"] == pytest.approx([2.0, 8 / 1.5, 4.0])
    assert line["high"] is None
    write(tables, made.folder)
    lines = (tmp_path / "trials.csv").read_text().splitlines()
    assert lines[0].startswith("ablation,arm,phase,seed,status,activation,lr,epochs_to_target,censored,epochs_run,")
    assert lines[1].startswith("tiny,relu,final,0,done,relu,0.01,2.0,false,2.0,")
    assert ",tanh,0.01,,true,8.0," in "\n".join(lines)


def test_a_failed_search_trial_is_tried_again_when_asked(tmp_path):
    made = campaign(tmp_path, **SEARCH)
    first, second = made.ready()[:2]
    finish(made, first, [0.4], state="failed")
    finish(made, second, [0.5], state="paused")
    assert first.name not in [job.name for job in campaign(tmp_path, **SEARCH).ready()]
    again = campaign(tmp_path, **SEARCH)
    again.retry_failed = True
    assert [job.name for job in again.ready() if job.arm == "tanh"] == [first.name]
    finish(again, first, [0.4], state="failed")
    assert [job.setting.training.lr for job in again.ready() if job.arm == "tanh"] == [0.2]


def test_search_seeds_that_cross_at_different_times_do_not_stall_the_search(tmp_path):
    made = campaign(tmp_path, **SEARCH | {"epochs": 4, "search_seeds": 2})
    told = {
        (0.1, 10000): [0.5, 0.2],
        (0.1, 10001): [0.6, 0.5, 0.4, 0.3],
        (0.2, 10000): [0.7] * 4,
        (0.2, 10001): [0.7] * 4,
    }
    while made.rate("tanh") is None:
        jobs = [job for job in made.ready() if job.arm == "tanh" and job.phase == "search"]
        assert jobs
        for job in jobs:
            curve = told[job.setting.training.lr, job.seed][: math.ceil(job.until)]  # to the first row that reaches it
            finish(made, job, curve, state="done" if curve[-1] <= 0.25 or len(curve) == 4 else "paused")
    assert made.rate("tanh") == 0.1


def test_a_target_on_the_test_error_is_read_from_the_test_error(tmp_path):
    made = campaign(tmp_path, target={"metric": "test_error", "at_most": 0.25})
    job = made.ready()[0]
    finish(made, job, [0.5, 0.25])
    record = made.records[job.name]
    rows = ({**record.rows[0], "train_error": 0.1}, {**record.rows[1], "train_error": 0.1})
    assert progress_of(replace(record, rows=rows), made.ablation.measure).crossing == 2.0
    rows = ({**rows[0], "test_error": None}, rows[1])
    assert progress_of(replace(record, rows=rows), made.ablation.measure).crossing == 2.0


def test_a_campaign_opened_from_its_folder_goes_on_where_it_was(tmp_path):
    """Also on a folder of images, whose path the plan does not hold."""
    about = {"data_name": "images", "data_digest": "0" * 16, "num_classes": 10}
    made = Campaign(tiny_ablation(data="imagefolder:/private/images"), **about, folder=tmp_path)
    made.write_plan({"git_commit": None})
    finish(made, made.ready()[0], [0.5, 0.2])
    assert [job.name for job in Campaign.open(tmp_path).ready()] == [job.name for job in made.ready()]
    assert made.write_plan({"git_commit": None}) == []


def test_a_newer_plan_is_left_as_it_is(tmp_path):
    made = campaign(tmp_path)
    made.write_plan({"git_commit": None})
    newer = json.loads((tmp_path / "plan.json").read_text()) | {"schema": 9}
    (tmp_path / "plan.json").write_text(json.dumps(newer))
    for use in (lambda: Campaign.open(tmp_path), lambda: made.write_plan({"git_commit": None})):
        with pytest.raises(UserError, match=r"plan\.json was written by a newer alexctl \(schema 9\); update this one"):
            use()
    assert json.loads((tmp_path / "plan.json").read_text()) == newer


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan.pop("ablation"),
        lambda plan: plan.update(ablation=3),
        lambda plan: plan.pop("data_name"),
        lambda plan: plan.update(data_name=["x"]),
        lambda plan: plan.update(num_classes="ten"),
        lambda plan: plan["ablation"].update(control="nobody"),
        lambda plan: plan["ablation"]["base"].pop("lr"),
        lambda plan: plan["ablation"]["base"].update(lr="search"),
        lambda plan: plan["ablation"]["base"].update(epochs="many"),
        lambda plan: plan["ablation"].update(arms={"tanh": 3}),
    ],
)
def test_a_plan_edited_by_hand_is_one_line(tmp_path, change):
    campaign(tmp_path).write_plan({"git_commit": None})
    plan = json.loads((tmp_path / "plan.json").read_text())
    change(plan)
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(
        UserError, match=r"plan\.json .*run the same `alexctl ablate` command again to rewrite it; no trial is lost"
    ) as caught:
        Campaign.open(tmp_path)
    assert len(caught.value.faults) == 1


def test_a_plan_cut_off_anywhere_is_one_line(tmp_path):
    campaign(tmp_path).write_plan({"git_commit": None})
    whole = (tmp_path / "plan.json").read_bytes()
    for length in range(0, len(whole) - 1, 7):
        (tmp_path / "plan.json").write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"plan\.json is damaged"):
            Campaign.open(tmp_path)


def test_a_torn_trial_starts_again_where_it_is_gone_on_with(tmp_path):
    """Its rows and its status are of different moments; a report names it, the same command runs it anew."""
    made = campaign(tmp_path)
    job = made.ready()[0]
    finish(made, job, [0.5, 0.2])
    rows_csv.write(tmp_path / "trials" / job.name, rows_csv.read(tmp_path / "trials" / job.name)[:1])
    again = campaign(tmp_path)
    with pytest.raises(UserError, match=r"rows\.csv has 1 rows where status\.json counts 2"):
        again.ready()
    assert again.trials.restart_torn() == [f"{job.name} starts again: rows.csv has 1 rows where status.json counts 2"]
    assert again.ready()[0].name == job.name
    finish(again, job, [0.5, 0.2])
    assert again.record(job).finished
