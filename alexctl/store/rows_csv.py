"""`rows.csv`, a trial's measurements: written whole, and read back only as alexctl writes it, cell by cell."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alexctl.store import layout
from alexctl.store.files import csv_text, read_text, write_atomic

COLUMNS = (
    "epoch", "step", "train_loss", "train_error", "test_error", "train_seconds", "eval_seconds", "top5_error",
    "validation_error", "validation_top5_error", "train_error_pass",
)  # fmt: skip
EARLIER = (COLUMNS[:8], COLUMNS[:7])  # of trials from before images were held out; before the top-5 error was measured
MAY_BE_EMPTY = ("test_error", "top5_error", "validation_error", "validation_top5_error", "train_error_pass")
RANGES = {  # the least and the most that can be
    "epoch": (1e-9, 1e6), "step": (1, 1e15), "train_error": (0, 1), "test_error": (0, 1), "top5_error": (0, 1),
    **dict.fromkeys(COLUMNS[8:], (0, 1)), "train_seconds": (0, 1e10), "eval_seconds": (0, 1e10),
}  # fmt: skip


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    """`rows.csv`, whole."""
    write_atomic(folder / layout.ROWS, _text(rows))


def read(folder: Path) -> tuple[dict[str, float | None], ...]:
    """The rows of one trial; ValueError names the first thing that is not as alexctl wrote it."""
    return read_with_digest(folder)[0]


def read_with_digest(folder: Path) -> tuple[tuple[dict[str, float | None], ...], str]:
    """(rows, their digest); ValueError as `read`."""
    text = read_text(folder / layout.ROWS)
    if not text.endswith("\n"):
        raise ValueError("rows.csv is cut off")
    header, *lines = text[:-1].split("\n")
    columns = tuple(header.split(","))
    if columns not in (COLUMNS, *EARLIER):
        raise ValueError("rows.csv has other columns than alexctl writes")
    rows: list[dict[str, float | None]] = []
    for number, line in enumerate(lines, start=2):
        row = _read_row(line, columns, f"rows.csv line {number}")
        if rows and not (row["step"] > rows[-1]["step"] and row["epoch"] > rows[-1]["epoch"]):
            raise ValueError(f"rows.csv line {number} is out of order")
        rows.append(row)
    # What was read is what would be written of it, so it need not be written again to be told from other rows.
    return tuple(rows), _digest_of(text) if rows else digest(())


def _read_row(line: str, columns: tuple[str, ...], where: str) -> dict[str, float | None]:
    cells = line.split(",")
    if len(cells) != len(columns):
        raise ValueError(f"{where} has {len(cells)} fields")
    try:
        row = {name: float(cell) if cell else None for name, cell in zip(columns, cells, strict=True)}
    except ValueError:
        raise ValueError(f"{where} holds something that is not a number") from None
    missing = [name for name, value in row.items() if value is None and name not in MAY_BE_EMPTY]
    if missing or any(value is not None and not math.isfinite(value) for value in row.values()):
        raise ValueError(f"{where} lacks a finite number")
    for name, (least, most) in RANGES.items():
        if row.get(name) is not None and not least <= row[name] <= most:
            raise ValueError(f"{where} has {name} = {row[name]:g}, which can't be")
    row["step"] = int(row["step"])
    if any((repr(value) if value is not None else "") != cell for value, cell in zip(row.values(), cells, strict=True)):
        raise ValueError(f"{where} is not written as alexctl writes numbers")
    return row


def digest(rows: Sequence[dict[str, Any]]) -> str:
    """16 hex digits that identify `rows.csv`."""
    return _digest_of(_text(rows))


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _text(rows: Sequence[dict[str, Any]]) -> str:
    known = {column for row in rows for column in row}  # without rows the digest is that of before, too
    return csv_text(next((columns for columns in (COLUMNS, *EARLIER) if columns[-1] in known), EARLIER[-1]), rows)
