"""Frames in, matplotlib Figures out; the only import of matplotlib. Nothing happens at import."""

import math
import os
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from alexctl.errors import printable

# Okabe and Ito's colours that keep apart in greyscale too; the control is always dark and dashed.
CONTROL = "#000000"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", (0, (5, 1, 1, 1)), (0, (1, 1)), (0, (3, 1, 1, 1, 1, 1)))
GREY = "#666666"
WIDTH = 4.2  # inches: one column and a bit, so that 8 pt type is still read at half a page's width
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
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.parse_math": False,  # a '$' in a name is a '$'
    "svg.fonttype": "none",
    "svg.hashsalt": "alexctl",
}


@contextmanager
def _style() -> Iterator[None]:
    """Our look and no other, whatever a user's matplotlibrc says; a name in a rare script draws boxes, not warnings."""
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
        temporary = stem.with_name(f".{stem.name}.{os.getpid()}.{kind}")
        try:
            with _style():
                figure.savefig(temporary, format=kind, **options)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        paths.append(path)
    return paths


def learning_curves(
    curves: pd.DataFrame,
    trials: pd.DataFrame,
    *,
    target: float,
    control: str,
    budget: float,
    caption: str,
    ghosts: Sequence[tuple[str, float]] = (),
) -> Figure:
    """Figure 1 in the paper's manner: training error against epochs, a thin line a seed, the median bold.

    `curves` and `trials` are the tables of those names, of one ablation; only final trials are drawn. `ghosts` are
    the paper's own crossings, an arm and its epochs each.
    """
    curves = curves[(curves["phase"] == "final") & curves["train_error"].notna()]
    trials = trials[trials["phase"] == "final"]
    looks = arm_looks(trials["arm"], control)
    with _style():
        figure, axes = _page(3.3, caption)
        axes.set(xlabel="epochs", ylabel="training error rate", ylim=(0, 0.8), yticks=[0, 0.25, 0.5, 0.75])
        last = max([*curves["epoch"], *(epoch for _, epoch in ghosts)], default=1.0)
        axes.set_xlim(0, 1.06 * last)
        axes.axhline(target, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1, gid="target")
        placer = Placer(axes)
        for arm, look in looks.items():
            _draw_arm(axes, curves[curves["arm"] == arm], target, arm, look)
        placer.avoid_lines()
        marks = [_mark_crossing(axes, trials[trials["arm"] == arm], target, budget, arm, looks[arm]) for arm in looks]
        for x, y, words, colour in sorted(marks, key=lambda mark: (-mark[0], mark[1])):
            placer.put(words, _around(x, y), color=colour, fontweight="bold")
        _draw_ghosts(axes, placer, target, ghosts, looks)
        figure.draw_without_rendering()
    return figure


def arm_looks(arms: Sequence[str], control: str) -> dict[str, dict]:
    """Colour and line style of each arm, control first: never told apart by colour alone."""
    others = [arm for arm in dict.fromkeys(arms) if arm != control]
    looks = {control: {"color": CONTROL, "linestyle": "--"}} if control in set(arms) else {}
    for i, arm in enumerate(others):
        looks[arm] = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)]}
    return looks


def median_curve(curves: pd.DataFrame, target: float) -> pd.DataFrame:
    """The median over an arm's seeds, epoch by epoch, as far as half of the seeds have rows.

    A seed that stopped below the target counts as below the others from there on, one that broke off (diverged) as
    above, so that the median does not jump when the first seeds are done. Columns epoch, train_error.
    """
    if curves.empty:
        return curves[["epoch", "train_error"]]
    grid = np.unique(curves["epoch"])
    table = []
    for _, rows in curves.sort_values("epoch").groupby("seed"):
        after = -math.inf if rows["train_error"].iloc[-1] <= target else math.inf
        values = np.interp(grid, rows["epoch"], rows["train_error"])
        values[grid < rows["epoch"].iloc[0]] = math.inf
        values[grid > rows["epoch"].iloc[-1]] = after
        table.append(values)
    table = np.sort(np.array(table), axis=0)
    num_seeds = len(table)
    with np.errstate(invalid="ignore"):
        median = (table[(num_seeds - 1) // 2] + table[num_seeds // 2]) / 2
    return pd.DataFrame({"epoch": grid, "train_error": median})[np.isfinite(median)]


def crossing_label(epochs_to_target: Sequence[float], budget: float) -> tuple[float | None, str]:
    """The median crossing of an arm's trials (NaN: never) and how it is written; None where the median never is."""
    crossings = np.asarray(epochs_to_target, dtype=float)
    never = int(np.isnan(crossings).sum())
    ordered = np.sort(np.where(np.isnan(crossings), math.inf, crossings))
    if not ordered.size:
        return None, ""
    median = (ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2]) / 2
    if not math.isfinite(median):
        reached = ordered.size - never
        return None, f"> {budget:g} epochs" + (f" ({reached} of {ordered.size} reached it)" if reached else "")
    return float(median), f"{median:.1f} epochs" + (f" ({never} of {ordered.size} > {budget:g})" if never else "")


def _draw_arm(axes: Axes, curves: pd.DataFrame, target: float, arm: str, look: dict) -> None:
    for seed, rows in curves.sort_values("epoch").groupby("seed"):
        axes.plot(rows["epoch"], rows["train_error"], linewidth=0.5, alpha=0.4, gid=f"seed {seed}", color=look["color"])
    median = median_curve(curves, target)
    axes.plot(median["epoch"], median["train_error"], linewidth=1.8, label=arm, gid="median", **look)


def _mark_crossing(
    axes: Axes, trials: pd.DataFrame, target: float, budget: float, arm: str, look: dict
) -> tuple[float, float, str, str]:
    """Marks where an arm's median meets the target, or how far it got; gives place, label and colour."""
    crossing, words = crossing_label(trials["epochs_to_target"], budget)
    if crossing is None:
        line = next(line.get_xydata() for line in axes.lines if line.get_label() == arm)
        x, y = map(float, line[-1]) if len(line) else (0.0, target)
        axes.plot(x, y, ">", markersize=5, color=look["color"], clip_on=False, zorder=5, gid="censored")
    else:
        x, y = crossing, target
        axes.plot(x, y, "o", markersize=5, color=look["color"], zorder=5, gid="crossing")
    return x, y, f"{_short(arm)} {words}", look["color"]


def _draw_ghosts(axes: Axes, placer: "Placer", target: float, ghosts: Sequence[tuple[str, float]], looks: dict) -> None:
    for arm, epochs in ghosts:
        colour = looks.get(arm, {"color": GREY})["color"]
        axes.plot(epochs, target, "D", markersize=4.5, markerfacecolor="white", markeredgecolor=colour, alpha=0.55)
    if ghosts:
        words = "◇ read off the paper's Figure 1: " + ", ".join(f"{_short(arm)} {epochs:g}" for arm, epochs in ghosts)
        heights = ((0.02, "bottom"), (0.79, "top"), (0.1, "bottom"), (0.17, "bottom"))
        sides = ((0.995, "right"), (0.5, "center"), (0.015, "left"))
        right = axes.get_xlim()[1]
        spots = [(x * right, y, ha, va) for y, va in heights for x, ha in sides]
        placer.put(words, spots, color=GREY, fontsize=6.5)


def _around(x: float, y: float) -> list[tuple]:
    """Places for a label about a mark, the best first: x, y, ha, va, and an offset in points."""
    near = [(5, 4, "left", "bottom"), (5, -4, "left", "top"), (-5, -4, "right", "top"), (-5, 4, "right", "bottom")]
    rows = [(dx, side * dy, ha, "top" if side < 0 else "bottom") for dy in (14, 25, 36, 47, 58) for side in (-1, 1)
            for dx, ha in ((2, "left"), (-2, "right"))]  # fmt: skip
    return [(x, y, ha, va, dx, dy) for dx, dy, ha, va in near + rows]


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
    with _style():
        figure, *panels = _page(
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
    axes.set_yticklabels([_short(arm) for arm in arms], fontsize=7)
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
        words = f"{_short(arm)}: {rate:g}" + " (edge of the grid)" * bool(edge)
        spots = [(*spot[:4], spot[4] * 1.6, spot[5] * 1.6) for spot in _around(rate, epochs)]
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


def _page(height: float, caption: str, heights: Sequence[float] = ()) -> tuple[Figure, *tuple[Axes, ...]]:
    """A figure with panels of these heights (inches) one below the other, and room for the caption under them."""
    heights = heights or [height - 0.15]
    figure = Figure(figsize=(WIDTH, 1))
    FigureCanvasAgg(figure)
    lines, text = _wrapped(figure, caption)
    foot = 0.48 + (0.135 * lines + 0.08 if lines else 0)
    total = height + foot
    figure.set_size_inches(WIDTH, total)
    text.set_position((0.06 / WIDTH, 0.06 / total))
    axes = []
    for i, panel in enumerate(heights):
        bottom = foot + sum(heights[i + 1 :]) + 0.12 * (len(heights) - 1 - i)
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


def _short(name: str) -> str:
    """A name fit for a label: control characters spelled out, and no longer than a label may be."""
    return textwrap.shorten(printable(name), 24, placeholder="…") if " " in name else _cut(printable(name), 24)


def _cut(word: str, length: int) -> str:
    return word if len(word) <= length else word[: length - 1] + "…"


class Placer:
    """Puts labels where they touch no line, no mark and no other label, as far as their list of places allows."""

    def __init__(self, axes: Axes):
        self.axes = axes
        self.points = np.empty((0, 2))
        self.boxes: list[Bbox] = []

    def avoid_lines(self) -> None:
        """Takes all lines drawn so far as they stand; the axes' limits must not change any more."""
        self.points = np.concatenate([self.points, *(_dense(line) for line in self.axes.lines)])

    def put(self, words: str, spots: Sequence[tuple], **look) -> Text:
        """Writes the words at the best spot (x, y, ha, va[, dx, dy in points])."""
        best, least = None, math.inf
        for x, y, ha, va, *offset in spots:
            far = offset and max(map(abs, offset)) > 12
            corner = (float(ha == "right"), float(va == "top"))
            leader = {"arrowstyle": "-", "linewidth": 0.5, "color": look["color"], "shrinkA": 0, "relpos": corner}
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
                **look,
            )
            cost = self._cost(_box(text))
            if cost >= least:
                text.remove()
                continue
            if best is not None:
                best.remove()
            best, least = text, cost
            if cost == 0:
                break
        self.boxes.append(_box(best).padded(1))
        return best

    def _cost(self, box: Bbox) -> float:
        frame = self.axes.get_window_extent()
        outside = box.x0 < frame.x0 or box.y0 < frame.y0 or box.y1 > frame.y1 + 2
        outside = outside or box.x1 > self.axes.figure.bbox.x1 - 2
        box = box.padded(1)
        inside = ((self.points > box.p0) & (self.points < box.p1)).all(axis=1).sum()
        return 10_000 * outside + 1_000 * sum(box.overlaps(other) for other in self.boxes) + inside


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
