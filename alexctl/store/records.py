"""A trial's folder: created, how its trial ended written down, and read back with every doubt said."""

import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from alexctl.ablation.knobs import NETS
from alexctl.ablation.model import SEARCH_SEED
from alexctl.ablation.setting import Setting, hash_of
from alexctl.errors import StorageError, UserError, printable
from alexctl.regular_files import is_regular, odd_kind
from alexctl.store import layout, rows_csv, test_images
from alexctl.store.files import SCHEMA, Unreadable, make_inner, read_json, remove, settle, unusable, write_json
from alexctl.store.lock import FolderLock, Locked
from alexctl.store.models import StatusFile

FINISHED = ("done", "diverged")  # the states of a trial that came to its own end
LONGEST_ERROR = 1000  # characters of what went wrong; the log has all of it


def create(folder: Path, *, ablation: str, arm: str, phase: str, seed: int, setting: Setting) -> None:
    """Lays down a trial that anybody may then run; one that another process has laid down is left as it is."""
    make_inner(folder)
    if is_regular(folder / layout.SETTING):
        return
    head = {"schema": SCHEMA, "ablation": ablation, "arm": arm, "phase": phase, "seed": seed, "setting": setting.flat()}
    try:
        write_json(folder / layout.SETTING, head)
    except StorageError:
        if not is_regular(folder / layout.SETTING):  # else another process was quicker, and has swept up what was ours
            raise
    settle(folder)


def read_setting(folder: Path) -> tuple[Setting, int]:
    """What a trial is: its setting and its seed."""
    head = read_json(folder / layout.SETTING)
    return Setting.from_flat(head["setting"]), head["seed"]


def write_end(
    folder: Path, state: str, error: str | None, rows: Sequence[dict[str, Any]], *,
    train_seconds: float, eval_seconds: float, prepare_seconds: float | None = None, parameters: int | None = None,
    right: test_images.Right | None = None, kernels: list[dict[str, Any]] | None = None,
    crossed: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """Writes down the state a trial is left in, and which rows it has then; `rows.csv` and all else are there before."""
    settle(folder)
    status = {
        "schema": StatusFile.newest, "state": state, "error": cut(error) if error else None,
        "num_rows": len(rows), "rows_digest": rows_csv.digest(rows),
        "epochs_run": rows[-1]["epoch"] if rows else 0.0, "train_seconds": train_seconds,
        "eval_seconds": eval_seconds, "prepare_seconds": prepare_seconds, "parameters": parameters,
        **(crossed or {}),
    }  # fmt: skip
    if right is not None:
        status |= {"num_test": right.count, "correct_digest": right.digest}
    if kernels is not None:
        status["kernels"] = kernels
    write_json(folder / layout.STATUS, status)


def write_death(folder: Path, why: str) -> None:
    """Writes down that a trial's process ended without a word: state `failed`, its rows as last saved."""
    try:
        saved = rows_csv.read(folder)
    except ValueError:
        saved = ()
    last = saved[-1] if saved else {}
    write_end(
        folder, "failed", why, saved,
        train_seconds=last.get("train_seconds", 0.0), eval_seconds=last.get("eval_seconds", 0.0),
    )  # fmt: skip


def cut(message: str) -> str:
    """A message as a table or a terminal can hold it."""
    text = printable(message)
    return text if len(text) <= LONGEST_ERROR else f"{text[:LONGEST_ERROR]} ..."


def begin_again(folder: Path) -> None:
    """Forgets how a trial ended: what its status says of rows that are made again would be wrong."""
    remove(folder / layout.STATUS)


def clear(folder: Path) -> None:
    """Removes from the folder of a trial that is over what only a running one needs, and what a kill left there.

    One that another process is at work on is left alone.
    """
    left = [folder / layout.CHECKPOINT, folder / layout.HEARTBEAT, *folder.glob(".*.tmp")]
    if not any(map(is_regular, left)):
        return
    with suppress(Locked), FolderLock(folder):  # which sweeps, and takes its heartbeat away
        remove(folder / layout.CHECKPOINT)


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """What lies in one trial's folder; `problem` says why it can't be counted, if it can't."""

    folder: Path
    arm: str
    seed: int
    hash8: str
    phase: str = ""
    setting: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    rows: tuple[dict[str, float | None], ...] = ()
    right: test_images.Right | None = None
    problem: str | None = None
    torn: bool = False  # the problem is that rows and status are of different moments, which running it anew mends
    unreadable: bool = False  # the problem is the disk, for now
    lean: bool = False  # of its rows only the epoch of the last is here, of its status only the state

    @property
    def state(self) -> str:
        """pending, or what status.json says: paused, interrupted, done, diverged, stopped or failed."""
        return self.status.get("state", "pending")

    @property
    def finished(self) -> bool:
        """Whether it came to its own end: it is done, or it diverged."""
        return self.state in FINISHED

    @property
    def over(self) -> bool:
        """Whether nothing of it is left to run: it finished, or its search has stopped it."""
        return self.finished or self.state == "stopped"

    def is_over(self, until: float | None) -> bool:
        """Whether nothing is left to run as far as epoch `until`, where a search pauses it (None: its own end)."""
        if self.state == "paused" and until is not None:
            return self.status.get("epochs_run", 0.0) >= until - 1e-9
        return self.over

    @property
    def failed(self) -> bool:
        return self.state == "failed"

    def refusal(self, remedy: str) -> UserError:
        """What to tell whoever needs a trial that has a problem; `remedy` is for one that is damaged."""
        place = f"{self.folder.parent.parent.name}/{layout.TRIALS}/{self.folder.name}"
        return unusable(place, Unreadable(self.problem) if self.unreadable else ValueError(self.problem), remedy)

    @property
    def log(self) -> str | None:
        """Where a failed trial's log lies in its campaign's folder; None where there is none."""
        kept = self.failed and (self.folder / layout.LOG).exists()
        return f"{layout.TRIALS}/{self.folder.name}/{layout.LOG}" if kept else None

    def outcome(self) -> "TrialRecord":
        """The same of a finished trial without what only tables need, so that thousands can be kept in memory."""
        last = tuple({"epoch": row["epoch"]} for row in self.rows[-1:])
        return replace(self, rows=last, right=None, status={"state": self.state}, lean=True)


class _Torn(ValueError):
    """Rows and status are of different moments."""


def read_outcome(folder: Path, settings: Mapping[str, dict[str, Any]]) -> TrialRecord | None:
    """How a finished reported trial ended, lean and unchecked, from its `status.json` alone; `settings` are known by hash.

    None where it has not finished, or more than that has to be looked at: then `read_trial` says.
    """
    named = layout.parse_trial_name(folder.name)
    if named is None or named[1] >= SEARCH_SEED or named[2] not in settings:
        return None
    try:
        status = read_json(folder / layout.STATUS)
    except ValueError:
        return None
    if status["state"] not in FINISHED:
        return None
    rows = ({"epoch": status["epochs_run"]},) if status["num_rows"] else ()
    return TrialRecord(
        folder=folder, arm=named[0], seed=named[1], hash8=named[2], phase="final", setting=settings[named[2]],
        status={"state": status["state"]}, rows=rows, lean=True,
    )  # fmt: skip


def read_trial(folder: Path) -> TrialRecord | None:
    """One trial as it lies there, checked against its own hash; None if the folder is not a trial's."""
    named = layout.parse_trial_name(folder.name)
    if named is None:
        return None
    names = dict(zip(("folder", "arm", "seed", "hash8"), (folder, *named), strict=True))
    try:
        there = _names_of_files(folder)
        phase, setting = _read_head(folder / layout.SETTING, names)
        status = read_json(folder / layout.STATUS) if layout.STATUS in there else {}
        rows, digest = rows_csv.read_with_digest(folder) if layout.ROWS in there else ((), rows_csv.digest(()))
        if status:
            _check_status(status, rows, digest)
        right = None
        if status.get("correct_digest") and status.get("num_test") and rows:
            right = test_images.read_right(
                folder, status["num_test"], status["correct_digest"], rows[-1].get("test_error")
            )
    except ValueError as error:
        how = {"torn": isinstance(error, _Torn), "unreadable": isinstance(error, Unreadable)}
        return TrialRecord(**names, problem=cut(str(error)), **how)
    if status.get("error"):  # version 0.1.0 wrote them whole
        status["error"] = cut(status["error"])
    return TrialRecord(**names, phase=phase, setting=setting, status=status, rows=rows, right=right)


def _names_of_files(folder: Path) -> set[str]:
    """Of the files in a trial's folder. Raises ValueError where anything but a file stands under a name of ours, or a link under any: it could lead out."""
    if odd_kind(folder) != "folder":
        raise ValueError(f"it is a {odd_kind(folder) or 'file'}, not a folder")
    try:
        names = set()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(
                    follow_symlinks=False
                ):  # which the listing itself says: nothing more is asked of the disk
                    names.add(entry.name)
                    continue
                kind = odd_kind(folder / entry.name)
                if kind and (kind != "folder" or entry.name in layout.OF_A_TRIAL):
                    raise ValueError(f"{entry.name} is a {kind}, not a file")
        return names
    except OSError as error:
        raise Unreadable(f"it can't be read: {error.strerror}") from None


def _read_head(path: Path, names: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """(phase, setting with every default filled in) of a setting.json that belongs to its folder."""
    head = read_json(path)
    setting, phase = head["setting"], head["phase"]
    text = json.dumps(setting, sort_keys=True)
    if _hash_of(text) != names["hash8"]:
        raise ValueError("setting.json no longer matches the hash in the folder's name")
    searching = names["seed"] >= SEARCH_SEED
    if (head["arm"], head["seed"]) != (names["arm"], names["seed"]) or searching != (phase == "search"):
        raise ValueError("setting.json has another arm, seed or phase than the folder's name says")
    try:
        return phase, _resolved(text) if setting["net"] in NETS else Setting.from_flat(setting).flat()
    except ValueError as error:
        raise ValueError(f"setting.json: {error}") from None


@lru_cache(maxsize=1024)
def _hash_of(text: str) -> str:
    return hash_of(json.loads(text))


@lru_cache(maxsize=1024)
def _resolved(text: str) -> dict[str, Any]:
    """The setting in a line of JSON with every default filled in: one object for the thousands of trials that share it."""
    return Setting.from_flat(json.loads(text)).flat()


def _check_status(status: dict[str, Any], rows: tuple[dict[str, float | None], ...], digest: str) -> None:
    """Raises ValueError where the rows are not those that status.json was written about."""
    state, count = status["state"], status["num_rows"]
    ended = state in FINISHED
    # A trial that was gone on with and then killed has more rows than its status knows of; a failed one may have begun
    # again before its first checkpoint and have fewer.
    if (len(rows) < count and state != "failed") or (ended and len(rows) > count) or (state == "done" and not rows):
        raise _Torn(f"rows.csv has {len(rows)} rows where status.json counts {count}")
    noted = status.get("rows_digest")
    if ended and noted is None and status["schema"] > 1:  # the first versions wrote none
        raise ValueError("status.json lacks the digest of the rows")
    if ended and noted not in (None, digest):
        raise ValueError("rows.csv was changed after the trial ended")


def trials_of(campaign: Path) -> list[TrialRecord]:
    """Every trial in a campaign's folder, sorted by name; UserError where they can't be looked for.

    One that was not laid down to the end, for the power went or the disk was full, is none yet.
    """
    return list(each_trial(campaign))


def each_trial(campaign: Path) -> Iterator[TrialRecord]:
    """The same, one after another."""
    for path in trial_folders(campaign):
        record = read_trial(path)
        if record is not None and not (record.problem and _is_bare(record.folder)):
            yield record


def _is_bare(folder: Path) -> bool:
    """Whether a trial's folder holds only what is there before its `setting.json`: nothing, or half-written files."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return False
    return all(name in (layout.LOCK, layout.HEARTBEAT) or name.endswith(".tmp") for name in names)


def trial_folders(campaign: Path) -> list[Path]:
    """All that lies in a campaign's folder of trials, sorted; UserError where that is no folder or can't be read."""
    return [campaign / layout.TRIALS / name for name in sorted(trial_names(campaign))]


def trial_names(campaign: Path) -> list[str]:
    """The names of all that lies there, in no order."""
    folder = campaign / layout.TRIALS
    try:
        if (kind := odd_kind(folder)) != "folder":
            folder.lstat()
            raise NotADirectoryError(0, f"it is a {kind or 'file'}, not a folder")
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"can't read {folder}: {error.strerror}; mend that, then try again") from None


def campaigns(results: Path) -> list[Path]:
    """The campaign folders in a results folder, sorted."""
    return look_into(results)[0]


def look_into(results: Path) -> tuple[list[Path], list[str]]:
    """(the campaign folders in a results folder, a note for each entry that may be one and can't be read), sorted."""
    found, notes = [], []
    try:
        paths = sorted(results.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    except OSError as error:
        raise UserError(f"can't read {results}: {error.strerror}; choose another place with --results PATH") from None
    for path in paths:
        reason = _no_campaign(path)
        if reason is None:
            found.append(path)
        elif reason:
            notes.append(f"{path.name} is left out: {reason}")
    return found, notes


def _no_campaign(path: Path) -> str | None:
    """Why an entry of a results folder is no campaign, empty where it is something else; None where it is one."""
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            return ""
        (path / layout.PLAN).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return f"it can't be read: {error.strerror}"
    if path.is_symlink():
        return "it is a link, which alexctl does not follow"
    kind = odd_kind(path / layout.PLAN)
    return f"{layout.PLAN} is a {kind}, not a file" if kind else None
