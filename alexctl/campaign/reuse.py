"""A trial that another ablation has already done is copied, not run again: the paper's net is an arm of most of them."""

import contextlib
from pathlib import Path

from alexctl.campaign.campaign import Campaign, Job, is_over
from alexctl.errors import UserError
from alexctl.store import layout, records
from alexctl.store.files import ANY_BYTES, make_inner, read_bytes, read_json, settle, write_atomic, write_json

ABOUT_A_TRIAL = (layout.ENV, layout.ROWS, layout.STATUS)


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
            if record is None or record.problem or not is_over(record, job.until):
                continue
            try:
                head = read_json(source / layout.SETTING)
                files = {name: read_bytes(source / name, ANY_BYTES) for name in self._wanted()}
            except ValueError:  # deleted or replaced meanwhile, or without weights
                continue
            home = source.parent.parent.name
            head |= {"ablation": self.campaign.ablation.name, "arm": job.arm, "from": home}
            folder = make_inner(layout.trial(self.campaign.folder, job.name))
            write_json(folder / layout.SETTING, head)
            settle(folder)
            # Older trials have none of these.
            if record.right is not None:
                files[layout.CORRECT] = record.right.bits
            if self.weights:
                files |= {n: read_bytes(path, ANY_BYTES) for n in layout.INSPECTION if (path := source / n).is_file()}
            status = files.pop(layout.STATUS)
            for name, content in files.items():
                write_atomic(folder / name, content)
            settle(folder)
            write_atomic(folder / layout.STATUS, status)  # last: without one it is still to run
            self.campaign.reload(job.name)
            return home
        return None

    def _wanted(self) -> tuple[str, ...]:
        wanted = (layout.WEIGHTS,) * self.weights + (layout.PROBABILITIES,) * self.predictions
        return (*wanted, *ABOUT_A_TRIAL)


def _identity(name: str) -> str:
    """`-sSEED-HASH8`, the end of a trial's folder name."""
    return name[name.rindex("-s", 0, -9) :] if "-s" in name[:-9] else name
