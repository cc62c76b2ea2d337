"""A trial's folder: its name, columns and states, written whole and read back with every doubt said."""

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexctl.ablation.model import SEARCH_SEED, Ablation
from alexctl.ablation.setting import Setting, hash_of
from alexctl.errors import UserError
from alexctl.store.files import _cell, csv_text, read_json, sweep, write_atomic

ROW_COLUMNS = (
    "epoch", "step", "train_loss", "train_error", "test_error", "train_seconds", "eval_seconds", "top5_error",
)  # fmt: skip
FIRST_ROW_COLUMNS = ROW_COLUMNS[:-1]  # of trials from before the top-5 error was measured
CHECKPOINT, WEIGHTS, HEARTBEAT = "checkpoint.pt", "weights.safetensors", ".heartbeat"
INSPECTION_FILES = ("gallery.safetensors", "predictions.csv", "neighbours.csv")  # beside the weights of seed 0
STATES = ("paused", "interrupted", "done", "diverged", "stopped", "failed")  # what status.json may say
_FOLDER = re.compile(r"(?P<arm>[A-Za-z0-9][A-Za-z0-9_.-]*)-s(?P<seed>\d+)-(?P<hash8>[0-9a-f]{8})", re.ASCII)


def clear(folder: Path) -> None:
    """Removes from the folder of a trial that is over what only a running one needs, and what a kill left there."""
    sweep(folder)
    for name in (CHECKPOINT, HEARTBEAT):
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


def trial_name(arm: str, seed: int, hash8: str) -> str:
    """The folder's name: ARM-sSEED-HASH8."""
    return f"{arm}-s{seed}-{hash8}"


def read_trial(folder: Path) -> TrialRecord | None:
    """One trial as it lies there, checked against its own hash; None if the folder is not a trial's."""
    match = _FOLDER.fullmatch(folder.name)
    if match is None:
        return None
    names = {"folder": folder, "arm": match["arm"], "seed": int(match["seed"]), "hash8": match["hash8"]}
    try:
        phase, setting = _read_head(folder / "setting.json", names)
        status = read_json(folder / "status.json") if (folder / "status.json").exists() else {}
        rows = read_rows(folder / "rows.csv") if (folder / "rows.csv").exists() else ()
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
    ended = state in ("done", "diverged")
    # A trial that was gone on with and then killed has more rows than its status knows of; a failed one may have begun
    # again before its first checkpoint and have fewer.
    if (len(rows) < count and state != "failed") or (ended and len(rows) > count) or (state == "done" and not rows):
        raise ValueError(f"rows.csv has {len(rows)} rows where status.json counts {count}")
    if ended and status.get("rows_digest") not in (None, rows_digest(rows)):
        raise ValueError("rows.csv was changed after the trial ended")


def rows_digest(rows: Sequence[dict[str, Any]]) -> str:
    """16 hex digits that identify `rows.csv`."""
    return hashlib.sha256(_rows_text(rows).encode()).hexdigest()[:16]


def _rows_text(rows: Sequence[dict[str, Any]]) -> str:
    measured = any("top5_error" in row for row in rows)  # without rows the digest is that of before, too
    return csv_text(ROW_COLUMNS if measured else FIRST_ROW_COLUMNS, rows)


def read_rows(path: Path) -> tuple[dict[str, float | None], ...]:
    """The rows of one trial; ValueError names the first thing that is not as alexctl wrote it."""
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ValueError(f"rows.csv: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("rows.csv is not UTF-8") from None
    if not text.endswith("\n"):
        raise ValueError("rows.csv is cut off")
    header, *lines = text[:-1].split("\n")
    columns = tuple(header.split(","))
    if columns not in (ROW_COLUMNS, FIRST_ROW_COLUMNS):
        raise ValueError("rows.csv has other columns than alexctl writes")
    rows, last = [], -1
    for number, line in enumerate(lines, start=2):
        row = _read_row(line, columns, f"rows.csv line {number}")
        if row["step"] <= last:
            raise ValueError(f"rows.csv line {number} is out of order")
        last = row["step"]
        rows.append(row)
    return tuple(rows)


def _read_row(line: str, columns: tuple[str, ...], where: str) -> dict[str, float | None]:
    cells = line.split(",")
    if len(cells) != len(columns):
        raise ValueError(f"{where} has {len(cells)} fields")
    try:
        row = {name: float(cell) if cell else None for name, cell in zip(columns, cells, strict=True)}
    except ValueError:
        raise ValueError(f"{where} holds something that is not a number") from None
    missing = [name for name, value in row.items() if value is None and name not in ("test_error", "top5_error")]
    if missing or any(value is not None and not math.isfinite(value) for value in row.values()):
        raise ValueError(f"{where} lacks a finite number")
    row["step"] = int(row["step"])
    if ",".join(_cell(row[column]) for column in columns) != line:
        raise ValueError(f"{where} is not written as alexctl writes numbers")
    return row


def write_rows(folder: Path, rows: list[dict[str, Any]]) -> None:
    """`rows.csv`, whole."""
    write_atomic(folder / "rows.csv", _rows_text(rows))


def campaign_name(ablation: Ablation, data_name: str) -> str:
    """NAME on the data its file asks for, NAME@DATA on other data, NAME@smoke for a smoke run."""
    if ablation.smoke:
        return f"{ablation.name}@smoke"
    return ablation.name if data_name == ablation.data_of_file else f"{ablation.name}@{data_name}"


def trials_of(campaign: Path) -> list[TrialRecord]:
    """Every trial in a campaign's folder, sorted by name."""
    folder = campaign / "trials"
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
    return sorted(path for path in results.iterdir() if (path / "plan.json").is_file())
