"""Which trials an ablation needs, which are still to run, and what the learning-rate search says next."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from alexctl import results, search
from alexctl.ablation import SEARCH_SEED, Ablation
from alexctl.errors import UserError
from alexctl.knobs import Setting, spec_of
from alexctl.results import TrialRecord, trial_name
from alexctl.stats import target_epoch

_ABLATE_AGAIN = "`alexctl ablate` with the same words writes it anew, and loses no trial"


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
        return trial_name(self.arm, self.seed, self.setting.hash8)


class Campaign:
    """All trials of one ablation on one data set, in one folder of results/.

    `ready()` is derived from what lies in the folder and nothing else, so the same command again is resume.
    """

    def __init__(self, ablation: Ablation, *, data_name: str, data_digest: str, num_classes: int, folder: Path):
        self.ablation, self.folder, self.num_classes = ablation, folder, num_classes
        self.data_name, self.data_digest = data_name, data_digest
        self.retry_failed = False
        self.records: dict[str, TrialRecord] = {r.folder.name: r for r in results.trials_of(folder)}
        self.failed_before = {name for name, record in self.records.items() if record.state == "failed"}
        self._decisions: dict[str, search.Decision] = {}

    @classmethod
    def open(cls, folder: Path) -> "Campaign":
        """The campaign that a folder's `plan.json` describes; needs neither the ablation file nor the data."""
        try:
            plan = results.read_json(folder / "plan.json")
            ablation = Ablation.model_validate_json(json.dumps(plan["ablation"]))
            about = {key: plan[key] for key in ("data_name", "data_digest", "num_classes")}
            ablation.base["data"] = spec_of(about["data_name"])
            for arm in ablation.arms:
                ablation.setting(arm, about["data_name"], about["data_digest"], lr=min(ablation.plan.lr_grid or [1.0]))
            searchable = ablation.plan.lr_grid or not ablation.searched
            if ablation.control not in ablation.arms or not searchable or type(about["num_classes"]) is not int:
                raise KeyError
        except (ValidationError, UserError):
            raise UserError(f"{folder.name}/plan.json is damaged; {_ABLATE_AGAIN}") from None
        except (ValueError, KeyError) as error:
            reason = str(error) if isinstance(error, ValueError) else "plan.json is damaged"
            raise UserError(f"{folder.name}: {reason}; {_ABLATE_AGAIN}") from None
        return cls(ablation, **about, folder=folder)

    def write_plan(self, code: dict[str, Any]) -> list[str]:
        """Writes `plan.json` and returns what a person should be told about a plan that was there before."""
        path, notes = self.folder / "plan.json", []
        # The folder the pictures came from is nobody's business; their name and digest say what they are.
        base = {**self.ablation.base, "data": self.data_name}
        table = self.ablation.spelled_out().model_copy(update={"base": base}).model_dump(mode="json")
        plan = {
            "schema": results.SCHEMA, "ablation": table, "data_name": self.data_name, "data_digest": self.data_digest,
            "num_classes": self.num_classes, **code,
        }  # fmt: skip
        if path.exists():
            try:
                before = results.read_json(path)
            except ValueError as error:
                notes.append(f"{error}; written anew")
                before = plan
            if any(before.get(key) != code[key] for key in code):
                notes.append(
                    "the code has changed since this campaign was planned "
                    f"(commit {str(before.get('git_commit'))[:8]} then, {str(code.get('git_commit'))[:8]} now): "
                    "finished trials are kept as they are"
                )
            if rewritten := _rewritten(before.get("ablation"), table):
                notes.append(
                    f"the code of {' and '.join(rewritten)} has changed since this campaign was planned: "
                    "those trials are run anew, the old ones are kept but not counted"
                )
            elif before.get("ablation") != table:
                notes.append("the plan has changed; trials that no longer belong to it are kept but not counted")
        results.write_json(path, plan)
        return notes

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
        record = results.read_trial(self.folder / "trials" / name)
        self.records[name] = record
        self.failed_before.discard(name)  # a retry is one try
        self._decisions.clear()
        return record

    def record(self, job: Job) -> TrialRecord:
        """What is known of a job's trial; a pending one if nothing is."""
        record = self.records.get(job.name)
        if record is None:
            return TrialRecord(
                folder=self.folder / "trials" / job.name, arm=job.arm, seed=job.seed, hash8=job.setting.hash8,
                phase=job.phase, setting=job.setting.flat(),
            )  # fmt: skip
        if record.problem:
            raise UserError(
                f"{self.folder.name}/trials/{job.name}: {record.problem}; "
                "put it back as it was, or delete that folder and give the same command again to run it anew"
            )
        return record

    def search_jobs(self, arm: str, lr: float, until: float | None) -> list[Job]:
        """The trials, one a search seed, that measure one rate."""
        setting = self.setting(arm, "search", lr)
        seeds = range(SEARCH_SEED, SEARCH_SEED + self.ablation.plan.search_seeds)
        return [Job(arm=arm, phase="search", seed=seed, setting=setting, until=until) for seed in seeds]

    def decision(self, arm: str) -> search.Decision:
        """Where the search of one arm's learning rate stands."""
        if arm not in self._decisions:
            self._decisions[arm] = self._decide(arm)
        return self._decisions[arm]

    def _decide(self, arm: str) -> search.Decision:
        grid = self.ablation.plan.lr_grid
        epochs = float(self.setting(arm, "search", grid[0]).training.epochs)
        seen: dict[float, list[search.Progress]] = {}
        while True:  # a decision may name rates beyond the grid, which then have to be looked up too
            decision = search.advance(grid, seen, epochs=epochs, widenings=self.ablation.plan.lr_widenings)
            new = [lr for lr, _ in decision.run if lr not in seen] or [lr for lr in grid if lr not in seen]
            if not new:
                return decision
            for lr in new:
                records = [self.record(job) for job in self.search_jobs(arm, lr, None)]
                seen[lr] = [search.Progress() if self._again(r) else progress_of(r) for r in records]

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
        return [job for job in jobs if self.record(job).state == "failed"]

    def _rates(self, arm: str) -> list[float]:
        """Every rate the search of an arm has tried or is about to."""
        decision = self.decision(arm)
        rates = {*self.ablation.plan.lr_grid, *decision.dropped, *(rate for rate, _ in decision.run)}
        return sorted(rates | ({decision.winner} if decision.winner is not None else set()))

    def final_jobs(self, arm: str, lr: float) -> list[Job]:
        """The trials that count: seeds 0, 1, 2, ..."""
        setting = self.setting(arm, "final", lr)
        return [Job(arm=arm, phase="final", seed=seed, setting=setting) for seed in range(self.ablation.plan.seeds)]

    def ready(self) -> list[Job]:
        """Every job that may run now, the search first, then seed by seed with the control leading."""
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
        if job.phase != "search" or record.state == "failed":
            return record
        end = self.decision(job.arm).ends.get(job.setting.training.lr)
        if end is None:  # it still runs
            return record
        rows = record.rows[: search.rows_until([row["epoch"] for row in record.rows], end)]
        reached = bool(rows) and rows[-1]["epoch"] >= end - 1e-9
        if len(rows) == len(record.rows) and (record.state == "done" or (record.state == "diverged" and not reached)):
            return record
        return replace(record, rows=rows, status={**record.status, "state": "stopped", "error": None})

    def tidy(self) -> None:
        """Removes what a kill left in trials that are over, and the checkpoints of rates the search has dropped.

        Should such a rate be needed again, it starts afresh.
        """
        for record in self.counted():
            if record.state in ("stopped", "done", "diverged"):
                results.clear(record.folder)

    def failed(self) -> list[TrialRecord]:
        """The counted trials that failed."""
        return [record for record in self.counted() if record.state == "failed"]

    def _control_first(self) -> list[str]:
        return sorted(self.ablation.arms, key=lambda arm: arm != self.ablation.control)

    def _open(self, job: Job) -> bool:
        record = self.record(job)
        if record.state == "failed":
            return self._again(record)
        if record.state == "paused" and job.until is not None:
            return record.status.get("epochs_run", 0.0) < job.until - 1e-9
        return record.state not in ("done", "diverged", "stopped")

    def _again(self, record: TrialRecord) -> bool:
        return self.retry_failed and record.folder.name in self.failed_before


def _rewritten(before: Any, now: Any) -> list[str]:
    """The user's own nets in both of two plans whose code is no longer the same."""
    was, is_ = _sources(before), _sources(now)
    return sorted(net for net in was.keys() & is_.keys() if was[net] != is_[net])


def _sources(plan: Any) -> dict[str, str]:
    """What identifies the code of each of a plan's own nets."""
    try:
        tables = [{**plan["base"], **knobs} for knobs in plan["arms"].values()]
        return {table["net"]: table["net_source"] for table in tables if "net_source" in table}
    except (TypeError, KeyError, AttributeError):  # edited by hand
        return {}


def progress_of(record: TrialRecord) -> search.Progress:
    """A search trial as the search sees it; a failed one counts as diverged, since it can't win."""
    return search.Progress(
        epochs=[row["epoch"] for row in record.rows],
        errors=[row["train_error"] for row in record.rows],
        crossing=target_epoch(record.rows, record.setting.get("target")),
        diverged=record.state in ("diverged", "failed"),
    )
