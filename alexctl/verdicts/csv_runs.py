"""The runs in somebody else's table: one a row, a column for its arm, one that pairs it, one that is compared."""

import math
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from alexctl.errors import UserError, short
from alexctl.numbers import counted
from alexctl.statistics import Outcome, Scale
from alexctl.verdicts.csv_rows import rows_that_count, run_columns
from alexctl.verdicts.csv_table import CsvTable, Row, frame_table, lines_of, number, read_table

if TYPE_CHECKING:
    import pandas as pd

MOST_FAULTS = 5
STEPS = frozenset({"epoch", "epochs", "step", "steps", "iteration", "iterations", "iter", "global_step"})
MOST_VALUES = 8  # of a column that a message lists
LARGEST, LARGEST_RATIO = 1e290, 1e30  # what can still be subtracted, or divided and raised, within the floats
INTEGER = re.compile(r"[+-]?\d{1,100}(\.0)?", re.ASCII)  # pandas writes whole numbers with .0 if one is missing
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Runs:
    """A CSV's runs: arm -> pair -> outcome, in the file's order; `pairs` are all keys, sorted.

    `paired_by` is the column of these keys. Where runs share nothing it is None, there are no pairs, and the keys are
    lines of the file.
    """

    name: str
    measure: str
    scale: Scale
    arms: dict[str, dict[str, Outcome]]
    paired_by: str | None
    pairs: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Run:
    row: Row
    arm: str
    key: str
    cell: str

    @property
    def at(self) -> str:
        return f"line {self.row.line}"


def read(
    source: "Path | pd.DataFrame", *, arm: str, pair: str | None, measure: str, scale: Scale, where: Sequence[str] = (),
    unpaired: bool = False,
) -> Runs:  # fmt: skip
    """The runs in a file or a frame; UserError names the columns it lacks, or its first few faults with their lines.

    `where` are conditions COLUMN=VALUE. What is left out is counted in a note: runs that are not over, rows that sum up
    others, runs whose measure is empty. NaN and infinity are those of a run that diverged, whose pair is left out and
    counted. Keys that pair runs are compared as text, or as whole numbers if all are. `unpaired`, without a `pair`: runs
    share nothing; rows that look like several of one run are refused all the same.
    """
    if pair is not None and unpaired:
        raise UserError("--pair and --unpaired: give one of them; without pairs no column pairs runs")
    columns = {"--arm": arm.strip(), **({} if pair is None else {"--pair": pair.strip()}), "--measure": measure.strip()}
    if len(set(columns.values())) < len(columns):
        options = (
            "--arm and --measure: should be two" if pair is None else "--arm, --pair and --measure: should be three"
        )
        raise UserError(f"{options} columns, not one twice")
    table = read_table(source, columns) if isinstance(source, Path) else frame_table(source, columns)
    keys = run_columns(table.header, columns) if pair is None else [columns["--pair"]]
    if pair is None and not unpaired:
        such = f"such as {short(keys[0])}" if keys else "such as the seed"
        raise UserError(
            f"--pair: say which column pairs runs across arms, {such}; for runs that share nothing add --unpaired instead"
        )
    rows, notes = rows_that_count(table, columns, keys, where)
    notes = [*table.notes, *notes]
    if unpaired:  # a seed that is always 0 tells nothing apart
        keys = [key for key in keys if len({row.cells[table.header.index(key)] for row in rows}) > 1]
    runs = _with_points(_runs_of(table, rows, columns, keys), table.separator)
    runs = _paired_as_integers(runs) if pair is not None else runs
    _check(table, runs, columns, keys, scale)
    arms: dict[str, dict[str, Outcome]] = {run.arm: {} for run in runs}
    if len(arms) < 2:
        only = f"one arm only, '{short(next(iter(arms)))}'" if arms else "no runs"
        raise UserError(
            f"{table.name} holds {only}; a comparison needs two arms or more in the column '{short(arm)}'", *notes
        )
    for run in runs:
        if run.cell:
            value = float(run.cell)
            outcome = Outcome(value=value) if math.isfinite(value) else Outcome(diverged=True)
            arms[run.arm][str(run.row.line) if unpaired else run.key] = outcome
    if empty := [run.row for run in runs if not run.cell]:
        notes.append(f"{counted(len(empty), 'run')} without a value of {short(measure)}, left out: {lines_of(empty)}")
    found = {run.key for run in runs}
    pairs = () if unpaired else tuple(sorted(found, key=int if _integers(found) else None))
    return Runs(name=table.name, measure=columns["--measure"], scale=scale, arms=arms, paired_by=columns.get("--pair"),
                pairs=pairs, notes=tuple(notes))  # fmt: skip


def _runs_of(table: CsvTable, rows: Sequence[Row], columns: Mapping[str, str], keys: Sequence[str]) -> list[_Run]:
    """A run a row; its key is what the columns of `keys` hold, which are none where nothing tells runs apart."""
    arm, measure = (table.header.index(columns[option]) for option in ("--arm", "--measure"))
    places = [table.header.index(key) for key in keys]
    return [
        _Run(row=row, arm=row.cells[arm], key=" ".join(row.cells[i] for i in places), cell=row.cells[measure])
        for row in rows
    ]


def _integers(keys) -> bool:
    return all(INTEGER.fullmatch(key) for key in keys)


def _paired_as_integers(runs: list[_Run]) -> list[_Run]:
    """Keys as whole numbers, where all are: 07, 7 and 7.0 are one. Any other key is the text it is."""
    if not _integers(run.key for run in runs):
        return runs
    return [replace(run, key=str(int(run.key.removesuffix(".0")))) for run in runs]


def _with_points(runs: list[_Run], separator: str) -> list[_Run]:
    """Decimal commas as points, where fields are separated otherwise and 1,234 can't mean a thousand."""
    commas = [run.cell for run in runs if "," in run.cell]
    if (
        separator == ","
        or any("." in run.cell for run in runs)
        or not all(DECIMAL_COMMA.fullmatch(cell) for cell in commas)
        or all(THOUSANDS.fullmatch(cell) for cell in commas)
    ):
        return runs
    return [replace(run, cell=run.cell.replace(",", ".")) for run in runs]


def _check(table: CsvTable, runs: list[_Run], columns: Mapping[str, str], keys: Sequence[str], scale: Scale) -> None:
    paired = "--pair" in columns
    faults = [fault for run in runs for fault in _faults(run, columns, scale)]
    faults = faults or (
        _odd_pairs(runs, columns["--pair"]) if paired else _log(table, runs, columns) if not keys else []
    )
    faults = faults or (_twice(table, runs, columns, keys) if keys else [])
    sizes = [abs(float(run.cell)) for run in runs if run.cell] if not faults else []
    sizes = [size for size in sizes if size and math.isfinite(size)]
    if sizes and max(sizes) < 1 / LARGEST:
        faults = [
            f"holds no {short(columns['--measure'])} above {1 / LARGEST:g}, too little to calculate with; take another unit"
        ]
    if faults:
        more = [f"and {len(faults) - MOST_FAULTS} more like these"] * (len(faults) > MOST_FAULTS)
        raise UserError(*(f"{table.name} {fault}" for fault in faults[:MOST_FAULTS]), *more)


def _faults(run: _Run, columns: Mapping[str, str], scale: Scale) -> list[str]:
    """What is wrong with one run."""
    faults = [
        f"{run.at}: {short(columns[option])} is empty"
        for option, cell in (("--arm", run.arm), ("--pair", run.key))
        if option in columns and not cell
    ]
    measure, value = f"{run.at}: {short(columns['--measure'])}", number(run.cell)
    largest = LARGEST_RATIO if scale == "ratio" else LARGEST
    if run.cell and value is None:
        faults.append(f"{measure} is '{short(run.cell)}', which is no number")
    elif value is None or "n" in run.cell.casefold():  # empty, or of a run that diverged: nan, inf, infinity
        return faults
    elif scale == "points" and not 0 <= value <= 1:
        faults.append(f"{measure} is {value:g}, no fraction of 1; take --scale difference for per cent")
    elif scale == "ratio" and value <= 0:
        faults.append(f"{measure} is {value:g}; a ratio needs numbers above 0, take --scale difference")
    elif abs(value) > largest or (scale == "ratio" and value < 1 / largest):
        limit = f"under {1 / largest:g}" if abs(value) < 1 else f"over {largest:g}"
        faults.append(f"{measure} is {short(run.cell)}, {limit}, too far to calculate with; take another unit")
    return faults


def _odd_pairs(runs: list[_Run], name: str) -> list[str]:
    """Keys that are no numbers where most are whole ones: rows such as `best`, which are no runs."""
    keys = {run.key for run in runs}
    if 2 * sum(INTEGER.fullmatch(key) is not None for key in keys) <= len(keys):
        return []
    odd = [run for run in runs if not math.isfinite(math.nan if number(run.key) is None else number(run.key))]
    return [
        f"{run.at}: {short(name)} is '{short(run.key)}' where others are whole numbers; if it is no run, take it out"
        for run in odd
    ]


def _twice(table: CsvTable, runs: list[_Run], columns: Mapping[str, str], keys: Sequence[str]) -> list[str]:
    """Runs of one arm with one key: another factor of a sweep tells them apart, to be picked from, or nothing does."""
    groups: dict[tuple[str, str], list[_Run]] = {}
    for run in runs:
        groups.setdefault((run.arm, run.key), []).append(run)
    repeated = [group for group in groups.values() if len(group) > 1]
    others = [i for i, name in enumerate(table.header) if name and name not in {*columns.values(), *keys}]
    what = "pair" if "--pair" in columns else short(" ".join(keys))
    factors = [i for i in others if _is_factor(i, runs, repeated)]
    faults = []
    for first, *rest in repeated:
        for run in rest:
            differ = [i for i in factors or others if first.row.cells[i] != run.row.cells[i]]
            apart = ", ".join(short(table.header[i]) for i in differ[:MOST_VALUES])
            faults.append(
                f"{run.at}: '{short(run.arm)}' has {what} '{short(run.key)}' in {first.at} already; "
                + f"the two differ in {apart}; " * bool(differ)
                + "keep one line a run, such as its last" * (not factors)
            )
    if factors:
        picks = " and ".join(
            f"--where {shlex.quote(short(table.header[i]) + '=VALUE')} ({_values(i, runs)})" for i in factors
        )
        return [f"{faults[0]}pick one with {picks}"]
    return faults


def _log(table: CsvTable, runs: list[_Run], columns: Mapping[str, str]) -> list[str]:
    """Rows that are epochs or steps of a run, where no column tells runs apart: every arm has the same ones, or they go up."""
    for i, name in enumerate(table.header):
        if name in columns.values() or name.casefold().strip("_").split("/")[-1] not in STEPS:
            continue
        arms: dict[str, list[float | None]] = {}
        for run in runs:
            arms.setdefault(run.arm, []).append(number(run.row.cells[i]))
        counts = [Counter(steps) for steps in arms.values()]
        alike = all(count == counts[0] for count in counts) and len(counts[0]) > 1
        rising = all(len(steps) > 2 and None not in steps and sorted(set(steps)) == steps for steps in arms.values())
        if len(arms) > 1 and (alike or rising):
            column = shlex.quote(f"{short(name)}=VALUE")
            return [
                f"has several rows a run, by its column {short(name)}; pick one with --where {column} ({_values(i, runs)})"
            ]
    return []


def _is_factor(place: int, runs: list[_Run], repeated: list[list[_Run]]) -> bool:
    """Whether a column is like a factor of a sweep: it tells repeated runs apart, and a value of it is in several arms.

    An identifier or a time of start has more values than any arm has runs of one key.
    """
    arms: dict[str, set[str]] = {}
    for run in runs:
        arms.setdefault(run.row.cells[place], set()).add(run.arm)
    return (
        any(len({run.row.cells[place] for run in group}) > 1 for group in repeated)
        and len(arms) <= max(map(len, repeated))
        and any(len(held) > 1 for held in arms.values())
    )


def _values(place: int, runs: list[_Run]) -> str:
    values = list(dict.fromkeys(short(run.row.cells[place]) for run in runs))
    return ", ".join(values[:MOST_VALUES]) + ", ..." * (len(values) > MOST_VALUES)
