"""Figures 3 and 4 of the paper: first-layer kernels, test images with what a net takes them for, and their neighbours."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from alexctl.figures.labels import short
from alexctl.figures.page import page, page_width, rc_style
from alexctl.figures.palette import GREY, INK, LINE, MARKED
from alexctl.figures.plotting import Axes, Figure
from alexctl.statistics.images import colour

COLUMNS = 16  # kernels a row, as in Figure 3
MARGIN = 0.06  # inches
FOOT = 0.3  # inches that a page leaves for an axis' words, which images have not


def first_kernels(*kernels: np.ndarray, arms: Sequence[str], towers: Sequence[int], caption: str) -> Figure:
    """Figure 3: each arm's first-layer kernels, (n, height, width, channels), its towers apart.

    Zero is mid grey, and one scale holds for all kernels of an arm. Kernels of 3 channels are shown as colours, of
    others by the mean of their channels. Above each tower of several stands how many of its kernels are coloured.
    """
    panels = [(_titled(arm, tower, number, raw), part) for arm, all_, number in zip(arms, kernels, towers, strict=True)
              for tower, (raw, part) in enumerate(zip(np.split(all_, number), np.split(_levels(all_), number), strict=True))]  # fmt: skip
    sheets = [_mosaic(part) for _, part in panels]
    wide = page_width() - 2 * MARGIN
    heights = [wide * sheet.shape[0] / sheet.shape[1] for sheet in sheets]
    with rc_style():
        figure, whole = page(sum(heights) + 0.24 * len(heights) - FOOT, caption)
        whole.set_axis_off()
        total = y = figure.get_figheight()
        for (title, _), sheet, high in zip(panels, sheets, heights, strict=True):
            y -= high + 0.24
            ax = figure.add_axes((MARGIN / page_width(), (y + 0.02) / total, wide / page_width(), high / total))
            _show(ax, sheet)
            ax.set_title(title, loc="left", fontsize=8, pad=3)
    return figure


def _titled(arm: str, tower: int, number: int, kernels: np.ndarray) -> str:
    if number == 1:
        return short(arm)
    found = colour(kernels) if kernels.shape[3] == 3 else None
    coloured = f": {found.num_coloured} of {found.num_kernels} coloured" if found else ""
    return f"{short(arm)}, tower {tower + 1}{coloured}"


def sheets_height(kernels: np.ndarray, towers: int) -> float:
    """Inches that one arm's kernels take in a figure of them."""
    number, height, width, _ = kernels.shape
    rows = -(-number // towers // COLUMNS)
    return towers * (rows * (height + 1) / (COLUMNS * (width + 1)) * page_width() + 0.24)


def _levels(kernels: np.ndarray) -> np.ndarray:
    """(n, height, width, 3) from 0 to 1, zero at the middle."""
    if kernels.shape[3] != 3:
        kernels = np.repeat(kernels.mean(3, keepdims=True), 3, axis=3)
    largest = np.abs(kernels).max() or 1.0
    return np.clip(0.5 + 0.5 * kernels / largest, 0.0, 1.0)


def _mosaic(tiles: np.ndarray) -> np.ndarray:
    """Tiles in rows of COLUMNS, as (height, width, 4) with nothing between them."""
    count, height, width, _ = tiles.shape
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    sheet = np.zeros((rows * (height + 1) - 1, COLUMNS * (width + 1) - 1, 4))
    for i, tile in enumerate(tiles):
        y, x = (i // columns) * (height + 1), (i % columns) * (width + 1)
        sheet[y : y + height, x : x + width, :3] = tile
        sheet[y : y + height, x : x + width, 3] = 1.0
    return sheet


def five_most_probable(predictions: pd.DataFrame, images: np.ndarray, *, caption: str) -> Figure:
    """Figure 4, left: each image, its true class, and the classes that the net holds most probable as bars.

    `predictions` has the columns image, truth, rank, class, probability; `images` are (n, height, width, channels)
    uint8 in the order of the first column.
    """
    groups = [group for _, group in predictions.groupby("image", sort=False)]
    rows, high, apart = -(-len(groups) // 2), 0.82, 0.16
    with rc_style():
        figure, sheet = page(rows * (high + apart) - FOOT, caption)
        sheet.set_axis_off()
        total = figure.get_figheight()
        for i, (group, image) in enumerate(zip(groups, images, strict=True)):
            x = MARGIN + (i % 2) * (page_width() / 2)
            y = total - 0.06 - (i // 2 + 1) * high - (i // 2) * apart
            ax = figure.add_axes(
                (x / page_width(), (y + 0.13) / total, (high - 0.17) / page_width(), (high - 0.17) / total)
            )
            _show(ax, _coloured(image))
            ax.set_xlabel(short(group["truth"].iloc[0]), fontsize=7.5, labelpad=2)
            bars = figure.add_axes(
                ((x + high) / page_width(), y / total, (page_width() / 2 - high - 0.2) / page_width(), high / total)
            )
            _bars(bars, group)
    return figure


def _bars(ax: Axes, group: pd.DataFrame) -> None:
    """Bars under their words: the true class in colour and bold, the others grey."""
    for place, row in enumerate(group.to_dict("records")):
        right = row["class"] == row["truth"]
        ax.barh(place, row["probability"], height=0.86, color=MARKED if right else LINE, linewidth=0)
        weight = "bold" if right else "normal"
        ax.text(0.02, place, short(str(row["class"])), va="center", fontsize=7, fontweight=weight)
    ax.set(xlim=(0, 1), ylim=(len(group) - 0.4, -0.6), yticks=[], xticks=[])
    ax.spines[["bottom"]].set_visible(False)


def nearest_images(neighbours: pd.DataFrame, images: np.ndarray, near: np.ndarray, *, caption: str) -> Figure:
    """Figure 4, right: test images in the first column, the training images nearest to each beside it.

    `neighbours` has the columns image, truth, rank, class; `near` is (queries, neighbours, height, width, channels).
    """
    groups = [group for _, group in neighbours.groupby("image", sort=False)]
    columns = near.shape[1] + 1
    side = (page_width() - 2 * MARGIN - 0.14) / columns
    high = side + 0.14
    with rc_style():
        figure, sheet = page(len(groups) * high - FOOT, caption)
        sheet.set_axis_off()
        total = figure.get_figheight()
        for row, group in enumerate(groups):
            names = [group["truth"].iloc[0], *group["class"]]
            for column, image in enumerate([images[row], *near[row]]):
                x = MARGIN + column * side + (0.14 if column else 0.0)
                y = total - 0.06 - row * high - side
                ax = figure.add_axes((x / page_width(), y / total, (side - 0.06) / page_width(), (side - 0.06) / total))
                _show(ax, _coloured(image))
                other = column and names[column] != names[0]
                ax.set_xlabel(short(str(names[column])), fontsize=6.5, labelpad=1.5, color=GREY if other else INK,
                              fontweight="bold" if not column else "normal")  # fmt: skip
    return figure


def _coloured(image: np.ndarray) -> np.ndarray:
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


def _show(ax: Axes, image: np.ndarray) -> None:
    ax.imshow(image, interpolation="none", aspect="auto")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
