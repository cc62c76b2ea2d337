"""Tables and lines on a terminal or in a pipe: what all that prints is made of."""

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from alexctl.errors import printable


def plain(value: Any) -> str:
    """The value as a terminal may safely have it: control characters spelled out, nothing taken for markup."""
    return escape(printable(str(value)))


WORD = 24  # a longer word, such as a path, may be broken
STYLES = {"supported": "green", "contradicted": "red", "no difference": "cyan", "undecided": "yellow"}


def verdict_style(line: Mapping[str, Any]) -> str:
    """The colour of a line of verdict.json: green where the claim has been seen to hold."""
    if line.get("direction") == "none" and line["verdict"] == "no difference":
        return STYLES["supported"]
    return next((style for word, style in STYLES.items() if line["verdict"].startswith(word)), "magenta")


def verdict_text(line: Mapping[str, Any], words: str | None = None) -> Text:
    """A line's verdict, or other words about it, in the verdict's colour."""
    return Text(printable(words or line.get("words") or line["verdict"]), style=f"bold {verdict_style(line)}")


def print_json(value: Any) -> None:
    """The value as JSON on standard output; what would drive a terminal, or turn its lines around, is spelled out."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=str)
    print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def new_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """A terminal wraps lines; a pipe gets them as long as they are, and tables up to 200 columns wide."""
    plainly = {"stderr": stderr, "quiet": quiet, "highlight": False, "emoji": False}  # `:x:` in a name is a `:x:`
    console = Console(**plainly)
    if console.is_terminal:  # its width is $COLUMNS, where that is set
        return console
    return Console(**plainly, soft_wrap=True, width=200)


def table(rows: list[dict[str, Any]], *, as_json: bool = False, numbers: Collection[str] = ()) -> None:
    """Rows of equal keys, as a table (`numbers` to the right) or as JSON."""
    if as_json:
        print_json(rows)
        return
    console = new_console()
    console.print(rich_table(rows, console, numbers=numbers))


def note(line: str, *, stderr: bool = False) -> None:
    """Something to know of what is shown."""
    new_console(stderr=stderr).print(f"[yellow]note:[/] {plain(line)}")


def say(*lines: str) -> None:
    """Lines of plain text, wrapped where a terminal is."""
    console = new_console()
    for line in lines:
        console.print(plain(line))


def rich_table(rows: list[dict[str, Any]], console: Console, *, numbers: Collection[str] = ()) -> Table:
    """Rows of equal keys side by side, `numbers` to the right, or on a narrow terminal a paragraph a row."""
    texts = [{key.replace("_", " "): _cell(value) for key, value in row.items()} for row in rows]
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, key in enumerate(texts[0] if texts else ()):
        justify = "right" if key in numbers else "left"
        longest = max(len(word) for text in (key, *(str(row[key]) for row in texts)) for word in text.split() or [""])
        # A name that is broken can't be copied, and no other word should be.
        grid.add_column(
            key, header_style="dim", overflow="fold", no_wrap=i == 0, justify=justify, min_width=min(longest, WORD)
        )
    for row in texts:
        grid.add_row(*row.values())
    wide = console.measure(grid, options=console.options.update(max_width=10_000))
    # No word broken, and no cell a tower of many lines.
    if not console.is_terminal or (wide.minimum <= console.width and wide.maximum <= 2.5 * console.width):
        return grid
    paragraphs = Table.grid(padding=(0, 2, 0, 0))
    paragraphs.add_column(style="dim")
    paragraphs.add_column(overflow="fold")
    for i, row in enumerate(texts):
        if i:
            paragraphs.add_row()
        for key, text in row.items():
            if str(text) not in ("", "-"):
                paragraphs.add_row(key, text)
    return paragraphs


def _cell(value: Any) -> str | Text:
    if isinstance(value, Text):
        return value
    return plain("" if value is None else str(value))


def shown(path: Path) -> str:
    """A path as a person would type it from here."""
    try:
        return os.path.relpath(path) if Path(os.path.relpath(path)).parts[:1] != ("..",) else str(path)
    except ValueError:  # another drive
        return str(path)
