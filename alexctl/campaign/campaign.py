"""Which trials an ablation needs, which are still to run, and what the learning-rate search says next."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from alexctl.ablation.knobs import TrainingKnobs
from alexctl.ablation.model import SEARCH_SEED, Ablation
from alexctl.ablation.setting import NUMERICS, Setting
from alexctl.campaign import older
from alexctl.campaign.arm_search import ArmSearch, search_changes
from alexctl.campaign.job import Job
from alexctl.campaign.known_trials import KnownTrials
from alexctl.campaign.parts import Part, at_budget, parts_of
from alexctl.regular_files import signature
from alexctl.store import layout, plan
from alexctl.store.environment import mixed
from alexctl.store.records import TrialRecord, clear
from alexctl.verdicts.compare import compare
from alexctl.verdicts.evidence import Evidence, Searched

DEFAULTS = {"epochs": TrainingKnobs.model_fields["epochs"].default}


class Campaign:
    """All trials of one ablation on one data set, in one folder of results/.

    `ready()` is derived from what lies in the folder and nothing else, so the same command again is resume. A plan of
    older `numerics` is only read (campaign/older.py): nothing of it is ready. `lean`: rows of finished reported trials are
    read again once there is evidence to be made of them.
    """

    def __init__(
        self, ablation: Ablation, *, data_name: str, data_digest: str, num_classes: int, folder: Path,
        numerics: int = NUMERICS, unplanned_looks: tuple[int, ...] = (), lean: bool = False,
    ):  # fmt: skip
        self.unplanned_looks = unplanned_looks
        self.ablation, self.folder, self.num_classes = ablation, folder, num_classes
        self.numerics, self.is_older = numerics, numerics < NUMERICS
        self.data_name, self.data_digest = data_name, data_digest
        self.retry_failed = False
        self.share: range | None = None  # of the reported seeds, those that this process runs; None: all
        # A look goes back to the rows of all trials.
        self.trials = KnownTrials(folder, lean=lean and not ablation.plan.looks)
        self._searches: dict[tuple[str, Part], ArmSearch] = {}
        self._final: dict[tuple, list[Job]] = {}  # by arm, rate, part, and what else was chosen
        self._left: dict[tuple, list[Job]] = {}  # of those, what was not over when it was last asked what is ready
        self._settings: dict[tuple, Setting] = {}  # kept, since each takes a while to check
        self.parts = parts_of(ablation.plan)
        self._searched_arms = frozenset(ablation.searched)
        self._seeds: tuple[int, int] | None = None
        self._plan_read: tuple[int, ...] | None = None  # as it was when it was last read

    @classmethod
    def open(cls, folder: Path) -> "Campaign":
        """The campaign that a folder's `plan.json` describes; needs neither the ablation file nor the data."""
        return cls(**plan.read(folder), folder=folder)

    @property
    def records(self) -> dict[str, TrialRecord]:
        """What is known of each trial in the folder, by name."""
        return self.trials.records

    def write_plan(self, code: dict[str, Any]) -> list[str]:
        """Writes `plan.json` and returns what a person should be told about a plan that was there before."""
        begun = any(record.rows for record in self.records.values())
        notes = plan.write(
            self.folder, self.ablation, self._about, code, begun=begun, shared=lambda: bool(self.trials.held())
        )
        self._plan_read = signature(self.folder / layout.PLAN)
        self.unplanned_looks = plan.read(self.folder)["unplanned_looks"]
        return notes

    @property
    def _about(self) -> dict[str, Any]:
        return {"data_name": self.data_name, "data_digest": self.data_digest, "num_classes": self.num_classes}

    def setting(
        self, arm: str, phase: str, lr: float | None, part: Part | None = None, knobs: Mapping[str, Any] | None = None
    ) -> Setting:
        """An arm's setting, with the `knobs` that a search tries or has chosen beside the rate; in the search it never
        sees the test data, and a race ends at the target."""
        part, knobs = part or self.parts[-1], dict(knobs or {})
        key = (arm, phase, lr, part, repr(sorted(knobs.items())))
        if key not in self._settings:
            self._settings[key] = self._setting(arm, phase, lr, part, knobs)
        return self._settings[key]

    def _setting(self, arm: str, phase: str, lr: float | None, part: Part, knobs: dict[str, Any]) -> Setting:
        ablation = self.ablation
        changes = at_budget(ablation, arm, part.budget) | knobs
        if phase == "search":
            changes |= search_changes(ablation, {**DEFAULTS, **ablation.base, **ablation.arms[arm], **changes})
        return ablation.setting(arm, self.data_name, self.data_digest, lr=lr, **changes)

    def job(
        self, arm: str, phase: str, seed: int, setting: Setting, until: float | None = None, beside: str = ""
    ) -> Job:
        """One of its trials."""
        return Job(arm=arm, phase=phase, seed=seed, setting=setting, until=until, beside=beside)

    def reload(self, name: str) -> TrialRecord:
        """Reads one trial again after something happened to it."""
        self._forget_what_follows({name})
        return self.trials.reload(name)

    def refresh(self) -> bool:
        """Reads what other processes have done in the folder; whether there was anything.

        UserError where one of them has planned something else since this one wrote its plan.
        """
        if self._plan_read and (now := signature(self.folder / layout.PLAN)) != self._plan_read:
            plan.check(self.folder, plan.table(self.ablation, self._about, {}))
            self._plan_read = now
        changed = self.trials.refresh()
        self._forget_what_follows(changed)
        return bool(changed)

    def _forget_what_follows(self, changed: set[str]) -> None:
        """Has what was derived from these trials derived anew."""
        if not changed:
            return
        self._seeds = None
        for arm, seed, _ in filter(None, map(layout.parse_trial_name, changed)):
            if seed >= SEARCH_SEED:
                study = (seed - SEARCH_SEED) // self.ablation.plan.search_seeds
                for part in self.parts:
                    if part.study == study:
                        self._searches.pop((arm, part), None)

    def record(self, job: Job) -> TrialRecord:
        """What is known of a job's trial; a pending one if nothing is."""
        return self.trials.of(job)

    def search(self, arm: str, part: Part | None = None) -> ArmSearch:
        """The search of one arm's learning rate, by default the one whose rate is judged."""
        key = (arm, part or self.parts[-1])
        if key not in self._searches:
            self._searches[key] = ArmSearch(self, *key, again=self._again)
        return self._searches[key]

    def rate(self, arm: str, part: Part | None = None) -> float | None:
        """The learning rate of an arm's reported trials; None while its search goes on, or lacks a trial that failed."""
        if arm not in self._searched_arms:
            return {**self.ablation.base, **self.ablation.arms[arm]}["lr"]
        return self.search(arm, part).winner

    def search_failures(self, arm: str) -> list[Job]:
        """The search trials of an arm that failed, in any part."""
        if arm not in self._searched_arms:
            return []
        return [job for part in self.parts for job in self.search(arm, part).failures]

    def final_jobs(self, arm: str, lr: float, seeds: int | None = None, part: Part | None = None) -> list[Job]:
        """The trials that count: seeds 0, 1, 2, ... of each study, by default as many as are wanted now."""
        seeds, part = self.num_seeds if seeds is None else seeds, part or self.parts[-1]
        knobs = self.search(arm, part).knobs if arm in self._searched_arms else {}
        # Kept, since a name takes a hash, and each event asks for all.
        jobs = self._final.setdefault((arm, lr, part, *knobs.values()), [])
        if len(jobs) < seeds:
            setting = jobs[0].setting if jobs else self.setting(arm, "final", lr, part, knobs)
            first = part.study * self.ablation.plan.seeds
            jobs += [self.job(arm, "final", first + i, setting) for i in range(len(jobs), seeds)]
        return jobs[:seeds]

    def num_own_seeds(self, part: Part) -> int:
        """How many of a part's reported seeds this process runs."""
        first = part.study * self.ablation.plan.seeds
        return sum(self.share is None or first + i in self.share for i in range(self.num_seeds))

    def own(self, jobs: list[Job]) -> list[Job]:
        """Those of reported trials that this process runs, where it runs a share of the seeds."""
        return [job for job in jobs if self.share is None or job.seed in self.share]

    @property
    def num_reported(self) -> int:
        """Reported trials in all, as things stand."""
        return len(self.ablation.arms) * len(self.parts) * self.num_seeds

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
        self.trials.read_whole()
        if self.is_older:
            return self._of_old()
        counted = self.counted()
        final = (record.folder for record in counted if record.phase == "final")
        seeds = self._wanted_and_judged()[1]
        shorter = (self._judged(seeds, budget) for budget in (self.ablation.plan.budgets or ())[:-1])
        return replace(
            self._judged(seeds),
            counted=tuple(counted),
            standing=self.standing(),
            shorter=tuple(shorter),
            mixed=self.ablation.measure.one_machine and mixed(final),
        )

    def _of_old(self) -> Evidence:
        return older.evidence(
            self.ablation, list(self.records.values()), folder=self.folder, numerics=self.numerics, **self._about
        )

    def _judged(self, seeds: int, budget: int | None = None) -> Evidence:
        """What so many seeds of every arm can be judged on, at a budget (the largest); its other trials are left out."""
        budget = budget or self.parts[-1].budget
        parts = [part for part in self.parts if part.budget == budget]
        rates = {(arm, part): self.rate(arm, part) for part in parts for arm in self.ablation.arms}
        judged = (
            self.record(job)
            for (arm, part), lr in rates.items()
            if lr is not None
            for job in self.final_jobs(arm, lr, seeds, part)
        )
        return Evidence(
            ablation=self.ablation, folder=self.folder, data_name=self.data_name, data_digest=self.data_digest,
            num_classes=self.num_classes, counted=(), judged=tuple(judged), budget=budget,
            unplanned_looks=self.unplanned_looks,
            rates={arm: lr for (arm, part), lr in rates.items() if part == parts[0] and lr is not None},
            searches=tuple(self._searched(arm, part) for arm in self.ablation.searched for part in parts),
            broken=tuple(arm for arm in self.ablation.arms if self.search_failures(arm)),
        )  # fmt: skip

    def _searched(self, arm: str, part: Part) -> Searched:
        """What came of one search, and what it cost."""
        search = self.search(arm, part)
        counted = search.counted()
        return Searched(
            arm=arm, study=part.study, lr=search.winner, knobs=search.knobs, ties=search.ties, trials=len(counted),
            epochs=sum(record.rows[-1]["epoch"] for record in counted if record.rows),
        )  # fmt: skip

    def ready(self) -> list[Job]:
        """Every job that may run now, the search first, then seed by seed with the control leading."""
        if self.is_older:
            return []
        searching, final, arms = [], [], self._control_first()
        for part in self.parts:
            for arm in arms:
                lr = self.rate(arm, part)
                if lr is None:
                    searching += [job for job in self.search(arm, part).waiting() if self._open(job)]
                else:
                    final += [job for job in self._not_over(arm, lr, part) if self._open(job)]
        return searching + sorted(final, key=lambda job: job.seed)

    def _not_over(self, arm: str, lr: float, part: Part) -> list[Job]:
        """The reported trials that this process may have to run; what is over stays so, and is not asked again."""
        jobs = self.own(self.final_jobs(arm, lr, part=part))
        key = (arm, part, len(jobs), jobs[0].setting.hash8 if jobs else None)
        left = self._left.get(key, jobs)
        self._left[key] = [job for job in left if not (job.name in self.records and self.record(job).over)]
        return self._left[key]

    def counted(self) -> list[TrialRecord]:
        """The records of this plan: the search as far as it went, and the reported seeds."""
        if self.is_older:
            return list(self._of_old().counted)
        records = []
        for arm in self.ablation.arms:
            for part in self.parts:
                lr = self.rate(arm, part)
                if arm in self._searched_arms:
                    records += self.search(arm, part).counted()
                if lr is not None:
                    records += [self.record(job) for job in self.final_jobs(arm, lr, part=part)]
        return records

    def standing(self) -> str:
        """16 hex digits that tell how the trials that count stand from any other state of theirs."""
        about = [f"{r.folder.name} {r.state} {r.status.get('error')}" for r in self.counted()]
        asked = plan.table(self.ablation, self._about, {})
        about.append(f"{self.unplanned_looks} {json.dumps(asked, sort_keys=True)}")
        return hashlib.sha256("\n".join(about).encode(errors="surrogatepass")).hexdigest()[:16]

    def tidy(self) -> None:
        """Removes what a kill left in trials that are over, and the checkpoints of rates the search has dropped.

        Should such a rate be needed again, it starts afresh. What other processes are at work on is left alone.
        """
        for record in self.counted():
            if record.over:
                clear(record.folder)

    def failed(self) -> list[TrialRecord]:
        """The counted trials that failed."""
        return [record for record in self.counted() if record.failed]

    def _control_first(self) -> list[str]:
        controls = set(self.ablation.controls.values())
        return sorted(self.ablation.arms, key=lambda arm: arm not in controls)

    def _open(self, job: Job) -> bool:
        if job.name not in self.records:
            return True
        record = self.record(job)
        if record.failed:
            return self._again(record)
        return not record.is_over(job.until)

    def _again(self, record: TrialRecord) -> bool:
        return self.retry_failed and record.folder.name in self.trials.failed_before
