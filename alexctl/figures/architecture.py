"""Figure 2 of the paper, drawn from a net's layer table: boxes, kernels, towers and what crosses between them."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from alexctl.errors import printable
from alexctl.figures.palette import NOTES, TOWERS
from alexctl.figures.svg import Drawing, Point
from alexctl.nets.description import Description
from alexctl.nets.layer_table import LayerRow

ACROSS, UP = 0.42, 0.34  # the slanted edge of a box, by its length
TALLEST, WIDEST, THIN = 112, 74, 11  # pixels of the largest map's side, of the most maps, and at the least
SLAB, GAP = 16, 78
MARGIN, LINE = 24, 16


@dataclass
class Stage:
    """A layer with weights and what follows it: norms and pools."""

    row: LayerRow
    after: list[LayerRow] = field(default_factory=list)

    @property
    def out(self) -> LayerRow:
        """The row whose maps the next layer reads."""
        return self.after[-1] if self.after else self.row


@dataclass(frozen=True)
class Box:
    """A box in perspective: its front is maps wide and a map's height tall, its slanted edge a map's width."""

    x: float
    y: float  # upper left corner of the front
    w: float
    h: float
    dx: float
    dy: float

    @property
    def right(self) -> float:
        return self.x + self.w + self.dx

    @property
    def middle(self) -> float:
        return self.y + self.h / 2

    def side(self, u: float, v: float) -> Point:
        """A point of the right face: u along the slanted edge, v downwards."""
        return self.x + self.w + u * self.dx, self.y + v * self.h - u * self.dy


def architecture(rows: Sequence[LayerRow], *, image_shape: tuple[int, int, int], title: str) -> str:
    """The SVG of a net of convolutional and then fully connected layers for images of (height, width, channels).

    Sides grow with the root of a map's, widths with the number of maps of a tower; an arrow has the colour of the
    tower it comes from.
    """
    return _Figure(rows, image_shape, title).text()


class _Figure:
    def __init__(self, rows: Sequence[LayerRow], image_shape: tuple[int, int, int], title: str):
        self.rows, self.image_shape, self.title = rows, image_shape, printable(title)
        self.stages: list[Stage] = []
        for row in rows:
            if row.kind in ("conv", "fc"):
                self.stages.append(Stage(row))
            else:
                self.stages[-1].after.append(row)
        self.towers = 2 if any("tower" in row.sees for row in rows) else 1
        convs = [stage.row for stage in self.stages if stage.row.kind == "conv"]
        self.per_pixel = TALLEST / max(max(row.height, row.width) for row in convs) ** 0.5
        self.per_map = WIDEST * self.towers / max(row.maps for row in convs)
        self.most_units = max(stage.row.maps for stage in self.stages if stage.row.kind == "fc") / self.towers
        tall = max(self.side(row.height) + UP * self.side(row.width) for row in convs)
        self.titles = textwrap.wrap(self.title, 120)
        self.top = 62.0 + LINE * len(self.titles)
        pitch = tall + 52
        height, width, _ = image_shape
        plate = self.side(height) + UP * self.side(width)
        span = max(plate, tall + pitch * (self.towers - 1))
        self.centre = self.top + span / 2
        self.centres = [self.centre + pitch * (tower - (self.towers - 1) / 2) for tower in range(self.towers)]
        self.bottom = self.top + span
        self.drawing = Drawing()

    def side(self, pixels: int) -> float:
        return max(THIN, self.per_pixel * pixels**0.5)

    def text(self) -> str:
        """The whole drawing; boxes lie under arrows, and these under words."""
        boxes = self._place()
        for stage, towers in zip([None, *self.stages], boxes, strict=True):
            for tower, box in enumerate(towers):
                self._box(box, 2 if stage is None or len(towers) < self.towers else tower)
            self._sizes(stage, towers)
        for i, (stage, before, here) in enumerate(zip(self.stages, boxes, boxes[1:], strict=False)):
            if stage.row.kind == "conv":
                self._convolve(stage, self.stages[i - 1] if i else None, before, here)
            else:
                self._dense(stage, before, here)
        for stage, towers in zip(self.stages, boxes[1:], strict=True):
            self._notes(stage, towers[0])
        return self._page(boxes[-1][0].right + MARGIN)

    def _place(self) -> list[list[Box]]:
        """The boxes of the image and of each layer, one a tower; the image and the last layer have one."""
        height, width, channels = self.image_shape
        plate = self._solid(MARGIN + 28, self.centre, max(THIN, channels * self.per_map), height, width)
        columns, x = [[plate]], plate.right + GAP + 24
        for i, stage in enumerate(self.stages):
            row = stage.row
            joint = i == len(self.stages) - 1
            centres = [self.centre] if joint else self.centres
            if row.kind == "fc":
                units = row.maps / (1 if joint else self.towers)
                tall = max(28, 150 * min(1, units / self.most_units) ** 0.5)
                boxes = [Box(x, y - tall / 2 + 4, SLAB, tall, 11, 9) for y in centres]
            else:
                wide = max(THIN, row.maps / self.towers * self.per_map)
                boxes = [self._solid(x, y, wide, row.height, row.width) for y in centres]
            columns.append(boxes)
            x = boxes[0].right + GAP
        return columns

    def _solid(self, x: float, y: float, wide: float, height: int, width: int) -> Box:
        tall, deep = self.side(height), self.side(width)
        return Box(x, y - (tall + UP * deep) / 2 + UP * deep, wide, tall, ACROSS * deep, UP * deep)

    def _box(self, box: Box, tint: int) -> None:
        front, top, side, line = TOWERS[tint]
        x, y, w, h, dx, dy = box.x, box.y, box.w, box.h, box.dx, box.dy
        self.drawing.polygon([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], fill=front, stroke=line)
        self.drawing.polygon([(x, y), (x + dx, y - dy), (x + w + dx, y - dy), (x + w, y)], fill=top, stroke=line)
        self.drawing.polygon([box.side(0, 0), box.side(1, 0), box.side(1, 1), box.side(0, 1)], fill=side, stroke=line)

    def _sizes(self, stage: Stage | None, boxes: list[Box]) -> None:
        """The sizes at the edges: a map's height and width, and how many maps or units there are."""
        if stage is None:
            height, width, maps = self.image_shape
        else:
            height, width, maps = stage.row.height, stage.row.width, stage.row.maps // len(boxes)
        flat = stage is not None and stage.row.kind == "fc"
        for tower, box in enumerate(boxes):
            self.drawing.words(box.x + box.w / 2, box.y + box.h + 15, maps, anchor="middle")
            if flat:
                continue
            if tower == 0:  # what crosses comes from below, and in the lower row from above
                self.drawing.words(box.x - 4, box.y + 0.2 * box.h + 4, height, anchor="end")
                self.drawing.words(box.x + box.dx / 2 - 4, box.y - box.dy / 2 - 4, width, anchor="end")
            else:
                self.drawing.words(box.x - 4, box.y + 0.9 * box.h + 4, height, anchor="end")
                self.drawing.words(box.x + box.w + box.dx / 2 + 5, box.y + box.h - box.dy / 2 + 12, width)

    def _convolve(self, stage: Stage, previous: Stage | None, before: list[Box], here: list[Box]) -> None:
        """A kernel in each box of the layer before, and its lines to the one place that it yields in each tower."""
        row, towers = stage.row, range(self.towers)
        read = self.image_shape[:2] if previous is None else (previous.out.height, previous.out.width)
        for source in towers:
            box = before[min(source, len(before) - 1)]
            spot = 0.5 if previous is not None else (source + 1) / (self.towers + 1)
            shade = TOWERS[2 if previous is None else source][3]
            corners = self._kernel(row, read, box, spot, shade)
            for tower in towers if row.sees == "both towers" else (source,):
                self._cone(corners, box.side(0.5, spot), here[tower], shade)
            if previous is not None:
                clear = 12 if source and row.sees == "both towers" else 4  # of what rises to the other tower
                self.drawing.words(box.right + clear, corners[1][1], _kernel_words(row))
        if previous is None:
            x, y = before[0].right + 10, self.centre + 10
            single = self.towers == 1
            self.drawing.words(x, y - (28 if single else LINE), _kernel_words(row))
            if row.stride != 1:
                self.drawing.words(x, y + (28 if single else 0), f"stride of {row.stride}")

    def _kernel(self, row: LayerRow, read: tuple[int, int], box: Box, spot: float, shade: str) -> list[Point]:
        """A small box through all maps of a box, by its share of the sides that it reads; its corners on the right face."""
        height, width = read
        v = min(0.9, max(row.kernel / height, 9 / box.h)) / 2
        u = min(0.9, max(row.kernel / width, 9 / box.h)) / 2
        corners = [box.side(0.5 + a * u, spot + b * v) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        back = [(x - box.w, y) for x, y in corners]
        for face in ([back[0], corners[0], corners[3], back[3]], [back[0], back[1], corners[1], corners[0]]):
            self.drawing.polygon(face, fill=shade, fill_opacity=0.1, stroke=shade, stroke_dasharray="3 2")
        self.drawing.polygon(corners, fill=shade, fill_opacity=0.35, stroke=shade)
        return corners

    def _cone(self, corners: list[Point], start: Point, target: Box, shade: str) -> None:
        apex = (target.x + min(0.4 * target.w, 14), target.middle)
        for one, other in zip(corners, corners[1:] + corners[:1], strict=True):
            self.drawing.polygon([one, other, apex], fill=shade, fill_opacity=0.06)
        for corner in corners:
            self.drawing.line(corner, apex, shade)
        self.drawing.head(start, apex, shade)

    def _dense(self, stage: Stage, before: list[Box], here: list[Box]) -> None:
        """Arrows from each tower to those that see it; where they meet, each ends on its own side."""
        joint = len(here) < len(before)
        for source, box in enumerate(before):
            for tower, target in enumerate(here):
                if stage.row.sees == "own tower" and source != tower:
                    continue
                apart = 0 if source == tower and not joint else 16 * (2 * source - 1)
                start = (box.right + 3, box.middle - box.dy / 2 - (0 if joint else apart / 4))
                self.drawing.arrow(start, (target.x - 2, target.middle + apart), TOWERS[source][3])
        x = (before[0].right + here[0].x) / 2
        for tower, box in enumerate(here):
            if joint:
                self.drawing.words(x - 10, self.centre + 5, "dense", anchor="middle")
            else:
                self.drawing.words(x, box.middle + (-14 if tower == 0 else 22), "dense", anchor="middle")

    def _notes(self, stage: Stage, box: Box) -> None:
        """Above a column its name, below it what follows the layer."""
        self.drawing.words(box.x + (box.w + box.dx) / 2, self.top - 16, stage.row.name, anchor="middle", bold=True)
        lines = []
        for row in stage.after:
            if row.kind == "pool":
                lines += [
                    f"{row.pools or 'max'} pooling",
                    f"{row.kernel}×{row.kernel}, stride {row.stride}",
                    f"to {row.height}×{row.width}",
                ]
            else:
                lines.append(row.kind)
        for i, line in enumerate(lines):
            self.drawing.words(box.x + (box.w + box.dx) / 2, self.bottom + 40 + i * LINE, line, anchor="middle")

    def _page(self, width: float) -> str:
        drawing, names = self.drawing, ("num_parameters", "num_macs", "num_neurons")
        notes = max((sum(3 if row.kind == "pool" else 1 for row in stage.after) for stage in self.stages), default=0)
        y = self.bottom + 40 + notes * LINE + 12
        if self.towers == 2:
            first, second = (TOWERS[tower][3] for tower in (0, 1))
            drawing.words(MARGIN, self.top - 16, "tower 1", bold=True, colour=first)
            drawing.words(MARGIN, self.bottom + 40, "tower 2", bold=True, colour=second)
        parameters, macs, neurons = (sum(getattr(row, name) for row in self.rows) for name in names)
        lines = [f"{parameters:,} parameters, {macs:,} multiply-accumulates an image, {neurons:,} neurons."]
        lines += ["An arrow has the colour of the tower it comes from."] if self.towers == 2 else []
        for line in textwrap.wrap(" ".join(lines), int((width - 2 * MARGIN) / 8.3)):
            drawing.words(MARGIN, y, line, colour=NOTES)
            y += LINE
        for i, line in enumerate(self.titles):
            drawing.words(MARGIN, 28 + i * LINE, line, bold=True)
        return drawing.text(width, y, self.title)


def _kernel_words(row: LayerRow) -> str:
    return f"{row.kernel}×{row.kernel}"


def figure_2(described: Description) -> str:
    """Figure 2 of a drawable net, as SVG."""
    return architecture(described.layers, image_shape=described.image_shape, title=described.title)
