"""How often the whole procedure is wrong: made-up campaigns of real trials, search and verdict together.

Each campaign draws its search trials and, with replacement, its reported ones from a table of real trials (rates by
seeds, more of them than a campaign uses) and goes through the search and the rules as they are. Both arms come from the same table, so that
they are equal, but for an effect that is planted into one of them.
"""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from alexctl.campaign.lr_search import Progress, advance
from alexctl.statistics import (
    HALF_WINDOW,
    Effect,
    Outcome,
    epochs_to_target,
    from_theta,
    paired_effect,
    share_interval,
    to_theta,
    whole_epochs,
)
from alexctl.verdicts.rules import Claimed, verdict

CAMPAIGNS = 4000
SEARCH_SEEDS = 3
TARGET = 0.35  # training error, which all but the slowest rate of the table meet within its epochs
HELD_OUT = 1000  # images a search's error is measured on; the table's are test errors of many more
PLANS = ((4, 1), (6, 1), (2, 5))  # reported seeds, studies
TARGETS = (0.3, 0.35)  # of the searches in which rates are dropped early
PLANTED = {"points": (0.0, 0.5, 1.0), "ratio": (1.0, 1.25, 2.0)}  # nothing, the margin, the claim
MARGIN = {"points": 0.5, "ratio": 1.25}
COLUMNS = (
    "table", "measure", "seeds", "studies", "planted", "campaigns", "supported", "contradicted", "no_difference",
    "undecided", "false", "false_at_most", "holds_planted", "holds_conditional",
)  # fmt: skip
DROP_COLUMNS = ("table", "target", "searches", "dropped", "dropped_at_most", "epochs", "epochs_without")


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Final errors (fractions of 1), a row a rate, a column a seed."""

    name: str
    rates: tuple[float, ...]
    errors: np.ndarray
    scale = "points"

    def search(self, rng: np.random.Generator, seeds: np.ndarray, effect: float) -> float:
        """The rate that a search with these seeds chooses, for an arm that is so many points better."""
        true = self.errors[:, seeds] - effect / 100
        found = rng.binomial(HELD_OUT, true) / HELD_OUT
        seen = {
            lr: [Progress(epochs=[1.0], outcome=float(e)) for e in row]
            for lr, row in zip(self.rates, found, strict=True)
        }
        return advance(self.rates, seen, epochs=1.0, race=False, widenings=0).winner

    def outcomes(self, rate: float, seeds: np.ndarray, effect: float) -> list[float | None]:
        return (self.errors[self.rates.index(rate), seeds] - effect / 100).tolist()


@dataclass(frozen=True, kw_only=True)
class Races:
    """Training errors since the row before, rates by seeds by rows (NaN after a trial's end), at these epochs."""

    name: str
    rates: tuple[float, ...]
    epochs: np.ndarray
    errors: np.ndarray
    target: float = TARGET
    scale = "ratio"

    @cached_property
    def trials(self) -> list[list[Progress]]:
        """Each trial as a search sees it, at its end."""
        return [[self.progress(row) for row in of_rate] for of_rate in self.errors]

    @cached_property
    def budget(self) -> float:
        """The epochs that every trial has which did not meet the target before."""
        every = [trial for row in self.trials for trial in row]
        return min((t.epoch for t in every if t.crossing is None), default=max(t.epoch for t in every))

    def progress(self, row: np.ndarray) -> Progress:
        known = ~np.isnan(row)
        epochs, errors = whole_epochs(self.epochs[known], row[known])
        return Progress(epochs=epochs, errors=errors, crossing=epochs_to_target(epochs, errors, self.target))

    def search(self, rng: np.random.Generator, seeds: np.ndarray, effect: float) -> float:
        seen = {
            lr: [_stretched(row[seed], 1 / effect) for seed in seeds]
            for lr, row in zip(self.rates, self.trials, strict=True)
        }
        return advance(self.rates, seen, epochs=self.budget, lead=HALF_WINDOW, widenings=0).winner

    def outcomes(self, rate: float, seeds: np.ndarray, effect: float) -> list[float | None]:
        found = (self.trials[self.rates.index(rate)][seed].crossing for seed in seeds)
        return [None if crossing is None else crossing / effect for crossing in found]


def _stretched(trial: Progress, factor: float) -> Progress:
    """The same trial in so many times the epochs."""
    if factor == 1:
        return trial
    crossing = None if trial.crossing is None else trial.crossing * factor
    return Progress(epochs=trial.epochs * factor, errors=trial.errors, crossing=crossing)


def read_errors(path: Path) -> Errors:
    """`lr,seed,test_error`, every rate with the same seeds."""
    rates, cells = _table(path)
    return Errors(name=path.stem, rates=rates, errors=np.array([[float(one[0]) for one in row] for row in cells]))


def read_races(path: Path, target: float = TARGET) -> Races:
    """`lr,seed,EPOCH,EPOCH,...`: the training error of each row, empty after a trial's end."""
    rates, cells = _table(path)
    with path.open(encoding="utf-8") as file:
        epochs = np.array([float(name) for name in next(csv.reader(file))[2:]])
    errors = np.array([[[float(e) if e else math.nan for e in one] for one in row] for row in cells])
    return Races(name=path.stem, rates=rates, epochs=epochs, errors=errors, target=target)


def _table(path: Path) -> tuple[tuple[float, ...], list[list[list[str]]]]:
    with path.open(encoding="utf-8") as file:
        _, *lines = csv.reader(file)
    rates: dict[float, list[list[str]]] = {}
    for lr, _, *cells in lines:
        rates.setdefault(float(lr), []).append(cells)
    return tuple(rates), list(rates.values())


def cells(table: Errors | Races, campaigns: int = CAMPAIGNS, seed: int = 2012) -> Iterator[dict[str, Any]]:
    """A line of `pipeline.csv` for each plan and each planted effect: shares of so many campaigns.

    `false` is the share of verdicts that are wrong about the planted effect, `false_at_most` the upper end of its exact
    95% interval. `holds_planted` and `holds_conditional`: how often the interval, where there is one, holds the planted
    effect, and the effect between the rates that were chosen.
    """
    for i, (seeds, studies) in enumerate(PLANS):
        for j, planted in enumerate(PLANTED[table.scale]):
            rng = np.random.default_rng([seed, i, j])
            yield {
                "table": table.name,
                "measure": table.scale,
                "seeds": seeds,
                "studies": studies,
                "planted": planted,
            } | (_cell(table, rng, seeds, studies, planted, campaigns))


def _cell(
    table: Errors | Races, rng: np.random.Generator, seeds: int, studies: int, planted: float, campaigns: int
) -> dict[str, Any]:
    neutral, claimed = PLANTED[table.scale][0], PLANTED[table.scale][-1]
    claim = Claimed(size=claimed, margin=MARGIN[table.scale])
    wrong = {"no_difference"} if planted != neutral else {"supported"}
    wrong |= {"contradicted"}
    said, holds, conditional = dict.fromkeys(("supported", "contradicted", "no_difference", "undecided"), 0), [], []
    for _ in range(campaigns):
        effect, between = _campaign(table, rng, seeds, studies, planted)
        said[verdict(effect, claim).word.replace(" ", "_")] += 1
        if effect.low is not None and effect.high is not None:
            holds.append(effect.low <= planted <= effect.high)
            conditional.append(between is not None and effect.low <= between <= effect.high)
    false = sum(said[word] for word in wrong)
    return {
        "campaigns": campaigns, **{word: count / campaigns for word, count in said.items()}, "false": false / campaigns,
        "false_at_most": share_interval(false, campaigns)[1], "holds_planted": float(np.mean(holds)) if holds else None,
        "holds_conditional": float(np.mean(conditional)) if conditional and studies == 1 else None,
    }  # fmt: skip


def _campaign(
    table: Errors | Races, rng: np.random.Generator, seeds: int, studies: int, planted: float
) -> tuple[Effect, float | None]:
    """The effect that one campaign finds, and that between its rates in the table (of the last study)."""
    neutral, scale = PLANTED[table.scale][0], table.scale
    sides: list[dict[int, Outcome]] = [{}, {}]
    between: list[float] = []
    num_seeds = table.errors.shape[1]
    for study in range(studies):
        for side, effect in zip(sides, (neutral, planted), strict=True):
            rate = table.search(rng, rng.permutation(num_seeds)[:SEARCH_SEEDS], effect)
            found = table.outcomes(rate, rng.integers(num_seeds, size=seeds), effect)
            if studies == 1:
                side.update(enumerate(map(_outcome, found)))
            else:
                side[study] = _outcome(None if None in found else _mean(found, scale))
            every = table.outcomes(rate, np.arange(num_seeds), effect)
            between.append(math.nan if None in every else _mean(every, scale))
    control, arm = between[-2:]
    true = control / arm if scale == "ratio" else 100 * (control - arm)
    budget = table.budget if isinstance(table, Races) else None
    return paired_effect(*sides, scale=scale, budget=budget), None if math.isnan(true) else true


def _outcome(value: float | None) -> Outcome:
    return Outcome(censored=True) if value is None else Outcome(value=value)


def _mean(values: list[float], scale: str) -> float:
    return from_theta(math.fsum(to_theta(value, scale) for value in values) / len(values), scale)


def drops(
    table: Races, targets: tuple[float, ...] = TARGETS, searches: int = CAMPAIGNS, seed: int = 2012
) -> Iterator[dict[str, Any]]:
    """How often the rule that drops rates early drops the rate that would have won, and the epochs that it saves."""
    for i, target in enumerate(targets):
        rng = np.random.default_rng([seed, i])
        races = Races(name=table.name, rates=table.rates, epochs=table.epochs, errors=table.errors, target=target)
        dropped, spent, without = 0, 0.0, 0.0
        for _ in range(searches):
            seeds = rng.permutation(table.errors.shape[1])[:SEARCH_SEEDS]
            seen = {lr: [row[seed] for seed in seeds] for lr, row in zip(races.rates, races.trials, strict=True)}
            with_rule = advance(races.rates, seen, epochs=races.budget, lead=HALF_WINDOW, widenings=0)
            whole = advance(races.rates, seen, epochs=races.budget, lead=HALF_WINDOW, widenings=0, checks=())
            dropped += with_rule.dropped.get(whole.winner, "").startswith("far behind")
            spent += _epochs(with_rule.ends, seen)
            without += _epochs(whole.ends, seen)
        yield {
            "table": table.name, "target": target, "searches": searches, "dropped": dropped / searches,
            "dropped_at_most": share_interval(dropped, searches)[1], "epochs": spent / searches,
            "epochs_without": without / searches,
        }  # fmt: skip


def _epochs(ends: dict[float, float], seen: dict[float, list[Progress]]) -> float:
    """The epochs of all trials, each to where its rate ends or where it met the target."""
    return sum(min(ends[lr], trial.epoch + HALF_WINDOW) for lr, trials in seen.items() for trial in trials)
