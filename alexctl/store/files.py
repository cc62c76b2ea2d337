"""How files are written and read: whole or not at all (a temporary file and a rename), JSON with a schema, tidy CSV."""

import contextlib
import csv
import io
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alexctl.errors import StorageError, printable

SCHEMA = 1


def write_atomic(path: Path, content: str | bytes) -> None:
    """Writes a whole file or none of it; UserError (exit 1) when the disk is full or the folder can't be written."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise storage_error(path, error) from None


def sweep(folder: Path) -> None:
    """Removes what a killed process left half-written; only for whoever has locked the folder."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def storage_error(path: Path, error: OSError) -> StorageError:
    """One line for a disk that is full, read-only or gone."""
    return StorageError(
        f"can't write {path}: {error.strerror}; what was done is safe: make room or choose --results, "
        "then give the same command again",
        exit_code=1,
    )


def write_json(path: Path, table: dict[str, Any]) -> None:
    """JSON that a person can read and a diff can compare."""
    write_atomic(path, json.dumps(table, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


class NewerFile(ValueError):
    """A file whose schema this alexctl does not know yet: nothing is wrong with it, and it must not be written over."""


def read_json(path: Path) -> dict[str, Any]:
    """The table in a file of ours; ValueError says in a few words what is wrong with it."""
    try:
        table = json.loads(path.read_bytes().decode("utf-8"), parse_constant=_no_number)
    except OSError as error:
        raise ValueError(f"{path.name}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ValueError(f"{path.name} is damaged") from None
    if not isinstance(table, dict) or type(table.get("schema")) is not int:
        raise ValueError(f"{path.name} is damaged")
    if table["schema"] > SCHEMA:
        raise NewerFile(f"{path.name} was written by a newer alexctl (schema {table['schema']})")
    return table


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def csv_text(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    """Tidy CSV: one header, LF, empty for missing, `true`/`false`, floats as the number they are."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell_text(row.get(column)) for column in columns] for row in rows)
    return buffer.getvalue()


def cell_text(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(float(value))  # a NumPy float's own repr names its type
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = printable(str(value))
    # A spreadsheet would run a cell that starts like a formula.
    return "'" + text if text.startswith(("=", "+", "-", "@")) and not isinstance(value, int) else text


def make_folder(folder: Path) -> Path:
    """The folder, made if need be; UserError when it can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"can't make {folder}: {error.strerror}; choose another place with --results PATH") from None
    return folder
