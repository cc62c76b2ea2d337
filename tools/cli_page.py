"""docs/cli.md: every command with its arguments, options, defaults and examples, from the command line's own types."""

from collections.abc import Iterator
from typing import Any

import typer.main

from alexctl.cli import commands
from alexctl.cli.help import panels
from tools.markdown import table

HEAD = """<!-- Written by `make readme` from alexctl/cli. Change that. -->

# The command line

`alexctl COMMAND --help` (or `-h`) shows the same in the terminal. Data goes to standard output, progress and notes to
standard error. Exit codes: 0 done, 1 a trial failed, 2 bad usage or bad input, 3 a gate was not passed, 130 interrupted.
"""


def page() -> str:
    """The whole page."""
    group = typer.main.get_command(commands.app)
    with group.make_context("alexctl", [], resilient_parsing=True) as ctx:
        return "\n".join([HEAD, *_parts(group, ctx)])


def _parts(command: Any, ctx: Any) -> Iterator[str]:
    names = command.list_commands(ctx) if hasattr(command, "list_commands") else ()
    usage = " ".join(command.collect_usage_pieces(ctx)).replace("{", "").replace("}", "")
    yield f"## `{ctx.command_path}`\n\n{command.help}\n\n```\n{ctx.command_path} {usage}\n```\n"
    for title, rows in panels(command, ctx).items():
        rows = [row for row in rows if ctx.parent is None or row[0] != "-h, --help"]
        if not rows:
            continue
        of_commands = all(name in names for name, _, _ in rows)
        cells = [
            (_name(name, ctx.command_path if of_commands else None), words, default) for name, words, default in rows
        ]
        if any(default for *_, default in cells):
            yield f"**{title}**\n\n{table(['', 'what it does', 'default'], [(n, w, _told(d)) for n, w, d in cells])}\n"
        else:
            yield f"**{title}**\n\n{table(['', 'what it does'], [(n, w) for n, w, _ in cells])}\n"
    if command.epilog:
        lines = [line.partition("\t") for line in command.epilog.split("\n")]
        width = max((len(line) for line, _, words in lines if words), default=0)
        shown = [f"{line:{width}}   # {words}" if words else line for line, _, words in lines]
        yield "**Examples**\n\n```sh\n" + "\n".join(shown) + "\n```\n"
    for name in names:
        below = command.get_command(ctx, name)
        with below.make_context(name, [], parent=ctx, resilient_parsing=True) as its:
            yield from _parts(below, its)


def _name(name: str, path: str | None) -> str:
    if path is None:
        return ", ".join(f"`{part}`" for part in name.split("\n"))
    return f"[`{path} {name}`](#{f'{path} {name}'.replace(' ', '-')})"


def _told(default: str) -> str:
    """The default as it is, or what else stands for it: required, optional, an environment variable."""
    value, _, variable = default.removeprefix("default: ").partition("; ")
    if not default.startswith("default: "):
        return f"`{default}`" if default.startswith("$") else default
    return f"`{value}`" + (f", or `{variable}`" if variable else "")
