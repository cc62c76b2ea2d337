"""What all figures share: type, line styles, the page with its caption, saving."""

import io
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from alexctl.errors import printable
from alexctl.figures.palette import PAPER
from alexctl.figures.plotting import Axes, Figure, FigureCanvasAgg, Text, matplotlib
from alexctl.store.files import write_atomic

WIDTH = 4.2  # inches: one column and a bit, so that 8 pt type is still read at half a page's width
COLUMN = 3.25  # inches (8.3 cm): a column of a paper in two
PDF, SVG, PNG = "pdf", "svg", "png"
OPTIONS: dict[str, dict[str, Any]] = {  # of each kind of file; nothing in one says when it was made, or by what
    SVG: {"metadata": {"Date": None, "Creator": None}}, PNG: {"dpi": 400},
    PDF: {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
}  # fmt: skip
_WIDTH = ContextVar("width", default=WIDTH)

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
    "pdf.fonttype": 42,  # embedded as TrueType, as journals ask
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


def page_width() -> float:
    """How wide the figure is that is being drawn, in inches."""
    return _WIDTH.get()


@contextmanager
def for_a_column() -> Iterator[None]:
    """What is drawn within is as wide as a paper's column, in type of the same size, and leaves its caption to the paper."""
    token = _WIDTH.set(COLUMN)
    try:
        yield
    finally:
        _WIDTH.reset(token)


def save(figure: Figure, stem: Path, kinds: Sequence[str] = (SVG, PNG)) -> list[Path]:
    """Writes STEM.svg and so on, each whole or not at all, the same bytes for the same figure and versions."""
    paths = []
    for kind in kinds:
        path = stem.with_name(f"{stem.name}.{kind}")
        write_atomic(path, _rendered(figure, kind, **OPTIONS[kind]))
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


def page(
    height: float, caption: str, heights: Sequence[float] = (), *, gap: float = 0.12
) -> tuple[Figure, *tuple[Axes, ...]]:
    """A figure with panels of these heights one below the other, `gap` apart (all inches), the caption under them.

    One for a column has no caption.
    """
    caption = caption if page_width() == WIDTH else ""
    heights = heights or [height - 0.15]
    figure = NotebookFigure(figsize=(page_width(), 1))
    FigureCanvasAgg(figure)
    lines, text = _wrapped(figure, caption)
    foot = 0.48 + (0.135 * lines + 0.08 if lines else 0)
    total = height + foot
    figure.set_size_inches(page_width(), total)
    text.set_position((0.06 / page_width(), 0.06 / total))
    axes = []
    for i, panel in enumerate(heights):
        bottom = foot + sum(heights[i + 1 :]) + gap * (len(heights) - 1 - i)
        axes.append(
            figure.add_axes((0.62 / page_width(), bottom / total, (page_width() - 0.72) / page_width(), panel / total))
        )
    return figure, *axes


def _wrapped(figure: Figure, caption: str) -> tuple[int, Text]:
    """The caption at the foot, in lines that measure less than the figure's width."""
    text = figure.text(0, 0, "", fontsize=7.5, va="bottom", ha="left", linespacing=1.25, gid="caption")
    for columns in range(90, 20, -3):
        lines = textwrap.wrap(printable(caption), columns)
        text.set_text("\n".join(lines))
        if text.get_window_extent().width <= (page_width() - 0.2) * figure.dpi:
            break
    return len(lines), text


def sample(seeds: Iterable[int]) -> list[int]:
    """The seeds whose lines are drawn: all of them, or where there are many MOST_LINES, spread evenly."""
    seeds = sorted(set(seeds))
    every = max(1.0, len(seeds) / MOST_LINES)
    return [seeds[int(i * every)] for i in range(min(len(seeds), MOST_LINES))]


def sampled(seeds: Iterable[int]) -> str:
    """What a caption says where some seeds' lines are not drawn."""
    total = len(set(seeds))
    return f" Thin lines: {MOST_LINES} of {total} seeds." if total > MOST_LINES else ""


def make_room(panels: Sequence[Axes], left: float, right: float = 0.0) -> None:
    """Moves the panels' left edges to so many inches from the figure's if they lie further out, the right ones inwards."""
    for axes in panels:
        x, y, wide, height = axes.get_position().bounds
        start = max(x, left / page_width())
        axes.set_position((start, y, x + wide - start - right / page_width(), height))
