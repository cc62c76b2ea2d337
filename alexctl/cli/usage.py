"""What the command line itself was given wrong, in the one line that every other fault has; typer's own takes five."""

import contextlib
import shutil
import sys
import textwrap
from typing import Any

from alexctl.cli.help import Group
from alexctl.errors import UserError, nearest


class Commands(Group):
    """A group of commands that knows what a word may have been meant to be."""

    def resolve_command(self, ctx, args: list[str]):
        word, path = args[0], ctx.command_path
        if word in self.commands or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        from alexctl.ablation.load import shipped

        if word in shipped():
            raise UserError(f"no such command: {word}, did you mean 'alexctl ablate {word}'?")
        raise UserError(f"no such command: {word}{_hint(word, self.commands, path)}")


def usage_line(error: Any) -> str:
    """A usage error of typer's in one line: its own words, and the nearest valid word or where to look next."""
    if hasattr(error.__cause__, "errors"):
        return _bad_value(error)
    if hasattr(error, "possibilities"):
        known = [word for param in error.ctx.command.params for word in param.opts]
        return f"no such option: {error.option_name}{_hint(error.option_name, known, error.ctx.command_path)}"
    message = error.format_message().rstrip(".")
    look = f"; see `{error.ctx.command_path} --help`" if error.ctx else ""
    return message[:1].lower() + message[1:] + look


def _hint(word: str, known: list[str], command: str) -> str:
    found = nearest(word, known)
    return f", {found}" if found.close else f"; `{command} --help` names them all"


def _bad_value(error: Any) -> str:
    """What pydantic finds wrong with an option's value."""
    from alexctl.ablation.faults import fault_of

    entry, option = error.__cause__.errors()[0], error.param.opts[0]
    with contextlib.suppress(ValueError):  # a number is shown as one
        entry["input"] = float(entry["input"]) if "." in entry["input"] else int(entry["input"])
    return str(fault_of({**entry, "loc": (option,)}))


def tell(fault: str) -> None:
    """A fault on stderr: one line, its words wrapped where it is a terminal."""
    line = f"alexctl: {fault}"
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        line = textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
    print(line, file=sys.stderr)  # noqa: T201
