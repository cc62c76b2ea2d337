"""What a user did that cannot work, in one line: what, where, the nearest valid value, the next action."""

import difflib
from collections.abc import Iterable
from typing import Any


class UserError(Exception):
    """Shown as it is, without a traceback; `exit_code` is what the shell then sees.

    Several faults found at once stand on a line each.
    """

    def __init__(self, *faults: str, exit_code: int = 2):
        super().__init__("\n".join(faults))
        self.faults = faults
        self.exit_code = exit_code


class StorageError(UserError):
    """A disk that is full, read-only or gone; what was done is safe."""


class Stopped(Exception):
    """The person pressed Ctrl-C (or sent SIGTERM); every running trial has its checkpoint.

    `campaign` is the campaign that was running.
    """

    def __init__(self, campaign: Any):
        super().__init__()
        self.campaign = campaign


def nearest(word: str, choices: Iterable[str]) -> str:
    """A hint that ends a message: the closest choice if one is close, else all of them."""
    choices = sorted(choices)
    folded = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{folded[close[0]]}'?"
    return "choose from: " + ", ".join(choices) if choices else "there are none"


def printable(text: str) -> str:
    """The text with control characters spelled out, so that a name from a file cannot drive the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
