"""The runs whose results come with alexctl, in the order in which they are wanted, and which of them are still to run."""

import contextlib
import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from alexctl.ablation.load import load
from alexctl.campaign.campaign import Campaign
from alexctl.store import files, layout, plan
from alexctl.store.records import FINISHED

Device = Literal["cpu", "mps", "cuda"]
ANY: tuple[Device, ...] = ("cpu", "mps", "cuda")
GPU: tuple[Device, ...] = ("cuda",)


@dataclass(frozen=True, kw_only=True)
class ReferenceRun:
    """One campaign of results/reference: an ablation that ships, on the data of its file, `knobs` laid over its base.

    `devices`: the kinds that it is worth the time of. `precision`: of products, on whatever machine; None where the arms
    say it. `folder`: its name, where that is not the ablation's.
    """

    name: str
    why: str
    devices: tuple[Device, ...] = ANY
    precision: str | None = "float32"
    knobs: Mapping[str, Any] = field(default_factory=dict)
    folder: str = ""

    @property
    def campaign(self) -> str:
        """The name of its folder."""
        return self.folder or self.name

    @property
    def command(self) -> str:
        """What runs it, on whatever this machine has."""
        knobs = "".join(f" --set {key}={value}" for key, value in self.knobs.items())
        return f"alexctl ablate {self.name}{knobs}" + f" --name {self.folder}" * bool(self.folder)


RUNS = (
    ReferenceRun(name="relu-vs-tanh", why="Figure 1, as in 2012"),
    ReferenceRun(name="relu-vs-tanh-fan-in", why="Figure 1 from today's initialisation: is anything left?"),
    ReferenceRun(name="relu-vs-tanh-path", why="which step takes six to one, with the test errors at the crossing"),
    ReferenceRun(name="precision", precision=None, why="may bfloat16 replace float32 on such a device? epochs to a target"),
    ReferenceRun(name="precision-error", precision=None, why="may bfloat16 replace float32 on such a device? test errors"),
    ReferenceRun(name="a-a-pipeline", why="a net against itself: one check of the whole procedure"),
    ReferenceRun(name="dropout", devices=GPU, why="effect against budget, where the control overfits"),
    ReferenceRun(name="overlapping-pooling", devices=GPU, why="effect against budget, where the control overfits"),
    ReferenceRun(name="lenet5-forms", why="LeNet-5 as it was in 1998 and as most people mean it"),
    *(
        ReferenceRun(name="relu-vs-tanh", knobs={key: value}, folder=f"relu-vs-tanh-{word}", why=f"does Figure 1 hang on {what}?")
        for key, value, word, what in (
            ("order", "file", "file-order", "the order of the images"),
            ("batch_size", 32, "batch-32", "the batch size"),
            ("batch_size", 512, "batch-512", "the batch size"),
        )
    ),
)  # fmt: skip
"""In this order; what they are for is said in docs/paper.md."""


def campaign_of(run: ReferenceRun, reference: Path) -> Campaign | None:
    """The run's campaign as it stands, as today's file asks for it; None where nothing of it lies there.

    UserError where its plan can't be read, or is of older numerics.
    """
    folder = reference / run.campaign
    if not (folder / layout.PLAN).is_file():
        return None
    plan.refuse_older(folder)
    planned = plan.read(folder)
    base = planned.pop("ablation").base
    precision = {} if run.precision is None else {"precision": base.get("precision", run.precision)}
    return Campaign(load(run.name, overrides={**run.knobs, **precision}), folder=folder, **planned)


def is_finished(run: ReferenceRun, reference: Path) -> bool:
    """Whether every trial that today's file wants reported has come to its end, by the tables that lie there."""
    folder = reference / run.campaign
    try:
        trials = list(csv.DictReader(files.read_text(folder / layout.TRIALS_CSV).splitlines()))
        ended = Counter(line["arm"] for line in trials if line["phase"] == "final" and line["status"] in FINISHED)
    except (ValueError, KeyError):  # nothing, or nothing that can be read
        return False
    if plan.older_numerics(folder) is not None or not (folder / layout.VERDICT).is_file():
        return False
    ablation = load(run.name, overrides=run.knobs)
    wanted = ablation.plan.seeds * ablation.plan.studies * len(ablation.plan.budgets or (0,))
    return all(ended[arm] >= wanted for arm in ablation.arms)


def unfinished(reference: Path) -> list[ReferenceRun]:
    """The runs that have not run to their end, in order."""
    return [run for run in RUNS if not is_finished(run, reference)]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Seconds that all trials of an ablation take on the machine of the bench kept with the reference results."""

    seconds: float
    at_most: bool
    workers: int


def estimates(reference: Path) -> dict[str, Estimate]:
    """What `make performance` measured last, by the ablation's name; empty where there is nothing that can be read."""
    found: dict[str, Estimate] = {}
    with contextlib.suppress(ValueError, KeyError):
        for line in csv.DictReader(files.read_text(reference / layout.BENCH / layout.COSTS_CSV).splitlines()):
            found[line["ablation"]] = Estimate(
                seconds=float(line["seconds"]), at_most=line["at_most"] == "true", workers=int(line["workers"])
            )
    return found
