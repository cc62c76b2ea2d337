"""How files are opened, read and written: regular files only and through no link, whole or not at all.

What lies in a results folder may come from a stranger, so reading it is bounded and writing to it stays inside it.
"""

import contextlib
import csv
import errno
import io
import json
import math
import re
import sys
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from alexctl.errors import StorageError, UserError, printable
from alexctl.regular_files import odd_kind, read_regular, replacing, sync_names
from alexctl.store.models import MODELS, AnyFile

SCHEMA = 1
JSON_BYTES, CSV_BYTES, ANY_BYTES = 2**22, 2**26, 2**36  # the most that is read of a file
DEEPEST = 32  # tables in tables of a JSON file
MOST_ITEMS = 20_000  # of a table or a list in one


class Unreadable(ValueError):
    """A file that is there and could not be read just now, from which nothing follows about what it holds."""


def read_bytes(path: Path, limit: int = CSV_BYTES) -> bytes:
    """All of a regular file of at most so many bytes; ValueError says in a few words why it is not to be read."""
    try:
        return read_regular(path, limit)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise (ValueError if missing else Unreadable)(f"{path.name}: {error.strerror}") from None


def unusable(place: str, error: ValueError, remedy: str) -> UserError:
    """One line for a file that something can't do without; `remedy` is for one that is damaged, not for a disk that fails."""
    if isinstance(error, Unreadable):
        return UserError(f"{place}: {error}; make it readable, then run the same command again", exit_code=1)
    return UserError(f"{place}: {error}; {remedy}")


def read_text(path: Path) -> str:
    """All of a text file; ValueError as `read_bytes`, or where it is not UTF-8."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not UTF-8") from None


def write_atomic(path: Path, content: str | bytes) -> None:
    """Writes a whole file or none of it; UserError (exit 1) when the disk is full or the folder can't be written."""
    try:
        with replacing(path) as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise storage_error(path, error) from None


def write_named(path: Path, content: str, option: str) -> None:
    """Writes a file that the user named with an option, whole; `-` is standard output.

    UserError where anything but a file has that name, a link too: what it stands for may be precious. UserError of exit
    code 1 where it can't be written.
    """
    if str(path) == "-":
        sys.stdout.write(content)
        return
    try:
        if kind := odd_kind(path):
            raise UserError(
                f"{option} {path}: a {kind} is there, not a file; give {option} another path, or - for stdout"
            )
        with replacing(path) as file:
            file.write(content.encode())
    except OSError as error:
        raise UserError(
            f"can't write {path}: {error.strerror or 'no such place'}; give {option} another path", exit_code=1
        ) from None


def settle(folder: Path) -> None:
    """What was written in a folder so far is there before anything that is written from now on, even if the power goes."""
    try:
        sync_names(folder)
    except OSError as error:
        raise storage_error(folder, error) from None


def sweep(folder: Path) -> None:
    """Removes what a killed process left half-written; only for whoever has locked the folder."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def remove(path: Path) -> None:
    """Removes a file, if it is there; UserError when it can't be."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(path, error) from None


def storage_error(path: Path, error: OSError, *, what: str = "write") -> StorageError:
    """One line for a disk that is full, read-only or gone, or for what stands in the way."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    in_the_way = error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP)
    remedy = "make room" if full else "move what stands there away" if in_the_way else "make it writable"
    return StorageError(
        f"can't {what} {path}: {error.strerror}; what was done is safe: {remedy} or choose --results, "
        "then run the same command again",
        exit_code=1,
    )


def make_folder(folder: Path) -> Path:
    """The folder, made if need be; UserError when it can't be, of exit code 2 where a file stands in the way."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StorageError(f"can't make {folder}: {error.strerror}; choose another place with --results PATH") from None
    except OSError as error:
        raise storage_error(folder, error, what="make") from None
    return folder


def make_inner(folder: Path) -> Path:
    """A folder of a results folder, made if need be; UserError also where a link stands there, which could lead out."""
    refuse_link(folder)
    return make_folder(folder)


def refuse_link(folder: Path) -> None:
    """Raises UserError where a link stands in the place of a folder of a results folder."""
    if odd_kind(folder) == "link":
        raise UserError(f"{folder} is a link, which alexctl does not follow; choose another place with --results PATH")


def write_json(path: Path, table: dict[str, Any]) -> None:
    """JSON that a person can read and a diff can compare."""
    write_atomic(path, json.dumps(table, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


class NewerFile(ValueError):
    """A file whose schema this alexctl does not know yet: nothing is wrong with it, and it must not be written over."""


def read_json(path: Path) -> dict[str, Any]:
    """The table in a file of ours, as its model in `models.py` allows it; ValueError says in a few words what is wrong."""
    text = read_bytes(path, JSON_BYTES)
    model = MODELS.get(path.name, AnyFile)
    try:
        table = _parse(text)
        if type(table["schema"]) is not int:
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{path.name} is damaged") from None
    if table["schema"] > model.newest:
        raise NewerFile(f"{path.name} was written by a newer alexctl (schema {table['schema']})")
    try:
        model.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = printable(".".join(map(str, first["loc"])))[:80]
        raise ValueError(f"{path.name} is damaged: {where}: {first['msg']}") from None
    return table


def _parse(data: bytes) -> dict[str, Any]:
    """The table in JSON; ValueError where it is none, or one that no reader could deal with."""
    text = data.decode("utf-8")
    levels = accumulate(1 if bracket in "[{" else -1 for bracket in re.findall(r"[][{}]", text))
    if max(levels, default=0) > DEEPEST:
        raise ValueError("too deep")
    table = json.loads(text, parse_constant=_no_number)
    _check_values(table)
    return table


def _check_values(value: Any) -> None:
    """Raises ValueError at a number that is not finite, half a character, or more items than anything of ours has."""
    if isinstance(value, str):
        value.encode()  # half a surrogate pair can't be
    elif isinstance(value, float) and not math.isfinite(value):  # 1e999
        raise ValueError("not finite")
    elif isinstance(value, dict | list):
        if len(value) > MOST_ITEMS:
            raise ValueError("too many")
        for inner in (*value, *value.values()) if isinstance(value, dict) else value:
            _check_values(inner)


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
