"""Labels: names made fit for them, and places where they touch no line, no mark and no other label."""

import math
import textwrap
from collections.abc import Sequence

import numpy as np

from alexctl.errors import printable
from alexctl.figures.plotting import Annotation, Axes, Bbox, Figure, FigureCanvasAgg, Text


def short(name: str) -> str:
    """A name fit for a label: control characters spelled out, and no longer than a label may be."""
    return textwrap.shorten(printable(name), 24, placeholder="…") if " " in name else _cut(printable(name), 24)


def _cut(word: str, length: int) -> str:
    return word if len(word) <= length else word[: length - 1] + "…"


def wrapped(name: str) -> str:
    """A name whole, in lines short enough for a margin, broken at hyphens where it has some."""
    return "\n".join(textwrap.wrap(printable(name), 16))


def width_of(words: str, **style) -> float:
    """Inches."""
    figure = Figure(figsize=(1, 1))
    FigureCanvasAgg(figure)
    return figure.text(0, 0, words, **style).get_window_extent().width / figure.dpi


class Placer:
    """Puts labels where they touch no line, no mark and no other label, as far as their list of places allows."""

    def __init__(self, axes: Axes):
        self.axes = axes
        self.points = np.empty((0, 2))
        self.boxes: list[Bbox] = []
        self.leaders: list[np.ndarray] = []

    def avoid_lines(self) -> None:
        """Takes all lines and edges of bands drawn so far as they stand; the axes' limits must not change any more."""
        lines = [line.get_transform().transform(line.get_xydata()) for line in self.axes.lines]
        edges = [patch.get_transform().transform(patch.get_path().vertices) for patch in self.axes.patches]
        self.points = np.concatenate([self.points, *map(_dense, lines + edges)])

    def put(self, words: str, spots: Sequence[tuple], **style) -> Text:
        """Writes the words at the best spot (x, y, ha, va[, dx, dy in points])."""
        best, least, leader_points = None, math.inf, np.empty((0, 2))
        for x, y, ha, va, *offset in spots:
            far = offset and max(map(abs, offset)) > 12
            corner = (float(ha == "right"), float(va == "top"))
            leader = {"arrowstyle": "-", "linewidth": 0.5, "color": style["color"], "shrinkA": 0, "relpos": corner}
            text = self.axes.annotate(
                words, (x, y), offset or (0, 0), textcoords="offset points", ha=ha, va=va, zorder=6,
                annotation_clip=False, arrowprops=leader if far else None, **style,
            )  # fmt: skip
            line = self._leader(text) if far else np.empty((0, 2))
            cost = self._cost(_box(text)) + 1_000 * sum(_within(line, box).any() for box in self.boxes)
            if cost >= least:
                text.remove()
                continue
            if best is not None:
                best.remove()
            best, least, leader_points = text, cost, line
            if cost == 0:
                break
        self.boxes.append(_box(best).padded(1))
        self.leaders.append(leader_points)
        return best

    def _leader(self, text: Annotation) -> np.ndarray:
        """Points (n, 2) in pixels along the line from a mark to the corner of its words."""
        box, (across, up) = _box(text), text.arrowprops["relpos"]
        corner = (box.x0 + across * box.width, box.y0 + up * box.height)
        return np.linspace(self.axes.transData.transform(text.xy), corner, 50)

    def _cost(self, box: Bbox) -> float:
        frame = self.axes.get_window_extent()
        outside = box.x0 < frame.x0 or box.y0 < frame.y0 or box.y1 > frame.y1 + 2
        outside = outside or box.x1 > self.axes.figure.bbox.x1 - 2
        box = box.padded(1)
        inside = _within(self.points, box).sum()
        covered = sum(box.overlaps(other) for other in self.boxes)  # worst of all: neither can be read
        crossed = sum(_within(line, box).any() for line in self.leaders)
        return 10_000 * (outside + covered) + 1_000 * crossed + inside


def _within(points: np.ndarray, box: Bbox) -> np.ndarray:
    return ((points > box.p0) & (points < box.p1)).all(axis=1)


def _box(text: Annotation) -> Bbox:
    """Where the words stand, without the line that leads to them."""
    text.update_positions(text.figure.canvas.get_renderer())
    return Text.get_window_extent(text)


def _dense(points: np.ndarray) -> np.ndarray:
    """Points along a line that stands on the canvas, closer than a letter is wide."""
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < 2:
        return points.reshape(-1, 2)
    steps = np.arange(0, len(points) - 1 + 1e-9, 1 / 24)
    return np.stack([np.interp(steps, range(len(points)), column) for column in points.T], axis=1)


def around(x: float, y: float, rows: int = 5) -> list[tuple]:
    """Places for a label about a mark, the best first: x, y, ha, va, and an offset in points; so many rows up and down."""
    near = [(5, 4, "left", "bottom"), (5, -4, "left", "top"), (-5, -4, "right", "top"), (-5, 4, "right", "bottom")]
    far = [(dx, side * (14 + 11 * row), ha, "top" if side < 0 else "bottom") for row in range(rows) for side in (-1, 1)
           for dx, ha in ((2, "left"), (-2, "right"))]  # fmt: skip
    return [(x, y, ha, va, dx, dy) for dx, dy, ha, va in near + far]
