"""Figure 1 of the paper, redrawn: training error against epochs, a band of all seeds, the median bold."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from alexctl.figures.labels import Placer, around, short
from alexctl.figures.page import page, rc_style, sample, sampled
from alexctl.figures.palette import GREY, PAPER
from alexctl.figures.plotting import Axes, Figure
from alexctl.figures.styles import arm_styles


def learning_curves(
    curves: pd.DataFrame,
    trials: pd.DataFrame,
    *,
    measure: str = "epochs_to_target",
    target: float,
    control: str | Mapping[str, str],
    budget: float,
    caption: str,
    landmarks: Sequence[tuple[str, float]] = (),
) -> Figure:
    """Figure 1 in the paper's manner: training error against epochs, a band of all seeds, the median bold.

    `curves` and `trials` are the tables of those names, of one ablation; only final trials are drawn. `measure` is
    the column of crossings; `landmarks` are the paper's own, an arm and its epochs each.
    """
    curves = curves[(curves["phase"] == "final") & curves["train_error"].notna()]
    trials = trials[trials["phase"] == "final"]
    styles = arm_styles(trials["arm"], control)
    with rc_style():
        figure, axes = page(3.3, caption + sampled(curves["seed"]))
        # The paper's axis ends at 0.8; arms that hardly learned need the rest.
        top = 0.8 if not len(curves) or curves.groupby("arm")["train_error"].min().max() < 0.7 else 1.0
        ticks = [0, 0.25, 0.5, 0.75, 1]
        axes.set(xlabel="epochs", ylabel="training error rate", ylim=(0, top), yticks=[y for y in ticks if y <= top])
        last = max([*curves["epoch"], *(epoch for _, epoch in landmarks)], default=1.0)
        axes.set_xlim(0, 1.06 * last)
        axes.axhline(target, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1, gid="target")
        placer = Placer(axes)
        for arm, style in styles.items():
            _draw_arm(axes, curves[curves["arm"] == arm], target, arm, style)
        placer.avoid_lines()
        marks = [
            _mark_crossing(axes, trials[trials["arm"] == arm][measure], target, budget, arm, styles[arm])
            for arm in styles
        ]
        for x, y, words, colour in sorted(marks, key=lambda mark: (-mark[0], mark[1])):
            placer.put(words, around(x, y, rows=max(5, len(styles))), color=colour, fontweight="bold")
        _draw_landmarks(axes, placer, target, landmarks, styles)
        figure.draw_without_rendering()
    return figure


def median_curve(curves: pd.DataFrame, target: float, column: str = "train_error") -> pd.DataFrame:
    """The median over an arm's seeds, epoch by epoch, as far as half of the seeds have rows.

    A seed that stopped below the target counts as below the others from there on, one that broke off (diverged) as
    above, so that the median does not jump when the first seeds are done. Columns epoch and the one asked for.
    """
    if curves.empty:
        return curves[["epoch", column]]
    grid = np.unique(curves["epoch"])
    table = []
    for _, rows in curves.sort_values("epoch").groupby("seed"):
        after = -math.inf if rows[column].iloc[-1] <= target else math.inf
        values = np.interp(grid, rows["epoch"], rows[column])
        values[grid < rows["epoch"].iloc[0]] = math.inf
        values[grid > rows["epoch"].iloc[-1]] = after
        table.append(values)
    with np.errstate(invalid="ignore"):  # half below and half above
        median = np.median(table, axis=0)
    return pd.DataFrame({"epoch": grid, column: median})[np.isfinite(median)]


def crossing_label(epochs_to_target: Sequence[float], budget: float) -> tuple[float | None, str]:
    """The median crossing of an arm's trials (NaN: never) and how it is written; None where the median never is."""
    crossings = np.asarray(epochs_to_target, dtype=float)
    if not len(crossings):
        return None, ""
    never = int(np.isnan(crossings).sum())
    median = float(np.median(np.where(np.isnan(crossings), math.inf, crossings)))
    if not math.isfinite(median):
        reached = len(crossings) - never
        return None, f"> {budget:g} epochs" + (f" ({reached} of {len(crossings)} reached it)" if reached else "")
    return median, f"{median:.1f} epochs" + (f" ({never} of {len(crossings)} > {budget:g})" if never else "")


def seed_band(curves: pd.DataFrame, column: str) -> pd.DataFrame:
    """From the lowest to the highest of an arm's seeds, epoch by epoch, while all of them train: epoch, low, high."""
    seeds = [rows for _, rows in curves.sort_values("epoch", kind="stable").groupby("seed")]
    if len(seeds) < 2:
        return pd.DataFrame({"epoch": [], "low": [], "high": []})
    first = max(rows["epoch"].iloc[0] for rows in seeds)
    last = min(rows["epoch"].iloc[-1] for rows in seeds)
    grid = np.unique(curves["epoch"])
    grid = grid[(grid >= first) & (grid <= last)]
    values = np.array([np.interp(grid, rows["epoch"], rows[column]) for rows in seeds])
    return pd.DataFrame({"epoch": grid, "low": values.min(0), "high": values.max(0)})


def draw_seeds(axes: Axes, curves: pd.DataFrame, column: str, colour: str) -> None:
    """An arm's seeds: a band while all of them train, from there a thin line each, of a sample where there are many."""
    band = seed_band(curves, column)
    together = -math.inf
    if len(band) > 1:
        together = band["epoch"].iloc[-1]
        edge = pd.concat([band["low"], band["high"][::-1]])
        epochs = pd.concat([band["epoch"], band["epoch"][::-1]])
        axes.fill(epochs, edge, color=colour, alpha=0.2, linewidth=0, gid="band", zorder=1.5)
    shown = curves[curves["seed"].isin(sample(curves["seed"]))]
    for seed, rows in shown.sort_values("epoch", kind="stable").groupby("seed"):
        rest = rows[rows["epoch"] >= together]
        if len(rest) > 1:
            axes.plot(rest["epoch"], rest[column], linewidth=0.5, alpha=0.4, gid=f"seed {seed}", color=colour)


def _draw_arm(axes: Axes, curves: pd.DataFrame, target: float, arm: str, style: dict) -> None:
    draw_seeds(axes, curves, "train_error", style["color"])
    median = median_curve(curves, target)
    axes.plot(median["epoch"], median["train_error"], linewidth=1.8, label=arm, gid="median", **style)


def _mark_crossing(
    axes: Axes, crossings: pd.Series, target: float, budget: float, arm: str, style: dict
) -> tuple[float, float, str, str]:
    """Marks where an arm's median meets the target, or how far it got; gives place, label and colour."""
    crossing, words = crossing_label(crossings, budget)
    if crossing is None:
        line = next(line.get_xydata() for line in axes.lines if line.get_label() == arm)
        x, y = map(float, line[-1]) if len(line) else (0.0, target)
        axes.plot(x, y, ">", markersize=5, color=style["color"], clip_on=False, zorder=5, gid="censored")
    else:
        x, y = crossing, target
        axes.plot(x, y, "o", markersize=5, color=style["color"], zorder=5, gid="crossing")
    return x, y, f"{short(arm)} {words}", style["color"]


def _draw_landmarks(
    axes: Axes, placer: Placer, target: float, landmarks: Sequence[tuple[str, float]], styles: dict
) -> None:
    for arm, epochs in landmarks:
        colour = styles.get(arm, {"color": GREY})["color"]
        axes.plot(epochs, target, "D", markersize=4.5, markerfacecolor=PAPER, markeredgecolor=colour, alpha=0.55)
    if landmarks:
        words = "◇ read off the paper's Figure 1: " + ", ".join(f"{short(arm)} {epochs:g}" for arm, epochs in landmarks)
        heights = ((0.02, "bottom"), (0.79, "top"), (0.1, "bottom"), (0.17, "bottom"))
        sides = ((0.995, "right"), (0.5, "center"), (0.015, "left"))
        right = axes.get_xlim()[1]
        spots = [(x * right, y, ha, va) for y, va in heights for x, ha in sides]
        placer.put(words, spots, color=GREY, fontsize=6.5)
