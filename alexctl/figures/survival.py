"""The share of each arm's trials that have not met the target yet: a step down where one does, a mark where one never did."""

import itertools
from collections.abc import Mapping

import pandas as pd

from alexctl.figures.labels import Placer, short
from alexctl.figures.page import page, rc_style
from alexctl.figures.palette import GREY
from alexctl.figures.plotting import Figure
from alexctl.figures.styles import arm_styles


def survival_curves(survival: pd.DataFrame, *, control: str | Mapping[str, str], target: str) -> Figure:
    """Kaplan and Meier's curve of each arm; `survival` is the table of that name, `target` says what it is in words.

    An arm whose curve does not end at 0 has censored trials; it ends in the mark that Figure 1 has for them.
    """
    styles = arm_styles(survival["arm"], control)
    num = survival.groupby("arm")["n_at_risk"].max()
    caption = f"Share of trials still above {target}. ▶: trials that were stopped there without having reached it."
    with rc_style():
        figure, axes = page(1.75, caption)
        last = survival["epoch"].max()
        axes.set(xlabel="epochs", ylabel="still on its way", ylim=(-0.04, 1.04), xlim=(0, 1.06 * last))
        axes.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"])
        for arm, style in styles.items():
            rows = survival[survival["arm"] == arm]
            # Corners spelled out, so that labels keep clear of the steps.
            epochs, shares = rows["epoch"].repeat(2).iloc[1:], rows["share"].repeat(2).iloc[:-1]
            axes.plot(epochs, shares, linewidth=1.6, label=arm, gid="survival", **style)
            at, share = rows[["epoch", "share"]].iloc[-1]
            if share > 0:
                axes.plot(at, share, ">", markersize=5, color=style["color"], clip_on=False, zorder=5, gid="censored")
        placer = Placer(axes)
        placer.avoid_lines()
        for arm, rows in ((arm, survival[survival["arm"] == arm]) for arm in styles):
            n = num[arm]
            left = round(rows["share"].iloc[-1] * n)
            words = f"{short(arm)}: " + (f"{left} of {n} never" if left else f"all {n} reached it")
            spots = [(x, y, ha, va, dx, dy) for va, dy in (("bottom", 3), ("top", -3), ("top", -12), ("top", -21))
                     for x, y in _places(rows) for ha, dx in (("left", 5), ("right", -5))]  # fmt: skip
            placer.put(words, spots, color=styles[arm]["color"], fontweight="bold")
        axes.grid(axis="y", color=GREY, alpha=0.2, linewidth=0.5)
        figure.draw_without_rendering()
    return figure


def _places(rows: pd.DataFrame) -> list[tuple[float, float]]:
    """Points along an arm's curve that a label may stand by, those half-way down first."""
    points = list(zip(rows["epoch"], rows["share"], strict=True))
    flats = [(a[0] + (b[0] - a[0]) * k / 16, a[1]) for a, b in itertools.pairwise(points) for k in range(17)]
    return sorted([*points, *flats], key=lambda point: abs(point[1] - 0.5))
