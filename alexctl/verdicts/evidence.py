"""What verdicts, tables and figures are made of: the trials of one campaign that count, and what was asked of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alexctl.ablation.measures import Measure
from alexctl.ablation.model import Ablation
from alexctl.statistics import Outcome
from alexctl.statistics.looks import level_of
from alexctl.store.records import TrialRecord

OLDER = (
    "Results of older numerics: rates chosen by an older rule, one search seed, by the first epochs' training error; "
    "they are read, not continued."
)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One campaign as it stands, in its `folder`.

    `counted` are the trials of its plan: the search as far as it went, and the reported seeds. `judged` are the
    reported ones that a verdict may rest on: all, or where there are looks those of the last complete one. `rates` are
    the arms' learning rates as far as they are decided; the search of a `broken` arm lacks a trial that failed.
    `mixed`: seconds are compared, and the reported trials ran on several machines. `is_older`: they are of a plan of
    older numerics, which chose the rates by a rule of its own.
    """

    ablation: Ablation
    folder: Path
    data_name: str
    data_digest: str
    num_classes: int
    counted: tuple[TrialRecord, ...]
    judged: tuple[TrialRecord, ...]
    rates: Mapping[str, float]
    broken: tuple[str, ...] = ()
    mixed: bool = False
    is_older: bool = False

    @property
    def final(self) -> list[TrialRecord]:
        """The counted trials that are reported."""
        return [record for record in self.counted if record.phase == "final"]

    @property
    def looks(self) -> tuple[int, ...] | None:
        """The numbers of seeds planned to be looked at; None: one look, at whatever there is."""
        return self.ablation.plan.looks

    @property
    def level(self) -> float:
        """Of every interval: wider where there are several looks."""
        return level_of(self.looks)

    def outcomes(self, arm: str) -> dict[int, Outcome]:
        """What an arm's judged trials say of the measure, by seed."""
        known = {r.seed: outcome(r, self.ablation.measure) for r in self.judged if r.arm == arm}
        return {seed: result for seed, result in known.items() if result is not None}


def outcome(record: TrialRecord, measure: Measure) -> Outcome | None:
    """What one trial says of the measure; None where it says nothing (failed, not finished)."""
    if record.state == "diverged":
        return Outcome(diverged=True)
    return measure.read(record.rows, record.setting) if record.state == "done" else None
