"""How long it will take: trials are whole, and whoever is last is waited for."""

import pytest
from conftest import TINY, tiny_ablation

from alexctl.ablation.parse import parse
from alexctl.campaign.campaign import Campaign
from alexctl.timing.estimates import Work, planned_work, remaining_work, search_work, wall_seconds


@pytest.mark.parametrize(
    ("workers", "seconds"),
    [
        (1, 4 + 4 + 1 + 3 * 10),
        (2, 5 + 20),  # of the search 4 and 4 + 1; then 10 + 10 and 10
        (3, 4 + 10),
        (64, 4 + 10),  # no trial is ever shorter than itself
    ],
)
def test_the_last_trial_is_waited_for(workers, seconds):
    works = [Work(searching=(4.0, 1.0, 4.0), reported=(10.0,)), Work(reported=(10.0, 10.0))]
    assert wall_seconds(works, workers) == seconds
    assert wall_seconds([], workers) == 0


GRID = {"lr": "search", "lr_grid": [0.01, 0.02, 0.04, 0.08], "search_seeds": 2}


def test_a_race_runs_three_rates_as_far_as_the_best_and_the_others_a_quarter_of_the_budget():
    assert search_work(tiny_ablation(**GRID), "relu", 20) == (20.0, 20.0, 20.0, 5.0) * 2
    assert planned_work(tiny_ablation(**GRID), "relu", 20).total == 2 * 65 + 2 * 20


def test_errors_take_every_rate_to_the_end_in_every_study_at_every_budget(tmp_path):
    document = TINY | {"measure": "test_error", "claim": TINY["claim"] | {"effect": None}}
    ablation, faults = parse(
        document, name="tiny", overrides=GRID | {"epochs": 20, "budgets": [5, 20], "studies": 3}, smoke=False
    )
    assert not faults
    work = planned_work(ablation, "relu", 20)
    assert len(work.searching) == 4 * 2 * 3 * 2
    assert work.total == 3 * (5 + 20) * (4 * 2 + 2)
    about = {"data_name": "shapes", "data_digest": "0" * 16, "num_classes": 10, "folder": tmp_path}
    relu, _ = remaining_work(Campaign(ablation, **about), {"relu": 1.0, "tanh": 1.0})
    assert relu.total == work.total


def test_what_a_campaign_still_has_to_do(tmp_path):
    about = {"data_name": "shapes", "data_digest": "0" * 16, "num_classes": 10, "folder": tmp_path}
    relu, tanh = remaining_work(Campaign(tiny_ablation(epochs=10), **about), {"relu": 10.0, "tanh": 20.0})
    assert (relu, tanh) == (Work(reported=(100.0, 100.0)), Work(reported=(200.0, 200.0)))
    searched = tiny_ablation(epochs=10, lr="search", lr_grid=[0.01, 0.02, 0.04], search_seeds=1)
    relu, _ = remaining_work(Campaign(searched, **about), {"relu": 10.0, "tanh": 20.0})
    assert relu == Work(searching=(100.0,) * 3, reported=(100.0, 100.0))


def usual(**overrides):
    """A race whose file says how long its trials usually last."""
    document = TINY | {"usual_epochs": {"relu": 4, "tanh": 99}, "base": TINY["base"] | {"epochs_after_target": 0.0}}
    ablation, faults = parse(document, name="tiny", overrides=overrides, smoke=False)
    assert not faults
    return ablation


def test_a_race_lasts_as_long_as_its_file_says_it_usually_does():
    ablation = usual(**GRID, epochs=20)
    assert planned_work(ablation, "relu", 20) == Work(searching=(4.0, 4.0, 4.0, 4.0) * 2, reported=(4.0, 4.0))
    assert planned_work(ablation, "tanh", 20).reported == (20.0, 20.0), "never more than the schedule"
    other = usual(**GRID, epochs=20, data="cifar10")
    assert planned_work(other, "relu", 20).reported == (20.0, 20.0), "of other data its file knows nothing"


def test_usual_epochs_of_an_arm_that_is_not_there():
    _, faults = parse(TINY | {"usual_epochs": {"rely": 4}}, name="tiny", overrides={}, smoke=False)
    assert list(map(str, faults)) == ["usual_epochs: no arm is called 'rely', did you mean 'relu'?"]
