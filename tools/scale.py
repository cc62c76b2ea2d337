"""`python -m tools.scale`: how far one shared folder goes: 10,000 trials over 200 workers, the trials faked.

Nothing is trained: a trial is a real folder with real locks, rows and status, and lasts so many seconds of a made-up clock.
Every process of the campaign is a real `Scheduler` of its own, and all of them take turns in this one process. What they
cost is measured: processor seconds, and operations on files. A smaller run is truly concurrent. Writes
results/reference/bench/scale.csv in the checkout this package runs from; `make readme` makes the table of docs/clusters.md.
"""

import argparse
import contextlib
import csv
import fcntl
import functools
import heapq
import itertools
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import numpy as np

from alexctl.ablation.model import Ablation
from alexctl.ablation.parse import parse
from alexctl.ablation.setting import Setting
from alexctl.api import Silent
from alexctl.campaign import scheduler as scheduling
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.crew import Crew
from alexctl.campaign.reuse import FinishedElsewhere
from alexctl.campaign.scheduler import Options, Scheduler
from alexctl.cli.console import note
from alexctl.report.rebuild import rebuild
from alexctl.store import files, layout, records, rows_csv, test_images
from alexctl.store.lock import FolderLock, Locked
from alexctl.trials.lanes import OVER

COLUMNS = ("part", "what", "hands", "workers", "trials", "value", "unit")
ARMS, STUDIES, SEEDS, RATES, SEARCH_SEEDS = 10, 40, 19, 3, 2  # arms x studies x (seeds + rates x search seeds) = 10,000
WORKERS, TRIAL_SECONDS = 200, 60.0
EPOCHS, IMAGES = 20, 10_000
ENV = {"schema": files.SCHEMA, "alexctl": "0", "device": "cpu", "threads": 1}
LISTED = 100  # names that a listing is taken to bring in one operation

Line = dict[str, Any]


def ablation(*, arms: int = ARMS, studies: int = STUDIES, seeds: int = SEEDS, rates: int = RATES) -> Ablation:
    """A comparison of errors with a search for every arm in every study."""
    decays = {f"decay-{i}": {"weight_decay": 0.0001 * i} for i in range(arms)}
    table = {
        "title": "Many trials", "control": "decay-0", "varies": ["weight_decay"], "measure": "test_error", "margin": 0.5,
        "claim": {"section": "5", "says": "it makes no difference", "direction": "positive", "data": "cifar10"},
        "base": {
            "data": "shapes", "net": "convnet4", "lr": "search", "lr_grid": [0.01 * 2**i for i in range(rates)],
            "lr_widenings": 0, "search_seeds": SEARCH_SEEDS, "studies": studies, "seeds": seeds, "epochs": EPOCHS,
        },
        "arms": decays,
    }  # fmt: skip
    made, faults = parse(table, name="many", overrides={}, smoke=False)
    if faults:
        raise ValueError("; ".join(map(str, faults)))
    return made


def campaign(folder: Path, of: Ablation, **how: Any) -> Campaign:
    """Its campaign in a folder of results, as a process of `alexctl ablate` opens it."""
    return Campaign(of, data_name="shapes", data_digest="0" * 16, num_classes=10, folder=folder / of.name, **how)


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


class FakedTrial:
    """A trial that nobody trains: what a worker does in its folder, and nothing else."""

    def __init__(self, folder: Path, until: float | None):
        self.folder, self.lock, self.state = folder, None, "done"
        try:
            self.lock = FolderLock(folder)
        except Locked:
            self.state = "locked"
            return
        if records.read_trial(folder).is_over(until):
            self.lock.release()
            self.lock, self.state = None, OVER
            return
        self.setting, self.seed = records.read_setting(folder)
        records.begin_again(folder)
        files.write_json(folder / layout.ENV, ENV)

    def end(self) -> None:
        rows, right = made_up(self.setting, self.seed)
        self.lock.check()
        if right is not None:
            files.write_atomic(self.folder / layout.CORRECT, right.bits)
        rows_csv.write(self.folder, rows)
        records.write_end(
            self.folder, "done", None, rows, train_seconds=rows[-1]["train_seconds"], eval_seconds=1.0, right=right,
            parameters=1000,
        )  # fmt: skip
        (self.folder / layout.CHECKPOINT).unlink(missing_ok=True)
        self.lock.release()

    def upkeep(self) -> Iterator[tuple[str, float]]:
        """What a trial does while it trains, a step for each, and every how many seconds it does so."""
        yield "heartbeat", 10.0
        self.lock._look()
        os.utime(self.lock.path)
        yield "rows", 5.0
        self.lock.check()
        rows_csv.write(self.folder, made_up(self.setting, self.seed)[0])
        yield "checkpoint", 20.0
        self.lock.check()
        files.write_atomic(self.folder / layout.CHECKPOINT, b"0" * 2**20)


def made_up(setting: Setting, seed: int) -> tuple[list[dict[str, Any]], test_images.Right | None]:
    """The rows of a trial, and which test images it found right; the rate in the middle of the grid is the best."""
    knobs = setting.training
    draw = np.random.default_rng([seed, int(setting.hash8, 16)])
    floor = 0.2 + 20 * knobs.weight_decay + 0.02 * abs(np.log2(knobs.lr / 0.04)) + 0.004 * draw.standard_normal()
    epochs = np.arange(1.0, EPOCHS + 1)
    errors = np.clip(floor + 0.6 * np.exp(-epochs / 4) + 0.002 * draw.standard_normal(EPOCHS), 0.01, 0.9)
    wrong = np.rint(IMAGES * errors).astype(int)
    searching = bool(knobs.held_out)
    part = "validation" if searching else "test"
    rows = [
        {
            "epoch": float(epoch), "step": int(100 * epoch), "train_loss": 3 * float(error), "train_error": float(error),
            f"{part}_error": count / IMAGES, "train_seconds": 2.5 * float(epoch), "eval_seconds": 0.1 * float(epoch),
            "train_error_pass": None if epoch < EPOCHS else float(error),
        }
        for epoch, error, count in zip(epochs, errors, wrong.tolist(), strict=True)
    ]  # fmt: skip
    return rows, None if searching else test_images.Right.of(draw.permutation(IMAGES) >= wrong[-1])


class FakedPool:
    """Workers whose trials end when the clock says so."""

    most = 1

    def __init__(self, workers: int):
        self.workers, self.running, self.orders = workers, 0, []

    @property
    def free(self) -> int:
        return self.workers - self.running

    @property
    def free_alone(self) -> bool:
        return not self.running

    def submit(self, folder: Path, until: float | None, *, alone: bool) -> None:
        self.running += 1
        self.orders.append((folder, until))

    def stop(self) -> None:
        pass


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


def checked(home: Path, ended: Any) -> None:
    """Raises AssertionError unless just these trials lie there, done and whole."""
    found = Campaign.open(home)
    assert found.ready() == []
    assert found.records.keys() == set(ended)
    bad = [record for record in found.records.values() if record.problem or record.state != "done"]
    assert not bad, bad[0].problem


def upkeep_lines(folder: Path, of: Ablation) -> Iterator[Line]:
    """Operations a second of a trial that trains."""
    one = campaign(folder, of)
    job = one.ready()[0]
    home = layout.trial(files.make_folder(folder / of.name), job.name)
    records.create(home, ablation=of.name, arm=job.arm, phase=job.phase, seed=job.seed, setting=job.setting)
    trial, operations, known = FakedTrial(home, None), Operations(folder), 0.0
    total, every, steps = 0.0, 0.0, trial.upkeep()
    while True:
        with operations.of("upkeep"):
            step = next(steps, None)
        now = operations.total("upkeep")
        total, known = total + ((now - known) / every if every else 0.0), now
        if step is None:
            break
        every = step[1]
    trial.lock.release()
    about = {"hands": 1, "workers": 1, "trials": 1}
    yield about | {"what": "operations while it trains", "value": total, "unit": "a second"}


def together(results: Path, of: Ablation, *, hands: int, seconds: float) -> Line:
    """Real processes side by side, trials of milliseconds; the line says how many reads beside them found all whole.

    Raises AssertionError where a trial ran twice, or a file was ever torn.
    """
    home = files.make_folder(results / of.name / layout.TRIALS).parent
    campaign(results, of).write_plan({})
    journal = results / "journal.txt"
    journal.touch()
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_hand, args=(results, of, seconds, journal)) for _ in range(hands)]
    for process in processes:
        process.start()
    reads, draw = 0, random.Random(1)
    while any(process.is_alive() for process in processes):
        names = records.trial_names(home)
        for name in draw.sample(names, min(len(names), 20)):
            folder = layout.trial(home, name)
            for file, read in ((layout.STATUS, files.read_json), (layout.SETTING, files.read_json)):
                if (folder / file).exists():
                    read(folder / file)
                    reads += 1
            if (folder / layout.ROWS).exists():
                rows_csv.read(folder)
                reads += 1
        time.sleep(0.01)
    assert [process.exitcode for process in processes] == [0] * hands
    begun = Counter(line.split()[0] for line in journal.read_text().splitlines())
    assert set(begun.values()) == {1}, begun.most_common(3)
    checked(home, begun)
    took_part = len({line.split()[1] for line in journal.read_text().splitlines()})
    return {
        "what": "files read beside real processes, all whole", "hands": hands, "workers": took_part, "trials": len(begun),
        "value": reads, "unit": "reads",
    }  # fmt: skip


class ShortPool(FakedPool):
    """One worker, whose trial lasts some milliseconds."""

    def __init__(self, seconds: float, journal: Path):
        super().__init__(1)
        self.seconds, self.journal = seconds, journal

    def events(self, timeout: float) -> Iterator[dict[str, Any]]:
        if not self.orders:
            time.sleep(min(timeout, 0.02))
        for folder, until in self.orders:
            trial = FakedTrial(folder, until)
            if trial.lock is not None:
                with self.journal.open("a") as lines:
                    lines.write(f"{folder.name} {os.getpid()}\n")
                time.sleep(self.seconds)
                trial.end()
            self.running -= 1
            yield {"event": "end", "folder": folder.name, "state": trial.state}
        self.orders.clear()


def _hand(results: Path, of: Ablation, seconds: float, journal: Path) -> None:
    one = campaign(results, of, lean=True)
    pool = ShortPool(seconds, journal)
    options, crew = Options(results=results, workers=1), Crew(devices=("cpu",))
    Scheduler(one, FinishedElsewhere(one, weights=False), options, results, crew, Silent(), pool).go()


def memory_lines(home: Path, of: Ablation) -> Iterator[Line]:
    """Of a process that knows of all trials: bytes more than of one that knows of none; and what tables take."""
    trials = len(records.trial_names(home))
    about = {"hands": 1, "workers": 1, "trials": trials}

    def known() -> tuple[Campaign, list]:
        one = campaign(home.parent, of, lean=True)
        return one, one.ready()

    def tables() -> None:
        rebuild(Campaign.open(home).evidence())

    for what, work in (("resume", known), ("tables", tables)):
        seconds, held, peak = _in_a_child(work)
        yield about | {"what": what, "value": seconds, "unit": "processor seconds"}
        yield about | {"what": f"memory held after {what}", "value": held, "unit": "bytes"}
        yield about | {"what": f"memory at most in {what}", "value": peak, "unit": "bytes"}


def _in_a_child(work: Any) -> tuple[float, float, float]:
    """(processor seconds, bytes more that are held after it, bytes more at most) of some work in a process of its own."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def child() -> None:
        held, began = _resident(), time.process_time()
        kept = work()
        took = time.process_time() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        theirs.send((took, _resident() - held, peak - held))
        del kept

    process = context.Process(target=child)
    process.start()
    found = ours.recv()
    process.join()
    return found


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def laid_down(results: Path, of: Ablation) -> Path:
    """The folder of its campaign with every trial done, as if a single process had run it."""
    one = campaign(results, of)
    files.make_folder(one.folder / layout.TRIALS)
    one.write_plan({})
    while jobs := one.ready():
        for job in jobs:
            folder = layout.trial(one.folder, job.name)
            records.create(folder, ablation=of.name, arm=job.arm, phase=job.phase, seed=job.seed, setting=job.setting)
            FakedTrial(folder, None).end()
            one.reload(job.name)
    return one.folder


def upkeep_part(place: Path) -> Iterator[Line]:
    """What a trial costs the disk while it trains."""
    yield from upkeep_lines(place, ablation(studies=1))


def together_part(place: Path) -> Iterator[Line]:
    """300 trials of 20 ms, 16 real processes."""
    yield together(place, ablation(arms=5, studies=4, seeds=9, rates=3), hands=16, seconds=0.02)


def simulation_part(place: Path, *, hands: int, studies: int = STUDIES) -> Iterator[Line]:
    """The workers shared among so many processes."""
    simulation = Simulation(place, ablation(studies=studies), hands=hands, workers=WORKERS // hands).run()
    simulation.check()
    yield from simulation.lines()


def tables_part(place: Path) -> Iterator[Line]:
    """Memory of a process that knows all trials, and the tables of all of them."""
    of = ablation()
    yield from memory_lines(laid_down(place, of), of)


PARTS = {
    "upkeep": upkeep_part, "together": together_part, "tables": tables_part,
    "few processes": functools.partial(simulation_part, hands=25),
    "many processes": functools.partial(simulation_part, hands=WORKERS, studies=4),
}  # fmt: skip


def main() -> None:
    """Measures the parts that are asked for, by default all, and keeps the lines of the others."""
    parser = argparse.ArgumentParser(prog="python -m tools.scale", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    asked = parser.parse_args().parts or list(PARTS)
    if unknown := [part for part in asked if part not in PARTS]:
        parser.error(f"no part '{unknown[0]}'; choose among {', '.join(PARTS)}")
    path = files.make_folder(Path(__file__).parents[1] / layout.REFERENCE / layout.BENCH) / layout.SCALE_CSV
    for part in asked:
        with tempfile.TemporaryDirectory() as place:
            lines = [{"part": part, **line} for line in PARTS[part](Path(place))]
        kept = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []
        lines += [line for line in kept if line["part"] != part]
        lines.sort(key=lambda line: list(PARTS).index(line["part"]))
        files.write_atomic(path, files.csv_text(COLUMNS, lines))
        note(f"{part}: measured", stderr=True)


if __name__ == "__main__":
    main()
