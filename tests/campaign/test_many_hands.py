"""Several processes on one folder: what a campaign hears of the others, and what it does about them."""

import json
import re
import shutil

import pytest
import torch
from conftest import tiny_ablation as tiny

from alexctl import run as running
from alexctl.campaign import scheduler as scheduling
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.crew import Crew
from alexctl.campaign.reuse import FinishedElsewhere
from alexctl.campaign.scheduler import Options, Scheduler
from alexctl.cli.progress import Screen
from alexctl.errors import UserError
from alexctl.report import rebuild
from alexctl.run import run
from alexctl.store import layout, records
from alexctl.store.lock import FolderLock
from alexctl.trials.lanes import OVER, Lanes
from alexctl.trials.trial import ROWS_ONLY


def tiny_ablation(**overrides):
    """The tiny comparison, one epoch a trial."""
    return tiny(epochs=1, **overrides)


def rows_of(folder) -> dict[str, list]:
    """The rows of each trial, seconds aside."""
    return {
        record.folder.name: [{k: v for k, v in row.items() if not k.endswith("_seconds")} for row in record.rows]
        for record in records.trials_of(folder)
    }


@pytest.fixture
def options(tmp_path, tiny_root) -> Options:
    return Options(results=tmp_path / "results", root=tiny_root, device="cpu", workers=1)


class Noted(Screen):
    """A screen that keeps what it is told."""

    def __init__(self, on_tick=lambda: None):
        super().__init__(quiet=True)
        self.lines, self.on_tick = [], on_tick

    def noted(self, line):
        self.lines.append(line)

    def waiting(self, num_trials):
        self.lines.append(f"waiting for {num_trials}")

    def tick(self, campaign, running):
        self.on_tick()


def test_what_others_do_is_seen(options):
    """Their trials are read when their status changes, and only then; decisions are derived anew."""
    run(tiny_ablation(seeds=1), options, Screen(quiet=True))
    folder = options.results / "tiny"
    mine = Campaign.open(folder)
    assert not mine.refresh()
    assert mine.ready() == []
    job = mine.final_jobs("relu", 0.01)[0]
    status = layout.trial(folder, job.name) / layout.STATUS
    content = status.read_bytes()
    status.unlink()
    mine = Campaign.open(folder)
    assert [j.name for j in mine.ready()] == [job.name]
    status.write_bytes(content)
    assert mine.refresh()
    assert mine.ready() == []
    assert not mine.refresh()


def test_what_another_writes_just_now_is_no_fault(options):
    """Files of a trial that is being written may not fit together; of one that nobody is at, they must."""
    run(tiny_ablation(seeds=1), options, Screen(quiet=True))
    folder = options.results / "tiny"
    trial = next((folder / "trials").glob("relu-s0-*"))
    (trial / layout.ROWS).write_text("epoch,st")
    with FolderLock(trial):
        mine = Campaign.open(folder)
        assert [job.arm for job in mine.ready()] == ["relu"]
        assert not mine.refresh()
    mine = Campaign.open(folder)
    with pytest.raises(UserError, match=r"rows\.csv is cut off"):
        mine.ready()


def test_a_trial_that_another_has_ended_is_not_run_again(options, tiny_root):
    run(tiny_ablation(seeds=1), options, Screen(quiet=True))
    trial = next((options.results / "tiny" / "trials").glob("relu-s0-*"))
    before = {path.name: path.stat().st_mtime_ns for path in trial.iterdir()}
    told = []
    lanes = Lanes(
        root=tiny_root, device=torch.device("cpu"), keeping=ROWS_ONLY, tell=told.append, should_stop=lambda: False
    )
    lanes.add(trial, None)
    assert [(event["event"], event["state"]) for event in told] == [("end", OVER)]
    assert not lanes.lanes
    assert {path.name: path.stat().st_mtime_ns for path in trial.iterdir()} == before


def test_trials_of_others_are_waited_for_and_taken_over(options, monkeypatch):
    """One trial is with another process, which dies; the campaign says once that it waits, and ends with all."""
    monkeypatch.setattr(scheduling, "LEAST_PAUSE", 0.01)
    whole = run(tiny_ablation(), Options(**{**vars(options), "name": "whole"}), Screen(quiet=True))
    alone = Campaign(
        tiny_ablation(), data_name=whole.data_name, data_digest=whole.data_digest, num_classes=10,
        folder=options.results / "shared",
    )  # fmt: skip
    job = alone.ready()[0]
    folder = layout.trial(alone.folder, job.name)
    records.create(folder, ablation="tiny", arm=job.arm, phase=job.phase, seed=job.seed, setting=job.setting)
    lock = FolderLock(folder)
    monkeypatch.setattr(FinishedElsewhere, "take", lambda self, job: None)
    ticks = []

    def on_tick():
        ticks.append(1)
        if len([line for line in screen.lines if line.startswith("waiting")]) and len(ticks) > 8:
            lock.release()

    screen = Noted(on_tick)
    shared = run(tiny_ablation(), Options(**{**vars(options), "name": "shared"}), screen)
    assert [line for line in screen.lines if line.startswith("waiting")] == ["waiting for 1"]
    assert len(shared.judged) == 4
    assert rows_of(shared.folder) == rows_of(whole.folder)


def test_what_others_train_is_not_waited_for_unasked(options):
    """With `--no-wait` a process ends once all that is left is in other hands; the next command goes on with it."""
    data = run(tiny_ablation(seeds=1), Options(**{**vars(options), "name": "whole"}), Screen(quiet=True))
    folder = options.results / "shared"
    alone = Campaign(
        tiny_ablation(seeds=1), data_name=data.data_name, data_digest=data.data_digest, num_classes=10, folder=folder
    )
    job = alone.ready()[0]
    trial = layout.trial(folder, job.name)
    records.create(trial, ablation="tiny", arm=job.arm, phase=job.phase, seed=job.seed, setting=job.setting)
    screen = Noted()
    shutil.rmtree(options.results / "whole")  # else its trials are taken over
    with FolderLock(trial):
        part = run(tiny_ablation(seeds=1), Options(**{**vars(options), "name": "shared", "waits": False}), screen)
    assert [record.state for record in part.judged] == ["done", "pending"]
    assert "1 trial left to the processes that train them" in screen.lines
    assert (folder / layout.VERDICT).exists()


def test_a_search_that_others_train_is_waited_for(tmp_path):
    """More trials may follow it, as after a look."""
    for changes, left in (({}, True), ({"lr": "search", "lr_grid": [0.01, 0.02]}, False), ({"looks": [4, 6]}, False)):
        campaign = Campaign(
            tiny_ablation(**changes), data_name="shapes", data_digest="0" * 16, num_classes=10, folder=tmp_path / "tiny"
        )
        scheduler = Scheduler(
            campaign, None, Options(results=tmp_path), tmp_path, Crew(devices=("cpu",)), Noted(), Noted()
        )
        scheduler.changed = False
        assert scheduler._is_left_to_others() == left


def test_a_worker_that_dies_leaves_what_another_has_taken_over(tmp_path):
    (tmp_path / "tiny" / "trials").mkdir(parents=True)
    campaign = Campaign(
        tiny_ablation(seeds=1), data_name="shapes", data_digest="0" * 16, num_classes=10, folder=tmp_path / "tiny"
    )

    class Nothing:
        free, free_alone = 1, True

        def take(self, job):
            return None

        def submit(self, folder, until, *, alone):
            self.folder = folder

    pool = Nothing()
    scheduler = Scheduler(
        campaign, Nothing(), Options(results=tmp_path), tmp_path, Crew(devices=("cpu",)), Noted(), pool
    )
    scheduler._fill()
    with FolderLock(pool.folder):
        scheduler._hear({"event": "died", "folder": pool.folder.name, "why": "it was killed"})
    assert records.read_trial(pool.folder).state == "pending"
    assert pool.folder.name in scheduler.tried


def test_another_plan_is_refused_while_somebody_is_at_work(options):
    run(tiny_ablation(), options, Screen(quiet=True))
    folder = options.results / "tiny"
    plan = (folder / layout.PLAN).read_bytes()
    with FolderLock(next((folder / "trials").iterdir())):
        with pytest.raises(UserError) as refused:
            run(tiny_ablation(seeds=3, lr_widenings=1), options, Screen(quiet=True))
        assert "another alexctl is at work on tiny, whose plan differs (" in str(refused.value)
        assert "seeds was 2, not 3; lr_widenings was 6, not 1" in str(refused.value)
        assert (folder / layout.PLAN).read_bytes() == plan
        run(tiny_ablation(), options, Screen(quiet=True))
    run(tiny_ablation(seeds=3), options, Screen(quiet=True))


def test_a_plan_that_is_changed_under_a_campaign_stops_it(options):
    run(tiny_ablation(), options, Screen(quiet=True))
    mine = Campaign.open(options.results / "tiny")
    mine.write_plan({})
    path = mine.folder / layout.PLAN
    path.write_text(path.read_text())  # by the same command once more
    assert not mine.refresh()
    table = json.loads(path.read_text())
    table["ablation"]["plan"]["seeds"] = 3
    path.write_text(json.dumps(table))
    with pytest.raises(UserError, match=re.escape("another alexctl has changed the plan of tiny (seeds was 2, not 3)")):
        mine.refresh()


def test_a_share_of_the_seeds(options):
    """Each runs its own, in a folder of its own or in the same; the last writes what one process would have."""
    whole = run(
        tiny_ablation(seeds=3), Options(**{**vars(options), "results": options.results / "one"}), Screen(quiet=True)
    )
    first, second = (Options(**{**vars(options), "share": share}) for share in (range(0, 1), range(1, 3)))
    screen = Noted()
    part = run(tiny_ablation(seeds=3), first, screen)
    assert sorted(record.seed for record in part.judged if record.rows) == [0, 0]
    (line,) = (line for line in screen.lines if line.startswith("seed 0 done"))
    assert "2 of the 6 trials to report" in line
    screen = Noted()
    both = run(tiny_ablation(seeds=3), second, screen)
    assert not [line for line in screen.lines if " done, and with that " in line]
    assert rows_of(both.folder) == rows_of(whole.folder)
    assert (both.folder / layout.VERDICT).read_bytes() == (whole.folder / layout.VERDICT).read_bytes()


def test_the_first_plan_says_what_auto_comes_to(options, monkeypatch):
    """Another machine plans in bfloat16 while this one, which would take float32, is getting ready."""
    real = running.probe

    def probe(campaign, *rest):
        monkeypatch.setattr(running, "probe", real)
        about = {"data_name": campaign.data_name, "data_digest": campaign.data_digest, "num_classes": 10}
        Campaign(tiny_ablation(seeds=1, precision="bfloat16"), folder=campaign.folder, **about).write_plan({})
        return real(campaign, *rest)

    monkeypatch.setattr(running, "probe", probe)
    evidence = run(tiny_ablation(seeds=1), options, Screen(quiet=True))
    assert evidence.ablation.base["precision"] == "bfloat16"
    assert {record.setting["precision"] for record in evidence.judged} == {"bfloat16"}


def test_of_two_that_end_together_one_writes_the_tables(options, monkeypatch):
    """While this one waits at its end, the other, which saw the same trials, has written them; a later run does again."""
    made, go, rebuilt = [], Scheduler.go, rebuild.rebuild

    def go_with_another(self):
        monkeypatch.setattr(Scheduler, "go", go)
        made.append(run(tiny_ablation(seeds=1), options, Screen(quiet=True)))

    monkeypatch.setattr(rebuild, "rebuild", lambda *a, **k: [rebuilt(*a, **k), made.append("tables")][0])
    monkeypatch.setattr(Scheduler, "go", go_with_another)
    mine = run(tiny_ablation(seeds=1), options, Screen(quiet=True))
    assert made[0] == "tables"
    assert len(made) == 2
    assert [record.rows for record in mine.judged] == [record.rows for record in made[1].judged]
    run(tiny_ablation(seeds=1), options, Screen(quiet=True))
    assert made[2:] == ["tables"]


def test_what_others_finished_is_read_again_for_the_evidence(options):
    """A lean campaign keeps no rows of finished trials, checks them at the end, and comes to the same evidence."""
    run(tiny_ablation(), options, Screen(quiet=True))
    whole = Campaign.open(options.results / "tiny")
    about = {"data_name": "shapes", "data_digest": whole.data_digest, "num_classes": 10, "folder": whole.folder}
    job = whole.final_jobs("relu", 0.01)[1]
    status = layout.trial(whole.folder, job.name) / layout.STATUS
    content = status.read_bytes()
    status.unlink()
    lean = Campaign(whole.ablation, **about, lean=True)
    assert [each.name for each in lean.ready()] == [job.name]
    status.write_bytes(content)
    assert lean.refresh()
    assert lean.ready() == []
    assert {record.lean for record in lean.records.values()} == {True}
    assert max(len(record.rows) for record in lean.records.values()) == 1
    assert lean.standing() == whole.standing()
    assert lean.evidence() == whole.evidence()
    rows = status.with_name(layout.ROWS)
    lean = Campaign(whole.ablation, **about, lean=True)
    rows.write_text(rows.read_text()[:-1])
    with pytest.raises(UserError, match=r"rows\.csv is cut off"):
        lean.evidence()
