"""Before the first real trial: every arm trains a few steps, which finds what would fail everywhere and how long it takes."""

import itertools
import time

import torch

from alexctl.campaign import Campaign
from alexctl.data.sources import DataSet
from alexctl.errors import UserError
from alexctl.knobs import Setting
from alexctl.train import Training

NUM_STEPS = 6


class _Enough(Exception):
    pass


def seconds_per_epoch(campaign: Campaign, data: DataSet, device: torch.device, threads: int) -> dict[str, float]:
    """Each arm's seconds an epoch, from a few steps of a throw-away net; UserError names an arm that can't train one."""
    seconds = {}
    for arm in campaign.ablation.arms:
        lr = min(campaign.ablation.plan.lr_grid) if arm in campaign.ablation.searched else None
        try:
            seconds[arm] = _timed(campaign.setting(arm, "search", lr), data, device, threads)  # without evaluations
        except UserError:
            raise
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            raise UserError(
                f"arm {arm} can't train a single step: {type(error).__name__}: {reason}", exit_code=1
            ) from error
    return seconds


def _timed(setting: Setting, data: DataSet, device: torch.device, threads: int) -> float:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    times: list[float] = []

    def lap(training: Training) -> None:
        if training.step > len(times):  # a batch of training, not of an evaluation
            training.clock.sync()
            times.append(time.perf_counter())
        if len(times) > NUM_STEPS:
            raise _Enough

    try:
        for _ in (training := Training(setting, 0, data, device=device, on_batch=lap)):
            pass
    except _Enough:
        pass
    finally:
        torch.set_num_threads(before)
    laps = sorted(after - before for before, after in itertools.pairwise(times))
    return laps[len(laps) // 2] * training.batches.steps_per_epoch if laps else 0.0
