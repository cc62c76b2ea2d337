"""history.csv of a site: each verdict that it has shown, with its date and version. Lines are added, never changed."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import alexctl
from alexctl import numbers
from alexctl.errors import UserError, printable
from alexctl.report.sections import in_words, kind_of
from alexctl.report.traced import Traced
from alexctl.store import files

NAME = "history.csv"
COLUMNS = (
    "entry", "date", "alexctl", "commit", "results", "ablation", "arm", "control", "data", "measure", "n", "effect", "low", "high",
    "level", "bound", "scale", "claimed", "verdict", "tier", "words", "conditions", "trained_with",
)  # fmt: skip
KEY = ("results", "arm", "control")  # of a comparison, whose lines follow each other
Row = dict[str, str]


def read(text: str) -> list[Row]:
    """The lines of a history.csv; UserError where it has been damaged, since what is lost of it can't be made again."""
    lines = list(csv.reader(io.StringIO(text, newline="")))
    if not lines or tuple(lines[0]) != COLUMNS:
        what = (
            "has columns that this alexctl does not know; update it"
            if lines and set(COLUMNS) < set(lines[0])
            else "is damaged; restore it"
        )
        raise UserError(f"{NAME} {what}, or begin another site in an empty folder")
    for i, line in enumerate(lines[1:], start=1):
        row = dict(zip(COLUMNS, line, strict=False))
        if len(line) != len(COLUMNS) or row["entry"] != str(i) or not _numbers(row):
            raise UserError(f"{NAME} is damaged in entry {i}; restore it, or begin another site in an empty folder")
    return [dict(zip(COLUMNS, line, strict=True)) for line in lines[1:]]


def _numbers(row: Row) -> bool:
    try:
        return all(
            float(row[key] or 0) == float(row[key] or 0) for key in ("n", "effect", "low", "high", "level", "claimed")
        )
    except ValueError:
        return False


def added(before: Sequence[Row], sections: Sequence[dict[str, Any]], date: str) -> list[Row]:
    """The lines that today's verdicts add to these: those that say anything else than the last of their comparison.

    Smoke runs have none, since their numbers mean nothing.
    """
    last = {tuple(row[key] for key in KEY): row for row in before}
    new = []
    for one in (one for one in sections if not one["smoke"]):
        for entry in one["comparisons"]:
            row = {key: files.cell_text(value) for key, value in _today(one, entry).items()}
            known = last.get(tuple(row[key] for key in KEY))
            if known is None or any(row[key] != known[key] for key in row):
                new.append({"entry": str(len(before) + len(new) + 1), "date": date, **row})
    return new


def _today(one: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """A comparison as it is today, but for entry and date."""
    line = entry["line"]
    trained = sorted({str(machine["alexctl"]) for machine in one["machines"] if machine["alexctl"]})
    return {
        "alexctl": alexctl.__version__, "commit": one["planned_by"], "results": one["folder"], "ablation": str(one["name"]),
        "arm": str(entry["arm"]), "control": entry["control"] and str(entry["control"]), "data": str(one["data"]),
        "measure": one["measure_name"], **{key: line.get(key) for key in ("n", "effect", "low", "high", "level", "scale", "claimed", "verdict", "tier")},
        "bound": entry["bound"], "words": str(entry["verdict"]), "conditions": line.get("conditions"), "trained_with": " and ".join(trained),
    }  # fmt: skip


def text(rows: Sequence[Row], *, new: bool) -> str:
    """Lines as they stand in a history.csv, below its head where it is a new one."""
    buffer = io.StringIO()
    lines = csv.writer(buffer, lineterminator="\n")
    lines.writerows([COLUMNS] * new + [[row[column] for column in COLUMNS] for row in rows])
    return buffer.getvalue()


def shown(row: Row) -> dict[str, Any]:
    """A line as a page shows it, each number traced to it."""

    def at(column: str, form=None) -> Traced | None:
        exact = row[column]
        if not exact:
            return None
        if form is None:
            return Traced(text=printable(exact), file=NAME)
        return Traced(text=form(float(exact)), file=NAME, at=f"entry={row['entry']}:{column}", value=exact)

    form = in_words(row["scale"], interaction=not row["control"])
    number = {key: float(row[key]) if row[key] else None for key in ("low", "high", "effect")}
    effect = at("effect", form)
    kind, symbol = kind_of(row["verdict"])
    return {
        "date": Traced(text=row["date"].replace("T", " ").replace("Z", " UTC"), file=NAME), "alexctl": at("alexctl"),
        "arm": at("arm"), "control": at("control"), "kind": kind, "symbol": symbol,
        "verdict": at("words"), "n": at("n", "{:g}".format), "effect": effect, "low": at("low", form), "high": at("high", form),
        "level": at("level", numbers.level), "bound": row["bound"], "values": [effect] if effect else [],
        "line": {"n": int(float(row["n"] or 0)), **number},
    }  # fmt: skip
