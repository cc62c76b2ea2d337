"""What becomes of a trial whose worker is killed for its silence, and what a signal does the second time."""

import signal

import pytest
from conftest import tiny_ablation

from alexctl import process
from alexctl.api import Silent
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.crew import Crew
from alexctl.campaign.scheduler import Options, Scheduler
from alexctl.store import records
from alexctl.trials.lanes import BROKEN, CROWDED

GIVEN_UP = {"event": "given_up", "why": "its worker was killed after 10 min without a sign of life"}


class Heard(Silent):
    """Keeps what a screen is told."""

    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        return lambda *words: self.told.append((name, *words))


class Pool:
    """Workers of which each trial takes one, and that say what a test has them say."""

    free, free_alone, most, stopped = 1, True, 1, False

    def __init__(self):
        self.orders, self.alone, self.next = [], [], []

    def submit(self, folder, until, *, alone):
        self.orders.append(folder.name)
        self.alone += [folder.name] * alone

    def events(self, timeout):
        yield from self.next.pop(0)

    def stop(self):
        self.stopped = True


@pytest.fixture
def scheduler(tmp_path):
    (tmp_path / "tiny" / "trials").mkdir(parents=True)
    campaign = Campaign(
        tiny_ablation(seeds=1), data_name="shapes", data_digest="0" * 16, num_classes=10, folder=tmp_path / "tiny"
    )

    class Nobody:
        take = lambda *_: None  # noqa: E731

    crew = Crew(devices=("cpu",))
    return Scheduler(campaign, Nobody(), Options(results=tmp_path), tmp_path, crew, Heard(), Pool())


def test_a_trial_whose_worker_fell_silent_goes_on_once_and_fails_then(scheduler):
    (control, other) = scheduler.campaign.ready()
    done = {"event": "end", "folder": other.name, "state": "done"}
    silent = {"event": "silent", "folder": control.name, "pid": 7}
    given_up = {**GIVEN_UP, "folder": control.name}
    scheduler.pool.next = [[silent, given_up], [given_up], [done]]
    reload = scheduler.campaign.reload

    def reloaded(name):
        if name == other.name:
            records.write_death(scheduler.campaign.folder / "trials" / name, "for an end")
        return reload(name)

    scheduler.campaign.reload = reloaded
    scheduler.go()
    assert scheduler.pool.orders == [control.name, control.name, other.name]
    assert scheduler.pool.stopped
    told = [words for words in scheduler.watcher.told if words[0] in ("silent", "given_up")]
    assert told == [("silent", control, 7), ("given_up", control, GIVEN_UP["why"])]
    assert ("ended", control, "failed", GIVEN_UP["why"]) in scheduler.watcher.told


def test_what_a_process_ended_with_goes_on_alone_before_anything_else(scheduler):
    """And waits for that until a worker has nothing else to do; what found no memory goes on among fewer."""
    (control, other) = scheduler.campaign.ready()
    scheduler.pool.free = 2
    broken = [{"event": "end", "folder": job.name, "state": BROKEN} for job in (control, other)]
    crowded = {"event": "end", "folder": other.name, "state": CROWDED}
    scheduler._fill()
    assert (scheduler.pool.orders, scheduler.pool.alone) == ([control.name, other.name], [])
    for event in broken:
        scheduler._hear(event)
    scheduler.pool.free_alone = False
    scheduler._fill()
    assert len(scheduler.pool.orders) == 2
    scheduler.pool.free_alone = scheduler.changed = True  # as after the end of another
    scheduler._fill()
    assert scheduler.pool.alone == [control.name, other.name]
    scheduler._hear(crowded)
    (noted,) = (words for words in scheduler.watcher.told if words[0] == "noted")
    assert noted[1] == f"{other.name} found too little memory beside the others; from now on 1 trial at once"
    scheduler._fill()
    assert scheduler.pool.orders[-1] == other.name


def test_a_second_hangup_is_not_a_second_ctrl_c(scheduler, monkeypatch):
    """A shell and the terminal may both say that it closes; a person who asks twice wants the end at once."""
    ended = []
    monkeypatch.setattr(process, "end", ended.append)
    for number in (signal.SIGHUP, signal.SIGHUP):
        scheduler._interrupt(number, None)
    assert (scheduler.stopping, ended) == (True, [])
    scheduler._interrupt(signal.SIGINT, None)
    assert ended == [130]
