"""What the arms came to: their error against epochs, and below it every seed's final value, arm by arm."""

import math
from collections.abc import Mapping

import pandas as pd

from alexctl.ablation.measures import MEASURES
from alexctl.figures.curves import draw_seeds, median_curve
from alexctl.figures.finals import draw_rows, final_values, measure_rows
from alexctl.figures.labels import wrapped
from alexctl.figures.page import page, page_width, rc_style, sampled
from alexctl.figures.plotting import Axes, Figure
from alexctl.figures.styles import arm_styles
from alexctl.store.records import FINISHED

PANEL = 1.8  # inches
EDGE = 0.1  # inches between the figure's right edge and what stands next to it


def arm_comparison(
    curves: pd.DataFrame, trials: pd.DataFrame, *, measure: str, control: str | Mapping[str, str], caption: str = ""
) -> Figure:
    """The measure's error against epochs, a band of all seeds and the median bold; below it each seed's final value.

    `curves` and `trials` are the tables of those names, of one ablation; only final trials are drawn. The final
    values come from `trials`. Without such a column in `curves` (seconds, say) there are only the final values.
    """
    finals = final_values(trials, measure)
    styles = arm_styles(finals["arm"], control)
    lines = _error_lines(curves, finals, measure)
    with rc_style():
        rows = measure_rows(finals, measure, styles)
        above = [max(PANEL, sum(0.04 + 0.13 * (1 + name.count("\n")) for name in rows.names))] * bool(len(lines))
        gap = rows.head + 0.42
        height = sum(above) + gap * len(above) + rows.height + (0.1 if above else rows.head + 0.06)
        figure, *panels = page(height, caption + sampled(finals["seed"]), [*above, rows.height], gap=gap)
        if above:
            _draw_lines(panels[0], lines, measure, styles)
        draw_rows(panels[-1], rows, finals, measure, styles)
        figure.draw_without_rendering()
    return figure


def view(lines: pd.DataFrame) -> tuple[float, float]:
    """The per cent an axis shows: all that the second half of the epochs takes up, and half as much again above it.

    From the lowest value on, and never more than there is. Trials of a few rows are shown whole.
    """
    ends = lines.groupby(["arm", "seed"])["epoch"].transform("max")
    late = lines[lines["epoch"] > ends / 2]
    low, most = lines["error"].min(), lines["error"].max()
    span = max(late["error"].max() - low, 1.0)
    short_ones = lines.groupby(["arm", "seed"]).size().max() < 6
    high = most if short_ones else min(most, low + 1.5 * span)
    room = 0.06 * max(high - low, 1.0)
    return low - room, high + room


def _error_lines(curves: pd.DataFrame, finals: pd.DataFrame, measure: str) -> pd.DataFrame:
    """The final trials' rows that have the error, in per cent: arm, seed, status, epoch, error. Empty if none has."""
    if measure not in curves or not MEASURES[measure].percent:
        return pd.DataFrame()
    rows = curves[(curves["phase"] == "final") & curves[measure].notna()]
    rows = rows[["arm", "seed", "epoch"]].assign(error=100 * rows[measure].astype(float))
    return rows.merge(finals[["arm", "seed", "status"]], on=["arm", "seed"]).sort_values("epoch", kind="stable")


def _draw_lines(axes: Axes, lines: pd.DataFrame, measure: str, styles: dict) -> None:
    done = lines[lines["status"] == "done"]
    low, high = view(done if len(done) else lines)
    last = lines["epoch"].max()
    axes.set(xlabel="epochs", ylabel=f"{MEASURES[measure].label} (%)", ylim=(low, high), xlim=(0, 1.01 * last))
    axes.locator_params(axis="y", nbins=6)
    axes.locator_params(axis="x", integer=True)
    ends = []
    for i, (arm, style) in enumerate(styles.items()):
        mine = lines[lines["arm"] == arm]
        draw_seeds(axes, mine, "error", style["color"])
        for _, rows in mine[mine["status"] == "diverged"].groupby("seed"):
            axes.plot(*rows[["epoch", "error"]].iloc[-1], "x", markersize=4, color=style["color"], gid="diverged")
        # A trial that failed or is not finished says nothing; one that diverged counts as above the others.
        over = mine[mine["status"].isin(FINISHED)]
        median = median_curve(over if len(over) else mine, -math.inf, "error")
        above = {"zorder": 3 - i / len(styles)}  # the control's dashes show on a line that runs just as it does
        axes.plot(median["epoch"], median["error"], linewidth=1.8, label=arm, gid="median", **above, **style)
        seen = median[(median["error"] >= low) & (median["error"] <= high)]
        if len(seen):
            ends.append((float(seen["error"].iloc[-1]), float(seen["epoch"].iloc[-1]), arm, style["color"]))
    _label_ends(axes, ends)


def _label_ends(axes: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Writes each arm's name beside the end of its line, in the order of the ends and clear of one another."""
    figure = axes.figure
    names = {arm: figure.text(0, 0, wrapped(arm), color=colour, fontsize=8, fontweight="bold", va="center", gid="end",
                              linespacing=1.0) for _, _, arm, colour in ends}  # fmt: skip
    inches = {arm: text.get_window_extent() for arm, text in names.items()}
    wide = max((box.width for box in inches.values()), default=0) / figure.dpi
    left, bottom, _, tall = axes.get_position().bounds
    right = 1 - (EDGE + wide) / page_width()
    axes.set_position((left, bottom, right - 0.14 / page_width() - left, tall))
    ends = sorted(ends)
    low, high = axes.get_ylim()
    page_height = figure.get_size_inches()[1]
    wanted = [(bottom + tall * (error - low) / (high - low)) * page_height for error, *_ in ends]
    sizes = [inches[arm].height / figure.dpi + 0.03 for _, _, arm, _ in ends]
    lowest, highest = bottom * page_height - 0.15, (bottom + tall) * page_height + 0.1
    for (error, epoch, arm, colour), y in zip(ends, spread(wanted, sizes, lowest, highest), strict=True):
        names[arm].set_position((right, y / page_height))
        axes.annotate("", (right - 0.02 / page_width(), y / page_height), (epoch, error), xycoords="figure fraction",
                      textcoords="data", annotation_clip=False, gid=f"leader {arm}",
                      arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": colour, "shrinkA": 0, "shrinkB": 0})  # fmt: skip


def spread(wanted: list[float], sizes: list[float], low: float, high: float) -> list[float]:
    """Centres for labels of these sizes, in rising order, from low to high and as near to where each is wanted as
    they can be without overlap.
    """
    piles: list[tuple[float, float, int]] = []  # the lower end, the size, how many labels
    for want, size in zip(wanted, sizes, strict=True):
        start, total, count = want - size / 2, size, 1
        while True:
            start = max(low, min(start, high - total))
            if not piles or piles[-1][0] + piles[-1][1] <= start:
                break
            below, its, num = piles.pop()
            start = (below * num + (start - its) * count) / (num + count)
            total, count = its + total, num + count
        piles.append((start, total, count))
    centres, rest = [], iter(sizes)
    for start, _, count in piles:
        for _ in range(count):
            size = next(rest)
            centres.append(start + size / 2)
            start += size
    return centres
