"""Shapes and words as hand-made SVG text: the same bytes for the same drawing, readable on any page."""

import math
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from alexctl.errors import printable
from alexctl.figures.palette import LETTERS, PAPER

Point = tuple[float, float]
FONT = "DejaVu Sans, Verdana, Arial, sans-serif"
SIZE = 13  # pixels


class Drawing:
    """Collects shapes and words; words lie above all shapes, with a rim of the page's colour."""

    def __init__(self) -> None:
        self.shapes: list[str] = []
        self.labels: list[str] = []

    def polygon(self, points: Sequence[Point], **style: Any) -> None:
        """A closed shape."""
        self.shapes.append(f'<polygon points="{" ".join(map(_point, points))}"{_attributes(style)}/>')

    def line(self, start: Point, end: Point, colour: str, **style: Any) -> None:
        """A thin line."""
        (x1, y1), (x2, y2) = start, end
        self.shapes.append(
            f'<line x1="{_number(x1)}" y1="{_number(y1)}" x2="{_number(x2)}" y2="{_number(y2)}"'
            f"{_attributes({'stroke': colour, **style})}/>"
        )

    def head(self, start: Point, end: Point, colour: str) -> None:
        """The head of an arrow that comes from start and ends at end."""
        (x1, y1), (x2, y2) = start, end
        length = math.hypot(x2 - x1, y2 - y1) or 1
        ux, uy = (x2 - x1) / length, (y2 - y1) / length
        base = (x2 - 9 * ux, y2 - 9 * uy)
        self.polygon(
            [end, (base[0] - 3.5 * uy, base[1] + 3.5 * ux), (base[0] + 3.5 * uy, base[1] - 3.5 * ux)], fill=colour
        )

    def arrow(self, start: Point, end: Point, colour: str) -> None:
        """A line with a head."""
        self.line(start, end, colour, stroke_width=1.4)
        self.head(start, end, colour)

    def words(
        self, x: float, y: float, what: Any, *, anchor: str = "start", bold: bool = False, colour: str = LETTERS
    ) -> None:
        """Words on a base line at y; control characters are spelled out."""
        style = {"text_anchor": anchor, "fill": colour} | ({"font_weight": "bold"} if bold else {})
        text = escape(printable(str(what)))
        self.labels.append(f'<text x="{_number(x)}" y="{_number(y)}"{_attributes(style)}>{text}</text>')

    def text(self, width: float, height: float, title: str) -> str:
        """The whole file."""
        size = f"{_number(math.ceil(width))} {_number(math.ceil(height))}"
        wide, high = size.split()
        return "\n".join([
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {size}" role="img" '
            f"aria-label={quoteattr(printable(title))}>",
            f"<title>{escape(printable(title))}</title>",
            f'<rect width="100%" height="100%" fill="{PAPER}"/>',
            '<g stroke-width="0.8" stroke-linejoin="round" fill="none">', *self.shapes, "</g>",
            f'<g font-family="{FONT}" font-size="{SIZE}" paint-order="stroke" stroke="{PAPER}" stroke-width="3" '
            'stroke-linejoin="round">', *self.labels, "</g>", "</svg>", "",
        ])  # fmt: skip


def _attributes(style: dict[str, Any]) -> str:
    return "".join(f' {key.replace("_", "-")}="{value}"' for key, value in style.items())


def _point(point: Point) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
