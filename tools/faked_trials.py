"""Trials that nobody trains: real folders with real locks, rows and status, made up in a moment."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from alexctl.ablation.model import Ablation
from alexctl.ablation.parse import parse
from alexctl.ablation.setting import Setting
from alexctl.campaign.campaign import Campaign
from alexctl.store import files, layout, records, rows_csv, test_images
from alexctl.store.lock import FolderLock, Locked
from alexctl.trials.lanes import OVER

ARMS, STUDIES, SEEDS, RATES, SEARCH_SEEDS = 10, 40, 19, 3, 2  # arms x studies x (seeds + rates x search seeds) = 10,000
EPOCHS, IMAGES = 20, 10_000
ENV = {"schema": files.SCHEMA, "alexctl": "0", "device": "cpu", "threads": 1}


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


def checked(home: Path, ended: Any) -> None:
    """Raises AssertionError unless just these trials lie there, done and whole."""
    found = Campaign.open(home)
    assert found.ready() == []
    assert found.records.keys() == set(ended)
    bad = [record for record in found.records.values() if record.problem or record.state != "done"]
    assert not bad, bad[0].problem


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
