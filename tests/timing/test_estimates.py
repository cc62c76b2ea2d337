"""How long it will take: trials are whole, and whoever is last is waited for."""

import pytest
from conftest import tiny_ablation

from alexctl.campaign.campaign import Campaign
from alexctl.timing.estimates import Work, remaining_work, search_work, wall_seconds


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


def test_a_search_runs_two_rates_to_the_end():
    assert search_work(4, 2, 5, 10.0) == (60.0, 60.0, 10.0, 10.0) * 2
    assert search_work(1, 1, 5, 10.0) == (60.0,)


def test_what_a_campaign_still_has_to_do(tmp_path):
    about = {"data_name": "shapes", "data_digest": "0" * 16, "num_classes": 10, "folder": tmp_path}
    relu, tanh = remaining_work(Campaign(tiny_ablation(epochs=10), **about), {"relu": 10.0, "tanh": 20.0})
    assert (relu, tanh) == (Work(reported=(100.0, 100.0)), Work(reported=(200.0, 200.0)))
    searched = tiny_ablation(epochs=10, lr="search", lr_grid=[0.01, 0.02, 0.04], search_epochs=3)
    relu, _ = remaining_work(Campaign(searched, **about), {"relu": 10.0, "tanh": 20.0})
    assert relu == Work(searching=(40.0, 40.0, 10.0), reported=(100.0, 100.0))
