"""How long trials will take on several workers: a trial is one piece, and the last ones are waited for."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from alexctl.ablation.knobs import TrainingKnobs
from alexctl.ablation.model import Ablation
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.lr_search import usual_lengths
from alexctl.campaign.parts import Part
from alexctl.store.records import TrialRecord


@dataclass(frozen=True, kw_only=True)
class Work:
    """One arm's: epochs (or seconds) of each trial of its learning-rate search, and of each reported one after it."""

    searching: tuple[float, ...] = ()
    reported: tuple[float, ...] = ()

    @property
    def total(self) -> float:
        return sum(self.searching) + sum(self.reported)

    def times(self, seconds: float) -> "Work":
        """In seconds, at so many an epoch."""
        scaled = (tuple(seconds * epochs for epochs in each) for each in (self.searching, self.reported))
        return Work(**dict(zip(("searching", "reported"), scaled, strict=True)))


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


def ends_early(ablation: Ablation, arm: str) -> bool:
    """Whether a target may end an arm's trials before their schedule does."""
    table = {**ablation.base, **ablation.arms[arm]}
    after, epochs = table.get("epochs_after_target"), table.get("epochs", TrainingKnobs.model_fields["epochs"].default)
    return bool(table.get("target")) and after is not None and after < epochs


def usual_epochs(ablation: Ablation, arm: str, epochs: int) -> float:
    """How long an arm's trials last as far as its file knows: `usual_epochs`, if this asks what the file asks."""
    same = all({**ablation.of_file}.get(key) == ablation.base.get(key) for key in ("data", "net", "num_train"))
    usual = ablation.usual_epochs.get(arm) if same and ends_early(ablation, arm) else None
    return float(epochs) if usual is None else min(float(epochs), usual)


def planned_work(ablation: Ablation, arm: str, epochs: int) -> Work:
    """Epochs of all trials of an arm, whose schedule has so many, in all studies and budgets."""
    plan, searching, reported = ablation.plan, (), ()
    seeds = plan.looks[-1] if plan.looks else plan.seeds
    for budget in plan.budgets or (epochs,):
        if arm in ablation.searched:
            searching += search_work(ablation, arm, budget) * plan.studies
        reported += (usual_epochs(ablation, arm, budget),) * (seeds * plan.studies)
    return Work(searching=searching, reported=reported)


def search_work(ablation: Ablation, arm: str, epochs: int) -> tuple[float, ...]:
    """Epochs of the trials of one arm's search in one part."""
    plan, usual = ablation.plan, usual_epochs(ablation, arm, epochs)
    each = usual_lengths(len(plan.lr_grid), epochs, race=ablation.measure.race)
    return tuple(min(usual, length) for length in each) * (plan.search_seeds * len(plan.combinations))


def remaining_work(campaign: Campaign, seconds: dict[str, float]) -> Iterator[Work]:
    """The seconds each arm still has to do; its trials are taken to last as long as its longest so far, or the budget."""
    counted = campaign.counted()
    for arm in campaign.ablation.arms:
        works = [_remaining(campaign, arm, part, counted) for part in campaign.parts]
        searching, reported = (
            [trial for work in works for trial in getattr(work, which)] for which in ("searching", "reported")
        )
        yield Work(searching=tuple(searching), reported=tuple(reported)).times(seconds[arm])


def _remaining(campaign: Campaign, arm: str, part: Part, counted: Sequence[TrialRecord]) -> Work:
    """The epochs an arm still has to do in one part."""
    grid, searched = campaign.ablation.plan.lr_grid, arm in campaign.ablation.searched
    epochs = campaign.setting(arm, "final", min(grid) if searched else None, part).training.epochs
    rate = campaign.rate(arm, part)
    expected = _expected(campaign.ablation, arm, counted, rate, epochs)
    if rate is None:
        whole = search_work(campaign.ablation, arm, epochs)
        ran = sum(r.rows[-1]["epoch"] for r in campaign.search(arm, part).counted() if r.rows)
        left = max(0.0, 1 - ran / sum(whole))
        return Work(
            searching=tuple(left * trial for trial in whole), reported=(expected,) * campaign.num_own_seeds(part)
        )
    trials = []
    for job in campaign.own(campaign.final_jobs(arm, rate, part=part)):
        record = campaign.record(job)
        if not (record.finished or record.failed):
            ran = record.rows[-1]["epoch"] if record.rows else 0.0
            trials.append(max(0.25, expected - ran))
    return Work(reported=tuple(trials))


def _expected(ablation: Ablation, arm: str, counted: Sequence[TrialRecord], rate: float | None, epochs: int) -> float:
    """How many epochs a reported trial of the arm will take: as its others did, its best in the search, or its file says."""
    if not ends_early(ablation, arm):
        return float(epochs)
    if known := _lengths(counted, arm, epochs, rate):
        return min(float(epochs), 1.15 * max(known) + 0.5)
    if known := [each for each in _lengths(counted, arm, epochs) if each < epochs]:
        return min(float(epochs), 1.15 * min(known) + 0.5)
    return usual_epochs(ablation, arm, epochs)


def is_known(campaign: Campaign, arm: str) -> bool:
    """Whether how long the arm's trials of the judged part last is more than their schedule's bound."""
    epochs = campaign.setting(
        arm, "final", min(campaign.ablation.plan.lr_grid or (1.0,)), campaign.parts[-1]
    ).training.epochs
    if not ends_early(campaign.ablation, arm) or usual_epochs(campaign.ablation, arm, epochs) < epochs:
        return True
    return bool(_lengths(campaign.counted(), arm, epochs))


def _lengths(counted: Sequence[TrialRecord], arm: str, epochs: int, rate: float | None = None) -> list[float]:
    """How many epochs the arm's trials with this schedule took so far, at any rate or at this one."""
    return [
        r.rows[-1]["epoch"]
        for r in counted
        if r.arm == arm
        and r.rows
        and r.state == "done"
        and r.setting["epochs"] == epochs
        and rate in (None, r.setting["lr"])
    ]
