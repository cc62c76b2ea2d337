"""`alexctl status`: how far a campaign is, wherever its trials run."""

from typing import Annotated

import typer

from alexctl.cli.options import DEFAULT_RESULTS, JsonOption, ResultsOption

EXAMPLES = (
    ("alexctl status relu-vs-tanh", "its trials, and its jobs if it runs on Slurm"),
    ("alexctl status", "of all campaigns in results/"),
)


def status(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this ablation, or this folder in results/.")] = None,
    results: ResultsOption = DEFAULT_RESULTS,
    json_: JsonOption = False,
) -> None:  # fmt: skip
    """Show how many trials of a campaign wait, run, are done or failed, and its Slurm jobs."""
    from alexctl.cli import show_status
    from alexctl.cli.console import new_console, note, print_json
    from alexctl.slurm import watch

    views, notes = watch.status(results, name)
    if json_:
        print_json([show_status.as_json(view) for view in views])
    else:
        console = new_console()
        for i, view in enumerate(views):
            if i:
                console.print()
            console.print(show_status.group_of(view, console))
    for line in notes:
        note(line, stderr=True)
