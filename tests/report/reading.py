"""Reads a page as its user's tools would: elements with their attributes, their text, and what they stand in."""

import csv
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass
class Element:
    """One element; `text` is all text in it, `within` its ancestors, the outermost first."""

    tag: str
    attributes: dict[str, str]
    within: list["Element"]
    text: str = ""
    own: list[str] = field(default_factory=list)

    def has(self, kind: str) -> bool:
        return kind in self.attributes.get("class", "").split()


class Reader(HTMLParser):
    """Raises AssertionError where tags do not match."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        element = Element(tag, {key: value or "" for key, value in attrs}, list(self.open))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(Element(tag, {key: value or "" for key, value in attrs}, list(self.open)))

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open[-1].tag == tag, (self.open[-1], tag)
        self.open.pop()

    def handle_data(self, data):
        for element in self.open:
            element.text += data
        if self.open:
            self.open[-1].own.append(data)


def looked_up(element: Element, folder: Path) -> object:
    """What stands at the place a traced element names; None where it names a file alone."""
    file, at = folder / element.attributes["data-from"], element.attributes.get("data-at")
    assert file.is_file(), file
    if at is None:
        return None
    if file.suffix == ".json":
        found = json.loads(file.read_text(encoding="utf-8"))
        for key in at.split("/"):
            found = found[int(key) if isinstance(found, list) else key]
        return found
    where, column = at.rsplit(":", 1)
    keys = dict(pair.split("=", 1) for pair in where.split(","))
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if all(row[key] == value for key, value in keys.items())]
    assert rows, at
    return float(rows[0][column])


def agrees(shown: str, exact: float) -> bool:
    """Whether a number as shown is the exact one, up to the rounding shown."""
    text = shown.strip().replace("−", "-").replace(",", "")
    if match := re.fullmatch(r"([\d.]+) (lower|higher)", text):  # control minus arm: above 0 the arm is lower
        text = match[1] if match[2] == "lower" else f"-{match[1]}"
    scale = 100 if text.endswith("%") else 1
    match = re.fullmatch(r"[+-]?\d+(?:\.(\d+))?(?:e[+-]?\d+)?(?:%| s)?", text)
    assert match, shown
    digits = re.match(r"[+-]?[\d.]+(?:e[+-]?\d+)?", text)[0]
    mantissa, _, power = digits.partition("e")
    room = 0.5 * 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
    return abs(float(digits) - scale * exact) <= room * (1 + 1e-9)
