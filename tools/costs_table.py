"""`python -m tools.costs_table [NAME...]`: what every ablation that ships costs on this machine, for docs/ablations.md.

With names only these are measured, and the other lines stay, but for files that no longer ship. Writes results/reference/bench/costs.csv too. How workers slow each other is taken from the bench beside it, so
`alexctl bench --results results/reference` comes first.
"""

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from alexctl import numbers
from alexctl.ablation.load import load, shipped
from alexctl.errors import UserError
from alexctl.store import files, layout
from alexctl.timing.costs import costs, whole_seconds
from alexctl.timing.crowding import latest
from tools.marked_blocks import rewritten

COLUMNS = ("ablation", "data", "arms", "search_trials", "reported_trials", "seconds", "at_most", "workers")
TOP = Path(__file__).parents[1]


def measured(reference: Path, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """A line an ablation, in COLUMNS; UserError names one whose costs can't be found out."""
    for name in names:
        ablation = load(name)
        found = costs(ablation, reference)
        for cost in found:
            if cost.problem:
                raise UserError(f"{name}, arm {cost.arm}: {cost.problem}")
        yield {
            "ablation": name, "data": ablation.base["data"], "arms": len(found),
            "search_trials": sum(cost.num_search_trials for cost in found),
            "reported_trials": sum(cost.num_reported_trials for cost in found),
            "seconds": whole_seconds(found), "at_most": any(cost.at_most for cost in found),
            "workers": found[0].workers,
        }  # fmt: skip


def block(lines: Iterable[dict[str, str]], bench: dict[str, Any]) -> str:
    """The table, from the lines of costs.csv and the table of the bench."""
    lines = list(lines)
    env = bench["environment"]
    rows = [
        f"| `{line['ablation']}` | {line['data']} | {line['arms']} | "
        + (f"{line['search_trials']} + " if line["search_trials"] != "0" else "")
        + f"{line['reported_trials']} | {'at most ' * (line['at_most'] == 'true')}{numbers.duration(float(line['seconds']))} |"
        for line in lines
    ]
    return "\n".join([
        f"With {lines[0]['workers']} workers, {env['device']} ({env['cpu']}), {env['precision']} "
        f"([`{layout.COSTS_CSV}`](../{layout.REFERENCE}/{layout.BENCH}/{layout.COSTS_CSV})); trials of the search + reported ones:",
        "", "| file | data | arms | trials | time |", "|---|---|---|---|---|", *rows,
    ])  # fmt: skip


def written(text: str, folder: Path) -> str:
    """docs/ablations.md with its table made anew; UserError where the marks or the measurements are missing."""
    bench = latest(folder)
    if bench is None or not (folder / layout.COSTS_CSV).exists():
        raise UserError(f"no bench and {layout.COSTS_CSV} in {folder}; `make performance` makes them")
    lines = csv.DictReader((folder / layout.COSTS_CSV).read_text(encoding="utf-8").splitlines())
    return rewritten(text, "costs", block(lines, bench), file="docs/ablations.md")


def main(names: Sequence[str]) -> None:
    """What the module's head says."""
    reference = TOP / layout.REFERENCE
    table = reference / layout.BENCH / layout.COSTS_CSV
    kept = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines())) if names else []
    lines = {line["ablation"]: line for line in [*kept, *measured(reference, names or shipped())]}
    files.write_atomic(table, files.csv_text(COLUMNS, [lines[name] for name in shipped() if name in lines]))
    page = TOP / "docs" / "ablations.md"
    files.write_atomic(page, written(page.read_text(encoding="utf-8"), reference / layout.BENCH))


if __name__ == "__main__":
    main(sys.argv[1:])
