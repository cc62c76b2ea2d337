"""`alexctl compare`: two campaigns, machines or versions side by side."""

import enum
from typing import Annotated

import typer

from alexctl.cli.options import JsonOption, in_results
from alexctl.errors import UserError

EXAMPLES = (
    ("alexctl compare reference results", "what comes with alexctl, and your own"),
    ("alexctl compare laptop/results gpu/results", "two machines"),
    ("alexctl compare results:relu-vs-tanh results:relu-vs-tanh@shapes", "two campaigns"),
)
PLACE = "A results folder, a campaign's folder, FOLDER:NAME, or reference (the results that come with alexctl)."


class Format(enum.StrEnum):
    """What `compare --format` can print."""

    md = "md"
    json = "json"


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=PLACE)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same, to compare A with.")],
    format_: Annotated[Format | None, in_results("--format", metavar="md|json", help="Print Markdown or JSON instead of tables for a terminal.")] = None,
    json_: JsonOption = False,
) -> None:  # fmt: skip
    """Compare two sets of results: verdicts and effects side by side, and what else differs."""
    from alexctl import api
    from alexctl.cli import show_compare

    problems: list[str] = []
    found = api.compare_results(a, b, problems=problems)
    show_compare.compared(found, format_ or ("json" if json_ else None))
    if problems:  # the rest has been shown
        raise UserError(*problems, exit_code=1)
