"""Campaigns that nobody trained: trials laid down as if they had been run, so that a report has something to show."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from conftest import TINY

from alexctl.ablation.load import load
from alexctl.ablation.model import Ablation
from alexctl.ablation.parse import parse
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.job import Job
from alexctl.report.rebuild import rebuild
from alexctl.store import files, layout, records, rows_csv, test_images
from alexctl.store.test_images import Right

ENVIRONMENT = {
    "schema": 1, "alexctl": "0.1.0", "python": "3.11.9", "packages": {"numpy": "2.4.6", "torch": "2.15.0"},
    "platform": "Linux x86_64", "cpu": "AVX2", "device": "cpu", "threads": 1, "precision": "float32",
    "git_commit": "3" * 40, "git_dirty": False,
}  # fmt: skip


def small(measure: str = "test_error", **changes: Any) -> Ablation:
    """relu against tanh at a fixed rate, three seeds; `changes` replace parts of the file, `base` adds to its base."""
    base = {k: v for k, v in TINY["base"].items() if measure == "epochs_to_target" or k != "target"}
    table = {**TINY, "measure": measure, "base": {**base, "seeds": 3, **changes.pop("base", {})}, **changes}
    ablation, faults = parse(table, name="tiny", overrides={}, smoke=False)
    assert not faults, "; ".join(map(str, faults))
    return ablation


def shipped(name: str, **overrides: Any) -> Ablation:
    """An ablation that ships, at a fixed rate unless told otherwise."""
    return load(name, overrides={"lr": 0.01, **overrides})


def lay(
    results_folder: Path, ablation: Ablation, errors: Callable[[Job], list[float]], *, data: str = "shapes",
    ends: Callable[[Job], str] = lambda job: "done", environment: Callable[[Job], dict] = lambda job: {},
    scores: Callable[[Job], np.ndarray] | None = None, labels: np.ndarray | None = None, kernels: list[dict] | None = None,
    passed: Callable[[Job], float] | None = None, name: str | None = None,
) -> Campaign:  # fmt: skip
    """A campaign whose trials have these errors, a row an epoch of 2 s, its tables and figures made.

    `ends` says how a trial ended, `environment` what its machine had otherwise than ENVIRONMENT. With `labels` of test
    images its reported trials keep which they found right, by the probabilities that are their `scores`; these too.
    `passed` is a finished net's error on all training images, `name` that of the folder.
    """
    folder = files.make_folder(results_folder / (name or layout.campaign_name(ablation, data)))
    campaign = Campaign(ablation, data_name=data, data_digest="c211c25063117f08", num_classes=10, folder=folder)
    campaign.write_plan({"git_commit": "3" * 40, "git_dirty": False})
    if labels is not None:
        classes = [f"class {i}" for i in range(10)]
        test_images.write_labels(folder, data_digest=campaign.data_digest, classes=classes, labels=labels)
    while jobs := campaign.ready():
        for job in jobs:
            kept = scores(job) if scores and job.phase == "final" else None
            _finish(campaign, job, errors(job), ends(job), kept, labels, kernels, passed and passed(job))
            files.write_json(folder / "trials" / job.name / "env.json", ENVIRONMENT | environment(job))
        if not any(job.phase == "search" for job in jobs):
            break
    rebuild(Campaign.open(folder).evidence())
    return campaign


def _finish(campaign: Campaign, job: Job, errors: list[float], state: str, scores, labels, kernels, passed) -> None:
    folder = campaign.folder / "trials" / job.name
    records.create(folder, ablation="tiny", arm=job.arm, phase=job.phase, seed=job.seed, setting=job.setting)
    rows = [
        {"epoch": float(i + 1), "step": 5 * (i + 1), "train_loss": 1.0, "train_error": error,
         "test_error": None if job.phase == "search" else error, "top5_error": None if job.phase == "search" else error / 4,
         "train_seconds": 2.0 * (i + 1) * (1 + 0.1 * job.seed), "eval_seconds": 0.5,
         **({"validation_error": error, "train_error_pass": None} if job.phase == "search" else {})}
        for i, error in enumerate(errors)
    ]  # fmt: skip
    if passed is not None:
        rows[-1]["train_error_pass"] = passed
    about = {}
    if scores is not None:
        right = Right.of(scores.argmax(1) == labels)
        (folder / layout.CORRECT).write_bytes(right.bits)
        test_images.write_probabilities(folder, scores)
        rows[-1]["test_error"] = right.error
        about = {"num_test": right.count, "correct_digest": right.digest}
    rows_csv.write(folder, rows)
    status = about | {"kernels": kernels} | {
        "schema": 1, "state": state, "num_rows": len(rows), "epochs_run": float(len(rows)), "parameters": 89578,
        "error": "RuntimeError: <b>out of memory</b>" if state == "failed" else None,
    }  # fmt: skip
    files.write_json(folder / "status.json", status)
    campaign.reload(job.name)


def falling(to: float, epochs: int = 20, start: float = 0.9, speed: float = 0.3) -> list[float]:
    """An error curve that falls to a level."""
    return [to + (start - to) * math.exp(-speed * (i + 1)) for i in range(epochs)]


def wobble(*words: Any) -> float:
    """A number from -1 to 1 that hangs on nothing but the words."""
    return 2 * (hash_of(words) % 1000) / 999 - 1


def hash_of(words: tuple) -> int:
    import zlib

    return zlib.crc32(repr(words).encode())
