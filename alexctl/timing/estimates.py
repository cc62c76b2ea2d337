"""How long trials will take on several workers: a trial is one piece, and the last ones are waited for."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from alexctl.campaign.campaign import Campaign
from alexctl.campaign.lr_search import usual_lengths


@dataclass(frozen=True, kw_only=True)
class Work:
    """One arm's: seconds of each trial of its learning-rate search, and of each reported one, which come after it."""

    searching: tuple[float, ...] = ()
    reported: tuple[float, ...] = ()


def wall_seconds(works: Iterable[Work], workers: int) -> float:
    """Seconds until all of it is done; the longest first, each taken by the worker that is free first."""
    works = list(works)
    return sum(
        _makespan([trial for work in works for trial in getattr(work, part)], workers)
        for part in ("searching", "reported")
    )


def _makespan(trials: Iterable[float], workers: int) -> float:
    free = [0.0] * workers
    for trial in sorted(trials, reverse=True):
        heapq.heapreplace(free, free[0] + trial)
    return max(free)


def search_work(num_rates: int, num_seeds: int, epochs: int, seconds: float) -> tuple[float, ...]:
    """Seconds of the trials of one arm's search, `seconds` an epoch."""
    return tuple(seconds * length for length in usual_lengths(num_rates, epochs)) * num_seeds


def remaining_work(campaign: Campaign, seconds: dict[str, float]) -> Iterator[Work]:
    """What each arm still has to do; its trials are taken to last as long as its longest so far, or the budget."""
    plan, counted = campaign.ablation.plan, campaign.counted()
    for arm in campaign.ablation.arms:
        grid = plan.lr_grid
        knobs = campaign.setting(arm, "final", min(grid) if arm in campaign.ablation.searched else None).training
        rate = campaign.rate(arm)
        known = lengths(campaign, arm)
        expected = min(float(knobs.epochs), 1.15 * max(known) + 0.5) if known else float(knobs.epochs)
        if rate is None:
            whole = search_work(len(grid), plan.search_seeds, plan.search_epochs or knobs.epochs, seconds[arm])
            ran = sum(r.rows[-1]["epoch"] for r in counted if r.arm == arm and r.phase == "search" and r.rows)
            left = max(0.0, 1 - ran * seconds[arm] / sum(whole))
            yield Work(
                searching=tuple(left * trial for trial in whole),
                reported=(expected * seconds[arm],) * campaign.num_seeds,
            )
            continue
        trials = []
        for job in campaign.final_jobs(arm, rate):
            record = campaign.record(job)
            if not (record.finished or record.failed):
                ran = record.rows[-1]["epoch"] if record.rows else 0.0
                trials.append(max(0.25, expected - ran) * seconds[arm])
        yield Work(reported=tuple(trials))


def lengths(campaign: Campaign, arm: str) -> list[float]:
    """How many epochs the arm's trials took so far, at the rate that is reported."""
    rate = campaign.rate(arm)
    return [
        record.rows[-1]["epoch"]
        for record in campaign.counted()
        if record.arm == arm and record.rows and record.state == "done" and record.setting["lr"] == rate
    ]
