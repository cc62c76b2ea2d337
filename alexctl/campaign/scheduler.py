"""Feeds workers: gives those that are free what is ready, watches, records deaths, stops when asked.

Any number of processes may do so on one folder. Each trial is locked by whoever trains it, and what is ready is derived
from the folder, so all of them agree; one that finds every remaining trial held by others waits, and takes over those
whose owner dies.
"""

import contextlib
import math
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from alexctl import numbers, process
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.crew import Crew
from alexctl.campaign.job import Job
from alexctl.campaign.reuse import FinishedElsewhere
from alexctl.errors import Stopped, UserError
from alexctl.store import layout, records
from alexctl.store.files import storage_error
from alexctl.store.lock import FolderLock, Locked, is_held
from alexctl.training.ranks import choose_pair
from alexctl.trials import trial
from alexctl.trials.inline_pool import InlinePool
from alexctl.trials.lanes import BROKEN, CROWDED, OVER
from alexctl.trials.partner import Pair
from alexctl.trials.process_pool import LocalPool

LEAST_PAUSE, MOST_PAUSE = 0.3, 10.0  # seconds between two looks at what other processes do, while there is nothing else
PAUSE_EACH = 0.05  # and at least so many for each of their trials: many that wait leave the disk to those who train
FOLDER_SECONDS = 2.0  # between two looks at whether the campaign's folder is still there
MOST_ASKED = 8  # trials of others whose locks are tried in one look
HANGUP = getattr(signal, "SIGHUP", None)


class Watcher(Protocol):
    """What a screen hears of a campaign."""

    def preparing(self, what: str, done: int, total: int) -> None: ...
    def planned(self, campaign: Campaign, seconds: dict[str, float], crew: Crew, notes: list[str]) -> None: ...
    def noted(self, line: str) -> None: ...
    def started(self, job: Job) -> None: ...
    def taken(self, job: Job, source: str) -> None: ...
    def row(self, job: Job, row: dict[str, Any]) -> None: ...
    def silent(self, job: Job, pid: int) -> None: ...
    def given_up(self, job: Job, why: str) -> None: ...
    def ended(self, job: Job, state: str, error: str | None) -> None: ...
    def waiting(self, num_trials: int) -> None: ...
    def tick(self, campaign: Campaign, running: list[Job]) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run, none of which moves a number but by rounding; threads are per worker."""

    results: Path
    name: str | None = (
        None  # of the campaign's folder; None: that of the ablation, and of the data where they are others
    )
    root: Path | None = None
    device: str = "auto"
    devices: str | None = None  # two, for the ranks of a net in two towers: "cuda:0,cuda:1"
    workers: int | None = None
    threads: int = 1
    lanes: int | None = None  # trials at once in a worker; None: as many as an accelerator has memory for, on a CPU one
    share: range | None = None  # of the reported seeds, those to run here; None: all
    retry_failed: bool = False
    fail_fast: bool = False
    waits: bool = True  # for trials that others train, though no other trial can follow them
    keeping: trial.Keeping = field(default_factory=trial.Keeping)


class Scheduler:
    """Runs what is ready in a campaign until nothing is, beside any number of others that do so on the same folder."""

    def __init__(
        self, campaign: Campaign, shared: FinishedElsewhere, options: Options, root: Path,
        crew: Crew, watcher: Watcher, pool: LocalPool | None = None,
    ):  # fmt: skip
        self.campaign, self.shared, self.options, self.watcher = campaign, shared, options, watcher
        self.running: dict[str, Job] = {}
        self.tried: set[str] = set()
        self.alone: set[str] = set()  # whose process ended with others in it
        self.given_up: set[str] = set()  # whose worker fell silent for good
        self.later: dict[str, float] = {}
        self.held: list[str] = []  # what is ready and other processes are at, as it was at the last look
        self.pause, self.next_look, self.told = LEAST_PAUSE, 0.0, False
        self.checked = -math.inf  # when the folder was last seen
        self.stopping = False
        self.changed = True
        how = {"root": root, "threads": options.threads, "keeping": options.keeping}
        if crew.inline:
            device = crew.devices[0]
            pair = Pair(devices=choose_pair(crew.pair), threads=options.threads) if crew.pair else None
            self.pool = InlinePool(**how, device=device, tell=self._hear, should_stop=lambda: self.stopping, pair=pair)
        else:
            self.pool = pool or LocalPool(**how, devices=crew.devices, workers=crew.workers, pair=crew.pair)
        self.pool.lanes = crew.lanes

    def go(self) -> None:
        """Raises UserError for what stops the whole campaign, Stopped after an interrupt; a failed trial is recorded."""
        before = process.on_stop(self._interrupt)
        try:
            while True:
                if time.monotonic() - self.checked > FOLDER_SECONDS:
                    self._check_folder()
                self._fill()
                if self.is_over:
                    break
                if not self.options.waits and not self.running and not self.later and self._is_left_to_others():
                    self.watcher.noted(
                        f"{numbers.counted(len(self.held), 'trial')} left to the processes that train them"
                    )
                    break
                if self.held and not self.running and not self.told:
                    self.told = True
                    self.watcher.waiting(len(self.held))
                for event in self.pool.events(0.3):
                    self._hear(event)
                if self.stopping:
                    raise Stopped(self.campaign)
                self.watcher.tick(self.campaign, list(self.running.values()))
        finally:
            self.pool.stop()
            for name in list(self.running):
                self.campaign.reload(name)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _is_left_to_others(self) -> bool:
        """Whether all that is ready is in other hands and nothing can follow: no search goes on, and no look is due."""
        if self.changed or self.campaign.ablation.plan.looks:
            return False
        return all(job.phase == "final" for job in self.campaign.ready())

    @property
    def is_over(self) -> bool:
        """Whether nothing is left, here or with other processes."""
        return not (self.running or self.later or self.held or self.changed)

    def _check_folder(self) -> None:
        self.checked = time.monotonic()
        if not self.campaign.folder.is_dir():
            raise storage_error(self.campaign.folder, FileNotFoundError(2, "the folder has vanished"))

    def _interrupt(self, number: int, frame: Any) -> None:
        if not self.stopping or number == HANGUP:  # a terminal that closes may say so twice
            self.stopping = True
            return
        for worker in getattr(self.pool, "workers", []):  # the second time: at once
            if worker.process is not None:
                worker.process.kill()
        process.end(130)

    def _fill(self) -> None:
        now = time.monotonic()
        if self.later and min(self.later.values()) <= now:
            self.later = {name: when for name, when in self.later.items() if when > now}
            self.changed = True
        if not self.pool.free or not (self.changed or (self.held and now >= self.next_look)):
            return
        news = self.campaign.refresh()
        taken, waiting, self.held, asked = False, [], [], 0
        for job, is_laid_down in self._in_turn():
            if job.name not in self.alone:
                if is_laid_down and asked >= MOST_ASKED:
                    self.held.append(job.name)
                    continue
                if is_held(self._folder(job)):
                    asked += 1
                    self.held.append(job.name)
                    continue
            if source := self.shared.take(job):
                self.watcher.taken(job, source)
                taken = True
                continue
            waiting.append(job)
            if len(waiting) == self.pool.free and not self.alone:
                break
        for job in sorted(waiting, key=lambda job: job.name not in self.alone):
            alone = job.name in self.alone
            if not self.pool.free or (alone and not self.pool.free_alone):
                break  # until a worker has nothing else to do
            self._submit(job, alone=alone)
        longer = min(MOST_PAUSE, max(1.5 * self.pause, PAUSE_EACH * len(self.held)))
        self.pause = max(LEAST_PAUSE, PAUSE_EACH * len(self.held)) if news or waiting else longer
        self.next_look = time.monotonic() + self.pause
        self.changed = taken or not self.pool.free  # then more may be ready

    def _in_turn(self) -> Iterator[tuple[Job, bool]]:
        """What is ready and not with us, and whether its folder is there; what was begun comes first.

        Where many are at work, each look tries the locks of some, any of them, and begins somewhere in what nobody has
        begun: a disk may show what others did late, and two that begin the same trial have lost a moment.
        """
        ours = self.running.keys() | self.tried | self.later.keys()
        laid_down, new = [], []
        for job in self.campaign.ready():
            if job.name not in ours:
                (laid_down if self.campaign.trials.is_laid_down(job.name) else new).append(job)
        if len(laid_down) > MOST_ASKED:
            random.shuffle(laid_down)
        yield from ((job, True) for job in laid_down)
        start = random.randrange(min(len(laid_down), len(new))) if self.held and new else 0
        yield from ((job, False) for job in (*new[start:], *new[:start]))

    def _folder(self, job: Job) -> Path:
        return layout.trial(self.campaign.folder, job.name)

    def _submit(self, job: Job, *, alone: bool) -> None:
        self._check_folder()
        folder = self._folder(job)
        if self.campaign.record(job).state == "pending":
            records.create(
                folder, ablation=self.campaign.ablation.name, arm=job.arm, phase=job.phase, seed=job.seed,
                setting=job.setting,
            )  # fmt: skip
        self.running[job.name] = job
        self.watcher.started(job)
        self.pool.submit(folder, job.until, alone=alone)

    def _hear(self, event: dict[str, Any]) -> None:
        job = self.running.get(event["folder"])
        if job is None:
            return
        if event["event"] == "row":
            self.watcher.row(job, event)
            self.watcher.tick(self.campaign, list(self.running.values()))  # an inline pool is back only at the end
            return
        if event["event"] == "silent":
            self.watcher.silent(job, event["pid"])
            return
        del self.running[job.name]
        self.changed = True
        if event["event"] == "error":
            raise UserError(event["message"], exit_code=event["exit_code"])
        if self._runs_on(job, event):
            return
        record = self.campaign.reload(job.name)
        if event["event"] in ("died", "given_up"):
            self.tried.add(job.name)
            record = self._buried(job, event["why"])
        if record.failed:
            self.tried.add(job.name)
        self.watcher.ended(job, record.state, record.status.get("error"))
        if record.failed and self.options.fail_fast:
            raise UserError(
                f"{job.name} failed: {record.status.get('error')}; stopped because of --fail-fast", exit_code=1
            )

    def _buried(self, job: Job, why: str) -> records.TrialRecord:
        """A trial whose process has died: it failed, but where it just had no time to say how it ended, or another
        process has taken it over since."""
        with contextlib.suppress(Locked), FolderLock(self._folder(job)):
            if not self.campaign.reload(job.name).finished:
                records.write_death(self._folder(job), why)
        return self.campaign.reload(job.name)

    def _runs_on(self, job: Job, event: dict[str, Any]) -> bool:
        """Whether that is no end of the trial's: a worker takes it, at once or later, or another process has had it."""
        if event["event"] == "given_up" and job.name not in self.given_up:  # once; twice, and it is the trial's doing
            self.given_up.add(job.name)
            self.watcher.given_up(job, event["why"])
        elif event.get("state") == BROKEN:
            self.alone.add(job.name)
        elif event.get("state") == CROWDED:
            lanes = numbers.counted(self.pool.most, "trial")
            self.watcher.noted(f"{job.name} found too little memory beside the others; from now on {lanes} at once")
        elif event.get("state") == "locked":  # another process was quicker
            self.later[job.name] = time.monotonic() + 1.0
            return True
        elif event.get("state") == OVER:
            pass
        else:
            return False
        self.campaign.reload(job.name)
        return True
