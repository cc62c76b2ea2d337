"""What docs/paper.md and the README know of a reference run: its results where there are some, else what is missing."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from alexctl import numbers
from alexctl.ablation.load import load
from alexctl.ablation.model import Ablation
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.reference_runs import RUNS, ReferenceRun, estimates
from alexctl.store import layout, plan, records
from alexctl.store.environment import devices_of
from alexctl.store.records import TrialRecord
from alexctl.verdicts.evidence import Evidence
from alexctl.verdicts.tables import Tables, derive

STARTS = {"relu-vs-tanh": "as in 2012", "relu-vs-tanh-fan-in": "fan-in"}
"""The two starts of Figure 1, as the documents call them, by their runs."""


@dataclass(frozen=True)
class Found:
    """One reference run as it lies in `reference`, of today's numerics; without a folder it has no trials."""

    run: ReferenceRun
    reference: Path

    @property
    def folder(self) -> Path:
        return self.reference / self.run.campaign

    @cached_property
    def ablation(self) -> Ablation:
        """Today's file: what is asked, and in which order."""
        return load(self.run.name, overrides=self.run.knobs)

    @property
    def is_older(self) -> bool:
        """Whether what lies there is of older numerics."""
        return plan.older_numerics(self.folder) is not None

    @cached_property
    def evidence(self) -> Evidence:
        """What ran, as it was planned; of what did not, what is asked."""
        if (self.folder / layout.PLAN).is_file() and not self.is_older:
            return Campaign.open(self.folder).evidence()
        data = self.ablation.base["data"]
        nowhere = self.reference / "nothing" / self.run.campaign
        return Campaign(self.ablation, data_name=data, data_digest="", num_classes=10, folder=nowhere).evidence()

    @cached_property
    def tables(self) -> Tables:
        return derive(self.evidence)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The comparisons, in the order of the file's arms."""
        order = list(self.ablation.arms)
        lines = self.tables.verdict["comparisons"]
        return sorted(lines, key=lambda line: order.index(line["arm"]) if line["arm"] in order else len(order))

    @property
    def is_there(self) -> bool:
        """Whether there is something to show of every comparison."""
        return all(line["n"] or line["verdict"] not in ("not run yet", "not judged") for line in self.lines)

    @property
    def sentence(self) -> str:
        """What it says, or that it did not run."""
        if not self.is_there:
            return self.missing
        sides = len(self.lines) > 1
        return " ".join(f"`{line['arm']}`: {line['sentence']}" if sides else line["sentence"] for line in self.lines)

    @property
    def missing(self) -> str:
        """That it did not run, how long it takes, and the command."""
        known = estimates(self.reference).get(self.run.name)
        time = ""
        if known is not None:
            most = "about " if self.run.knobs else "at most " * known.at_most
            time = f"{most}{numbers.duration(known.seconds)} on {numbers.counted(known.workers, 'CPU core')}, "
        begun = "Begun, not yet finished" if records.trial_folders(self.folder) else "Not run yet"
        state = "Run only under older numerics" if self.is_older else begun
        return f"{state}: {time}`{self.run.command}`."

    @property
    def where(self) -> str:
        """What it ran on: 'on NVIDIA H100 80GB HBM3 in float32'."""
        final = [record for record in self.evidence.counted if record.phase == "final"]
        devices = " and ".join(sorted(devices_of(record.folder for record in final))) or "an unknown device"
        precisions = sorted({record.setting.get("precision", "float32") for record in final})
        return f"on {devices} in {' and '.join(precisions)}"

    def judged(self, arm: str) -> list[TrialRecord]:
        """The trials of an arm that its verdict rests on, by seed."""
        return sorted((record for record in self.evidence.judged if record.arm == arm), key=lambda record: record.seed)

    def figure(self, stem: str = layout.FIGURE) -> str | None:
        """A figure's path from the top of the checkout; None where there is none, or nothing to say of it."""
        path = self.folder / f"{stem}.png"
        return f"{layout.REFERENCE}/{self.run.campaign}/{path.name}" if self.is_there and path.is_file() else None


def found(name: str, reference: Path) -> Found:
    """The reference run in the folder of that name, or of the ablation of that name."""
    run = next((run for run in RUNS if run.campaign == name), None)
    return Found(run or ReferenceRun(name=name, why=""), reference)


def variants(name: str, reference: Path) -> list[Found]:
    """The reference runs of an ablation with other knobs."""
    return [Found(run, reference) for run in RUNS if run.name == name and run.knobs]
