"""What the command line itself was given wrong, in the one line that every other fault has; typer's own takes five."""

import contextlib
from collections.abc import Iterable

from alexctl.ablation.faults import fault_line
from alexctl.ablation.load import shipped
from alexctl.errors import nearest, printable


def usage_line(error: Exception) -> str:
    """One line for a usage error of typer's: what is wrong, the nearest valid word, where to look next.

    Typer names no class of these that it promises to keep, so they are told apart by what they carry.
    """
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "alexctl"
    look = f"; `{command} --help` names them all"
    kind, message = type(error).__name__, printable(error.format_message())
    if kind == "NoSuchOption":
        known = [word for param in context.command.params for word in param.opts] if context else []
        return f"no such option: {printable(error.option_name)}{_close(error.option_name, known) or look}"
    if message.startswith("No such command"):
        word = message.split("'")[1]
        if word in shipped():
            return f"no such command: {word}, did you mean 'alexctl ablate {word}'?"
        return f"no such command: {word}{_close(word, context.command.commands) or look}"
    if kind == "MissingParameter":
        option = next((word for word in error.param.opts if word.startswith("-")), error.param.name.upper())
        return f"{option} is missing; `{command} --help` says what it is"
    if kind == "BadParameter":
        return _bad_value(error, message)
    if "unexpected extra argument" in message:
        return f"too many words: {message.partition('(s) (')[2].rstrip(')')}; a value with spaces in it needs quotes"
    if kind == "BadOptionUsage":
        option = printable(error.option_name)
        return f"{option} needs a value after it" if "requires" in message else f"{option} takes no value"
    return message[:1].lower() + message[1:]


def _close(word: str, known: Iterable[str]) -> str:
    hint = nearest(word, known)
    return f", {hint}" if hint.startswith("did") else ""


def _bad_value(error: Exception, message: str) -> str:
    option = next(iter(error.param.opts), "") if error.param is not None else ""
    found = getattr(error.__cause__, "errors", None)
    entry = found()[0] if found else {"type": "value_error"}
    if entry["type"] != "value_error":
        with contextlib.suppress(ValueError):  # a number is shown as one
            entry = {**entry, "input": float(entry["input"]) if "." in entry["input"] else int(entry["input"])}
        return fault_line({**entry, "loc": (option,)})
    what = message.split(": ", 1)[-1].removeprefix("Value error, ").rstrip(".")
    return f"{option}: {what}"
