"""Markdown as GitHub reads it, for Python-Markdown, which wants what belongs to an item of a list four columns in."""

import re
from collections.abc import Callable

ITEM = re.compile(r"( *)((?:[-*]|\d+\.) +)\S")
FENCE = re.compile(r" *(```+|~~~+)")


def indented(text: str) -> str:
    """The same with four columns a level, and an empty line before each list."""
    lines: list[str] = []
    columns: list[int] = []  # where the text of each open item begins
    fence, depth, in_list = None, 0, False
    for line in text.split("\n"):
        found = FENCE.match(line)
        if not line.strip():
            lines.append(line)
            continue
        if fence is None:
            item = ITEM.match(line)
            indent = len(line) - len(line.lstrip())
            while columns and indent < columns[-1]:
                columns.pop()
            depth = len(columns)
            if item:
                if not in_list and lines and lines[-1].strip():
                    lines.append("")
                columns.append(len(item[1]) + len(item[2]))
            in_list = bool(columns)
        shift = 4 * depth - (columns[depth - 1] if depth else 0)
        lines.append(" " * (len(line) - len(line.lstrip()) + shift) + line.lstrip() if depth else line)
        if found and (fence is None or line.strip() == fence):
            fence = found[1] if fence is None else None
    return "\n".join(lines)


def outside_of_code(text: str, change: Callable[[str], str]) -> str:
    """The text with each line that is not in a fence changed."""
    lines, fence = [], None
    for line in text.split("\n"):
        found = FENCE.match(line)
        inside = fence is not None
        if found and (fence is None or line.strip() == fence):
            fence = found[1] if fence is None else None
            inside = True
        lines.append(line if inside else change(line))
    return "\n".join(lines)
