"""The learning-rate search as a figure: whether the comparison was fair."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alexctl.figures.curves import crossing_label
from alexctl.figures.page import GREY, Placer, arm_looks, around, page, short, style

FATES = {"stopped": ("o", "stopped by the search"), "done": ("v", "ran to the end"), "diverged": ("x", "diverged"),
         "failed": ("+", "failed")}  # fmt: skip


GLYPHS = {"o": "○", "v": "▽", "x": "×", "+": "+"}


def learning_rate_search(
    search: pd.DataFrame,
    *,
    measure_label: str,
    winners: Mapping[str, float],
    control: str,
    curves: pd.DataFrame | None = None,
    caption: str = "",
) -> Figure:
    """Whether the search was fair: epochs to the target at each rate, winners ringed, every other rate accounted for.

    `search` has arm, lr, seed, status, epochs_to_target (NaN: never), epochs_run. Given the `curves` of the search
    with a column lr, a panel below compares all rates after the same epochs: the fewest that a trial ran which was
    not cut short by its own failure.
    """
    looks = arm_looks(search["arm"], control)
    lost = search[search["epochs_to_target"].isna()]
    alive = search[search["status"].isin(["done", "stopped"])]
    equal = float(alive["epochs_run"].min()) if curves is not None and "lr" in curves and len(alive) else math.nan
    errors = pd.DataFrame() if math.isnan(equal) else errors_at(curves, equal)
    heights = [0.17 * len(looks) + 0.1] * bool(len(lost)) + [1.9] + [0.95] * bool(len(errors))
    with style():
        figure, *panels = page(
            sum(heights) + 0.12 * (len(heights) - 1) + (0.34 if len(lost) else 0.1), caption, heights
        )
        rates = np.unique(search["lr"])
        shown = rates[:: math.ceil(len(rates) / 7)] if len(rates) else rates
        for axes in panels:
            axes.set_xscale("log")
            axes.set_xticks(shown, [f"{rate:g}" for rate in shown] if axes is panels[-1] else [""] * len(shown))
            axes.set_xticks([], minor=True)
            axes.set_xlim(rates[0] / 1.8, rates[-1] * 1.8) if len(rates) else None
        panels[-1].set_xlabel("learning rate")
        if len(lost):
            _draw_lost(panels[0], lost, looks)
        _draw_reached(panels[bool(len(lost))], search, measure_label, winners, looks)
        if len(errors):
            _draw_errors(panels[-1], errors, equal, winners, looks)
        figure.draw_without_rendering()
    return figure


def errors_at(curves: pd.DataFrame, epochs: float) -> pd.DataFrame:
    """The search trials' training error after so many epochs, interpolated between rows; trials that ended before
    are left out. Columns arm, lr (where there is one), seed, train_error.
    """
    rows = curves[(curves["phase"] == "search") & curves["train_error"].notna()].sort_values("epoch")
    found = [
        (arm, lr, seed, float(np.interp(epochs, trial["epoch"], trial["train_error"])))
        for (arm, lr, seed), trial in rows.groupby(["arm", "lr", "seed"])
        if trial["epoch"].iloc[-1] >= epochs * (1 - 1e-6)
    ]
    return pd.DataFrame(found, columns=["arm", "lr", "seed", "train_error"])


def _draw_lost(axes: Axes, lost: pd.DataFrame, looks: dict) -> None:
    """The rates that never got to the target: a row an arm, a mark by fate, the epochs each was given."""
    arms = list(looks)
    axes.set(ylim=(len(arms) - 0.4, -0.6), yticks=range(len(arms)))
    axes.set_yticklabels([short(arm) for arm in arms], fontsize=7)
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.tick_params(length=0)
    for label, arm in zip(axes.get_yticklabels(), arms, strict=True):
        label.set_color(looks[arm]["color"])
    for (arm, rate), rows in lost.groupby(["arm", "lr"]):
        row = rows.iloc[rows["epochs_run"].to_numpy().argmax()]
        marker, _ = FATES.get(row["status"], FATES["failed"])
        axes.plot(rate, arms.index(arm), marker, markersize=4, color=looks[arm]["color"], markerfacecolor="none")
        axes.annotate(f"{row['epochs_run']:.3g}", (rate, arms.index(arm)), (4, 0), textcoords="offset points",
                      va="center", fontsize=6.5, color=looks[arm]["color"])  # fmt: skip
    present = [fate for fate in FATES if fate in set(lost["status"])]
    key = "   ".join(f"{GLYPHS[FATES[fate][0]]} {FATES[fate][1]}" for fate in present)
    axes.set_title(
        f"target not reached; the number is the epochs run\n{key}", fontsize=6.5, color=GREY, loc="left", pad=3
    )


def _draw_reached(axes: Axes, search: pd.DataFrame, label: str, winners: Mapping[str, float], looks: dict) -> None:
    axes.set_ylabel(label)
    reached = search["epochs_to_target"].dropna()
    if not len(reached):
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no rate reached the target", transform=axes.transAxes, ha="center", color=GREY)
        return
    low, high = reached.min() / 1.5, reached.max() * 1.5
    ticks = [m * 10.0**e for e in range(-3, 7) for m in (1, 2, 5) if low <= m * 10.0**e <= high]
    axes.set_yscale("log")
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylim(low, high)
    rings = {}
    for arm, look in looks.items():
        trials = search[search["arm"] == arm]
        median = trials.groupby("lr")["epochs_to_target"].agg(lambda v: crossing_label(v, 0)[0] or math.nan)
        axes.plot(median.index, median, label=arm, gid="median", linewidth=1.5, **look)
        axes.plot(trials["lr"], trials["epochs_to_target"], ".", markersize=4, color=look["color"], gid="trials")
        if math.isfinite(median.get(winners.get(arm), math.nan)):
            rings[arm] = (winners[arm], median[winners[arm]], winners[arm] in (trials["lr"].min(), trials["lr"].max()))
    placer = Placer(axes)
    placer.avoid_lines()
    for arm, (rate, epochs, edge) in rings.items():
        colour = looks[arm]["color"]
        axes.plot(rate, epochs, "o", markersize=9, markerfacecolor="none", markeredgecolor=colour, gid="winner")
        words = f"{short(arm)}: {rate:g}" + " (edge of the grid)" * bool(edge)
        spots = [(*spot[:4], spot[4] * 1.6, spot[5] * 1.6) for spot in around(rate, epochs)]
        placer.put(words, spots, color=colour, fontweight="bold")


def _draw_errors(axes: Axes, errors: pd.DataFrame, epochs: float, winners: Mapping[str, float], looks: dict) -> None:
    axes.set_ylabel(f"training error\nafter {epochs:.3g} epoch{'s' * (epochs != 1)}", fontsize=7)
    axes.margins(y=0.15)
    axes.locator_params(axis="y", nbins=3)
    for arm, look in looks.items():
        median = errors[errors["arm"] == arm].groupby("lr")["train_error"].median()
        axes.plot(median.index, median, marker=".", markersize=4, linewidth=1.2, gid="errors", label=arm, **look)
        if winners.get(arm) in median.index:
            axes.plot(
                winners[arm], median[winners[arm]], "o", markersize=8, markerfacecolor="none", color=look["color"]
            )
