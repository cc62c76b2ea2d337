"""The page's own drawings: effects as a forest plot and seeds as dots, in SVG that page.css colours.

Places along an axis are per cent of a drawing's width, so it fits any screen and nothing in it is stretched. Numbers
stand beside the drawings, as text; in them are only the axis's.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

DIAMOND = "M-5.5 0 0-5.5 5.5 0 0 5.5Z"
ARROWS = {-1: "M0 0 7-4.5 7 4.5Z", 1: "M0 0-7-4.5-7 4.5Z"}
CROSS = "M-4-4 4 4M-4 4 4-4"
MOST_HIGH = 480  # pixels: sixty seeds have eight each, more share them


@dataclass(frozen=True, kw_only=True)
class Axis:
    """From `low` to `high`, logarithmic where `log`; `ticks` are values, `neutral` is the value of no effect."""

    low: float
    high: float
    log: bool = False
    ticks: tuple[float, ...] = ()
    neutral: float | None = None

    def place(self, value: float) -> float:
        """Where a value stands, in per cent of the width; at an edge if it lies beyond it."""
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 2)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def effect_axis(values: Sequence[float], ends: Sequence[float], scale: str) -> Axis:
    """An axis for these effects, no effect among them, with room for the ends of their intervals as far as is sensible.

    An interval may take as much room on either side as the effects themselves do; what is longer gets an arrow.
    """
    log = scale == "ratio"
    to, back, least = (math.log, math.exp, math.log(1.6)) if log else (float, float, 1.0)
    core = [to(v) for v in values] + [0.0]
    span = max(max(core) - min(core), least)
    ends = [to(v) for v in ends]
    low = max(min([*core, *ends]), min(core) - span)
    high = min(max([*core, *ends]), max(core) + span)
    room = 0.06 * max(high - low, least)
    low, high = back(low - room), back(high + room)
    ticks = _decades(low, high) if log else _steps(low, high)
    return Axis(low=low, high=high, log=log, ticks=ticks, neutral=1.0 if log else 0.0)


def value_axis(values: Sequence[float]) -> Axis:
    """An axis for measured values, which need not begin at nothing."""
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    return Axis(low=low - room, high=high + room, ticks=_steps(low - room, high + room))


def _decades(low: float, high: float) -> tuple[float, ...]:
    """1, 2, 5, 10, ... between the two, or only powers of ten where there would be too many."""
    for digits in ((1, 1.2, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,)):
        ticks = [d * 10.0**e for e in range(-9, 10) for d in digits if low <= d * 10.0**e <= high]
        if len(ticks) <= 7:
            break
    return tuple(float(f"{tick:.6g}") for tick in ticks)


def _steps(low: float, high: float) -> tuple[float, ...]:
    """Four to seven round values between the two."""
    raw = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(float(f"{i * step:.6g}") for i in range(first, last + 1))


def _svg(body: list[str], height: int | str, label: str, kind: str) -> Markup:
    named = Markup('role="img" aria-labelledby="{}"').format(label) if label else Markup('aria-hidden="true"')
    head = Markup('<svg class="{}" width="100%" height="{}" {}>').format(kind, height, named)
    return head + Markup("".join(body)) + Markup("</svg>")


def _line(kind: str, x1: float, y1: float | str, x2: float, y2: float | str) -> str:
    return f'<line class="{kind}" x1="{x1}%" y1="{y1}" x2="{x2}%" y2="{y2}"/>'


def _mark(kind: str, x: float, y: float | str, path: str, fields: str = "") -> str:
    return f'<svg x="{x}%" y="{y}" overflow="visible"{fields}><path class="{kind}" d="{path}"/></svg>'


def _grid(axis: Axis, height: float | str) -> list[str]:
    lines = [_line("grid", axis.place(tick), 0, axis.place(tick), height) for tick in axis.ticks]
    if axis.neutral is not None:
        lines.append(_line("neutral", axis.place(axis.neutral), 0, axis.place(axis.neutral), height))
    return lines


def axis_row(axis: Axis, form: Callable[[float], str] = "{:g}".format) -> Markup:
    """The numbers of an axis, to stand below its rows."""
    texts = [
        f'<text class="tick" x="{axis.place(tick)}%" y="13" text-anchor="middle">{form(tick)}</text>'
        for tick in axis.ticks
    ]
    return _svg(texts, 18, "", "axis")


def effect_row(
    axis: Axis,
    *,
    label: str,
    estimate: float | None,
    low: float | None,
    high: float | None,
    bound: str = "exact",
    values: Sequence[float] = (),
    claimed: float | None = None,
    claimed_range: Sequence[float] | None = None,
    margin: float | None = None,
) -> Markup:
    """One effect: its interval, or both its values where there is none; a diamond for what was claimed.

    The band is the margin, within which an effect does not matter. `label` is the id of the words that say the same.
    """
    middle, body = "50%", []
    if margin is not None:
        ends = (1 / margin, margin) if axis.log else (-margin, margin)
        left, right = map(axis.place, ends)
        body.append(f'<rect class="band" x="{left}%" y="0" width="{round(right - left, 2)}%" height="100%"/>')
    body += _grid(axis, "100%")
    if claimed_range:
        left, right = map(axis.place, claimed_range)
        body.append(_line("rounding", left, middle, right, middle))
    if claimed is not None:
        body.append(_mark("claimed", axis.place(claimed), middle, DIAMOND))
    if low is None and high is None:
        body += [f'<circle class="single" cx="{axis.place(v)}%" cy="{middle}" r="4"/>' for v in values]
        return _svg(body, "100%", label, "effect")
    left, right = axis.low if low is None else low, axis.high if high is None else high
    body.append(_line("interval", axis.place(left), middle, axis.place(right), middle))
    if low is None or not axis.holds(left):
        body.append(_mark("arrow", axis.place(left), middle, ARROWS[-1]))
    if high is None or not axis.holds(right):
        body.append(_mark("arrow", axis.place(right), middle, ARROWS[1]))
    if bound == "exact":
        body.append(f'<circle class="estimate" cx="{axis.place(estimate)}%" cy="{middle}" r="5.5"/>')
    else:
        body.append(_mark("limit", axis.place(left if low is not None else right), middle, "M0-7V7"))
    return _svg(body, "100%", label, "effect")


def seed_row(
    axis: Axis,
    *,
    label: str,
    values: Sequence[tuple[int, float]],
    median: float | None,
    seeds: int,
    lost: Sequence[int] = (),
) -> Markup:
    """One arm's seeds as dots. Seed k stands at the same height in each arm, so pairs can be followed.

    `values` are (place among the seeds, value); the `lost` have no value and stand as crosses at the right edge. A mark
    has its place as `data-i`, so that page.js can show the number that stands in the table.
    """
    height = max(26, min(8 * seeds, MOST_HIGH) + 10)
    step = (height - 14) / max(1, seeds - 1)
    body = _grid(axis, height)
    if median is not None:
        body.append(_line("median", axis.place(median), 3, axis.place(median), height - 3))
    for i, value in values:
        body.append(f'<circle class="seed" data-i="{i}" cx="{axis.place(value)}%" cy="{7 + i * step:.1f}" r="4"/>')
    body += [_mark("cross", 99, 7 + i * step, CROSS, f' data-i="{i}"') for i in lost]
    return _svg(body, height, label, "seeds")
