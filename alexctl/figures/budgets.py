"""Effect against budget: test error, the gap to the training error, and the effect, after each of several budgets."""

from collections.abc import Mapping

import pandas as pd

from alexctl.figures.labels import Placer, short, width_of
from alexctl.figures.page import make_room, page, rc_style
from alexctl.figures.palette import GREY
from alexctl.figures.plotting import Axes, Figure
from alexctl.figures.styles import arm_styles


def effect_by_budget(
    budgets: pd.DataFrame, *, control: str | Mapping[str, str], scale: str, effect_label: str
) -> Figure:
    """Three panels over the epochs that trials had: each arm's mean test error, its gap, the effect with its interval.

    `budgets` is the table of that name; errors are fractions of 1. The gap is the test error less the error on all
    training images. `scale` is that of the effect, "points" or "ratio".
    """
    styles = arm_styles(budgets["arm"], control)
    caption = (
        "Each budget is a whole schedule of its own, learning rates included. Gap: test error less the error of the "
        "finished net on all training images."
    )
    drawn = {"test_error": 1.5} | {column: 1.0 for column in ("gap", "effect") if budgets[column].notna().any()}
    with rc_style():
        between = 0.2
        height = sum(drawn.values()) + between * (len(drawn) - 1) + 0.1
        figure, *panels = page(height, caption, list(drawn.values()), gap=between)
        names = max(width_of(short(arm), fontsize=8, fontweight="bold") for arm in styles)
        make_room(panels, 0.0, names + 0.02)
        ticks = sorted(budgets["budget"].unique())
        for axes in panels:
            axes.set_xscale("log")
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks] if axes is panels[-1] else [""] * len(ticks))
            axes.set_xticks([], minor=True)
            axes.set_xlim(ticks[0] / 1.15, ticks[-1] * 1.12)
        panels[-1].set_xlabel("epochs")
        for column, axes in zip(drawn, panels, strict=True):
            if column == "effect":
                _effects(axes, budgets, styles, scale, effect_label)
            else:
                _lines(axes, budgets, column, "test error (%)" if column == "test_error" else "gap (points)", styles)
        figure.draw_without_rendering()
    return figure


def _lines(axes: Axes, budgets: pd.DataFrame, column: str, label: str, styles: dict) -> None:
    axes.set_ylabel(label)
    axes.locator_params(axis="y", nbins=5)
    axes.margins(y=0.12)
    for arm, style in styles.items():
        rows = budgets[(budgets["arm"] == arm) & budgets[column].notna()]
        axes.plot(
            rows["budget"], 100 * rows[column].astype(float), marker="o", markersize=3.5, label=arm, gid=column, **style
        )
    _name_lines(axes, styles) if column == "test_error" else None


def _effects(axes: Axes, budgets: pd.DataFrame, styles: dict, scale: str, label: str) -> None:
    axes.set_ylabel(label)
    axes.margins(y=0.15)
    neutral = 1.0 if scale == "ratio" else 0.0
    axes.axhline(neutral, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    judged = [arm for arm in styles if budgets.loc[budgets["arm"] == arm, "effect"].notna().any()]
    for i, arm in enumerate(judged):
        rows = budgets[(budgets["arm"] == arm) & budgets["effect"].notna()].astype({"effect": float})
        at = rows["budget"] * 1.035 ** (i - (len(judged) - 1) / 2)  # beside each other
        axes.plot(at, rows["effect"], marker="o", markersize=3.5, gid="effect", **styles[arm])
        whole = rows["low"].notna() & rows["high"].notna()
        axes.vlines(
            at[whole], rows.loc[whole, "low"].astype(float), rows.loc[whole, "high"].astype(float),
            color=styles[arm]["color"], linewidth=1.0, gid="interval",
        )  # fmt: skip


def _name_lines(axes: Axes, styles: dict) -> None:
    placer = Placer(axes)
    placer.avoid_lines()
    for line in [line for line in axes.lines if len(line.get_xdata())]:
        x, y = map(float, line.get_xydata()[-1])
        spots = [
            (x, y, "left", va, 6, dy)
            for va, dy in (("center", 0), ("bottom", 3), ("top", -3), ("bottom", 9), ("top", -9))
        ]
        placer.put(short(line.get_label()), spots, color=styles[line.get_label()]["color"], fontweight="bold")
