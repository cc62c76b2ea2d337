"""`alexctl merge`: one results folder of those of many people."""

from pathlib import Path
from typing import Annotated

import typer

from alexctl.cli.options import IntoOption, JsonOption

EXAMPLES = (
    ("alexctl merge ann bob --into class", "one folder with the seeds of both"),
    ("alexctl merge carla --into class", "one more"),
)


def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Results folders, or campaigns' folders in them; they stay as they are.")],
    into: IntoOption,
    json_: JsonOption = False,
) -> None:  # fmt: skip
    """Put the results of several people together: one folder with all seeds."""
    from alexctl import api
    from alexctl.cli import show_results
    from alexctl.cli.console import note, print_json
    from alexctl.cli.progress import Screen

    found, notes = api.merge(folders, into, waiting=Screen().preparing)
    if json_:
        print_json([result.verdict for result in found.values()])
    else:
        show_results.overview(found.values())
    for line in notes:
        note(line, stderr=True)
