"""A trial that another ablation has already done is copied, not run again: the paper's net is an arm of most of them."""

import contextlib
from pathlib import Path

from alexctl.campaign.campaign import Campaign
from alexctl.campaign.job import Job
from alexctl.errors import UserError
from alexctl.store import layout, records
from alexctl.store.copies import copy_trial
from alexctl.store.files import make_inner
from alexctl.store.lock import FolderLock, Locked


class FinishedElsewhere:
    """The finished trials of the other campaigns in a results folder, by seed and hash of their setting.

    Of a learning-rate search also those that it dropped on the way, as far as they got. The arm's name is no part of a
    setting's identity, so `lrn` in one file may be `whole` in another. Where seconds are compared nothing is shared:
    they count within one run only.
    """

    def __init__(self, campaign: Campaign, *, weights: bool, predictions: bool = False):
        self.campaign, self.weights, self.predictions = campaign, weights, predictions
        self.folders: dict[str, list[Path]] = {}
        if campaign.ablation.measure.one_machine:
            return
        for other in records.campaigns(campaign.folder.parent):
            if other.name != campaign.folder.name:
                with contextlib.suppress(UserError):  # it can't be read: then nothing is taken from it
                    for path in records.trial_folders(other):
                        self.folders.setdefault(_identity(path.name), []).append(path)

    def knows(self, job: Job) -> bool:
        """Whether another campaign has a trial of the job's setting and seed, however far it got."""
        return _identity(job.name) in self.folders

    def take_ready(self) -> list[tuple[Job, str]]:
        """Takes whatever is ready, and what is ready then, with the names of the campaigns that have done it."""
        taken: list[tuple[Job, str]] = []
        while new := [(job, source) for job in self.campaign.ready() if (source := self.take(job))]:
            taken += new
        return taken

    def take(self, job: Job) -> str | None:
        """Copies the job's trial into the campaign and names the one that has done it; None: it is begun, or nobody has."""
        if self.campaign.record(job).state != "pending":
            return None
        for source in self.folders.get(_identity(job.name), ()):
            record = records.read_trial(source)
            if record is None or record.problem or not record.is_over(job.until):
                continue
            home = source.parent.parent.name
            head = {"ablation": self.campaign.ablation.name, "arm": job.arm, "from": home}
            folder = make_inner(layout.trial(self.campaign.folder, job.name))
            try:
                with FolderLock(folder) as lock:
                    if records.read_trial(folder).state != "pending":  # another process was quicker
                        return None
                    copy_trial(record, lock, head=head, wanted=self._wanted(), if_there=self._if_there())
            except Locked:  # another process is at it
                return None
            except ValueError:  # deleted or replaced meanwhile, or without weights
                continue
            self.campaign.reload(job.name)
            return home
        return None

    def _wanted(self) -> tuple[str, ...]:
        return (layout.WEIGHTS,) * self.weights + (layout.PROBABILITIES,) * self.predictions

    def _if_there(self) -> tuple[str, ...]:
        return layout.INSPECTION if self.weights else ()


def _identity(name: str) -> str:
    """`-sSEED-HASH8`, the end of a trial's folder name."""
    return name[name.rindex("-s", 0, -9) :] if "-s" in name[:-9] else name
