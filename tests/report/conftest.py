"""Results folders with something of everything in them."""

import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY

from alexctl.cli.main import main
from alexctl.report.page import page
from alexctl.report.rebuild import write_overview
from alexctl.store import files, records
from report.made_up import falling, lay, shipped, small, wobble

LABELS = np.arange(200) % 10
EVIL = "=cmd() <script>alert(1)</script>"


def race(job) -> list[float]:
    """relu soon, tanh late, and with seed 1 never."""
    if job.phase == "search":
        return falling(0.2 + 5 * abs(job.setting.training.lr - 0.02), 3, speed=2.0)
    if job.arm == "tanh" and job.seed == 1:
        return falling(0.4, 8)
    return falling(0.05, 8, speed=(1.2 if job.arm == "relu" else 0.5) + 0.1 * wobble(job.arm, job.seed))


def scores(job) -> np.ndarray:
    """Of 200 test images each net takes some, the same ones in part, for the class before the right one."""
    wrong = [wobble("image", i) + 0.5 * wobble(job.arm, job.seed, i) > 0.6 for i in range(200)]
    return 0.9 * np.eye(10)[np.where(wrong, LABELS - 1, LABELS)] + 0.01


@pytest.fixture(scope="session")
def everything(tmp_path_factory) -> Path:
    """A results folder: a race with a search and a censored trial on proxy data, whose trials kept what there is of test images; four arms, one of whose trials failed
    and one diverged; seconds of several machines under a hostile title; one seed; a smoke run that learned nothing;
    an interaction."""
    folder = tmp_path_factory.mktemp("results")
    lay(folder, small("epochs_to_target", base={"lr": "search", "lr_grid": [0.01, 0.02], "lr_widenings": 0, "epochs": 8},
                      claim={**TINY["claim"], "landmarks": {"relu": 6.0, "tanh": 36.0}}), race,
        scores=scores, labels=LABELS, kernels=[{"num_kernels": 48, "num_coloured": 12, "colour_share": 0.25}] * 2)  # fmt: skip
    ends = {("4-for-3", 2): "diverged", ("without-3", 1): "failed"}
    lay(folder, shipped("tower-links", epochs=5, lr_drops=[4]),
        lambda job: falling(0.3 + 0.01 * wobble(job.arm, job.seed), 5, speed=1.0), data="cifar10",
        ends=lambda job: ends.get((job.arm, job.seed), "done"))  # fmt: skip
    evil = small("seconds_per_epoch", title=EVIL, claim={**TINY["claim"], "says": "<img src=x onerror=alert(1)> is it"})
    lay(folder, evil.model_copy(update={"name": "evil"}), lambda job: [0.5, 0.4],
        environment=lambda job: {"device": "NVIDIA H100"} if job.seed == 1 else {})  # fmt: skip
    one = small(base={"seeds": 1}, note="Equal epochs favour <b>tanh</b>.").model_copy(update={"name": "one-seed"})
    lay(folder, one, lambda job: [0.5, 0.3 if job.arm == "relu" else 0.4])
    smoke = small().model_copy(update={"name": "blind", "smoke": True})
    lay(folder, smoke, lambda job: [0.9, 0.9])
    lay(folder, shipped("lrn-by-dropout", epochs=3, lr_drops=[2]),
        lambda job: falling(0.3 + 0.01 * wobble(job.arm, job.seed), 3, speed=1.0), data="cifar10")  # fmt: skip
    write_overview(folder, ((path.name, files.read_json(path / "verdict.json")) for path in records.campaigns(folder)))
    return folder


@pytest.fixture(scope="session")
def html(everything) -> str:
    return page(records.campaigns(everything))


@pytest.fixture
def alexctl(tmp_path, monkeypatch, capsys):
    """Runs `alexctl ...` in an empty folder; (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["alexctl", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run
