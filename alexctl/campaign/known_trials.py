"""The trials of a campaign as they were last read; other processes may be at work on the same folder."""

from pathlib import Path

from alexctl.campaign.job import Job
from alexctl.regular_files import signature
from alexctl.store import layout
from alexctl.store.files import storage_error
from alexctl.store.lock import is_held
from alexctl.store.records import TrialRecord, read_trial, trial_folders, trials_of


class KnownTrials:
    """What is known of each trial in a campaign's folder, in `records` by the names of their folders.

    `failed_before` are those that had failed when they were first read, and were not tried again since.
    """

    def __init__(self, campaign: Path):
        self.campaign = campaign
        self.read_at = {path.name: signature(path / layout.STATUS) for path in trial_folders(campaign)}
        self.records = {record.folder.name: record for record in trials_of(campaign)}
        for name in [name for name, record in self.records.items() if _is_unfinished_write(record)]:
            self._forget(name)
        self.failed_before = {name for name, record in self.records.items() if record.failed}

    def reload(self, name: str) -> TrialRecord:
        """Reads one trial again after something happened to it."""
        folder = layout.trial(self.campaign, name)
        self.read_at[name] = signature(folder / layout.STATUS)
        record = read_trial(folder)
        self.records[name] = record
        self.failed_before.discard(name)  # a retry is one try
        return record

    def refresh(self) -> bool:
        """Reads again what other processes have changed; whether there was anything. A look at a file for each trial
        that is not over."""
        changed = False
        for path in trial_folders(self.campaign):
            known = self.records.get(path.name)
            if known is not None and known.over:
                continue
            now = signature(path / layout.STATUS)
            if now == self.read_at.get(path.name):
                continue
            self.read_at[path.name] = now
            record = read_trial(path)
            if record is None:
                continue
            if _is_unfinished_write(record):
                self._forget(path.name)
                continue
            self.records[path.name] = record
            self.failed_before.discard(path.name)
            changed = True
        return changed

    def of(self, job: Job) -> TrialRecord:
        """What is known of a job's trial; a pending one if nothing is. UserError where it can't be counted."""
        record = self.records.get(job.name)
        if record is None:
            return TrialRecord(
                folder=layout.trial(self.campaign, job.name), arm=job.arm, seed=job.seed, hash8=job.setting.hash8,
                phase=job.phase, setting=job.setting.flat(),
            )  # fmt: skip
        if record.problem and not record.folder.exists():
            raise storage_error(record.folder, FileNotFoundError(2, "the folder has vanished"))
        if record.problem:
            raise record.refusal("restore it, or delete that folder and run the same command again to redo it")
        return record

    def restart_torn(self) -> list[str]:
        """Counts trials as not begun whose rows and status are of different moments; returns a note for each."""
        torn = {name: record for name, record in self.records.items() if record.torn}
        for name in torn:
            del self.records[name]
        return [f"{name} starts again: {record.problem}" for name, record in torn.items()]

    def held(self) -> list[str]:
        """The trials that some process is at work on."""
        return [path.name for path in trial_folders(self.campaign) if is_held(path)]

    def _forget(self, name: str) -> None:
        """Has the next look read the trial again."""
        self.records.pop(name, None)
        self.read_at.pop(name, None)


def _is_unfinished_write(record: TrialRecord) -> bool:
    """Whether what seems wrong with a trial may be that its files were read while another process wrote them."""
    return bool(record.problem) and is_held(record.folder)
