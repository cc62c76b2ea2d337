"""What all figures share: colours, type, the page with its caption, labels that keep clear, saving."""

import io
import math
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from alexctl.errors import printable
from alexctl.figures.palette import ARMS, INK, PAPER
from alexctl.store.files import write_atomic

DASHES = ("-", (0, (5, 1, 1, 1)), (0, (1, 1)), (0, (3, 1, 1, 1, 1, 1)))  # of arms; the control is dark and dashed

WIDTH = 4.2  # inches: one column and a bit, so that 8 pt type is still read at half a page's width

MOST_LINES = 60  # thin ones an arm: more can't be told apart, and an SVG of thousands can't be mailed

STYLE = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],  # the first ships with matplotlib; the rest are for viewers
    "font.size": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "figure.dpi": 200,  # what is measured is what is drawn
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "text.parse_math": False,  # a '$' in a name is a '$'
    "svg.fonttype": "none",
    "svg.hashsalt": "alexctl",
}


@contextmanager
def rc_style() -> Iterator[None]:
    """Our style and no other, whatever a user's matplotlibrc says; a name in a rare script draws boxes, not warnings."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        yield


def save(figure: Figure, stem: Path) -> list[Path]:
    """Writes STEM.svg and STEM.png, each whole or not at all, the same bytes for the same figure and versions."""
    paths = []
    for kind, options in (("svg", {"metadata": {"Date": None, "Creator": None}}), ("png", {"dpi": 200})):
        path = stem.with_name(f"{stem.name}.{kind}")
        write_atomic(path, _rendered(figure, kind, **options))
        paths.append(path)
    return paths


def _rendered(figure: Figure, kind: str, **options: Any) -> bytes:
    content = io.BytesIO()
    with rc_style():
        figure.savefig(content, format=kind, **options)
    return content.getvalue()


class NotebookFigure(Figure):
    """A figure that a notebook shows although pyplot, and with it a backend, is never imported."""

    def _repr_png_(self) -> bytes:
        return _rendered(self, "png", dpi=110)


def arm_styles(arms: Sequence[str], control: str) -> dict[str, dict]:
    """Colour and line style of each arm, control first: never told apart by colour alone."""
    others = [arm for arm in dict.fromkeys(arms) if arm != control]
    styles = {control: {"color": INK, "linestyle": "--"}} if control in set(arms) else {}
    for i, arm in enumerate(others):
        styles[arm] = {"color": ARMS[i % len(ARMS)], "linestyle": DASHES[i % len(DASHES)]}
    return styles


def page(
    height: float, caption: str, heights: Sequence[float] = (), *, gap: float = 0.12
) -> tuple[Figure, *tuple[Axes, ...]]:
    """A figure with panels of these heights one below the other, `gap` apart (all inches), the caption under them."""
    heights = heights or [height - 0.15]
    figure = NotebookFigure(figsize=(WIDTH, 1))
    FigureCanvasAgg(figure)
    lines, text = _wrapped(figure, caption)
    foot = 0.48 + (0.135 * lines + 0.08 if lines else 0)
    total = height + foot
    figure.set_size_inches(WIDTH, total)
    text.set_position((0.06 / WIDTH, 0.06 / total))
    axes = []
    for i, panel in enumerate(heights):
        bottom = foot + sum(heights[i + 1 :]) + gap * (len(heights) - 1 - i)
        axes.append(figure.add_axes((0.62 / WIDTH, bottom / total, (WIDTH - 0.72) / WIDTH, panel / total)))
    return figure, *axes


def _wrapped(figure: Figure, caption: str) -> tuple[int, Text]:
    """The caption at the foot, in lines that measure less than the figure's width."""
    text = figure.text(0, 0, "", fontsize=7.5, va="bottom", ha="left", linespacing=1.25, gid="caption")
    for columns in range(90, 20, -3):
        lines = textwrap.wrap(printable(caption), columns)
        text.set_text("\n".join(lines))
        if text.get_window_extent().width <= (WIDTH - 0.2) * figure.dpi:
            break
    return len(lines), text


def short(name: str) -> str:
    """A name fit for a label: control characters spelled out, and no longer than a label may be."""
    return textwrap.shorten(printable(name), 24, placeholder="…") if " " in name else _cut(printable(name), 24)


def _cut(word: str, length: int) -> str:
    return word if len(word) <= length else word[: length - 1] + "…"


def sample(seeds: Iterable[int]) -> list[int]:
    """The seeds whose lines are drawn: all of them, or where there are many MOST_LINES, spread evenly."""
    seeds = sorted(set(seeds))
    every = max(1.0, len(seeds) / MOST_LINES)
    return [seeds[int(i * every)] for i in range(min(len(seeds), MOST_LINES))]


def sampled(seeds: Iterable[int]) -> str:
    """What a caption says where some seeds' lines are not drawn."""
    total = len(set(seeds))
    return f" Thin lines: {MOST_LINES} of {total} seeds." if total > MOST_LINES else ""


def wrapped(name: str) -> str:
    """A name whole, in lines short enough for a margin, broken at hyphens where it has some."""
    return "\n".join(textwrap.wrap(printable(name), 16))


def width_of(words: str, **style) -> float:
    """Inches."""
    figure = Figure(figsize=(1, 1))
    FigureCanvasAgg(figure)
    return figure.text(0, 0, words, **style).get_window_extent().width / figure.dpi


def make_room(panels: Sequence[Axes], left: float, right: float = 0.0) -> None:
    """Moves the panels' left edges to so many inches from the figure's if they lie further out, the right ones inwards."""
    for axes in panels:
        x, y, width, height = axes.get_position().bounds
        start = max(x, left / WIDTH)
        axes.set_position((start, y, x + width - start - right / WIDTH, height))


class Placer:
    """Puts labels where they touch no line, no mark and no other label, as far as their list of places allows."""

    def __init__(self, axes: Axes):
        self.axes = axes
        self.points = np.empty((0, 2))
        self.boxes: list[Bbox] = []
        self.leaders: list[np.ndarray] = []

    def avoid_lines(self) -> None:
        """Takes all lines drawn so far as they stand; the axes' limits must not change any more."""
        self.points = np.concatenate([self.points, *(_dense(line) for line in self.axes.lines)])

    def put(self, words: str, spots: Sequence[tuple], **style) -> Text:
        """Writes the words at the best spot (x, y, ha, va[, dx, dy in points])."""
        best, least, leader_points = None, math.inf, np.empty((0, 2))
        for x, y, ha, va, *offset in spots:
            far = offset and max(map(abs, offset)) > 12
            corner = (float(ha == "right"), float(va == "top"))
            leader = {"arrowstyle": "-", "linewidth": 0.5, "color": style["color"], "shrinkA": 0, "relpos": corner}
            text = self.axes.annotate(
                words,
                (x, y),
                offset or (0, 0),
                textcoords="offset points",
                ha=ha,
                va=va,
                zorder=6,
                annotation_clip=False,
                arrowprops=leader if far else None,
                **style,
            )
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
        taken = sum(box.overlaps(other) for other in self.boxes) + sum(
            _within(line, box).any() for line in self.leaders
        )
        return 10_000 * outside + 1_000 * taken + inside


def _within(points: np.ndarray, box: Bbox) -> np.ndarray:
    return ((points > box.p0) & (points < box.p1)).all(axis=1)


def _box(text: Annotation) -> Bbox:
    """Where the words stand, without the line that leads to them."""
    text.update_positions(text.figure.canvas.get_renderer())
    return Text.get_window_extent(text)


def _dense(line: Line2D) -> np.ndarray:
    """Points along a line as it stands on the canvas, closer than a letter is wide."""
    points = line.get_transform().transform(line.get_xydata())
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < 2:
        return points.reshape(-1, 2)
    steps = np.arange(0, len(points) - 1 + 1e-9, 1 / 24)
    return np.stack([np.interp(steps, range(len(points)), column) for column in points.T], axis=1)


def around(x: float, y: float) -> list[tuple]:
    """Places for a label about a mark, the best first: x, y, ha, va, and an offset in points."""
    near = [(5, 4, "left", "bottom"), (5, -4, "left", "top"), (-5, -4, "right", "top"), (-5, 4, "right", "bottom")]
    rows = [(dx, side * dy, ha, "top" if side < 0 else "bottom") for dy in (14, 25, 36, 47, 58) for side in (-1, 1)
            for dx, ha in ((2, "left"), (-2, "right"))]  # fmt: skip
    return [(x, y, ha, va, dx, dy) for dx, dy, ha, va in near + rows]
