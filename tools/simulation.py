"""Many processes on one folder, all of them in this one: real schedulers by a made-up clock, and what they cost."""

import contextlib
import fcntl
import functools
import heapq
import itertools
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from alexctl.ablation.model import Ablation
from alexctl.api import Silent
from alexctl.campaign import scheduler as scheduling
from alexctl.campaign.crew import Crew
from alexctl.campaign.reuse import FinishedElsewhere
from alexctl.campaign.scheduler import Options, Scheduler
from alexctl.store import files, layout
from tools.faked_trials import FakedPool, FakedTrial, campaign, checked

TRIAL_SECONDS = 60.0
LISTED = 100  # names that a listing is taken to bring in one operation

Line = dict[str, Any]


class Clock:
    """Stands in for the module `time` where a scheduler asks how late it is."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


class Operations:
    """Counts what is asked of the disk while it is on: what a file server would see of it if nothing were cached."""

    NAMES: ClassVar = {
        "open": "open", "os.scandir": "list", "os.listdir": "list", "os.mkdir": "make", "os.rename": "rename",
        "os.remove": "remove", "os.utime": "touch", "fcntl.flock": "lock", "os.chmod": "touch",
    }  # fmt: skip

    def __init__(self, under: Path):
        self.under, self.counts, self.into = str(under), Counter(), None
        self.listed = lambda: 0  # how many names lie in the folder of the trials
        sys.addaudithook(self._heard)  # there is no taking it away
        self._patches = [mock.patch.object(os, name, self._counted(getattr(os, name))) for name in ("stat", "lstat")]
        self._patches.append(mock.patch.object(os, "fsync", self._synced(os.fsync)))

    @contextlib.contextmanager
    def of(self, whose: str) -> Iterator[None]:
        before, self.into = self.into, whose
        with contextlib.ExitStack() as patched:
            for patch in self._patches if before is None else ():
                patched.enter_context(patch)
            try:
                yield
            finally:
                self.into = before

    def _add(self, kind: str, count: float = 1) -> None:
        self.counts[self.into, kind] += count

    def _heard(self, event: str, arguments: tuple) -> None:
        if self.into is None or event not in self.NAMES:
            return
        path = arguments[0]
        if event == "fcntl.flock":
            if arguments[1] != fcntl.LOCK_UN:
                self._add("lock")
        elif str(path).startswith(self.under):
            kind = self.NAMES[event]
            self._add(kind, 1 + self.listed() / LISTED if kind == "list" and str(path).endswith(layout.TRIALS) else 1)

    def _counted(self, real: Any) -> Any:
        @functools.wraps(real)
        def call(path: Any, *words: Any, **named: Any) -> Any:
            if self.into is not None and not isinstance(path, int) and str(path).startswith(self.under):
                self._add("stat")
            return real(path, *words, **named)

        return call

    def _synced(self, real: Any) -> Any:
        def call(descriptor: int) -> None:
            if self.into is not None:
                self._add("sync")
            real(descriptor)

        return call

    def total(self, whose: str) -> float:
        return sum(count for (owner, _), count in self.counts.items() if owner == whose)


class Simulation:
    """So many processes on one folder, each with so many workers; every turn of theirs is measured."""

    def __init__(self, results: Path, of: Ablation, *, hands: int, workers: int, seconds: float = TRIAL_SECONDS):
        self.results, self.workers, self.seconds = results, workers, seconds
        self.clock, self.draw, self.order = Clock(), random.Random(2012), itertools.count()
        self.begun: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.collisions, self.decisions, self.longest, self.cpu = 0, 0, 0.0, 0.0
        self.operations = Operations(results)
        self.operations.listed = lambda: len(self.begun)
        files.make_folder(results / of.name / layout.TRIALS)
        campaign(results, of).write_plan({})
        shared_jobs, shared_settings = (
            {},
            {},
        )  # made of the plan alone; each process has its own, which is no file's doing
        self.hands: list[Scheduler] = []
        for _ in range(hands):
            one = campaign(results, of, lean=True)
            one._final, one._settings = shared_jobs, shared_settings
            options = Options(results=results, workers=workers)
            crew = Crew(devices=("cpu",), workers=workers)
            pool = FakedPool(workers)
            others = FinishedElsewhere(one, weights=False)
            self.hands.append(Scheduler(one, others, options, results, crew, Silent(), pool))

    def run(self) -> "Simulation":
        """Until no hand has anything left."""
        events = [
            (i * self.seconds / len(self.hands), next(self.order), hand, None) for i, hand in enumerate(self.hands)
        ]
        heapq.heapify(events)
        with mock.patch.object(scheduling, "time", self.clock):
            while events:
                self.clock.now, _, hand, trial = heapq.heappop(events)
                for when, started in self._turn(hand, trial):
                    heapq.heappush(events, (when, next(self.order), hand, started))
        return self

    def _turn(self, hand: Scheduler, trial: FakedTrial | None) -> Iterator[tuple[float, FakedTrial | None]]:
        """One process has its turn, a trial of its own having ended or not; yields when it wants the next."""
        told = []
        if trial is not None:
            with self.operations.of("trial"):
                trial.end()
            self.ended[trial.folder.name] += 1
            hand.pool.running -= 1
            told.append((trial.folder.name, trial.state))
        while True:
            self._decide(hand, told)
            told = []
            for folder, until in hand.pool.orders:
                with self.operations.of("trial"):
                    begun = FakedTrial(folder, until)
                if begun.lock is not None:
                    self.begun[folder.name] += 1
                    yield self.clock.now + self.seconds * self.draw.uniform(0.8, 1.2), begun
                    continue
                hand.pool.running -= 1
                self.collisions += 1
                told.append((folder.name, begun.state))
            hand.pool.orders.clear()
            if not told and not (hand.changed and hand.pool.free):
                break
        if hand.pool.free and not hand.is_over:
            waits = [*hand.later.values(), *([hand.next_look] if hand.held else [])]
            if waits:
                yield max(self.clock.now + 0.3, min(waits)), None

    def _decide(self, hand: Scheduler, told: list[tuple[str, str]]) -> None:
        before = time.process_time()
        with self.operations.of("scheduling"):
            for name, state in told:
                hand._hear({"event": "end", "folder": name, "state": state})
            hand._fill()
        took = time.process_time() - before
        self.cpu += took
        self.decisions += 1
        self.longest = max(self.longest, took)

    def check(self) -> None:
        """Raises AssertionError unless every trial ran once and every file is whole."""
        assert set(self.begun.values()) == set(self.ended.values()) == {1}, self.begun.most_common(3)
        checked(self.results / "many", self.ended)

    def lines(self) -> Iterator[Line]:
        """What it cost."""
        trials = len(self.ended)
        about = {"hands": len(self.hands), "workers": len(self.hands) * self.workers, "trials": trials}
        values = [
            ("scheduling", self.cpu / trials, "processor seconds a trial"),
            ("longest decision", self.longest, "processor seconds"),
            ("decisions", self.decisions / trials, "a trial"),
            ("began what another had begun", self.collisions, "times"),
            ("made-up time", self.clock.now, "seconds"),
            ("ideal time", trials * self.seconds / about["workers"], "seconds"),
        ]
        for whose in ("scheduling", "trial"):
            values.append((f"operations of {whose}", self.operations.total(whose) / trials, "a trial"))
            kinds = Counter({kind: n for (owner, kind), n in self.operations.counts.items() if owner == whose})
            values += [(f"{whose}: {kind}", n / trials, "a trial") for kind, n in kinds.most_common()]
        for what, value, unit in values:
            yield about | {"what": what, "value": value, "unit": unit}
