"""Before the first real trial: every arm trains a few steps, which finds what would fail everywhere and how long it takes."""

import itertools
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from alexctl.ablation.knobs import TrainingKnobs
from alexctl.ablation.setting import Setting
from alexctl.campaign.campaign import Campaign
from alexctl.data.sources import DataSet
from alexctl.errors import UserError
from alexctl.store import files, layout
from alexctl.training.device import arithmetic
from alexctl.training.loop import Training

NUM_STEPS = 6


class _Enough(Exception):
    pass


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds that one image takes a worker: to learn from, and to be looked at in an evaluation."""

    learn: float
    look: float

    def epoch(self, knobs: TrainingKnobs, num_train: int, num_test: int) -> float:
        """Seconds of an epoch of a reported trial, its evaluations and passes over the training images included."""
        looks = num_test * knobs.test_views / knobs.evaluate_every if knobs.evaluate_every else 0.0
        if knobs.train_error_from == "pass":
            looks += num_train * knobs.rows_per_epoch
        return self.learn * num_train + self.look * looks


def seconds_per_epoch(campaign: Campaign, data: DataSet, device: torch.device, threads: int) -> dict[str, float]:
    """Each arm's seconds an epoch, from a few steps of a throw-away net; UserError names an arm that can't train one."""
    seconds = {}
    for arm in campaign.ablation.arms:
        lr = min(campaign.ablation.plan.lr_grid) if arm in campaign.ablation.searched else None
        try:
            setting = campaign.setting(arm, "final", lr)
            knobs = setting.training
            measured = pace(setting, data, device, threads)
            seconds[arm] = measured.epoch(knobs, knobs.num_train or len(data.train_images), len(data.test_images))
        except UserError:
            raise
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            raise UserError(
                f"arm {arm} can't train a single step: {type(error).__name__}: {reason}", exit_code=1
            ) from error
    return seconds


def pace(setting: Setting, data: DataSet, device: torch.device, threads: int, *, patience: float = math.inf) -> Pace:
    """How fast one worker is that has the machine for itself.

    From NUM_STEPS steps after the first, or what `patience` seconds allow, and a forward pass of one batch.
    """
    plain = {"evaluate_every": 0, "train_error_from": "minibatches"}
    setting = setting.model_copy(update={"training": setting.training.model_copy(update=plain)})
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    times: list[float] = []

    def lap(training: Training) -> None:
        training.clock.sync()
        times.append(time.perf_counter())
        if len(times) > NUM_STEPS or (len(times) > 1 and times[-1] - times[0] > patience):
            raise _Enough

    try:
        training = Training(setting, 0, data, device=device, on_batch=lap)
        try:
            for _ in training:
                pass
        except _Enough:
            pass
        num = min(training.batches.batch_size, training.batches.num_train)
        step, look = _median_lap(times), _look_seconds(training)
    finally:
        torch.set_num_threads(before)
    return Pace(learn=step / num, look=look / num)


@torch.inference_mode()
def _look_seconds(training: Training) -> float:
    """Seconds of a forward pass of one batch, without gradients; the first of two is not counted."""
    images, _ = next(training.batches.epoch(0, 0))
    training.net.eval()
    for _ in range(2):
        training.clock.sync()
        before = time.perf_counter()
        with arithmetic(training.setting, training.device):
            training.net(images)
        training.clock.sync()
        seconds = time.perf_counter() - before
    return seconds


def _median_lap(times: list[float]) -> float:
    laps = sorted(after - before for before, after in itertools.pairwise(times))
    return laps[len(laps) // 2] if laps else 0.0


def latest(folder: Path) -> dict[str, Any] | None:
    """The table of a bench that was kept in this folder; None where there is none that can be read."""
    try:
        return files.read_json(folder / layout.BENCH_JSON)
    except ValueError:
        return None


def crowding(folder: Path, workers: int, device: torch.device) -> float | None:
    """How many times as long a step takes when so many workers share the memory and the cores.

    From the bench kept in this folder, in proportion where it had another number of workers; None where there is none
    of this kind of processor. On an accelerator, where one worker is usual, 1.
    """
    if device.type != "cpu" or workers == 1:
        return 1.0
    try:
        bench = latest(folder)
        if bench is None or bench["environment"]["cpu"] != torch.backends.cpu.get_cpu_capability():
            return None
        measured = bench["workers"] / bench["ratios"]["workers_to_alone"]
        return max(1.0, 1 + (measured - 1) * (workers - 1) / (bench["workers"] - 1))
    except (KeyError, TypeError, ZeroDivisionError):
        return None
