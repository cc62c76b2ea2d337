"""Before the first real trial: every arm trains a few steps, which finds what would fail everywhere and how long it takes."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median_high

import torch

from alexctl.ablation.knobs import TrainingKnobs
from alexctl.ablation.own_code import in_a_line
from alexctl.ablation.own_net import is_own
from alexctl.ablation.setting import Setting
from alexctl.campaign.campaign import Campaign
from alexctl.data.sources import DataSet
from alexctl.errors import UserError
from alexctl.process import is_interrupt
from alexctl.timing.own_seeds import seeds_are_alike
from alexctl.timing.throughput import Alone
from alexctl.timing.timer import laps
from alexctl.training.graphs import WARM_UPS, finished

NUM_STEPS = 6
PATIENCE = 0.5  # seconds for them, of each arm: an estimate is not worth minutes of a large net's steps


@dataclass(frozen=True, kw_only=True)
class ImageSeconds:
    """Seconds of a worker for one image of a training step, and for one of an evaluation; what a step is like on a GPU."""

    train: float
    evaluate: float
    step_bytes: int = 0
    is_eager: bool = False

    def epoch(self, knobs: TrainingKnobs, num_train: int, num_test: int) -> float:
        """Seconds of an epoch of a reported trial, its evaluations and passes over the training images included."""
        evaluated = num_test * knobs.test_views / knobs.evaluate_every if knobs.evaluate_every else 0.0
        if knobs.train_error_from == "pass":
            evaluated += num_train * knobs.rows_per_epoch
        return self.train * num_train + self.evaluate * evaluated


@dataclass(frozen=True, kw_only=True)
class Probed:
    """Each arm's seconds an epoch, the most memory of a GPU that a step takes, in bytes, and what a person should know."""

    seconds: dict[str, float]
    step_bytes: int = 0
    notes: tuple[str, ...] = ()


NOTHING = Probed(seconds={})


def probe(campaign: Campaign, data: DataSet, device: torch.device, threads: int) -> Probed:
    """What a few steps of a throw-away net tell of each arm; UserError names an arm that can't train one."""
    seconds, step_bytes, eager = {}, 0, []
    for arm in campaign.ablation.arms:
        with _blamed(arm):
            setting = _setting(campaign, arm)
            knobs = setting.training
            measured = image_seconds(setting, data, device, threads)
            seconds[arm] = measured.epoch(knobs, knobs.num_train or len(data.train_images), len(data.test_images))
            step_bytes = max(step_bytes, measured.step_bytes)
            eager += [arm] * measured.is_eager
    return Probed(seconds=seconds, step_bytes=step_bytes, notes=tuple(_eager_note(eager, device)))


def _eager_note(arms: list[str], device: torch.device) -> Iterator[str]:
    """What to say of arms whose steps are not captured."""
    if arms and device.type == "cuda":
        yield (
            f"a training step of {' and '.join(arms)} can't be captured as a CUDA graph (it is a net of your own, waits "
            "for the device, or its images don't fit into memory), so it is launched piece by piece, which is slower"
        )
    elif device.type == "mps":
        yield "mps has no graphs: a training step is launched piece by piece, and trials train one after another"


def seed_notes(campaign: Campaign, data: DataSet, device: torch.device) -> list[str]:
    """A line for each net of the user's own that starts from the same weights whatever the seed.

    UserError where one seed gives other numbers the second time, or a last batch of one image can't be trained on.
    """
    nets = []
    for arm in campaign.ablation.arms:
        with _blamed(arm):
            setting = _setting(campaign, arm)
            if is_own(setting.training.net) and seeds_are_alike(setting, data, device):
                nets.append(setting.training.net)
    return [
        f"{net} gives every seed the same initial weights; does it call torch.manual_seed? Seeds differ in the order of "
        "the images alone, and that is all the interval knows of"
        for net in dict.fromkeys(nets)
    ]


def _setting(campaign: Campaign, arm: str) -> Setting:
    lr = min(campaign.ablation.plan.lr_grid) if arm in campaign.ablation.searched else None
    return campaign.setting(arm, "final", lr)


@contextlib.contextmanager
def _blamed(arm: str) -> Iterator[None]:
    """Whatever the arm's net raises, as a UserError."""
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what a net of the user's own prints is no result
            yield
    except UserError as error:
        if error.__cause__ is None:
            raise
        raise UserError(*error.faults, exit_code=1) from error.__cause__  # what the net's own code raised
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise UserError(f"arm {arm} can't train a single step: {in_a_line(error)}", exit_code=1) from error


def image_seconds(
    setting: Setting, data: DataSet, device: torch.device, threads: int, *, patience: float = PATIENCE
) -> ImageSeconds:
    """What an image takes one worker that has the machine for itself.

    The median of NUM_STEPS steps after the first, or of what `patience` seconds allow, and a forward pass of one batch.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    on_gpu = device.type == "cuda"
    try:
        alone = Alone(setting, data, device)
        held = torch.cuda.memory_allocated(device) if on_gpu else 0
        if on_gpu:
            torch.cuda.reset_peak_memory_stats(device)
            for _ in range(WARM_UPS + 1):  # then it is captured
                alone.step()
        step = median_high(laps(alone.step, alone.sync, seconds=patience, most=NUM_STEPS))
        (forward,) = laps(alone.evaluator(), alone.sync, most=1)
        if on_gpu:
            finished(alone.training.errors_on(alone.training.evaluated))  # whose batches are larger
        peak = torch.cuda.max_memory_allocated(device) if on_gpu else 0
    finally:
        torch.set_num_threads(before)
    return ImageSeconds(
        train=step / alone.batch_size, evaluate=forward / alone.batch_size, step_bytes=peak - held,
        is_eager=not alone.training.launcher.captures,
    )  # fmt: skip
