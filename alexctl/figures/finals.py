"""Every seed's final value, a row an arm: dots, the mean with its interval, the numbers, and what befell the trials."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alexctl import numbers
from alexctl.ablation.measures import MEASURES
from alexctl.figures.labels import width_of, wrapped
from alexctl.figures.page import WIDTH, page_width, sample
from alexctl.figures.palette import GREY
from alexctl.figures.plotting import Axes
from alexctl.statistics import mean_interval
from alexctl.store.records import FINISHED

NAME = {"fontsize": 8, "fontweight": "bold", "linespacing": 1.0}
NOTE = {"fontsize": 6.5, "linespacing": 1.05}
NUMBER = {"fontsize": 7.5}
LEVELS = (0, 1, -1, 2, -2)
STEP = 0.042  # inches between two levels of dots
DOT = 3.4  # points


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The texts of the panel and their room in inches: a row's name, note, number and height; `head` is the key's."""

    names: tuple[str, ...]
    notes: tuple[str, ...]
    numbers: tuple[str, ...]
    heights: tuple[float, ...]
    key: str
    left: float
    right: float
    head: float

    @property
    def height(self) -> float:
        return sum(self.heights)


def final_values(trials: pd.DataFrame, measure: str) -> pd.DataFrame:
    """arm, seed, status and value (in the measure's unit; NaN unless the trial is done) of the final trials."""
    final = trials[trials["phase"] == "final"]
    values = MEASURES[measure].factor * pd.to_numeric(final[measure])
    return final[["arm", "seed", "status"]].assign(value=values.where(final["status"] == "done"))


def number(values: Sequence[float], unit: str) -> str:
    """The mean and half its interval's width, such as '24.31 ± 0.22%'; with one or two values, the values."""
    if len(values) < 3:
        decimals = 2 if unit == "%" else numbers.decimals(min(values, default=1.0), 3)
        return ", ".join(f"{value:.{decimals}f}" for value in values) + unit if len(values) else "-"
    mean, _, _, high = mean_interval(values)
    half = high - mean
    decimals = 2 if unit == "%" else numbers.decimals(half, 2) if half > 0 else numbers.decimals(mean, 3)
    return f"{mean:.{decimals}f} ± {half:.{decimals}f}{unit}"


def note(rows: pd.DataFrame) -> str:
    """How many seeds an arm's number rests on and what befell the others, a line each."""
    total, n = len(rows), int(rows["value"].notna().sum())
    states = rows["status"].where(rows["status"].isin([*FINISHED, "failed"]), "not finished")
    words = [f"n = {n}" + ", no interval" * (0 < n < 3)]
    words += [f"{count} of {total} {what}" for what in ("diverged", "failed", "not finished")
              if (count := int((states == what).sum()))]  # fmt: skip
    return "\n".join(words)


def measure_rows(finals: pd.DataFrame, measure: str, styles: dict) -> Rows:
    """Everything that is written in the panel, and the room it takes."""
    of = {arm: finals[finals["arm"] == arm] for arm in styles}
    values = {arm: rows["value"].dropna().tolist() for arm, rows in of.items()}
    names = tuple(wrapped(arm) for arm in styles)
    notes = tuple(note(rows) for rows in of.values())
    numbers = tuple(number(mine, MEASURES[measure].unit) for mine in values.values())
    key = ["dot: a seed"]
    if any(len(mine) > 2 for mine in values.values()):
        key.append("bar: the mean with its 95% interval (Student's t)")
    if len(pairs(finals, styles)):
        key.append("grey line: the same seed in both arms")
    key = "\n".join(textwrap.wrap("; ".join(key), int(76 * page_width() / WIDTH)))
    least = 0.45 if len(styles) == 2 else 0.32
    heights = [max(least, 0.06 + _block(name, words)) for name, words in zip(names, notes, strict=True)]
    return Rows(
        names=names, notes=notes, numbers=numbers, heights=tuple(heights), key=key,
        left=max([*(width_of(name, **NAME) for name in names), *(width_of(words, **NOTE) for words in notes)], default=0),
        right=max((width_of(words, **NUMBER) for words in numbers), default=0), head=0.06 + 0.11 * (1 + key.count("\n")),
    )  # fmt: skip


def pairs(finals: pd.DataFrame, styles: dict) -> pd.DataFrame:
    """Where there are just two arms: their values side by side, a row a seed that both have."""
    table = finals.dropna(subset="value").pivot(index="seed", columns="arm", values="value")
    return table[list(styles)].dropna() if len(styles) == 2 and set(styles) <= set(table) else table.iloc[:0]


def draw_rows(axes: Axes, rows: Rows, finals: pd.DataFrame, measure: str, styles: dict) -> None:
    """The panel; its y axis is in inches, downwards."""
    figure = axes.figure
    _, bottom, _, tall = axes.get_position().bounds
    left, right = 0.06 + rows.left + 0.1, page_width() - 0.1 - rows.right - 0.08
    axes.set_position((left / page_width(), bottom, (right - left) / page_width(), tall))
    axes.set(ylim=(rows.height, 0), yticks=[], xlim=_limits(finals, measure))
    axes.spines["left"].set_visible(False)
    label = MEASURES[measure].label
    axes.set_xlabel(f"final {label} (%)" if MEASURES[measure].percent else label)
    axes.locator_params(axis="x", nbins=max(2, int((right - left) / 0.45)))
    top = bottom + tall + 0.05 / figure.get_size_inches()[1]
    figure.text(0.06 / page_width(), top, rows.key, color=GREY, gid="key", va="bottom", **NOTE)
    span = np.diff(axes.get_xlim())[0]
    centres = np.cumsum(rows.heights) - np.array(rows.heights) / 2
    dots = {}
    for arm, y, name, words, written in zip(styles, centres, rows.names, rows.notes, rows.numbers, strict=True):
        colour = styles[arm]["color"]
        mine = finals[(finals["arm"] == arm) & finals["value"].notna()]
        values = mine["value"].to_numpy()
        levels = stacked(values, 1.05 * DOT / 72 * span / (right - left))
        dots[arm] = dict(zip(mine["seed"], zip(values, y + STEP * np.array(levels), strict=True), strict=True))
        if len(values) > 2:
            mean, _, low, high = mean_interval(values)
            axes.plot([low, high], [y, y], linewidth=9, alpha=0.22, color=colour, solid_capstyle="butt", gid="interval")
            axes.plot(mean, y, "|", markersize=13, markeredgewidth=1.6, color=colour, gid="mean")
        if len(values):
            axes.plot(*zip(*dots[arm].values(), strict=True), "o", markersize=DOT, markeredgewidth=0, color=colour,
                      gid="values", label=arm, zorder=3, clip_on=False)  # fmt: skip
        _write(axes, y, (name, words, written), colour, right - left)
    for seed in sample(pairs(finals, styles).index):
        ends = [dots[arm][seed] for arm in styles]
        axes.plot(*zip(*ends, strict=True), linewidth=0.5, color=GREY, alpha=0.6, gid=f"pair {seed}", zorder=2)


def _write(axes: Axes, y: float, texts: tuple[str, str, str], colour: str, width: float) -> None:
    """A row's name with the note under it, left of the panel (`width` inches wide), and its number right of it."""
    name, words, written = texts
    half = _block(name, words) / 2
    across = {"transform": axes.get_yaxis_transform(), "ha": "right"}
    axes.text(-0.1 / width, y - half, name, va="top", color=colour, gid="name", **across, **NAME)
    axes.text(-0.1 / width, y + half, words, va="bottom", color=GREY, gid="note", **across, **NOTE)
    end = axes.get_position().x0 * page_width()
    axes.text((page_width() - 0.1 - end) / width, y, written, va="center", gid="number", **across, **NUMBER)


def _block(name: str, words: str) -> float:
    """Inches that a name and its note are high."""
    return 0.12 * (1 + name.count("\n")) + 0.1 * (1 + words.count("\n"))


def stacked(values: Sequence[float], width: float) -> list[int]:
    """A level for each value, so that those nearer to each other than a dot's width stand apart while levels last."""
    levels = [0] * len(values)
    taken = dict.fromkeys(LEVELS, -math.inf)
    for i in np.argsort(values, kind="stable"):
        free = [level for level in LEVELS if values[i] - taken[level] >= width]
        levels[i] = free[0] if free else min(LEVELS, key=taken.get)
        taken[levels[i]] = values[i]
    return levels


def _limits(finals: pd.DataFrame, measure: str) -> tuple[float, float]:
    """From the least to the greatest of values and intervals, with room about them."""
    ends = finals["value"].dropna().tolist()
    for _, rows in finals.dropna(subset="value").groupby("arm"):
        ends += mean_interval(rows["value"])[2:] if len(rows) > 2 else []
    if not ends:
        return 0.0, 1.0
    low, high = min(ends), max(ends)
    least = 0.4 if MEASURES[measure].percent else 0.02 * high
    room = 0.06 * max(high - low, least) + max(0.0, least - (high - low)) / 2
    return low - room, high + room
