"""What a user did that cannot work, in one line: what, where, the nearest valid value, the next action."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MOST_CHOICES = 12  # that a line has room for


class UserError(Exception):
    """Shown as it is, without a traceback; `exit_code` is what the shell then sees.

    Several faults found at once stand on a line each, with control characters spelled out.
    """

    def __init__(self, *faults: object, exit_code: int = 2):
        self.faults = tuple(printable(str(fault)) for fault in faults)
        super().__init__("\n".join(self.faults))
        self.exit_code = exit_code


class StorageError(UserError):
    """A disk that is full, read-only or gone; what was done is safe."""


class Stopped(Exception):
    """The person pressed Ctrl-C (or sent SIGTERM, or closed the terminal); every running trial has its checkpoint.

    `campaign` is the campaign that was running.
    """

    def __init__(self, campaign: Any):
        super().__init__()
        self.campaign = campaign


@dataclass(frozen=True)
class Nearest:
    """The choice that a word comes close to, if there is one, and all choices, sorted."""

    close: str | None
    choices: tuple[str, ...]

    def __str__(self) -> str:
        """The hint that ends a message."""
        if self.close is not None:
            return f"did you mean '{self.close}'?"
        if len(self.choices) > MOST_CHOICES:
            return f"choose from: {', '.join(self.choices[:MOST_CHOICES])}, and {len(self.choices) - MOST_CHOICES} more"
        return "choose from: " + ", ".join(self.choices) if self.choices else "there are none"


def nearest(word: str, choices: Iterable[str]) -> Nearest:
    """What a word may have been meant to be, whatever its case."""
    choices = tuple(sorted(choices))
    folded = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return Nearest(folded[close[0]] if close else None, choices)


def printable(text: str) -> str:
    """The text with control characters spelled out, so that a name from a file cannot drive the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def short(text: object, most: int = 60) -> str:
    """The text as a line has room for it."""
    text = printable(str(text))
    return text if len(text) <= most else f"{text[: most - 3]}..."
