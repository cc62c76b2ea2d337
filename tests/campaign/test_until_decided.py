"""A campaign that looks several times: which seeds it wants now, what it is judged on, when it stops."""

import json
import math

import pytest
from test_campaign import campaign, finish

from alexctl.campaign.campaign import Campaign
from alexctl.verdicts.tables import derive

LOOKS = [4, 6, 10]


def finish_all(made: Campaign, ratio=lambda seed: 2.0):
    """Every trial that may run: tanh crosses at 8 epochs, relu so many times sooner."""
    while jobs := made.ready():
        for job in jobs:
            epochs = 8.0 if job.arm == "tanh" else 8.0 / ratio(job.seed)
            finish(made, job, [0.25 - 1e-9 + 0.02 * (epochs - 1 - i) for i in range(math.ceil(epochs))])
        yield made.num_seeds


def test_looks_go_on_until_decided(tmp_path):
    """With ratios 1/4 and 4 by turns nothing is decided, so every look comes, and all its seeds at once."""
    made = campaign(tmp_path, looks=LOOKS, epochs=64)
    assert {(job.arm, job.seed) for job in made.ready()} == {
        (arm, seed) for arm in ("relu", "tanh") for seed in range(4)
    }
    (line,) = derive(made.evidence()).verdict["comparisons"]
    assert (line["verdict"], line["sentence"]) == ("not run yet", "Not judged before the first look, at n = 4.")
    undecided = finish_all(made, lambda seed: 4.0 if seed % 2 else 0.25)
    assert next(undecided) == 6
    assert {job.seed for job in made.ready()} == {4, 5}
    assert next(undecided) == 10
    assert list(undecided) == [10]
    verdict = derive(made.evidence()).verdict
    assert (verdict["interval"], verdict["level"]) == ("for 3 looks at n = 4, 6, 10", pytest.approx(0.97924))
    (line,) = verdict["comparisons"]
    assert (line["n"], line["verdict"]) == (10, "undecided")
    assert "97.9% interval, widened for 3 looks, " in line["sentence"]


def test_a_look_that_decides_is_the_last(tmp_path):
    made = campaign(tmp_path, looks=LOOKS, epochs=64)
    assert list(finish_all(made, lambda seed: 6.0 + 0.01 * seed)) == [4]
    (line,) = derive(made.evidence()).verdict["comparisons"]
    assert (line["n"], line["verdict"]) == (4, "supported")
    again = campaign(tmp_path, looks=LOOKS, epochs=64)  # resume reads it all from the folder
    assert (again.num_seeds, again.ready()) == (4, [])


def test_between_two_looks_the_last_one_counts(tmp_path):
    """A look at n = 5 was never planned: its trials are in the tables, the verdict is that of n = 4."""
    made = campaign(tmp_path, looks=LOOKS, epochs=64)
    next(finish_all(made, lambda seed: 4.0 if seed % 2 else 0.25))
    for job in made.ready():
        if job.seed == 4:
            finish(made, job, [0.2])
    tables = derive(campaign(tmp_path, looks=LOOKS, epochs=64).evidence())
    assert tables.verdict["comparisons"][0]["n"] == 4
    assert (tables.trials["status"] == "done").sum() == 10


def test_a_failed_trial_keeps_the_next_look_away(tmp_path):
    made = campaign(tmp_path, looks=LOOKS, epochs=64)
    first, *others = made.ready()
    finish(made, first, [0.5], state="failed")
    for job in others:
        finish(made, job, [0.5, 0.2])
    assert (made.ready(), made.num_seeds) == ([], 4)
    assert derive(made.evidence()).verdict["comparisons"][0]["verdict"] == "not run yet"


def test_looking_is_not_mixed_with_a_fixed_number_in_silence(tmp_path):
    code = {"git_commit": None}
    campaign(tmp_path, seeds=6).write_plan(code)
    _, note = campaign(tmp_path, looks=LOOKS).write_plan(code)
    assert note.startswith("this campaign was planned for 6 seeds and now stops as soon as it is decided")
    _, note = campaign(tmp_path, looks=[*LOOKS, 16]).write_plan(code)
    assert note.startswith("the looks were n = 4, 6, 10 and are n = 4, 6, 10, 16 now")
    _, note = campaign(tmp_path, seeds=6).write_plan(code)
    assert note.startswith("this campaign was looked at until decided (n = 4, 6, 10, 16) and now has a fixed number")
    assert Campaign.open(tmp_path).ablation.plan.looks is None
    assert campaign(tmp_path, seeds=6).write_plan(code) == []


def test_a_plan_from_before_there_were_looks_has_not_changed(tmp_path):
    made = campaign(tmp_path)
    made.write_plan({"git_commit": None})
    plan = json.loads((tmp_path / "plan.json").read_text())
    del plan["ablation"]["plan"]["looks"]
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    assert made.write_plan({"git_commit": None}) == []
