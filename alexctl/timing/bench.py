"""The whole of `alexctl bench`: everything in turn, several rounds of it, so that a slow moment is shared by all."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from alexctl import machine
from alexctl.ablation.load import load
from alexctl.ablation.model import Ablation
from alexctl.data.sources import DataSet, prepare
from alexctl.errors import UserError
from alexctl.nets import build
from alexctl.store import files, layout
from alexctl.store.environment import environment
from alexctl.timing import peaks, side_by_side
from alexctl.timing.norms import Norms
from alexctl.timing.side_by_side import COUNTS, LaneRate
from alexctl.timing.throughput import PARTS, Alone, Workers
from alexctl.timing.tutorial import Tutorial
from alexctl.training.device import choose_device, has_tf32

SCHEMA = 1
COLUMNS = ("what", "round", "value", "unit")
UNITS = {  # what is measured -> its unit
    "tutorial": "images/s", "alone": "images/s", "workers": "images/s", "convolutions_alone": "images/s",
    "convolutions_workers": "images/s", "gemm_alone": "FLOP/s", "gemm_workers": "FLOP/s", "memory": "bytes/s",
    "norm": "elements/s", "norm_torch": "elements/s", "net_with_norm": "images/s", "net_without": "images/s",
    **dict.fromkeys(PARTS, "share"), "evaluation": "share", "idle": "share",
}  # fmt: skip
RATIOS = {  # name -> (of, to)
    "alone_to_tutorial": ("alone", "tutorial"), "workers_to_tutorial": ("workers", "tutorial"),
    "workers_to_alone": ("workers", "alone"), "alone_to_convolutions": ("alone", "convolutions_alone"),
    "workers_to_convolutions": ("workers", "convolutions_workers"), "norm_to_torch": ("norm", "norm_torch"),
    "norm_step": ("net_without", "net_with_norm"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One number of one round."""

    what: str
    round: int
    value: float

    @property
    def unit(self) -> str:
        return UNITS[self.what]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Everything measured, on what, and with how many workers; rates are medians of the rounds.

    On a GPU `lanes` are the rates of trainings side by side, and `tutorials` those of the tutorial loop by precision.
    """

    net: str
    batch_size: int
    data: str
    precision: str
    workers: int
    tutorial_workers: int
    environment: dict[str, Any]
    measured: tuple[Measured, ...]
    lanes: tuple[LaneRate, ...] = ()

    def medians(self) -> dict[str, float]:
        """What was measured -> the median of its rounds."""
        return {
            what: median(one.value for one in self.measured if one.what == what)
            for what in UNITS
            if any(one.what == what for one in self.measured)
        }

    def ratios(self) -> dict[str, float]:
        """RATIOS by name: the medians of each round's own ratio, since a slow moment slows both."""
        found = {}
        for name, (of, to) in RATIOS.items():
            one, other = self._rounds(of), self._rounds(to)
            if one and other:
                found[name] = median(a / b for a, b in zip(one, other, strict=True))
        return found

    def _rounds(self, what: str) -> list[float]:
        return [one.value for one in sorted(self.measured, key=lambda one: one.round) if one.what == what]

    def table(self) -> dict[str, Any]:
        """As `bench.json` has it."""
        about = {key: value for key, value in asdict(self).items() if key not in ("measured", "environment", "lanes")}
        return {
            "schema": SCHEMA, **about, "environment": self.environment, "medians": self.medians(),
            "ratios": self.ratios(), "lanes": side_by_side.medians(self.lanes),
        }  # fmt: skip

    def write(self, folder: Path) -> None:
        """Writes `bench.csv`, a line a number and round (`lanes.csv` too, on a GPU), and `bench.json`, what they come to."""
        files.make_inner(folder)
        lines = [{**asdict(one), "unit": one.unit} for one in self.measured]
        files.write_atomic(folder / layout.BENCH_CSV, files.csv_text(COLUMNS, lines))
        if self.lanes:
            rates = files.csv_text(side_by_side.COLUMNS, [asdict(one) for one in self.lanes])
            files.write_atomic(folder / layout.LANES_CSV, rates)
        files.write_json(folder / layout.BENCH_JSON, self.table())


def bench(
    *, data: str, root: Path, device_name: str = "auto", precision: str = "float32", workers: int | None = None,
    rounds: int = 5, seconds: float = 2.0, progress: Callable[[int, int], None] = lambda done, total: None,
) -> Bench:  # fmt: skip
    """Measures the net of Figure 1 (relu-vs-tanh-fan-in's ReLU, batch 128), each thing for about `seconds` a round.

    On a GPU also that net and alexnet32 in lanes, in every precision. Raises UserError where the data, the device or
    the precision is not there.
    """
    device = choose_device(device_name)
    if precision == "tf32" and not has_tf32(device):
        raise UserError(f"--precision tf32: {device} does not have it; give float32 or bfloat16")
    if rounds < 1:
        raise UserError(f"--rounds {rounds}: measure at least 1")
    prepared = prepare(data, root)
    ablation = load("relu-vs-tanh-fan-in", overrides={"lr": 0.001})
    size = min(ablation.setting("relu", "", "", lr=0.001).training.batch_size, len(prepared.train_images))
    setting = ablation.setting("relu", prepared.name, prepared.digest, lr=0.001, batch_size=size, precision=precision)
    workers = workers or machine.default_workers()
    torch.set_num_threads(1)
    alone = Alone(setting, prepared, device)
    tutorial = _tutorial(setting, prepared, device)
    norms = Norms(prepared, device, alone.sync, batch_size=size, precision=precision)
    candidates = sorted({0, 2, machine.usable_cores()})
    shared = device.type == "cpu"  # an accelerator has one worker
    with Workers(setting, prepared, root, workers=workers, threads=1) if shared else nullcontext() as crew:
        tutorial_workers = tutorial.best_workers(candidates, seconds / 2)
        found: list[Measured] = []
        for number in range(rounds):
            progress(number, rounds)
            for what, value in _round(alone, crew, tutorial, tutorial_workers, norms, seconds):
                found.append(Measured(what=what, round=number, value=value))
        progress(rounds, rounds)
    lanes = _lanes(ablation, prepared, device, size, tutorial_workers, rounds, seconds) if device.type == "cuda" else ()
    return Bench(
        net=setting.training.net, precision=precision, lanes=tuple(lanes), batch_size=setting.training.batch_size, data=prepared.name, workers=workers,
        tutorial_workers=tutorial_workers, environment=environment(device), measured=tuple(found),
    )  # fmt: skip


def _lanes(
    ablation: Ablation, prepared: DataSet, device: torch.device, batch_size: int, tutorial_workers: int, rounds: int,
    seconds: float,
) -> Iterator[LaneRate]:  # fmt: skip
    """Lanes of the net of Figure 1 and of alexnet32 in every precision, each beside the tutorial loop in it."""
    how = {"batch_size": batch_size, "rounds": rounds, "seconds": seconds}
    for precision in ("float32", "tf32", "bfloat16") if has_tf32(device) else ("float32",):
        setting = ablation.setting(
            "relu", prepared.name, prepared.digest, lr=0.001, batch_size=batch_size, precision=precision
        )
        tutorial = _tutorial(setting, prepared, device)
        for number in range(rounds):
            rate = tutorial.rate(seconds, workers=tutorial_workers)
            about = {"net": setting.training.net, "precision": precision, "lanes": 1}
            yield LaneRate(**about, what="tutorial", round=number, value=rate)
        del tutorial
        for one, arm, counts in ((ablation, "relu", COUNTS), (load("lrn", overrides={"lr": 0.001}), "lrn", (6,))):
            yield from side_by_side.rates(one, arm, prepared, device, precisions=(precision,), counts=counts, **how)


def _tutorial(setting, prepared: DataSet, device: torch.device) -> Tutorial:
    about = {"image_shape": prepared.train_images.shape[1:], "num_classes": len(prepared.classes)}
    net = build(setting.training.net, setting.net, **about, seed=0)
    return Tutorial(
        net, prepared.train_images, prepared.train_labels, batch_size=setting.training.batch_size,
        device=device, threads=machine.usable_cores(), precision=setting.training.precision,
    )  # fmt: skip


def _round(alone: Alone, crew: Workers | None, tutorial: Tutorial, tutorial_workers: int, norms: Norms, seconds: float):
    """Every thing once, each right beside what it is compared with."""
    device = alone.training.device
    yield "tutorial", tutorial.rate(seconds, workers=tutorial_workers)
    yield "alone", alone.rate(seconds)
    yield "convolutions_alone", alone.convolution_rate(seconds)
    if crew is not None:
        rate, idle = crew.ask("train", seconds)
        yield "workers", rate
        yield "idle", idle
        yield "convolutions_workers", crew.ask("convolve", seconds)[0]
        yield "gemm_workers", crew.ask("multiply", seconds / 4)[0]
    yield "gemm_alone", peaks.gemm_flops(device, seconds / 4)
    yield "memory", peaks.copy_bytes(device, seconds / 4)
    yield from norms.rates(seconds / 4).items()
    yield from alone.shares(seconds).items()
    yield "evaluation", alone.evaluation_share()
