"""A trial's folder: created, how its trial ended written down, and read back with every doubt said."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexctl.ablation.model import SEARCH_SEED
from alexctl.ablation.setting import Setting, hash_of
from alexctl.errors import UserError, printable
from alexctl.store import layout, rows_csv
from alexctl.store.files import SCHEMA, make_folder, read_json, sweep, write_json

STATES = ("paused", "interrupted", "done", "diverged", "stopped", "failed")  # what status.json may say
FINISHED = ("done", "diverged")  # those of a trial that came to its own end


def create(folder: Path, *, ablation: str, arm: str, phase: str, seed: int, setting: Setting) -> None:
    """Lays down a trial that anybody may then run."""
    make_folder(folder)
    head = {"schema": SCHEMA, "ablation": ablation, "arm": arm, "phase": phase, "seed": seed, "setting": setting.flat()}
    write_json(folder / layout.SETTING, head)


def read_setting(folder: Path) -> tuple[Setting, int]:
    """What a trial is: its setting and its seed."""
    head = read_json(folder / layout.SETTING)
    return Setting.from_flat(head["setting"]), head["seed"]


def write_end(
    folder: Path, state: str, error: str | None, rows: Sequence[dict[str, Any]], *,
    train_seconds: float, eval_seconds: float, prepare_seconds: float | None = None, parameters: int | None = None,
) -> None:  # fmt: skip
    """Writes down the state a trial is left in, and which rows it has then."""
    status = {
        "schema": SCHEMA, "state": state, "error": printable(error) if error else None,
        "num_rows": len(rows), "rows_digest": rows_csv.digest(rows),
        "epochs_run": rows[-1]["epoch"] if rows else 0.0, "train_seconds": train_seconds,
        "eval_seconds": eval_seconds, "prepare_seconds": prepare_seconds, "parameters": parameters,
    }  # fmt: skip
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


def begin_again(folder: Path) -> None:
    """Forgets how a trial ended: what its status says of rows that are made again would be wrong."""
    (folder / layout.STATUS).unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Removes from the folder of a trial that is over what only a running one needs, and what a kill left there."""
    sweep(folder)
    for name in (layout.CHECKPOINT, layout.HEARTBEAT):
        (folder / name).unlink(missing_ok=True)


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
    problem: str | None = None

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

    @property
    def failed(self) -> bool:
        return self.state == "failed"

    @property
    def log(self) -> str | None:
        """Where a failed trial's log lies in its campaign's folder; None where there is none."""
        kept = self.failed and (self.folder / layout.LOG).exists()
        return f"{layout.TRIALS}/{self.folder.name}/{layout.LOG}" if kept else None


def read_trial(folder: Path) -> TrialRecord | None:
    """One trial as it lies there, checked against its own hash; None if the folder is not a trial's."""
    named = layout.parse_trial_name(folder.name)
    if named is None:
        return None
    names = dict(zip(("folder", "arm", "seed", "hash8"), (folder, *named), strict=True))
    try:
        phase, setting = _read_head(folder / layout.SETTING, names)
        status = read_json(folder / layout.STATUS) if (folder / layout.STATUS).exists() else {}
        rows = rows_csv.read(folder) if (folder / layout.ROWS).exists() else ()
        _check_status(status, rows)
    except ValueError as error:
        return TrialRecord(**names, problem=str(error))
    return TrialRecord(**names, phase=phase, setting=setting, status=status, rows=rows)


def _read_head(path: Path, names: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """(phase, setting with every default filled in) of a setting.json that belongs to its folder."""
    head = read_json(path)
    setting, phase = head.get("setting"), head.get("phase")
    if not isinstance(setting, dict) or phase not in ("search", "final"):
        raise ValueError("setting.json is damaged")
    if hash_of(setting) != names["hash8"]:
        raise ValueError("setting.json no longer matches the hash in the folder's name")
    searching = names["seed"] >= SEARCH_SEED
    if (head.get("arm"), head.get("seed")) != (names["arm"], names["seed"]) or searching != (phase == "search"):
        raise ValueError("setting.json has another arm, seed or phase than the folder's name says")
    try:
        return phase, Setting.from_flat(setting).flat()
    except ValueError as error:
        raise ValueError(f"setting.json: {error}") from None


def _check_status(status: dict[str, Any], rows: tuple[dict[str, float | None], ...]) -> None:
    """Raises ValueError where the rows are not those that status.json was written about."""
    if not status:
        return
    state, count = status.get("state"), status.get("num_rows")
    if state not in STATES or type(count) is not int or type(status.get("epochs_run")) not in (int, float):
        raise ValueError("status.json is damaged")
    ended = state in FINISHED
    # A trial that was gone on with and then killed has more rows than its status knows of; a failed one may have begun
    # again before its first checkpoint and have fewer.
    if (len(rows) < count and state != "failed") or (ended and len(rows) > count) or (state == "done" and not rows):
        raise ValueError(f"rows.csv has {len(rows)} rows where status.json counts {count}")
    if ended and status.get("rows_digest") not in (None, rows_csv.digest(rows)):
        raise ValueError("rows.csv was changed after the trial ended")


def trials_of(campaign: Path) -> list[TrialRecord]:
    """Every trial in a campaign's folder, sorted by name."""
    folder = campaign / layout.TRIALS
    if not folder.is_dir():
        return []
    try:
        paths = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    except OSError as error:
        raise UserError(f"can't read {folder}: {error.strerror}; make it readable, then try again") from None
    records = (read_trial(path) for path in paths)
    return [record for record in records if record is not None]


def campaigns(results: Path) -> list[Path]:
    """The campaign folders in results/, sorted."""
    if not results.is_dir():
        return []
    return sorted(path for path in results.iterdir() if (path / layout.PLAN).is_file())
