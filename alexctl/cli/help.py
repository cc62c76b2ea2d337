"""The help page of a command: what it does, its options in panels, examples at the end. rich is imported as it is shown."""

from collections.abc import Iterable
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup

WIDEST = 28  # of the column of names; a longer name has a line for itself
LAST = "Also"  # the panel of what stands in none


def examples(*lines: tuple[str, str]) -> str:
    """Commands, each with what it is for, as `epilog`: the end of a help page."""
    return "\n".join("\t".join(line) for line in lines)


class Command(TyperCommand):
    """A command with such a help page."""

    def format_help(self, ctx, formatter) -> None:
        formatter.write(page(self, ctx))


class Group(TyperGroup):
    """A group of commands with such a help page."""

    def format_help(self, ctx, formatter) -> None:
        formatter.write(page(self, ctx))


def page(command: TyperCommand | TyperGroup, ctx: Any) -> str:
    """The page as the terminal is wide; without colour where there is no terminal, or with NO_COLOR."""
    from rich.console import Console

    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, emoji=False, width=max(80, console.width))
    with console.capture() as captured:
        _print(command, ctx, console)
    return "\n".join(line.rstrip() for line in captured.get().split("\n"))


def _print(command: TyperCommand | TyperGroup, ctx: Any, console: Any) -> None:
    from rich.text import Text

    usage = " ".join(command.collect_usage_pieces(ctx)).replace("{", "").replace("}", "")
    console.print(Text.assemble(("Usage: ", "dim"), (ctx.command_path, "bold"), f" {usage}"))
    console.print(Text(f"\n{command.help or ''}\n"))
    shown = panels(command, ctx)
    width = min(WIDEST, max(len(line) for rows in shown.values() for name, _, _ in rows for line in name.split("\n")))
    for title, rows in shown.items():
        console.print(_panel(title, rows, width))
    if command.epilog:
        lines = [line.partition("\t") for line in command.epilog.split("\n")]
        console.print(_panel("Examples", [(line, words, "") for line, _, words in lines], None))


def panels(command: TyperCommand | TyperGroup, ctx: Any) -> dict[str, list[tuple[str, str, str]]]:
    """The rows (name, help, default) of each panel, in the order in which they are declared."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    params = command.get_params(ctx)
    for param in sorted(params, key=lambda param: not isinstance(param, TyperArgument)):
        if not getattr(param, "hidden", False):
            own = "Arguments" if isinstance(param, TyperArgument) else LAST
            found.setdefault(param.rich_help_panel or own, []).append(_row(param, ctx))
    others = found.pop(LAST, [])
    for name in command.list_commands(ctx) if isinstance(command, TyperGroup) else ():
        sub = command.get_command(ctx, name)
        found.setdefault(sub.rich_help_panel or "Commands", []).append((name, (sub.help or "").split("\n\n")[0], ""))
    return {**found, LAST: others}


def _row(param: Any, ctx: Any) -> tuple[str, str, str]:
    if isinstance(param, TyperArgument):
        return (
            (param.metavar or param.name.upper()).strip("[]{}"),
            param.help or "",
            "" if param.required else "optional",
        )
    name = ", ".join(sorted(param.opts, key=len))
    name += "".join(f"\n{other}" for other in param.secondary_opts)
    if not param.is_flag:
        name += f" {param.metavar or param.name.upper()}"
    default = param.get_default(ctx, call=False)
    told = default is not None and not param.is_flag and "Default:" not in (param.help or "")
    envvar = f"; ${param.envvar}" if param.envvar else ""
    return (
        name,
        param.help or "",
        "required" if param.required else f"default: {default}{envvar}" if told else envvar[2:],
    )


def _panel(title: str, rows: Iterable[tuple[str, str, str]], width: int | None) -> Any:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="cyan", width=width, overflow="fold")
    grid.add_column(overflow="fold", ratio=1)
    grid.expand = True
    for name, words, default in rows:
        text = Text.assemble(words, (f" [{default}]" if default else "", "dim"))
        grid.add_row(Text(name), text)
    return Panel(grid, title=title, title_align="left", border_style="dim", padding=(0, 1))
