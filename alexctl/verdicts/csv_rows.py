"""Which rows of somebody else's table are runs that count: those asked for, finished, and no sum of others."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

from alexctl.errors import UserError, nearest, short
from alexctl.numbers import counted
from alexctl.verdicts.csv_table import CsvTable, Row, check_columns, lines_of, number

OVER = frozenset({"finished", "complete", "completed", "done", "success", "succeeded", "ok", "diverged"})
NOT_OVER = frozenset({
    "running", "crashed", "failed", "fail", "killed", "pruned", "waiting", "pending", "scheduled", "queued",
    "preempted", "preempting", "paused", "error", "errored", "aborted", "canceled", "cancelled", "timeout",
    "in_progress", "unfinished",
})  # fmt: skip
SUMMARIES = frozenset({
    "mean", "average", "avg", "std", "stdev", "stddev", "sd", "se", "sem", "stderr", "var", "variance", "median",
    "min", "max", "sum", "total", "count", "overall",
})  # fmt: skip


RUNS = frozenset({"seed", "run", "fold", "trial", "replicate", "repeat", "rep"})
NUMBERED = frozenset({"id", "name", "number", "index", "no", "nr"})


def run_columns(header: Sequence[str], columns: Mapping[str, str]) -> list[str]:
    """The columns that by their names tell runs apart, such as seed, random_seed, run_id or config/fold."""
    found = []
    for name in header:
        words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).casefold())
        last = next((word for word in reversed(words) if word not in NUMBERED), None)
        if last in RUNS and name not in (columns["--arm"], columns["--measure"]):
            found.append(name)
    return found


def rows_that_count(
    table: CsvTable, columns: Mapping[str, str], keys: Sequence[str], where: Sequence[str]
) -> tuple[list[Row], list[str]]:
    """The rows that count, and a note on each kind that does not.

    `columns` are those of --arm, --pair and --measure, `keys` those that tell runs apart. A column called state or status, as W&B, Optuna and MLflow
    export it, says which runs are over, unless `where` picks from it. UserError: a condition that fits nothing, a state
    that can't be understood.
    """
    rows, notes = _where(table, where)
    arm = table.header.index(columns["--arm"])
    taken = {*columns.values(), *(condition.partition("=")[0].strip() for condition in where)}
    for place, name in enumerate(table.header):
        if re.split(r"[./]", name.casefold())[-1] in ("state", "status") and name not in taken:
            rows = _finished(table, rows, place, arm, notes)
    for key in keys:
        rows = _single(table, rows, key, notes)
    return rows, notes


def _single(table: CsvTable, rows: list[Row], key: str, notes: list[str]) -> list[Row]:
    """The rows that are runs; as they are where all sum up others, as then a key like `mean` means something else."""
    place = table.header.index(key)
    runs = [row for row in rows if not _sums_up(row.cells[place])]
    if not runs or len(runs) == len(rows):
        return rows
    sums = [row for row in rows if _sums_up(row.cells[place])]
    words = " or ".join(f"'{short(cell)}'" for cell in dict.fromkeys(row.cells[place] for row in sums))
    notes.append(
        f"{counted(len(sums), 'row')} left out, since {short(key)} is {words} and they sum up others: {lines_of(sums)}"
    )
    return runs


def _sums_up(key: str) -> bool:
    """Whether a key such as 'mean', 'Avg.' or 'mean ± std' says that its row is no run."""
    return re.split(r"[\s±+(]", key.casefold())[0].rstrip(".:") in SUMMARIES


def _where(table: CsvTable, where: Sequence[str]) -> tuple[list[Row], list[str]]:
    """The rows that meet the conditions COLUMN=VALUE: of one column any, of several columns all."""
    asked: dict[int, list[str]] = {}
    for condition in where:
        name, equals, value = (part.strip() for part in condition.partition("="))
        if not equals:
            raise UserError(f"--where: should be COLUMN=VALUE, not '{short(condition)}'")
        check_columns(table.name, table.header, {"--where": name})
        place = table.header.index(name)
        if not any(_same(row.cells[place], value) for row in table.rows):
            hint = short(nearest(value, {row.cells[place] for row in table.rows}), 400)
            raise UserError(f"--where: in {table.name} no {short(name)} is '{short(value)}', {hint}")
        asked.setdefault(place, []).append(value)
    rows = [
        row
        for row in table.rows
        if all(any(_same(row.cells[place], value) for value in values) for place, values in asked.items())
    ]
    return rows, [f"--where keeps {len(rows)} of {len(table.rows)} rows"] * bool(asked)


def _same(cell: str, value: str) -> bool:
    return cell == value or (number(cell) is not None and number(cell) == number(value))


def _finished(table: CsvTable, rows: list[Row], place: int, arm: int, notes: list[str]) -> list[Row]:
    """The rows whose state says that they are over; as they are where the column knows no such states."""
    words = {row: row.cells[place].casefold() for row in rows}
    if not (OVER | NOT_OVER) & set(words.values()):
        return rows
    name = short(table.header[place])
    if strange := [row for row, word in words.items() if word not in OVER | NOT_OVER]:
        states = " or ".join(f"'{short(state)}'" for state in dict.fromkeys(row.cells[place] for row in strange))
        raise UserError(
            f"{table.name} {lines_of(strange)}: {name} is {states}, which does not say whether a run is over; "
            f"pick rows with --where {shlex.quote(f'{name}=VALUE')}"
        )
    runs = Counter(row.cells[arm] for row in rows)
    for state in dict.fromkeys(row.cells[place] for row in rows if words[row] in NOT_OVER):
        lost = [row for row in rows if row.cells[place] == state]
        arms = Counter(row.cells[arm] for row in lost)
        shares = ", ".join(f"{short(one)} {count} of {runs[one]}" for one, count in arms.items())
        notes.append(
            f"{counted(len(lost), 'row')} left out, since {name} is {short(state)}: {lines_of(lost)} ({short(shares, 400)})"
        )
    return [row for row in rows if words[row] in OVER]
