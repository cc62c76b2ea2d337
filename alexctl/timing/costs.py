"""What an ablation costs before it is run: parameters, memory, trials, and the time they take on this machine."""

from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch

from alexctl.ablation.model import Ablation
from alexctl.ablation.own_code import in_a_line
from alexctl.ablation.own_net import is_own
from alexctl.ablation.setting import Setting
from alexctl.campaign.campaign import DEFAULTS
from alexctl.data.sources import DataSet, Facts, facts
from alexctl.data.subsets import subset
from alexctl.errors import UserError
from alexctl.machine import default_workers
from alexctl.nets import build
from alexctl.nets.layer_table import layer_table, totals
from alexctl.nets.memory import training_bytes
from alexctl.store import layout
from alexctl.timing.crowding import crowding
from alexctl.timing.estimates import Work, ends_early, planned_work, usual_epochs, wall_seconds
from alexctl.timing.probe import image_seconds
from alexctl.training.device import choose_device

PATIENCE = 3.0  # seconds after which no further step is timed
STEP_MACS = 2e10  # multiply-accumulates of a forward pass: on a CPU a larger batch is timed in part


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One arm's: counts for one image, memory of one training step, and seconds on `workers` workers for its trials alone.

    `planned` are the epochs of its trials, `work` the seconds. `at_most`: a target may end trials earlier. `crowded`: the seconds know how workers slow each other. What could not
    be found out is None, and `problem` says why.
    """

    arm: str
    num_parameters: int | None = None
    num_macs: int | None = None
    training_bytes: int | None = None
    num_search_trials: int
    num_reported_trials: int
    seconds: float | None = None
    planned: Work = field(default_factory=Work)
    work: Work = field(default_factory=Work)
    at_most: bool = False
    workers: int
    crowded: bool = True
    problem: str | None = None


def costs(ablation: Ablation, results: Path) -> list[Cost]:
    """What each arm costs; its steps are timed on random images, so that no data need be there.

    How workers slow each other is taken from the bench kept in the results folder. Rates that a search adds to its
    grid are not in the seconds.
    """
    device = choose_device("auto")
    crowded = crowding(results / layout.BENCH, default_workers(device.type), device)
    return [_cost(ablation, arm, device, crowded) for arm in ablation.arms]


def whole_seconds(found: list[Cost]) -> float:
    """Seconds for all arms together, as far as they are known."""
    return wall_seconds([cost.work for cost in found], found[0].workers)


def _cost(ablation: Ablation, arm: str, device: torch.device, crowded: float | None) -> Cost:
    plan, searched, workers = ablation.plan, arm in ablation.searched, default_workers(device.type)
    table = {**DEFAULTS, **ablation.base, **ablation.arms[arm]}
    planned = planned_work(ablation, arm, table["epochs"])
    may_end = ends_early(ablation, arm) or (table.get("target") is not None and searched)
    cost = Cost(
        arm=arm, workers=workers, planned=planned, crowded=crowded is not None,
        num_search_trials=len(planned.searching), num_reported_trials=len(planned.reported),
        at_most=plan.looks is not None or (may_end and usual_epochs(ablation, arm, table["epochs"]) >= table["epochs"]),
    )  # fmt: skip
    if is_own({**ablation.base, **ablation.arms[arm]}["net"]):
        return replace(cost, problem="its net is code of your own, which is not run here")
    try:
        data = facts(ablation.base["data"], ablation.image_size)
        setting = ablation.setting(arm, ablation.base["data"], "", lr=min(plan.lr_grid) if searched else None)
        cost = _measured(cost, setting, data)
        seconds = _epoch_seconds(setting, data, cost.num_macs, device) * (crowded or 1.0)
    except UserError as error:
        return replace(cost, problem=error.faults[0])
    except Exception as error:  # a net may raise what it likes
        return replace(cost, problem=f"can't train a single step: {in_a_line(error)}")
    work = cost.planned.times(seconds)
    return replace(cost, work=work, seconds=wall_seconds([work], workers))


def _measured(cost: Cost, setting: Setting, data: Facts) -> Cost:
    """With what the net has and needs."""
    knobs, num_classes = setting.training, data.num_classes
    height, width = (data.height, data.width) if knobs.crop is None else (knobs.crop, knobs.crop)
    shape = (height, width, data.channels)
    with torch.device("meta"):
        net = build(knobs.net, setting.net, image_shape=shape, num_classes=num_classes, seed=0)
    whole = totals(layer_table(net, shape))
    return replace(
        cost, num_parameters=whole.num_parameters, num_macs=whole.num_macs,
        training_bytes=training_bytes(net, shape, num_classes, knobs.batch_size, optimizer=knobs.optimizer),
    )  # fmt: skip


def _epoch_seconds(setting: Setting, data: Facts, num_macs: int, device: torch.device) -> float:
    """Seconds for an epoch, from a few steps at a rate too small to diverge."""
    knobs = setting.training
    num_train = data.num_train
    if knobs.num_train is not None:
        num_train = len(subset(np.empty(data.num_train, np.int8), knobs.num_train))
    batch = min(knobs.batch_size, num_train)
    if device.type == "cpu":
        batch = min(batch, max(4, int(STEP_MACS / num_macs)))
    brief = knobs.model_copy(update={"batch_size": batch, "num_train": None, "lr": 1e-9})
    measured = image_seconds(
        setting.model_copy(update={"training": brief}), _random(data, batch), device, threads=1, patience=PATIENCE
    )
    return measured.epoch(knobs, num_train, data.num_test)


def _random(data: Facts, num: int) -> DataSet:
    """So many images of the data set's shape, of noise, with labels from all classes in turn."""
    images = np.random.default_rng(0).integers(0, 256, (num, data.height, data.width, data.channels), dtype=np.uint8)
    labels = np.fromiter(islice(cycle(range(data.num_classes)), num), np.int64)
    return DataSet(
        name="random", digest="", classes=tuple(map(str, range(data.num_classes))), notes=(),
        train_images=images, train_labels=labels, test_images=images[:1], test_labels=labels[:1],
    )  # fmt: skip
