"""A small figure for the terminal: each arm's training error by epoch, the median of its seeds, in braille dots."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from alexctl.api import Result

Points = Sequence[tuple[float, float]]

ROWS = 10  # of characters; each is two dots wide and four high
WIDEST = 72
NARROWEST = 40  # a terminal that has less gets no figure
MARGIN = 6  # "100% ┤"
COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of U+2800, from the top, left and right


def draw(found: "Result", console: Console) -> None:
    """On a terminal that can show it; nothing where no arm has a curve."""
    from alexctl.figures.curves import median_curve

    width = min(WIDEST, console.width - MARGIN - 2)
    if not console.is_terminal or width < NARROWEST or console.encoding != "utf-8":
        return
    which, curves = found.ablation, found.curves
    curves = curves[(curves["phase"] == "final") & curves["train_error"].notna()]
    target = which.target.at_most if which.target and which.target.metric == "train_error" else None
    lines = {}
    for arm in which.arms:
        mine = curves[curves["arm"] == arm]
        if len(mine):
            median = median_curve(mine, target or 0.0)
            lines[arm] = list(zip(median["epoch"].tolist(), median["train_error"].tolist(), strict=True))
    lines = {arm: points for arm, points in lines.items() if len(points) > 1}
    if lines:
        for line in figure(lines, width, target):
            console.print(line, no_wrap=True)


def figure(lines: Mapping[str, Points], width: int, target: float | None = None, rows: int = ROWS) -> list[Text]:
    """Curves of (epoch, error) points, an error being a share of 1, in so many characters; a line where the target is."""
    last = max(x for points in lines.values() for x, _ in points)
    highest = max(y for points in lines.values() for _, y in points)
    top = next(edge for edge in (0.25, 0.5, 0.75, 1.0) if highest <= edge or edge == 1.0)
    dots: dict[tuple[int, int], tuple[int, str]] = {}  # of a character: its dots, and the colour of who came last
    if target is not None and target < top:
        level = _level(target, top, rows)
        for x in range(0, 2 * width, 4):
            _put(dots, x, level, "dim")
    for (_, points), colour in zip(lines.items(), _colours(len(lines)), strict=True):
        for (x0, y0), (x1, y1) in pairwise(points):
            first, end = round(x0 / last * (2 * width - 1)), round(x1 / last * (2 * width - 1))
            for x in range(first, end + 1):
                share = (x - first) / max(1, end - first)
                _put(dots, x, _level(y0 + share * (y1 - y0), top, rows), colour)
    drawn = []
    for row in range(rows):
        edge = {0: f"{top:.0%}", rows - 1: "0%"}.get(row, "")
        line = Text.assemble((f"{edge:>{MARGIN - 2}} │", "dim"))
        for column in range(width):
            bits, colour = dots.get((column, row), (0, ""))
            line.append(chr(0x2800 + bits) if bits else " ", style=colour)
        drawn.append(line)
    ends = f"epoch {last:.0f}"
    drawn.append(Text(f"{'':>{MARGIN - 2}} └{'─' * width}", style="dim"))
    legend = Text(f"{'':>{MARGIN}}training error:")
    for arm, colour in zip(lines, _colours(len(lines)), strict=True):
        legend.append(f"  ━ {arm}", style=colour)
    if target is not None:
        legend.append(f"  ┄ target {target:.0%}", style="dim")
    gap = MARGIN + width - legend.cell_len - len(ends)
    legend.append(f"{'':>{max(2, gap)}}{ends}", style="dim")
    return [*drawn, legend]


def _colours(number: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(number)]


def _level(error: float, top: float, rows: int) -> int:
    """The row of dots, from the top, of an error."""
    return min(4 * rows - 1, max(0, round((1 - error / top) * (4 * rows - 1))))


def _put(dots: dict[tuple[int, int], tuple[int, str]], x: int, y: int, colour: str) -> None:
    place = (x // 2, y // 4)
    before, _ = dots.get(place, (0, ""))
    dots[place] = (before | DOTS[y % 4][x % 2], colour)
