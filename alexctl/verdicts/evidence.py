"""What verdicts, tables and figures are made of: the trials of one campaign that count, and what was asked of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexctl.ablation.measures import Measure
from alexctl.ablation.model import Ablation
from alexctl.ablation.setting import NUMERICS
from alexctl.statistics import Outcome, Scale, from_theta, learned, to_theta
from alexctl.statistics.looks import level_of
from alexctl.store.records import TrialRecord

OLDER = {
    1: "Results of older numerics: rates chosen by an older rule, one search seed, by the first epochs' training error; "
    "they are read, not continued.",
    2: "Results of older numerics: order, crops and dropout masks were drawn by another generator; they are read, not "
    "continued.",
}
"""What to say of results, by the numerics they are of."""


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What came of the search of one arm's rate: the rates that are as good, and how many trials and epochs it took.

    `lr` is None while it goes on, or where one of its trials failed. `knobs` were chosen with it, where others are searched.
    """

    arm: str
    study: int
    lr: float | None
    ties: tuple[float, ...]
    trials: int
    epochs: float
    knobs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One campaign as it stands, in its `folder`.

    `counted` are the trials of its plan: the search as far as it went, and the reported seeds. `judged` are the
    reported ones that a verdict may rest on: all, or where there are looks those of the last complete one. `rates` are
    the arms' learning rates as far as they are decided (of the first study), `searches` what came of each search; that
    of a `broken` arm lacks a trial that failed. With several budgets this is the largest, and `shorter` are the others.
    `standing` tells it from the same campaign with other trials over; None of older numerics. `mixed`: seconds are compared, and the reported trials ran on several machines. `numerics`: those of
    the plan; older ones may have chosen the rates by a rule of their own. `unplanned_looks`: results with so many seeds were seen
    before more were added.
    """

    ablation: Ablation
    folder: Path
    data_name: str
    data_digest: str
    num_classes: int
    counted: tuple[TrialRecord, ...]
    judged: tuple[TrialRecord, ...]
    rates: Mapping[str, float]
    searches: tuple[Searched, ...] = ()
    budget: int | None = None
    shorter: tuple["Evidence", ...] = ()
    broken: tuple[str, ...] = ()
    mixed: bool = False
    standing: str | None = None
    numerics: int = NUMERICS
    unplanned_looks: tuple[int, ...] = ()

    @property
    def is_older(self) -> bool:
        """Whether they are of older numerics."""
        return self.numerics < NUMERICS

    @property
    def final(self) -> list[TrialRecord]:
        """The counted trials that are reported, with several budgets those of the largest."""
        final = [record for record in self.counted if record.phase == "final"]
        return [record for record in final if self.budget in (None, record.setting["epochs"])]

    def chosen_knobs(self, arm: str) -> dict[str, Any]:
        """What an arm's search has chosen beside the rate (in the first study); until then, what it tries first."""
        first = self.ablation.plan.combinations[0] if arm in self.ablation.searched else {}
        return next((dict(each.knobs) for each in self.searches if each.arm == arm and each.knobs), first)

    @property
    def looks(self) -> tuple[int, ...] | None:
        """The numbers of seeds planned to be looked at; None: one look, at whatever there is."""
        return self.ablation.plan.looks

    @property
    def level(self) -> float:
        """Of every interval: wider where there are several looks."""
        return level_of(self.looks)

    @property
    def unit(self) -> str:
        """What makes a pair: a seed, or with several studies a study."""
        return "seed" if self.ablation.plan.studies == 1 else "study"

    def outcomes(self, arm: str) -> dict[int, Outcome]:
        """What an arm's judged trials say of the measure, by seed; with several studies the mean of each, by its number."""
        known = {r.seed: self.outcome(r) for r in self.judged if r.arm == arm}
        if self.unit == "seed":
            return {seed: result for seed, result in known.items() if result is not None}
        seeds, means = self.ablation.plan.seeds, {}
        for study in range(self.ablation.plan.studies):
            each = [known.get(seed) for seed in range(study * seeds, (study + 1) * seeds)]
            if None not in each:
                means[study] = mean_outcome(each, self.ablation.measure.scale)
        return means

    @property
    def chance(self) -> float:
        """The error of a net that guesses."""
        return 1 - 1 / self.num_classes

    def outcome(self, record: TrialRecord, measure: Measure | None = None) -> Outcome | None:
        """What one trial says of a measure (the ablation's); None where it says nothing (failed, not finished).

        Where errors are compared, a trial that ends at chance counts as one that diverged.
        """
        measure = measure or self.ablation.measure
        if record.state == "diverged":
            return Outcome(diverged=True)
        if record.state != "done":
            return None
        last = record.rows[-1]
        passed = last.get("train_error_pass")
        error = last["train_error"] if passed is None else passed
        if measure.percent and measure.needs_learning and not learned([error], self.chance):
            return Outcome(diverged=True, at_chance=True)
        return measure.read(record.rows, record.setting)


def mean_outcome(outcomes: Sequence[Outcome], scale: Scale) -> Outcome:
    """What a study's trials say together, on the scale its effect has; one trial censored or diverged makes it so."""
    if not all(one.usable for one in outcomes):
        dead = [one for one in outcomes if one.diverged]
        return Outcome(
            censored=any(one.censored for one in outcomes), diverged=bool(dead),
            at_chance=bool(dead) and all(one.at_chance for one in dead),
        )  # fmt: skip
    return Outcome(value=from_theta(sum(to_theta(one.value, scale) for one in outcomes) / len(outcomes), scale))
