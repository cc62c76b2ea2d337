"""The survival figure: every arm's steps as the table has them, and words that touch no line."""

import itertools

import pandas as pd
import pytest

from alexctl import statistics
from alexctl.figures.page import save
from alexctl.figures.survival import survival_curves


def table(**arms) -> pd.DataFrame:
    """survival.csv of arms given as their crossings, None for a trial stopped at 60 epochs."""
    steps = []
    for arm, crossings in arms.items():
        epochs = [60.0 if epoch is None else epoch for epoch in crossings]
        steps += [("x", arm, *step) for step in statistics.survival(epochs, [epoch is None for epoch in crossings])]
    return pd.DataFrame(steps, columns=["ablation", "arm", "epoch", "share", "n_at_risk"])


ARMS = {"relu": [6, 6.5, 7, 8], "tanh": [40, 52, None, None], "sigmoid": [None] * 4, "elu": [None] * 4}


def drawn(**arms):
    (axes,) = survival_curves(table(**arms), control="tanh", target="25% training error").axes
    return axes


def test_the_steps_are_those_of_the_table():
    lines = {
        line.get_label(): line.get_xydata().tolist() for line in drawn(**ARMS).lines if line.get_gid() == "survival"
    }
    assert lines["tanh"] == [[0, 1], [40, 1], [40, 0.75], [52, 0.75], [52, 0.5], [60, 0.5], [60, 0.5]]
    assert lines["relu"][-1] == [8, 0]


def test_what_never_arrived_is_marked_and_said():
    axes = drawn(**ARMS)
    marks = [line.get_xydata().tolist() for line in axes.lines if line.get_gid() == "censored"]
    assert marks == [[[60, 0.5]], [[60, 1]], [[60, 1]]]
    assert {text.get_text() for text in axes.texts} == {
        "relu: all 4 reached it", "tanh: 2 of 4 never", "sigmoid: 4 of 4 never", "elu: 4 of 4 never",
    }  # fmt: skip


def test_labels_touch_no_line_and_no_other_label():
    axes = drawn(**ARMS)
    boxes = [text.get_window_extent() for text in axes.texts]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])
        for line in axes.lines:
            points = axes.transData.transform(line.get_xydata())
            for start, end in itertools.pairwise(points):
                inside = [start + (end - start) * k / 200 for k in range(201)]
                assert not any(box.x0 < x < box.x1 and box.y0 < y < box.y1 for x, y in inside)


@pytest.mark.parametrize("name", ["<script>", "a" * 60, "$x$\x1b[2J"])
def test_any_name_is_text(tmp_path, name):
    figure = survival_curves(table(**{name: [1.0, None], "tanh": [2.0, 3.0]}), control="tanh", target="x")
    svg, _ = save(figure, tmp_path / "survival")
    text = svg.read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "\x1b" not in text
