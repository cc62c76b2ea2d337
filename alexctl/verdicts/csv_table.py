"""Somebody else's table, read strictly: rows of text with their line numbers, or one line that says what is wrong."""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alexctl.errors import UserError, nearest, short

if TYPE_CHECKING:
    import pandas as pd

MOST_BYTES = 256 * 2**20
MOST_LINES = 8  # that a message or a note lists
SEPARATORS = (",", ";", "\t")
NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity|nan)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a table: the line of the file it begins in, and a cell for each column, stripped."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CsvTable:
    """A table as text. `name` is that of its file, printable; `notes` say which lines were passed over."""

    name: str
    separator: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def number(text: str) -> float | None:
    """What a cell holds, if it is a number as programs write one: `1_000`, `1,000` and `5%` are none."""
    return float(text) if NUMBER.fullmatch(text) else None


def lines_of(rows: Sequence[Row]) -> str:
    """'line 4', or 'lines 4, 9': where these rows stand."""
    listed = ", ".join(str(row.line) for row in rows[:MOST_LINES])
    more = f" and {len(rows) - MOST_LINES} more" if len(rows) > MOST_LINES else ""
    return f"line{'s' * (len(rows) > 1)} {listed}{more}"


def read_table(path: Path, wanted: Mapping[str, str]) -> CsvTable:
    """The table in a file; `wanted` maps options to the columns they name, which must be there once.

    Fields are separated by commas, semicolons or tabs, or as a first line `sep=;` says. Blank rows and comments (#)
    are passed over; a # before the header is not one. Raises UserError: unreadable, not UTF-8 (or UTF-16 with its
    mark), over 256 MB, a column missing or twice, a row of another length, a quote out of place.
    """
    shown = short(path.name or str(path))
    lines = list(io.StringIO(_text(path, shown), newline=""))
    separators: tuple[str, ...] = SEPARATORS
    if lines and (said := re.fullmatch(r'sep=([^\w\s"]|\t)\s*', lines[0], re.IGNORECASE)):
        separators, lines[0] = (said[1],), "\n"
    _uncomment_header(lines, separators, set(wanted.values()))
    with _cells_of_any_size():
        separator = max(separators, key=lambda one: _fit(lines, one, wanted.values()))
        comments: list[Row] = []
        records = _records(lines, separator, shown, comments)
        header = next(records, Row(line=0, cells=())).cells
        check_columns(shown, header, wanted)
        rows = []
        for row in records:
            _check_row(shown, row, header, separator, wanted)
            rows.append(row)
    like_rows = [comment for comment in comments if len(comment.cells) == len(header)]
    notes = [f"{lines_of(like_rows)} left out: a row that begins with # is a comment"] * bool(like_rows)
    return CsvTable(name=shown, separator=separator, header=header, rows=tuple(rows), notes=tuple(notes))


def frame_table(frame: "pd.DataFrame", wanted: Mapping[str, str]) -> CsvTable:
    """A frame as such a table: rows are counted from 1, and NaN is an empty cell, since frames hold what is missing so."""
    header = tuple(str(column).strip() for column in frame.columns)
    check_columns("the frame", header, wanted)
    rows = (Row(line=i, cells=tuple(map(_cell, values))) for i, values in enumerate(frame.itertuples(index=False), 1))
    return CsvTable(name="the frame", separator=",", header=header, rows=tuple(rows), notes=())


def _cell(value: object) -> str:
    import pandas as pd

    if pd.isna(value):
        return ""
    # What a column of integers becomes beside a missing one; from 2**53 on the float may be another integer's too.
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return str(int(value)) if whole else str(value).strip()


def _text(path: Path, shown: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UserError(f"{shown}: can't be read: {error.strerror}") from None
    if len(raw) > MOST_BYTES:
        raise UserError(f"{shown}: over {MOST_BYTES // 2**20} MB; keep one row a run, such as its last")
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{shown}: byte {error.start + 1} is no UTF-8 text; save it as CSV in UTF-8") from None


def _uncomment_header(lines: list[str], separators: Sequence[str], wanted: set[str]) -> None:
    """Takes the # off a header that begins with one, as numpy writes it: a line that names every wanted column."""
    for i, line in enumerate(lines):
        if line.strip() and not line.startswith("#"):
            return
        bare = line.lstrip("# ")
        if any(wanted <= {name.strip().strip('"') for name in bare.split(one)} for one in separators):
            lines[i] = bare
            return


@contextmanager
def _cells_of_any_size() -> Iterator[None]:
    """The csv module refuses cells over 128 kB unless told otherwise, for all of the process."""
    before = csv.field_size_limit(MOST_BYTES)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _fit(lines: list[str], separator: str, wanted: Collection[str]) -> tuple[int, int]:
    """How well a separator suits the header: how many of the wanted columns it shows, then how many at all."""
    try:
        header = next(_records(lines, separator, "", []), Row(line=0, cells=())).cells
    except UserError:
        return (0, 0)
    return (sum(name in header for name in wanted), len(header))


def _records(lines: list[str], separator: str, shown: str, comments: list[Row]) -> Iterator[Row]:
    """The rows with at least one cell filled; comments, which stand between rows, are gathered in a list."""
    numbered = enumerate(lines, 1)
    for first, line in numbered:
        if line.startswith("#"):
            comments.append(Row(line=first, cells=tuple(line.split(separator))))
            continue
        if not line.strip():
            continue
        rest = (text for _, text in numbered)
        reader = csv.reader(itertools.chain([line], rest), delimiter=separator, strict=True, skipinitialspace=True)
        try:
            cells = tuple(cell.strip() for cell in next(reader))
        except csv.Error as error:
            what = (
                "opens a quote that is never closed"
                if "end of data" in str(error)
                else 'has a quote out of place; close it at the end of its cell, and write one inside a cell twice ("")'
            )
            raise UserError(f"{shown} line {first} {what}") from None
        if any(cells):
            yield Row(line=first, cells=cells)


def check_columns(shown: str, header: Sequence[str], wanted: Mapping[str, str]) -> None:
    """UserError where a column that an option names is missing, or there twice."""
    if not header:
        raise UserError(f"{shown} is empty; its first row should name the columns")
    faults, names = [], [name for name in header if name]
    for option, name in wanted.items():
        if name not in header:
            other = " (where runs share nothing: --unpaired)" * (option == "--pair")
            faults.append(f"{option}: {shown} has no column '{short(name)}', {short(nearest(name, names), 400)}{other}")
        elif header.count(name) > 1:
            faults.append(f"{option}: {shown} has two columns '{short(name)}'; rename one")
    if faults:
        raise UserError(*faults)


def _check_row(shown: str, row: Row, header: Sequence[str], separator: str, wanted: Mapping[str, str]) -> None:
    """A row is as long as the header, and no cell of it has swallowed other rows."""
    if len(row.cells) != len(header):
        raise UserError(f"{shown} line {row.line} has {len(row.cells)} fields where the header has {len(header)}")
    for cell in row.cells:
        for inside in cell.splitlines()[1:]:
            parts = [part.strip().replace(",", ".") for part in inside.split(separator)]
            if len(parts) == len(header) and number(parts[header.index(wanted["--measure"])]) is not None:
                raise UserError(f"{shown} line {row.line} opens a quote that swallows whole rows; close it in its cell")
