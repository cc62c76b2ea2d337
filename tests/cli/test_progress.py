"""What the screen says of the time still to come: what it assumes, and what it has seen."""

import time

import pytest
from conftest import tiny_ablation

from alexctl.campaign.campaign import Campaign
from alexctl.cli.progress import Screen
from alexctl.store.records import TrialRecord


@pytest.fixture
def campaign(tmp_path):
    return Campaign(
        tiny_ablation(epochs=10, epochs_after_target=0.0),
        data_name="shapes",
        data_digest="0" * 16,
        num_classes=10,
        folder=tmp_path / "tiny",
    )


def finish(campaign: Campaign, arm: str, epoch: float) -> None:
    """Both seeds of an arm, done at that epoch."""
    for job in campaign.final_jobs(arm, campaign.rate(arm)):
        campaign.records[job.name] = TrialRecord(
            folder=campaign.folder / "trials" / job.name, arm=arm, seed=job.seed, hash8=job.setting.hash8,
            phase="final", setting=job.setting.flat(), status={"state": "done"}, rows=({"epoch": epoch},),
        )  # fmt: skip


def screen_of(seconds: dict[str, float]) -> Screen:
    screen = Screen(quiet=True)
    screen.seconds = seconds
    return screen


def test_an_estimate_is_a_bound_only_where_nothing_better_is_known(campaign):
    screen = screen_of({"relu": 10.0, "tanh": 20.0})
    assert screen.estimate(campaign) == "at most 10 min; a trial ends when it meets its target"
    finish(campaign, "relu", 4.0)
    assert screen.estimate(campaign) == "at most 7 min; a trial ends when it meets its target"
    finish(campaign, "tanh", 4.0)
    del campaign.records[campaign.final_jobs("tanh", 0.01)[0].name]
    assert screen.estimate(campaign) == "about 2 min"  # (1.15 x 4 + 0.5) x 20 s


def test_trials_that_always_last_as_long_as_their_schedule_are_no_bound(tmp_path):
    about = {"data_name": "shapes", "data_digest": "0" * 16, "num_classes": 10, "folder": tmp_path / "tiny"}
    errors = Campaign(tiny_ablation(epochs=10, epochs_after_target=None), **about)
    assert screen_of({"relu": 10.0, "tanh": 20.0}).estimate(errors) == "about 10 min"


def test_trials_of_another_plan_say_nothing_of_this_one(campaign, tmp_path):
    finish(campaign, "relu", 4.0)
    longer = Campaign(
        tiny_ablation(epochs=20, epochs_after_target=0.0), data_name="shapes", data_digest="0" * 16, num_classes=10,
        folder=tmp_path / "tiny",
    )  # fmt: skip
    longer.records.update(campaign.records)
    screen = screen_of({"relu": 1.0, "tanh": 1.0})
    assert screen.estimate(longer) == "at most 80 s; a trial ends when it meets its target"


def test_an_estimate_does_not_grow_by_noise(campaign, monkeypatch):
    """A twentieth more is noise and the end stays where it was; a fifth more is another machine."""
    screen = screen_of({"relu": 100.0, "tanh": 100.0})
    now = screen.began
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert screen.estimate(campaign).startswith("at most 67 min;")  # 40 epochs of 100 s
    screen.seconds = {"relu": 105.0, "tanh": 105.0}
    assert screen.estimate(campaign).startswith("at most 67 min;")
    now += 60
    assert screen.estimate(campaign).startswith("at most 66 min;")
    screen.seconds = {"relu": 120.0, "tanh": 120.0}
    assert screen.estimate(campaign).startswith("at most 80 min;")


def test_the_pace_seen_replaces_the_probe(campaign, monkeypatch):
    screen = Screen(quiet=True)
    screen.seconds = {"relu": 10.0, "tanh": 20.0}
    job = campaign.final_jobs("relu", 0.01)[0]
    for now, epoch in ((100.0, 0.25), (120.0, 1.0), (150.0, 2.25)):
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        screen.row(job, {"epoch": epoch, "train_error": 0.5})
    assert screen.seconds == {"relu": 25.0, "tanh": 20.0}


def test_a_worker_that_stands_still_is_named(campaign, capsys):
    screen = Screen()
    screen.silent(campaign.final_jobs("relu", 0.01)[1], 1234)
    screen.given_up(campaign.final_jobs("relu", 0.01)[1], "its worker was killed after 10 min without a sign of life")
    assert capsys.readouterr().err.splitlines() == [
        "0:00  relu seed 1  no sign of life from its worker, process 1234; is it stopped?",
        "0:00  relu seed 1  its worker was killed after 10 min without a sign of life; the trial goes on in another",
    ]
