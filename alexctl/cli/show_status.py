"""Prints how far campaigns are: a table of each arm's trials, and the jobs in Slurm's queue."""

from dataclasses import asdict
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from alexctl.campaign.standing import STATES
from alexctl.cli.console import plain, rich_table
from alexctl.slurm.watch import View

COLOURS = {"running": "cyan", "done": "green", "diverged": "yellow", "failed": "red"}
TRIALS = {"search": "rate search", "final": "to report"}


def table_of(view: View, console: Console) -> Table:
    """A line for each arm's search and for each arm's reported trials."""
    controls = view.campaign.ablation.controls.values() if view.campaign else ()
    rows: list[dict[str, Any]] = [
        {
            "arm": line.arm + (" (control)" if line.arm in controls else ""),
            "trials": TRIALS[line.phase],
            **{state: _counted(getattr(line, state), state) for state in STATES},
        }
        for line in view.trials
    ]
    return rich_table(rows, console, numbers=STATES)


def _counted(number: int, state: str) -> Text:
    return Text(str(number) if number else "-", style=COLOURS.get(state, "") if number else "dim")


def group_of(view: View, console: Console, *, watched: bool = False) -> Group:
    """A campaign as it stands: its name, the table, its jobs."""
    lines: list[Any] = [Text.from_markup(f"[bold]{plain(view.folder.name)}[/]")]
    lines.append(
        table_of(view, console) if view.campaign else Text("No trial yet: the first job to begin makes the plan.")
    )
    if watched or view.jobs is not None:
        lines.append(Text(f"Slurm jobs: {view.jobs_words()}", style="dim"))
    return Group(*lines)


def as_json(view: View) -> dict[str, Any]:
    """The same as a table; `jobs` is null where nothing was submitted, or Slurm can't be asked here."""
    return {
        "name": view.folder.name,
        "folder": str(view.folder),
        "trials": [asdict(line) for line in view.trials],
        "jobs": None if view.jobs is None else [asdict(job) for job in view.jobs],
    }
