"""Trainings side by side on one device, as lanes are: what they do a second, and what their convolutions alone would."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from alexctl.ablation.model import Ablation
from alexctl.data.sources import DataSet
from alexctl.timing.throughput import Alone
from alexctl.training.graphs import WARM_UPS

COLUMNS = ("net", "precision", "lanes", "what", "round", "value")
COUNTS = (1, 6, 12, 32)
AHEAD = 20  # rounds that are launched before the device is waited for


@dataclass(frozen=True, kw_only=True)
class LaneRate:
    """Images a second of so many lanes together, in one round; `what` is `training`, `convolutions` or `tutorial`, its loop."""

    net: str
    precision: str
    lanes: int
    what: str
    round: int
    value: float


class SideBySide:
    """So many trainings of one setting, or their convolutions, that take turns in being launched."""

    def __init__(self, setting: Any, data: DataSet, device: torch.device, lanes: int):
        first = Alone(setting, data, device)
        self.lanes = [first, *(Alone(setting, data, device, beside=first) for _ in range(lanes - 1))]

    def training(self, seconds: float) -> float:
        """Images a second of all of them."""
        return self._rate([lane.step for lane in self.lanes], seconds)

    def convolutions(self, seconds: float) -> float:
        """Images a second if a step were its convolutions and nothing else."""
        return self._rate([lane.convolve for lane in self.lanes], seconds)

    def _rate(self, works: Sequence[Callable[[], None]], seconds: float) -> float:
        for _ in range(WARM_UPS + 2):
            self._round(works)
        self._wait()
        rounds, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds or not rounds:
            for _ in range(AHEAD):
                self._round(works)
            rounds += AHEAD
            self._wait()
        return rounds * len(works) * self.lanes[0].batch_size / (time.perf_counter() - began)

    @staticmethod
    def _round(works: Sequence[Callable[[], None]]) -> None:
        for work in works:
            work()

    def _wait(self) -> None:
        for lane in self.lanes:
            lane.sync()


def rates(
    ablation: Ablation, arm: str, data: DataSet, device: torch.device, *, batch_size: int, precisions: Sequence[str],
    counts: Sequence[int], rounds: int, seconds: float,
) -> Iterator[LaneRate]:  # fmt: skip
    """Every precision and number of lanes, several rounds each; training and convolutions turn by turn."""
    for precision in precisions:
        knobs = {"batch_size": batch_size, "precision": precision}
        setting = ablation.setting(arm, data.name, data.digest, lr=0.001, **knobs)
        for lanes in counts:
            together = SideBySide(setting, data, device, lanes)
            about = {"net": setting.training.net, "precision": precision, "lanes": lanes}
            for number in range(rounds):
                for what in ("training", "convolutions"):
                    yield LaneRate(**about, what=what, round=number, value=getattr(together, what)(seconds))


def medians(found: Sequence[LaneRate]) -> list[dict[str, Any]]:
    """A line for each net, precision and number of lanes: images a second, to those of the convolutions alone, and to
    those of the tutorial loop with the same net in that precision, where that was measured."""
    lines: dict[tuple, dict[str, Any]] = {}
    for one in found:
        lines.setdefault((one.net, one.precision, one.lanes), {})[one.what, one.round] = one.value
    table = []
    loops: dict[tuple[str, str], list[float]] = {}
    for one in found:
        if one.what == "tutorial":
            loops.setdefault((one.net, one.precision), []).append(one.value)
    for (net, precision, lanes), values in lines.items():
        training = [value for (what, _), value in values.items() if what == "training"]
        convolutions = [value for (what, _), value in values.items() if what == "convolutions"]
        share = median(a / b for a, b in zip(training, convolutions, strict=True))
        table.append({
            "net": net, "precision": precision, "lanes": lanes, "training": median(training),
            "convolutions": median(convolutions), "to_convolutions": share,
            "to_tutorial": median(training) / median(loops[net, precision]) if (net, precision) in loops else None,
        })  # fmt: skip
    return table
