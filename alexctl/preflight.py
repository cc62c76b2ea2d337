"""Before the first real trial: every arm trains a few steps, which finds what would fail everywhere and how long it takes."""

import itertools
import math
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
            setting = campaign.setting(arm, "search", lr)  # without evaluations
            seconds[arm] = epoch_seconds(setting, data, device, threads)
        except UserError:
            raise
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            raise UserError(
                f"arm {arm} can't train a single step: {type(error).__name__}: {reason}", exit_code=1
            ) from error
    return seconds


def epoch_seconds(
    setting: Setting, data: DataSet, device: torch.device, threads: int, *, patience: float = math.inf
) -> float:
    """Seconds that an epoch of training takes, from NUM_STEPS steps after the first or what `patience` seconds allow."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    times: list[float] = []

    def lap(training: Training) -> None:
        if training.step > len(times):  # a batch of training, not of an evaluation
            training.clock.sync()
            times.append(time.perf_counter())
        if len(times) > NUM_STEPS or (len(times) > 1 and times[-1] - times[0] > patience):
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
