"""How far a campaign is: of each arm, how many trials wait, run, are done, have diverged or have failed."""

from collections import Counter
from dataclasses import dataclass

from alexctl.campaign.campaign import Campaign
from alexctl.campaign.job import Job
from alexctl.store.records import TrialRecord

STATES = ("pending", "running", "done", "diverged", "failed")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The trials of one arm in one phase, `search` or `final`. A search that goes on may still add some."""

    arm: str
    phase: str
    pending: int = 0
    running: int = 0
    done: int = 0
    diverged: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(getattr(self, state) for state in STATES)


def standings(campaign: Campaign) -> list[Standing]:
    """A line for each arm's search, where its rate is searched, and for each arm's reported trials.

    A trial that a process is at work on counts as running; on another machine, until it was silent for a minute.
    """
    held, found = set(campaign.trials.held()), []
    for arm in campaign.ablation.arms:
        if arm in campaign.ablation.searched:
            found.append(Standing(arm=arm, phase="search", **_searched(campaign, arm, held)))
        found.append(Standing(arm=arm, phase="final", **_reported(campaign, arm, held)))
    return found


def _reported(campaign: Campaign, arm: str, held: set[str]) -> Counter[str]:
    if campaign.is_older:
        return Counter(
            _state(each, None, held) for each in campaign.counted() if (each.arm, each.phase) == (arm, "final")
        )
    states: Counter[str] = Counter()
    for part in campaign.parts:
        rate = campaign.rate(arm, part)
        if rate is None:
            states["pending"] += campaign.num_seeds
        else:
            states.update(_state(campaign.record(job), job, held) for job in campaign.final_jobs(arm, rate, part=part))
    return states


def _searched(campaign: Campaign, arm: str, held: set[str]) -> Counter[str]:
    if campaign.is_older:
        return Counter(
            _state(each, None, held) for each in campaign.counted() if (each.arm, each.phase) == (arm, "search")
        )
    states: Counter[str] = Counter()
    for part in campaign.parts:
        search = campaign.search(arm, part)
        wanted = {job.name: job for job in search.waiting()}
        states.update(_state(record, wanted.get(record.folder.name), held) for record in search.counted())
    return states


def _state(record: TrialRecord, job: Job | None, held: set[str]) -> str:
    """One of STATES; a trial that has got as far as its search compares it is done."""
    if record.failed:
        return "failed"
    if record.folder.name in held:
        return "running"
    if record.state == "pending" or (job is not None and not record.is_over(job.until)):
        return "pending"
    return "diverged" if record.state == "diverged" else "done"
