"""What a campaign came to, in one hand: its frames, its verdict, its figures."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexctl.errors import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from alexctl.ablation.model import Ablation
    from alexctl.store.records import TrialRecord
    from alexctl.verdicts.evidence import Evidence
    from alexctl.verdicts.tables import Tables


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one campaign came to: frames as its CSVs have them, the verdict as verdict.json has it, its figures.

    `trials` has a row per trial, `curves` one per measurement, `summary` one per arm; errors are fractions of 1.
    """

    evidence: "Evidence"
    tables: "Tables"

    @classmethod
    def of(cls, evidence: "Evidence") -> "Result":
        from alexctl.verdicts.tables import derive

        return cls(evidence=evidence, tables=derive(evidence))

    @property
    def folder(self) -> Path:
        """Where the trials and everything derived from them lie."""
        return self.evidence.folder

    @property
    def ablation(self) -> "Ablation":
        return self.evidence.ablation

    @property
    def verdict(self) -> dict[str, Any]:
        return self.tables.verdict

    @property
    def trials(self) -> "pd.DataFrame":
        return self.tables.trials

    @property
    def curves(self) -> "pd.DataFrame":
        return self.tables.curves

    @property
    def summary(self) -> "pd.DataFrame":
        return self.tables.summary

    @property
    def images(self) -> dict[str, "pd.DataFrame"]:
        """What is known image by image: the frames of images.csv, by_class.csv, ensembles.csv and kernels.csv that there are."""
        return self.tables.images.frames

    @property
    def failed(self) -> tuple["TrialRecord", ...]:
        """The trials that failed; `ablate(..., retry_failed=True)` runs them again."""
        return tuple(record for record in self.evidence.counted if record.failed)

    def figure(self, name: str = "figure", *, column: bool = False) -> "Figure":
        """A matplotlib figure: `figure` (the comparison), `search`, `survival` or `budgets`; UserError where there is none.

        For a `column` of a paper it is 3.25 inches wide and has no caption.
        """
        from alexctl.report.drawings import drawings

        found = drawings(self.evidence, self.tables)
        if name not in found:
            raise UserError(f"{self.folder.name} has no figure '{name}', {nearest(name, found)}")
        return found[name].figure(column=column)

    def __repr__(self) -> str:
        lines = (f"{line['arm']}: {line['sentence']}" for line in self.verdict["comparisons"])
        older = [self.verdict["older"]] if "older" in self.verdict else []
        return "\n".join([f"<{self.ablation.title}, on {self.evidence.data_name}>", *older, *lines])
