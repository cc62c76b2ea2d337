"""Watches a campaign whose trials run in jobs of Slurm: only its folder is read, so whoever watches may go at any time."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from alexctl import numbers
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.standing import Standing, standings
from alexctl.errors import UserError
from alexctl.regular_files import signature
from alexctl.slurm import cluster, submit
from alexctl.slurm.cluster import QueuedJob
from alexctl.store import layout, reference, slurm_jobs
from alexctl.store.records import TrialRecord

LOOK_SECONDS = 3.0  # between two looks at the folder
ASK_SECONDS = 10.0  # between two questions to Slurm, which many ask
WAITS = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT")


@dataclass(frozen=True, kw_only=True)
class View:
    """A campaign as it stands: its trials, where there is a plan yet, and its jobs in the queue."""

    folder: Path
    campaign: Campaign | None
    trials: tuple[Standing, ...]
    jobs: tuple[QueuedJob, ...] | None  # None: nothing was submitted, or Slurm gives no answer

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to run."""
        return self.campaign is not None and not self.campaign.ready()

    def jobs_words(self) -> str:
        """'2 running, 1 pending (Resources)'; 'none in the queue'."""
        if self.jobs is None:
            return "not known, Slurm gives no answer"
        states = Counter(job.state.lower() for job in self.jobs)
        why = sorted({job.reason for job in self.jobs if job.state in WAITS} - {"None", ""})
        reasons = f" ({', '.join(why)})" if why else ""
        words = [f"{count} {state}{reasons * (state == 'pending')}" for state, count in sorted(states.items())]
        return ", ".join(words) or "none in the queue"


class Hearer(Protocol):
    """What a screen hears of it."""

    def look(self, view: View) -> None: ...
    def ended(self, record: TrialRecord) -> None: ...


def view(folder: Path, campaign: Campaign | None, jobs: Sequence[QueuedJob] | None) -> View:
    """The campaign as it stands now."""
    trials = tuple(standings(campaign)) if campaign else ()
    return View(folder=folder, campaign=campaign, trials=trials, jobs=None if jobs is None else tuple(jobs))


def status(results: Path, name: str | None = None) -> tuple[list[View], list[str]]:
    """(the campaigns in a results folder, or those of one ablation, as they stand; notes on what could not be read).

    `results` may also be a campaign's folder. UserError where there are none.
    """
    views, notes = [], []
    for folder in _folders(results, name):
        jobs = None
        if slurm_jobs.read(folder):
            try:
                jobs = submit.queued(folder)
            except UserError as error:
                notes.append(f"{folder.name}: the state of its jobs is not known here: {error}")
        views.append(view(folder, opened(folder), jobs))
        if jobs == [] and not views[-1].is_over:
            notes.append(str(left_undone(views[-1])))
    return views, notes


def _folders(results: Path, name: str | None) -> list[Path]:
    if (results / layout.PLAN).is_file():
        return [results]
    submitted = slurm_jobs.submitted(results, name)
    try:
        return sorted({*reference.campaigns(results, name), *submitted})
    except UserError:
        if not submitted:
            raise
        return submitted


def opened(folder: Path) -> Campaign | None:
    """The campaign in a folder; None where no job has planned it yet. UserError where its files are damaged."""
    return Campaign.open(folder) if (folder / layout.PLAN).exists() else None


def watch(folder: Path, hearer: Hearer) -> None:
    """Returns when the campaign is over and its jobs have left the queue; those that had not begun are cancelled then.

    UserError where no job is left and the campaign is not over.
    """
    planned, campaign = signature(folder / layout.PLAN), opened(folder)
    over = {record.folder.name for record in _over(campaign)}
    jobs, asked = submit.queued(folder), time.monotonic()
    while True:
        if time.monotonic() - asked >= ASK_SECONDS:
            jobs, asked = _queued(folder), time.monotonic()
        if (plan := signature(folder / layout.PLAN)) != planned:
            planned, campaign = plan, opened(folder)
        elif campaign is not None:
            campaign.refresh()
        now = view(folder, campaign, jobs)
        for record in _over(campaign):
            if record.folder.name not in over:
                over.add(record.folder.name)
                hearer.ended(record)
        hearer.look(now)
        if jobs == []:
            if not now.is_over:
                raise left_undone(now)
            return
        if now.is_over and (idle := [job.job_id for job in jobs or () if job.state in WAITS]):
            cluster.cancel(idle)
            asked = float("-inf")
        time.sleep(LOOK_SECONDS)


def _queued(folder: Path) -> list[QueuedJob] | None:
    """The campaign's jobs; None where Slurm gives no answer just now, as while its controller is started anew."""
    try:
        return submit.queued(folder)
    except UserError:
        return None


def _over(campaign: Campaign | None) -> list[TrialRecord]:
    return [] if campaign is None else [record for record in campaign.counted() if record.over or record.failed]


def left_undone(now: View) -> UserError:
    """What to tell when all jobs are gone and trials are left: the jobs' own last words, where there are some."""
    last = slurm_jobs.read(now.folder)[-1]
    logs = slurm_jobs.folder(now.folder)
    if not any(slurm_jobs.has_begun(now.folder, job_id) for job_id in last.ids):
        said = next(filter(None, (slurm_jobs.last_words(now.folder, job_id) for job_id in last.ids)), None)
        why = f" (the log of one says: {said})" if said else ""
        return UserError(
            f"the jobs {last.job_id} have ended and none has written its mark into {logs}{why}: their nodes don't see that "
            "folder, or not this Python; choose a folder that all nodes share, with --results PATH",
            exit_code=1,
        )
    lines = Counter(filter(None, (slurm_jobs.last_words(now.folder, job_id) for job_id in last.ids)))
    said = f"; the last that one of them said: {lines.most_common(1)[0][0]}" if lines else ""
    left = sum(each.pending + each.running for each in now.trials)
    what = f"{numbers.counted(left, 'trial')} left" if now.campaign else "no trial begun"
    return UserError(
        f"the jobs {last.job_id} have left the queue with {what}{said}; their logs are in {logs}. "
        "The same command again submits new ones, which go on from the checkpoints",
        exit_code=1,
    )
