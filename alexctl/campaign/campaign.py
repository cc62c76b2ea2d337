"""Which trials an ablation needs, which are still to run, and what the learning-rate search says next."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from alexctl.ablation.model import SEARCH_SEED, Ablation
from alexctl.ablation.setting import NUMERICS, Setting
from alexctl.campaign import lr_search, older
from alexctl.errors import UserError
from alexctl.statistics import target_epoch
from alexctl.store import layout, plan, reference
from alexctl.store.environment import mixed
from alexctl.store.records import TrialRecord, clear, read_trial, trials_of
from alexctl.verdicts.compare import compare
from alexctl.verdicts.evidence import Evidence


@dataclass(frozen=True, kw_only=True)
class Job:
    """One trial to run now, as far as epoch `until` (None: to its own end)."""

    arm: str
    phase: str
    seed: int
    setting: Setting
    until: float | None = None

    @cached_property
    def name(self) -> str:
        return layout.trial_name(self.arm, self.seed, self.setting.hash8)


class Campaign:
    """All trials of one ablation on one data set, in one folder of results/.

    `ready()` is derived from what lies in the folder and nothing else, so the same command again is resume. A plan of
    older `numerics` is only read (campaign/older.py): nothing of it is ready.
    """

    def __init__(
        self, ablation: Ablation, *, data_name: str, data_digest: str, num_classes: int, folder: Path,
        numerics: int = NUMERICS,
    ):  # fmt: skip
        self.ablation, self.folder, self.num_classes = ablation, folder, num_classes
        self.is_older = numerics < NUMERICS
        self.data_name, self.data_digest = data_name, data_digest
        self.retry_failed = False
        self.records: dict[str, TrialRecord] = {r.folder.name: r for r in trials_of(folder)}
        self.failed_before = {name for name, record in self.records.items() if record.failed}
        self._decisions: dict[str, lr_search.Decision] = {}
        self._final: dict[tuple[str, float], list[Job]] = {}
        self._seeds: tuple[int, int] | None = None

    @classmethod
    def open(cls, folder: Path) -> "Campaign":
        """The campaign that a folder's `plan.json` describes; needs neither the ablation file nor the data."""
        return cls(**plan.read(folder), folder=folder)

    def write_plan(self, code: dict[str, Any]) -> list[str]:
        """Writes `plan.json` and returns what a person should be told about a plan that was there before."""
        about = {"data_name": self.data_name, "data_digest": self.data_digest, "num_classes": self.num_classes}
        begun = any(record.rows for record in self.records.values())
        return plan.write(self.folder, self.ablation, about, code, begun=begun)

    def setting(self, arm: str, phase: str, lr: float | None) -> Setting:
        """An arm's setting; in the search it stops at the target and never sees the test data."""
        changes: dict[str, Any] = {}
        if phase == "search":
            changes = {"evaluate_every": 0, "epochs_after_target": 0.0, "test_views": 1}
            if self.ablation.plan.search_epochs is not None:
                changes["epochs"] = self.ablation.plan.search_epochs
        return self.ablation.setting(arm, self.data_name, self.data_digest, lr=lr, **changes)

    def reload(self, name: str) -> TrialRecord:
        """Reads one trial again after something happened to it."""
        record = read_trial(layout.trial(self.folder, name))
        self.records[name] = record
        self.failed_before.discard(name)  # a retry is one try
        self._decisions.clear()
        self._seeds = None
        return record

    def record(self, job: Job) -> TrialRecord:
        """What is known of a job's trial; a pending one if nothing is."""
        record = self.records.get(job.name)
        if record is None:
            return TrialRecord(
                folder=layout.trial(self.folder, job.name), arm=job.arm, seed=job.seed, hash8=job.setting.hash8,
                phase=job.phase, setting=job.setting.flat(),
            )  # fmt: skip
        if record.problem:
            raise record.refusal("restore it, or delete that folder and run the same command again to redo it")
        return record

    def restart_torn(self) -> list[str]:
        """Counts trials as not begun whose rows and status are of different moments; returns a note for each."""
        torn = {name: record for name, record in self.records.items() if record.torn}
        self.records = {name: record for name, record in self.records.items() if name not in torn}
        return [f"{name} starts again: {record.problem}" for name, record in torn.items()]

    def search_jobs(self, arm: str, lr: float, until: float | None) -> list[Job]:
        """The trials, one a search seed, that measure one rate."""
        setting = self.setting(arm, "search", lr)
        seeds = range(SEARCH_SEED, SEARCH_SEED + self.ablation.plan.search_seeds)
        return [Job(arm=arm, phase="search", seed=seed, setting=setting, until=until) for seed in seeds]

    def decision(self, arm: str) -> lr_search.Decision:
        """Where the search of one arm's learning rate stands."""
        if arm not in self._decisions:
            self._decisions[arm] = self._decide(arm)
        return self._decisions[arm]

    def _decide(self, arm: str) -> lr_search.Decision:
        grid = self.ablation.plan.lr_grid
        epochs = float(self.setting(arm, "search", grid[0]).training.epochs)
        seen: dict[float, list[lr_search.Progress]] = {}
        while True:  # a decision may name rates beyond the grid, which then have to be looked up too
            decision = lr_search.advance(grid, seen, epochs=epochs, widenings=self.ablation.plan.lr_widenings)
            new = [lr for lr, _ in decision.run if lr not in seen] or [lr for lr in grid if lr not in seen]
            if not new:
                return decision
            for lr in new:
                records = [self.record(job) for job in self.search_jobs(arm, lr, None)]
                seen[lr] = [lr_search.Progress() if self._again(r) else progress_of(r) for r in records]

    def rate(self, arm: str) -> float | None:
        """The learning rate of an arm's reported trials; None while its search goes on, or lacks a trial that failed."""
        if arm not in self.ablation.searched:
            return {**self.ablation.base, **self.ablation.arms[arm]}["lr"]
        return None if self.search_failures(arm) else self.decision(arm).winner

    def search_failures(self, arm: str) -> list[Job]:
        """The search trials of an arm that failed: without them a winner would be one by default."""
        if arm not in self.ablation.searched:
            return []
        jobs = [job for rate in self._rates(arm) for job in self.search_jobs(arm, rate, None)]
        return [job for job in jobs if self.record(job).failed]

    def _rates(self, arm: str) -> list[float]:
        """Every rate the search of an arm has tried or is about to."""
        decision = self.decision(arm)
        rates = {*self.ablation.plan.lr_grid, *decision.dropped, *(rate for rate, _ in decision.run)}
        return sorted(rates | ({decision.winner} if decision.winner is not None else set()))

    def final_jobs(self, arm: str, lr: float, seeds: int | None = None) -> list[Job]:
        """The trials that count: seeds 0, 1, 2, ..., by default as many as are wanted now."""
        seeds = self.num_seeds if seeds is None else seeds
        jobs = self._final.setdefault((arm, lr), [])  # kept, since a name takes a hash, and each event asks for all
        if len(jobs) < seeds:
            setting = jobs[0].setting if jobs else self.setting(arm, "final", lr)
            jobs += [Job(arm=arm, phase="final", seed=seed, setting=setting) for seed in range(len(jobs), seeds)]
        return jobs[:seeds]

    @property
    def num_seeds(self) -> int:
        """Reported seeds an arm, as things stand: the plan's, or those of the look that is due or has decided."""
        return self._wanted_and_judged()[0]

    def _wanted_and_judged(self) -> tuple[int, int]:
        if self._seeds is None:
            wanted, judged = self.ablation.plan.seeds, self.ablation.plan.seeds
            if self.ablation.plan.looks:
                wanted = judged = 0
                for wanted in self.ablation.plan.looks:
                    if not self._complete(wanted):
                        break
                    judged = wanted
                    if all(line["verdict"] != "undecided" for line in compare(self._judged(judged))):
                        break
            self._seeds = (wanted, judged)
        return self._seeds

    def _complete(self, seeds: int) -> bool:
        """Whether so many seeds of every arm are over."""
        rates = {arm: self.rate(arm) for arm in self.ablation.arms}
        return None not in rates.values() and all(
            self.record(job).finished for arm, lr in rates.items() for job in self.final_jobs(arm, lr, seeds)
        )

    def evidence(self) -> Evidence:
        """Everything that tables, verdicts and figures are made of, as it stands."""
        if self.is_older:
            return self._of_old()
        counted = self.counted()
        final = (record.folder for record in counted if record.phase == "final")
        return replace(
            self._judged(self._wanted_and_judged()[1]),
            counted=tuple(counted),
            mixed=self.ablation.measure.one_machine and mixed(final),
        )

    def _of_old(self) -> Evidence:
        about = {"data_name": self.data_name, "data_digest": self.data_digest, "num_classes": self.num_classes}
        return older.evidence(self.ablation, list(self.records.values()), folder=self.folder, **about)

    def _judged(self, seeds: int) -> Evidence:
        """What so many seeds of every arm can be judged on; its other trials are left out."""
        rates = {arm: rate for arm in self.ablation.arms if (rate := self.rate(arm)) is not None}
        return Evidence(
            ablation=self.ablation, folder=self.folder, data_name=self.data_name, data_digest=self.data_digest,
            num_classes=self.num_classes, rates=rates, counted=(),
            judged=tuple(self.record(job) for arm, lr in rates.items() for job in self.final_jobs(arm, lr, seeds)),
            broken=tuple(arm for arm in self.ablation.arms if self.search_failures(arm)),
        )  # fmt: skip

    def ready(self) -> list[Job]:
        """Every job that may run now, the search first, then seed by seed with the control leading."""
        if self.is_older:
            return []
        searching, final = [], []
        for arm in self._control_first():
            lr = self.rate(arm)
            if lr is None:
                for rate, until in self.decision(arm).run:
                    searching += [job for job in self.search_jobs(arm, rate, until) if self._open(job)]
            else:
                final += [job for job in self.final_jobs(arm, lr) if self._open(job)]
        return searching + sorted(final, key=lambda job: job.seed)

    def counted(self) -> list[TrialRecord]:
        """The records of this plan: the search as far as it went, and the reported seeds."""
        if self.is_older:
            return list(self._of_old().counted)
        jobs = []
        for arm in self.ablation.arms:
            lr = self.rate(arm)
            if arm in self.ablation.searched:
                jobs += [job for rate in self._rates(arm) for job in self.search_jobs(arm, rate, None)]
            if lr is not None:
                jobs += self.final_jobs(arm, lr)
        return [self._as_counted(job) for job in jobs]

    def _as_counted(self, job: Job) -> TrialRecord:
        """A search trial counts as far as the rule runs it, however far it got."""
        record = self.record(job)
        if job.phase != "search" or record.failed:
            return record
        end = self.decision(job.arm).ends.get(job.setting.training.lr)
        if end is None:  # it still runs
            return record
        rows = record.rows[: lr_search.rows_until([row["epoch"] for row in record.rows], end)]
        reached = bool(rows) and rows[-1]["epoch"] >= end - 1e-9
        if len(rows) == len(record.rows) and (record.state == "done" or (record.state == "diverged" and not reached)):
            return record
        return replace(record, rows=rows, status={**record.status, "state": "stopped", "error": None})

    def tidy(self) -> None:
        """Removes what a kill left in trials that are over, and the checkpoints of rates the search has dropped.

        Should such a rate be needed again, it starts afresh.
        """
        for record in self.counted():
            if record.over:
                clear(record.folder)

    def failed(self) -> list[TrialRecord]:
        """The counted trials that failed."""
        return [record for record in self.counted() if record.failed]

    def _control_first(self) -> list[str]:
        return sorted(self.ablation.arms, key=lambda arm: arm != self.ablation.control)

    def _open(self, job: Job) -> bool:
        record = self.record(job)
        if record.failed:
            return self._again(record)
        return not is_over(record, job.until)

    def _again(self, record: TrialRecord) -> bool:
        return self.retry_failed and record.folder.name in self.failed_before


def is_over(record: TrialRecord, until: float | None) -> bool:
    """Whether a trial has nothing left to run: it has ended, or is as far as its search wants it for now."""
    if record.state == "paused" and until is not None:
        return record.status.get("epochs_run", 0.0) >= until - 1e-9
    return record.over


def open_results(folder: Path, name: str | None = None, *, problems: list[str] | None = None) -> list[Evidence]:
    """The campaigns in a results folder, or those of one ablation; `folder` may also be a single campaign's.

    UserError where there are none, or one is damaged. With a list of `problems` a damaged one is left out, and what is
    wrong with it is added there; UserError only where none can be read.
    """
    found, faults = [], []
    for path in [folder] if (folder / layout.PLAN).is_file() else reference.campaigns(folder, name):
        try:
            found.append(Campaign.open(path).evidence())
        except UserError as error:
            faults += error.faults
    if faults and (problems is None or not found):
        raise UserError(*faults)
    if problems is not None:
        problems += faults
    return found


def progress_of(record: TrialRecord) -> lr_search.Progress:
    """A search trial as the search sees it; a failed one counts as diverged, since it can't win.

    Rows that its state knows nothing of were saved on the way by a trial that then was killed: it has yet to go there.
    """
    rows = record.rows if record.finished else record.rows[: record.status.get("num_rows", 0)]
    return lr_search.Progress(
        epochs=[row["epoch"] for row in rows],
        errors=[row["train_error"] for row in rows],
        crossing=target_epoch(rows, record.setting.get("target")),
        diverged=record.failed or record.state == "diverged",
    )
