"""What one arm's learning-rate search has come to, from the trials that lie in a campaign's folder."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from alexctl.ablation.knobs import TrainingKnobs
from alexctl.ablation.measures import Measure
from alexctl.ablation.model import SEARCH_SEED, Ablation
from alexctl.ablation.toml import key_values
from alexctl.campaign import lr_search
from alexctl.campaign.job import Job
from alexctl.campaign.parts import Part
from alexctl.statistics import HALF_WINDOW, is_windowed, race_curve, target_epoch
from alexctl.store.records import TrialRecord

if TYPE_CHECKING:
    from alexctl.campaign.campaign import Campaign


class ArmSearch:
    """One arm's search in one part of a campaign; what is asked of it is derived from the records as they are now.

    Where the file has a table [search], that is a search of the rate for each combination of its values; the best of
    their winners is chosen once all have one.
    """

    def __init__(self, campaign: "Campaign", arm: str, part: Part, again: Callable[[TrialRecord], bool]):
        self.searches = [RateSearch(campaign, arm, part, again, knobs) for knobs in campaign.ablation.plan.combinations]

    @cached_property
    def chosen(self) -> "RateSearch | None":
        """The search whose winner is the arm's; None while one goes on, or lacks a trial that failed."""
        if any(search.winner is None for search in self.searches):
            return None
        return self.searches[lr_search.best_of([search.decision.score for search in self.searches])]

    @property
    def winner(self) -> float | None:
        """The rate chosen."""
        return None if self.chosen is None else self.chosen.winner

    @property
    def knobs(self) -> dict[str, Any]:
        """What was chosen beside the rate; empty until then."""
        return {} if self.chosen is None else self.chosen.knobs

    @property
    def ties(self) -> tuple[float, ...]:
        """The rates as good as the one chosen, with the same knobs beside."""
        return () if self.chosen is None else self.chosen.decision.ties

    def jobs(self, lr: float, until: float | None = None) -> list[Job]:
        """The trials, one a search seed, that measure one rate, with each combination."""
        return [job for search in self.searches for job in search.jobs(lr, until)]

    def waiting(self) -> list[Job]:
        """The trials that are to go on, each as far as the rule asks."""
        return [
            job for search in self.searches for rate, until in search.decision.run for job in search.jobs(rate, until)
        ]

    @cached_property
    def failures(self) -> list[Job]:
        """The trials that failed: without them a winner would be one by default."""
        return [job for search in self.searches for job in search.failures]

    def counted(self) -> list[TrialRecord]:
        """Its trials as far as the rule runs them, however far they got."""
        return [record for search in self.searches for record in search.counted()]


class RateSearch:
    """The search of one arm's rate with one combination of the other knobs that are searched."""

    def __init__(
        self, campaign: "Campaign", arm: str, part: Part, again: Callable[[TrialRecord], bool], knobs: dict[str, Any]
    ):
        self.campaign, self.arm, self.part, self.again, self.knobs = campaign, arm, part, again, knobs
        self.plan, self.measure = campaign.ablation.plan, campaign.ablation.measure

    def jobs(self, lr: float, until: float | None = None) -> list[Job]:
        """The trials, one a search seed, that measure one rate."""
        first = SEARCH_SEED + self.part.study * self.plan.search_seeds
        setting = self.campaign.setting(self.arm, "search", lr, self.part, self.knobs)
        return [
            self.campaign.job(self.arm, "search", seed, setting, until, key_values(self.knobs))
            for seed in range(first, first + self.plan.search_seeds)
        ]

    @cached_property
    def decision(self) -> lr_search.Decision:
        """Where it stands."""
        grid = self.plan.lr_grid
        about = extent(self.campaign.setting(self.arm, "search", grid[0], self.part, self.knobs).training, self.measure)
        seen: dict[float, list[lr_search.Progress]] = {}
        while True:  # a decision may name rates beyond the grid, which then have to be looked up too
            decision = lr_search.advance(grid, seen, widenings=self.plan.lr_widenings, **about)
            new = [lr for lr, _ in decision.run if lr not in seen] or [lr for lr in grid if lr not in seen]
            if not new:
                return decision
            for lr in new:
                records = [self.campaign.record(job) for job in self.jobs(lr)]
                seen[lr] = [lr_search.Progress() if self.again(r) else progress_of(r, self.measure) for r in records]

    @property
    def rates(self) -> list[float]:
        """Every rate that it has tried or is about to."""
        decision = self.decision
        rates = {*self.plan.lr_grid, *decision.dropped, *(rate for rate, _ in decision.run)}
        return sorted(rates | ({decision.winner} if decision.winner is not None else set()))

    @cached_property
    def failures(self) -> list[Job]:
        """The trials that failed: without them a winner would be one by default."""
        jobs = [job for rate in self.rates for job in self.jobs(rate)]
        return [job for job in jobs if self.campaign.record(job).failed]

    @property
    def winner(self) -> float | None:
        """The rate chosen; None while the search goes on, or lacks a trial that failed."""
        return None if self.failures else self.decision.winner

    def counted(self) -> list[TrialRecord]:
        """Its trials as far as the rule runs them, however far they got."""
        return [self._as_counted(self.campaign.record(job), rate) for rate in self.rates for job in self.jobs(rate)]

    def _as_counted(self, record: TrialRecord, rate: float) -> TrialRecord:
        end = self.decision.ends.get(rate)
        if end is None or record.failed:  # it still runs
            return record
        rows = record.rows[: lr_search.rows_until([row["epoch"] for row in record.rows], end)]
        reached = bool(rows) and rows[-1]["epoch"] >= end - 1e-9
        if len(rows) == len(record.rows) and (record.state == "done" or (record.state == "diverged" and not reached)):
            return record
        return replace(record, rows=rows, status={**record.status, "state": "stopped", "error": None})


def search_changes(ablation: Ablation, table: dict[str, Any]) -> dict[str, Any]:
    """What a search trial has otherwise than a reported one with these knobs.

    It never sees the test data. A race ends at the target; where errors are compared, it trains to the end of the
    schedule and is then evaluated on held-out images.
    """
    measure, held_out = ablation.measure, {"held_out": ablation.plan.validation}
    if measure.race:
        on_test = (table.get("target") or {}).get("metric") == "test_error"
        return {"epochs_after_target": 0.0} | (held_out if on_test else {"evaluate_every": 0, "test_views": 1})
    if measure.searched_by == "train_error":
        return {"evaluate_every": 0, "test_views": 1}
    return {"evaluate_every": table["epochs"]} | held_out


def extent(knobs: TrainingKnobs, measure: Measure) -> dict[str, float | bool]:
    """How far a search goes: the last point of a trial's curve, how much later a point is known, whether it is a race."""
    if not measure.race:
        return {"race": False, "epochs": float(knobs.epochs)}
    lead = 0.0
    if is_windowed(knobs.model_dump()):
        lead = HALF_WINDOW
    elif knobs.target.metric == "test_error":
        lead = float(knobs.evaluate_every)
    last = knobs.epochs - HALF_WINDOW if lead == HALF_WINDOW else float(knobs.epochs)
    return {"race": True, "epochs": last, "lead": lead}


def progress_of(record: TrialRecord, measure: Measure) -> lr_search.Progress:
    """A search trial as the search sees it; a failed one counts as diverged, since it can't win.

    Rows that its state knows nothing of were saved on the way by a trial that then was killed: it has yet to go there.
    """
    rows = record.rows if record.finished else record.rows[: record.status.get("num_rows", 0)]
    dead = record.failed or record.state == "diverged"
    if not measure.race:
        outcome = rows[-1].get(measure.searched_by) if record.state == "done" and rows else None
        return lr_search.Progress(epochs=[row["epoch"] for row in rows], outcome=outcome, diverged=dead)
    epochs, errors = race_curve(rows, record.setting)
    known = ~np.isnan(errors)
    crossing = target_epoch(rows, record.setting)
    return lr_search.Progress(epochs=epochs[known], errors=errors[known], crossing=crossing, diverged=dead)
