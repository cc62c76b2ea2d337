"""[search]: other knobs are searched beside the rate, as many trials for each arm, and the reported trials have what won."""

import pytest
from conftest import TINY
from test_campaign import finish

from alexctl.ablation.parse import parse
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.lr_search import Score, best_of
from alexctl.report.drawings import _search
from alexctl.verdicts.tables import derive

BASE = {
    **TINY["base"], "lr": "search", "lr_grid": [0.1, 0.2], "lr_widenings": 0, "search_seeds": 2, "epochs": 1, "seeds": 2,
}  # fmt: skip
ERRORS = {  # at the end, by arm and weight decay; the rate adds a little
    ("relu", 0.0): 0.4, ("relu", 0.001): 0.3, ("tanh", 0.0): 0.2, ("tanh", 0.001): 0.5,
}  # fmt: skip


def read(search, *, overrides=None, smoke=False, **head):
    document = {**TINY, "measure": "test_error", "margin": 1.0, "base": BASE, "search": search, **head}
    document["claim"] = {**TINY["claim"], "effect": 3.0}
    return parse(document, name="tiny", overrides=overrides or {}, smoke=smoke)


def told(search, **head) -> str:
    ablation, faults = read(search, **head)
    assert ablation is None
    return "; ".join(map(str, faults))


@pytest.fixture
def made(tmp_path) -> Campaign:
    ablation, faults = read({"weight_decay": [0.0, 0.001]})
    assert not faults
    (tmp_path / "trials").mkdir()
    return Campaign(ablation, data_name="shapes", data_digest="0" * 16, num_classes=8, folder=tmp_path)


def searched(made: Campaign) -> None:
    for job in made.ready():
        assert job.phase == "search"
        knobs = job.setting.training
        error = ERRORS[job.arm, knobs.weight_decay] + knobs.lr / 10 + job.seed % 2 / 1000
        finish(made, job, [error], validation_error=error, train_error_pass=error)


def test_each_arm_gets_what_is_best_for_it(made):
    assert len(made.ready()) == 2 * 2 * 2 * 2, "arms, decays, rates, search seeds"
    searched(made)
    final = made.ready()
    assert {(job.arm, job.phase, job.setting.training.lr, job.setting.training.weight_decay) for job in final} == {
        ("relu", "final", 0.1, 0.001), ("tanh", "final", 0.1, 0.0),
    }  # fmt: skip
    assert len(made.counted()) == 16 + 4


def test_nothing_is_reported_before_every_combination_has_a_winner(made):
    jobs = made.ready()
    for job in jobs:
        if (job.arm, job.setting.training.weight_decay) != ("relu", 0.0):
            finish(made, job, [0.3], validation_error=0.3, train_error_pass=0.3)
    assert made.rate("tanh") == 0.1
    assert made.rate("relu") is None
    assert {job.phase for job in made.ready() if job.arm == "relu"} == {"search"}


def test_tables_and_words_say_what_was_chosen(made):
    searched(made)
    for job in made.ready():
        finish(made, job, [0.3 if job.arm == "relu" else 0.4])
    evidence = made.evidence()
    tables = derive(evidence)
    assert tables.verdict["rates"] == (
        "Learning rates and weight_decay: relu 0.1 with weight_decay = 0.001, tanh 0.1 with weight_decay = 0.0; "
        "searched with 16 trials, 16 epochs in all. The interval is conditional on these values."
    )
    assert [each["knobs"] for each in tables.verdict["searches"]] == [{"weight_decay": 0.001}, {"weight_decay": 0.0}]
    assert dict(zip(tables.summary["arm"], tables.summary["weight_decay"], strict=True)) == {"relu": 0.001, "tanh": 0.0}
    assert set(tables.trials["weight_decay"]) == {0.0, 0.001}
    drawing = _search(evidence, tables)
    shown = drawing.frames[0]
    assert set(zip(shown["arm"], shown["weight_decay"], strict=True)) == {("relu", 0.001), ("tanh", 0.0)}
    assert drawing.options["caption"] == "relu: weight_decay = 0.001; tanh: weight_decay = 0.0"


def test_the_plan_is_read_as_it_was_written(made):
    made.write_plan({"git_commit": None})
    assert Campaign.open(made.folder).ablation.plan.combinations == ({"weight_decay": 0.0}, {"weight_decay": 0.001})


def test_the_first_of_those_that_are_as_good():
    scores = [Score(False, 0.31, 0.01), None, Score(False, 0.3, 0.02), Score(True, 0.1, 0.0)]
    assert best_of(scores) == 0
    assert best_of([Score(False, 0.33, 0.01), *scores[1:]]) == 2
    assert best_of([Score(True, 0.1, 0.5), Score(False, 9.0, 0.1)]) == 1, "who reaches the target comes first"
    assert best_of([None, None]) == 0


def test_faults_are_told_with_their_place():
    assert "[search] weight: unknown key, did you mean 'weight_decay'?" in told({"weight": [0, 1]})
    assert "[search] lr: is searched anyway" in told({"lr": [0.1, 0.2]})
    assert "[search] activation: is what the arms differ in" in told({"activation": ["relu", "tanh"]})
    assert "[search] epochs: says what is compared" in told({"epochs": [1, 2]})
    assert "[search] weight_decay: should be a number, 0 or more" in told({"weight_decay": [0.0, -1.0]})
    assert "weight_decay should have two values or more to try" in told({"weight_decay": [0.1]})
    assert "search: weight_decay: should be a list" in told({"weight_decay": 0.1})
    fixed = {**BASE, "lr": 0.1}
    assert '[search]: needs lr = "search"' in told({"weight_decay": [0.0, 0.1]}, base=fixed)
    inside = {**BASE, "search": {"weight_decay": [0.0, 0.1]}}
    assert "[base] search: should be a table of its own, write [search]" in told({}, base=inside)
    many = {"weight_decay": [i / 100 for i in range(9)], "momentum": [i / 10 for i in range(9)]}
    assert "64 combinations at most" in told(many)


def test_a_smoke_run_tries_two_values_and_a_given_rate_none():
    three = {"weight_decay": [0.0, 0.1, 0.2]}
    assert len(read(three, smoke=True)[0].plan.combinations) == 2
    assert read(three, overrides={"lr": 0.1})[0].plan.combinations == ({},)
