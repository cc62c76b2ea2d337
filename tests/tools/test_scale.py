"""Faked trials under real schedulers: no trial runs twice, none is torn, and what it costs is counted."""

import os

import pytest

from tools import scale
from tools.faked_trials import ablation
from tools.simulation import Operations, Simulation


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    """The power stays on in a test."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def test_many_processes_share_120_trials(tmp_path):
    """12 real schedulers, each with a view of its own on the one folder."""
    simulation = Simulation(tmp_path, ablation(arms=4, studies=3, seeds=6, rates=2), hands=12, workers=1).run()
    simulation.check()
    assert len(simulation.ended) == 120
    lines = {line["what"]: line["value"] for line in simulation.lines()}
    assert lines["made-up time"] < 1.5 * lines["ideal time"]
    assert 0 < lines["operations of scheduling"] < 1000
    finished = [r for hand in simulation.hands for r in hand.campaign.records.values() if r.phase == "final"]
    assert all(record.lean for record in finished)


def test_a_trial_that_ran_twice_is_noticed(tmp_path):
    simulation = Simulation(tmp_path, ablation(arms=2, studies=1, seeds=1, rates=2), hands=2, workers=1).run()
    simulation.check()
    simulation.begun[next(iter(simulation.begun))] += 1
    with pytest.raises(AssertionError):
        simulation.check()


def test_what_is_asked_of_the_disk_is_counted(tmp_path):
    counted = Operations(tmp_path)
    (tmp_path / "before").write_text("")
    with counted.of("me"):
        (tmp_path / "trials").mkdir()
        (tmp_path / "file").write_text("1")
        (tmp_path / "file").lstat()
        os.stat(tmp_path.parent)  # noqa: PTH116, not in the folder
        (tmp_path / "file").rename(tmp_path / "other")
        list((tmp_path / "trials").iterdir())
    (tmp_path / "after").write_text("")
    assert dict(counted.counts) == {
        ("me", "make"): 1, ("me", "open"): 1, ("me", "stat"): 1, ("me", "rename"): 1, ("me", "list"): 1,
    }  # fmt: skip


def test_every_part_is_told_by_the_page():
    assert set(scale.PARTS) == {"upkeep", "together", "tables", "few processes", "many processes"}
