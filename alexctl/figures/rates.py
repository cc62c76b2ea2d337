"""The learning-rate search as a figure: whether the comparison was fair."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from alexctl.figures.curves import crossing_label
from alexctl.figures.labels import Placer, around, short, width_of, wrapped
from alexctl.figures.page import make_room, page, page_width, rc_style
from alexctl.figures.palette import GREY
from alexctl.figures.plotting import Axes, Figure
from alexctl.figures.styles import arm_styles

OUTCOMES = {"stopped": ("o", "stopped by the search"), "done": ("v", "ran to the end"), "diverged": ("x", "diverged"),
         "failed": ("+", "failed"), "not finished": ("d", "not finished")}  # fmt: skip
GLYPHS = {"o": "○", "v": "▽", "x": "×", "+": "+", "d": "◇"}


def learning_rate_search(
    search: pd.DataFrame,
    *,
    measure_label: str | None = None,
    winners: Mapping[str, float],
    control: str | Mapping[str, str],
    ties: Mapping[str, Sequence[float]] | None = None,
    curves: pd.DataFrame | None = None,
    chosen_by: str | None = None,
    caption: str = "",
) -> Figure:
    """Whether the search was fair: epochs to the target at each rate, winners ringed, every other rate accounted for.

    `search` has arm, lr, seed, status, epochs_to_target (NaN: never), epochs_run. Given the `curves` of the search
    with a column lr, a panel below compares all rates after the same epochs: the fewest that a trial ran which was
    not cut short by its own failure. `measure_label` names the target. Where there is none, the figure is what became
    of every rate, and below it the error that rates are `chosen_by`, a column of `search`. `ties` are the rates as good
    as an arm's winner.
    """
    styles = arm_styles(search["arm"], control)
    alive = search[search["status"].isin(["done", "stopped"])]
    equal = float(alive["epochs_run"].min()) if curves is not None and "lr" in curves and len(alive) else math.nan
    if measure_label is None:
        return _ranking(search, chosen_by, winners, ties or {}, styles, caption)
    errors = pd.DataFrame() if math.isnan(equal) else errors_at(curves, equal)
    lost, reached = search[search["epochs_to_target"].isna()], search["epochs_to_target"].notna().any()
    heights = [0.17 * len(styles) + 0.1] * bool(len(lost)) + [1.9] * bool(reached) + [0.95] * bool(len(errors))
    with rc_style():
        figure, *panels = page(
            sum(heights) + 0.12 * (len(heights) - 1) + (0.34 if len(lost) else 0.1), caption, heights
        )
        _set_rates(panels, search)
        if len(lost):
            what = "target not reached" if reached else "no rate reached the target"
            _draw_outcomes(panels[0], lost, f"{what}; the number is the epochs run", styles)
        if reached:
            _draw_reached(panels[bool(len(lost))], search, measure_label, winners, ties or {}, styles)
        if len(errors):
            _draw_errors(panels[-1], errors, equal, winners, styles)
        figure.draw_without_rendering()
    return figure


def _set_rates(panels: Sequence[Axes], search: pd.DataFrame) -> None:
    """The rates that were tried, on a log scale, named below the last panel."""
    rates = np.unique(search["lr"])
    most = min(7, int(panels[-1].get_position().width * page_width() / 0.48))
    shown = rates[:: math.ceil(len(rates) / most)] if len(rates) else rates
    # At each end an eighth of the axis or more, so that the key's lines touch no mark.
    room = max(1.8, (rates[-1] / rates[0]) ** 0.17) if len(rates) else 1.0
    for axes in panels:
        axes.set_xscale("log")
        axes.set_xticks(shown, [f"{rate:g}" for rate in shown] if axes is panels[-1] else [""] * len(shown))
        axes.set_xticks([], minor=True)
        axes.set_xlim(rates[0] / room, rates[-1] * room) if len(rates) else None
    panels[-1].set_xlabel("learning rate")


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


def _draw_outcomes(axes: Axes, trials: pd.DataFrame, title: str, styles: dict, title_at: float = 0.0) -> None:
    """What became of rates: a row an arm, a mark by outcome, the epochs each was given; the key begins at `title_at`."""
    arms = list(styles)
    axes.set(ylim=(len(arms) - 0.4, -0.6), yticks=range(len(arms)))
    axes.set_yticklabels([wrapped(arm) for arm in arms], fontsize=7)
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.tick_params(length=0)
    for label, arm in zip(axes.get_yticklabels(), arms, strict=True):
        label.set_color(styles[arm]["color"])
    outcomes = trials["status"].where(trials["status"].isin(OUTCOMES), "not finished")
    trials = trials.assign(outcome=outcomes, broken=outcomes.isin(["diverged", "failed"]))
    for (arm, rate), rows in trials.groupby(["arm", "lr"]):
        # Of several seeds one that broke is the one to show.
        row = rows.sort_values(["broken", "epochs_run"], kind="stable").iloc[-1]
        marker, _ = OUTCOMES[row["outcome"]]
        axes.plot(rate, arms.index(arm), marker, markersize=4, color=styles[arm]["color"], markerfacecolor="none")
        axes.annotate(f"{row['epochs_run']:.3g}", (rate, arms.index(arm)), (4, 0), textcoords="offset points",
                      va="center", fontsize=6.5, color=styles[arm]["color"])  # fmt: skip
    present = [outcome for outcome in OUTCOMES if outcome in set(trials["outcome"])]
    key = "   ".join(f"{GLYPHS[OUTCOMES[outcome][0]]} {OUTCOMES[outcome][1]}" for outcome in present)
    axes.set_title(f"{title}\n{key}", fontsize=6.5, color=GREY, loc="left", pad=3, x=title_at)


def _draw_reached(
    axes: Axes, search: pd.DataFrame, label: str, winners: Mapping[str, float], ties: Mapping[str, Sequence[float]],
    styles: dict,
) -> None:  # fmt: skip
    axes.set_ylabel(label)
    reached = search["epochs_to_target"].dropna()
    low, high = reached.min() / 1.5, reached.max() * 1.5
    ticks = [m * 10.0**e for e in range(-3, 7) for m in (1, 2, 5) if low <= m * 10.0**e <= high]
    axes.set_yscale("log")
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylim(low, high)
    rings = {}
    for arm, style in styles.items():
        trials = search[search["arm"] == arm]
        median = trials.groupby("lr")["epochs_to_target"].agg(lambda v: crossing_label(v, 0)[0] or math.nan)
        axes.plot(median.index, median, label=arm, gid="median", linewidth=1.5, **style)
        axes.plot(trials["lr"], trials["epochs_to_target"], ".", markersize=4, color=style["color"], gid="trials")
        if math.isfinite(median.get(winners.get(arm), math.nan)):
            rings[arm] = (winners[arm], median[winners[arm]], winners[arm] in (trials["lr"].min(), trials["lr"].max()))
    placer = Placer(axes)
    placer.avoid_lines()
    for arm, (rate, epochs, edge) in rings.items():
        _ring(axes, rate, epochs, styles[arm], 9)
        words = f"{short(arm)}: {rate:g}" + " (edge of the grid)" * bool(edge)
        words += f"\n{_as_good(rate, ties[arm])}" if arm in ties else ""
        spots = [(*spot[:4], spot[4] * 1.6, spot[5] * 1.6) for spot in around(rate, epochs)]
        placer.put(words, spots, color=styles[arm]["color"], fontweight="bold")


def _ranking(
    search: pd.DataFrame, chosen_by: str | None, winners: Mapping[str, float], ties: Mapping[str, Sequence[float]],
    styles: dict, caption: str,
) -> Figure:  # fmt: skip
    """The figure where there is no target: what became of every rate, and the error at the end that they are chosen by."""
    edges = {arm: rows["lr"].agg(["min", "max"]).tolist() for arm, rows in search.groupby("arm")}
    words = {arm: f"{rate:g}" + "\n(grid's edge)" * (rate in edges[arm]) for arm, rate in winners.items()}
    words |= {arm: f"{words[arm]}\n{_as_good(winners[arm], ties[arm])}" for arm in words.keys() & ties.keys()}
    errors = pd.DataFrame()
    if chosen_by in search:
        ended = search[(search["status"] == "done") & search[chosen_by].notna()]
        errors = ended[["arm", "lr", "seed"]].assign(error=100 * ended[chosen_by].astype(float))
    with rc_style():
        left = max(width_of(wrapped(arm), fontsize=7) for arm in styles) + 0.12
        right = max((width_of(text, fontsize=7, fontweight="bold") for text in words.values()), default=0) + 0.06
        num_lines = max(1 + text.count("\n") for text in [*words.values(), *map(wrapped, styles)])
        heights = [(0.07 + 0.11 * num_lines) * len(styles) + 0.1] + [1.9] * bool(len(errors))
        figure, *panels = page(sum(heights) + 0.12 * (len(heights) - 1) + 0.34, caption, heights)
        make_room(panels, left, right)
        _set_rates(panels, search)
        top = panels[0]
        x, _, width, _ = top.get_position().bounds
        title = "number: the epochs a rate was run; the rate that was chosen is ringed"
        _draw_outcomes(top, search, title, styles, title_at=(0.06 / page_width() - x) / width)
        for i, (arm, style) in enumerate(styles.items()):
            top.plot([0.01, 0.07], [i, i], transform=top.get_yaxis_transform(), linewidth=1.2, gid="key", **style)
            if arm in words:
                _ring(top, winners[arm], i, style, 7)
                top.annotate(words[arm], (1, i), (2, 0), xycoords=top.get_yaxis_transform(), va="center", fontsize=7,
                               textcoords="offset points", fontweight="bold", color=style["color"])  # fmt: skip
        if len(errors):
            panels[1].set_ylabel(f"{chosen_by.replace('_', ' ').replace('train ', 'training ')} at the end (%)")
            panels[1].margins(y=0.1)
            for i, (arm, style) in enumerate(styles.items()):
                above = {**style, "zorder": 3 - i / len(styles)}  # the control's dashes show on a line just like it
                mine = errors[errors["arm"] == arm]
                panels[1].plot(mine["lr"], mine["error"], ".", markersize=3, color=style["color"], gid="trials")
                place = _draw_median(panels[1], mine, winners.get(arm), arm, above, column="error")
                _ring(panels[1], *place, style, 9) if place else None
        figure.draw_without_rendering()
    return figure


def _as_good(winner: float, ties: Sequence[float]) -> str:
    return "as good: " + ", ".join(f"{rate:g}" for rate in ties if rate != winner)


def _ring(axes: Axes, rate: float, height: float, style: dict, size: float) -> None:
    axes.plot(rate, height, "o", markersize=size, markerfacecolor="none", markeredgecolor=style["color"], gid="winner")


def _draw_errors(axes: Axes, errors: pd.DataFrame, epochs: float, winners: Mapping[str, float], styles: dict) -> None:
    axes.set_ylabel(f"training error\nafter {epochs:.3g} epoch{'s' * (epochs != 1)}", fontsize=7)
    axes.margins(y=0.15)
    axes.locator_params(axis="y", nbins=3)
    for arm, style in styles.items():
        place = _draw_median(axes, errors[errors["arm"] == arm], winners.get(arm), arm, style)
        if place:
            _ring(axes, *place, style, 8)


def _draw_median(
    axes: Axes, errors: pd.DataFrame, winner: float | None, arm: str, style: dict, *, column: str = "train_error"
) -> tuple[float, float] | None:
    """Draws an arm's median error by rate; gives the winner's place."""
    median = errors.groupby("lr")[column].median()
    axes.plot(median.index, median, marker=".", markersize=4, linewidth=1.2, gid="errors", label=arm, **style)
    return (winner, median[winner]) if winner in median.index else None
