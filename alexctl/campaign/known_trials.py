"""The trials of a campaign as they were last read; other processes may be at work on the same folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from alexctl.campaign.job import Job
from alexctl.regular_files import signature
from alexctl.store import layout
from alexctl.store.files import storage_error
from alexctl.store.lock import is_held
from alexctl.store.records import TrialRecord, each_trial, read_outcome, read_trial, trial_folders, trial_names


class KnownTrials:
    """What is known of each trial in a campaign's folder, in `records` by the names of their folders.

    `failed_before` are those that had failed when they were first read, and were not tried again since. `lean`: of
    finished reported trials only the outcome is kept, and of those that others finish only `status.json` is read, until
    `read_whole`.
    """

    def __init__(self, campaign: Path, *, lean: bool = False):
        self.campaign, self.lean = campaign, lean
        self._settings: dict[str, dict[str, Any]] = {}  # by their hash, one object each
        self.read_at = {path.name: signature(path / layout.STATUS) for path in trial_folders(campaign)}
        self.records = {record.folder.name: self._kept(record) for record in each_trial(campaign)}
        for name in [name for name, record in self.records.items() if _is_unfinished_write(record)]:
            self._forget(name)
        self.failed_before = {name for name, record in self.records.items() if record.failed}

    def reload(self, name: str) -> TrialRecord:
        """Reads one trial again after something happened to it."""
        folder = layout.trial(self.campaign, name)
        self.read_at[name] = signature(folder / layout.STATUS)
        record = read_trial(folder)
        self.records[name] = self._kept(record)
        self.failed_before.discard(name)  # a retry is one try
        return record

    def refresh(self) -> set[str]:
        """Reads again what other processes have changed, and names that. A look at a file for each trial that is not
        over."""
        changed, place = set(), str(self.campaign / layout.TRIALS)
        for name in trial_names(self.campaign):
            known = self.records.get(name)
            if known is not None and known.over:
                continue
            now = signature(f"{place}/{name}/{layout.STATUS}")
            if now == self.read_at.setdefault(name, None):
                continue
            self.read_at[name], path = now, layout.trial(self.campaign, name)
            record = (read_outcome(path, self._settings) if self.lean else None) or read_trial(path)
            if record is None:
                continue
            if _is_unfinished_write(record):
                self._forget(name)
                continue
            self.records[name] = self._kept(record)
            self.failed_before.discard(name)
            changed.add(name)
        return changed

    def is_laid_down(self, name: str) -> bool:
        """Whether the trial's folder was there at the last look."""
        return name in self.read_at or name in self.records

    def read_whole(self) -> None:
        """Reads and checks all of those of which only the outcome is known."""
        self.lean = False
        for name in [name for name, record in self.records.items() if record.lean]:
            self.records[name] = read_trial(layout.trial(self.campaign, name))

    def _kept(self, record: TrialRecord) -> TrialRecord:
        if not self.lean or record.problem or record.phase != "final" or not record.finished:
            return record
        setting = self._settings.setdefault(record.hash8, record.setting)
        return replace(record if record.lean else record.outcome(), setting=setting)

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
