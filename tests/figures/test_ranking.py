"""The learning-rate search where there is no target: every rate's fate, the error in the same epoch, the winners."""

import pandas as pd
import pytest
from matplotlib.text import Text

from alexctl.figures.rates import errors_over, learning_rate_search

NAN = float("nan")
FATES = [
    ("plain", 0.01, "stopped", 1.0), ("plain", 0.02, "done", 4.0), ("plain", 0.04, "stopped", 2.0),
    ("lrn", 0.01, "failed", 0.5), ("lrn", 0.02, "paused", 1.5), ("lrn", 0.04, "diverged", 0.25),
    ("lrn", 0.08, "done", 4.0),
]  # fmt: skip
SEARCH = pd.DataFrame(
    [(arm, lr, 10000, status, NAN, epochs) for arm, lr, status, epochs in FATES],
    columns=["arm", "lr", "seed", "status", "epochs_to_target", "epochs_run"],
)
CURVES = pd.DataFrame(
    [
        (arm, "search", 10000, lr, epoch, (0.8 if arm == "lrn" else 0.6) - lr - 0.2 * epoch / 4)
        for arm, lr, _, epochs in FATES
        for epoch in [0.25 * i for i in range(1, int(4 * epochs) + 1)]
    ],
    columns=["arm", "phase", "seed", "lr", "epoch", "train_error"],
)


def draw(search=SEARCH, curves=CURVES, **changes):
    options = {"winners": {"plain": 0.02, "lrn": 0.08}, "control": "plain", "curves": curves} | changes
    return learning_rate_search(search, **options)


def words(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def lines(axes, gid):
    return [line for line in axes.lines if line.get_gid() == gid]


def test_every_rate_is_accounted_for():
    fates, _ = draw().axes
    marks = [(line.get_xdata()[0], line.get_ydata()[0], line.get_marker()) for line in fates.lines
             if line.get_gid() not in ("key", "winner")]  # fmt: skip
    plain = [(0.01, 0, "o"), (0.02, 0, "v"), (0.04, 0, "o")]
    assert sorted(marks, key=lambda m: (m[1], m[0])) == [
        *plain, (0.01, 1, "+"), (0.02, 1, "d"), (0.04, 1, "x"), (0.08, 1, "v"),
    ]  # fmt: skip
    title = fates.get_title("left")
    for fate in ("stopped by the search", "ran to the end", "diverged", "failed", "not finished"):
        assert fate in title
    assert not any("target" in text for text in words(draw()))


@pytest.mark.parametrize("highest", [0.02, 0.04, 300.0])
def test_the_lines_of_the_key_touch_no_mark(highest):
    """However many decades the rates span."""
    figure = draw(SEARCH.assign(lr=SEARCH["lr"].replace(0.08, highest)), winners={"plain": 0.02, "lrn": highest})
    fates = figure.axes[0]
    inch = figure.dpi / 72  # pixels a point
    for key in lines(fates, "key"):
        end = key.get_transform().transform(key.get_xydata())[-1, 0]
        marks = [line for line in fates.lines if line.get_gid() != "key"]
        assert marks
        for mark in marks:
            x, _ = fates.transData.transform(mark.get_xydata()[0])
            assert x - inch * mark.get_markersize() / 2 > end


def test_of_several_seeds_the_one_that_broke_decides():
    more = pd.concat([SEARCH, pd.DataFrame([("plain", 0.02, 10001, "diverged", NAN, 0.5)], columns=SEARCH.columns)])
    fates = draw(more).axes[0]
    assert [line.get_marker() for line in fates.lines if line.get_xydata()[0].tolist() == [0.02, 0]] == ["x", "o"]


def test_winners_are_ringed_and_named_with_the_edge():
    fates, errors = draw().axes
    assert [line.get_xydata()[0].tolist() for line in lines(fates, "winner")] == [[0.02, 0], [0.08, 1]]
    rings = [line.get_xydata()[0].tolist() for line in lines(errors, "winner")]
    means = {arm: 100 * (top - lr - 0.2 * 0.625 / 4) for arm, top, lr in (("plain", 0.6, 0.02), ("lrn", 0.8, 0.08))}
    assert rings == [[0.02, pytest.approx(means["plain"])], [0.08, pytest.approx(means["lrn"])]]
    assert {"0.02", "0.08\n(grid's edge)"} <= set(words(draw()))
    assert errors.get_ylabel() == "training error in epoch 1 (%)"
    assert errors.get_xlabel() == "learning rate"


def test_the_error_is_that_of_the_epoch_the_search_went_by():
    found = errors_over(CURVES, 2.0).set_index(["arm", "lr"])["train_error"]
    assert list(found.index) == [("lrn", 0.08), ("plain", 0.02), ("plain", 0.04)]
    assert found["plain", 0.02] == pytest.approx(0.58 - 0.05 * 1.625)


def test_a_search_of_which_nothing_is_left():
    (only,) = draw(SEARCH.assign(status="diverged"), winners={}).axes
    assert only.get_xlabel() == "learning rate"
    assert len(only.lines) == len(SEARCH) + 2  # a mark a rate, a sample of each arm's line


def test_long_names_stay_on_the_page():
    name = "overlapping-pooling-three-by-three-stride-two"
    renamed = {"arm": {"lrn": name}}
    figure = draw(SEARCH.replace(renamed), CURVES.replace(renamed), winners={name: 0.08, "plain": 0.02})
    assert name in [text.replace("\n", "") for text in words(figure)]
    for text in figure.findobj(Text):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent()
            assert figure.bbox.x0 <= box.x0, text.get_text()
            assert box.x1 <= figure.bbox.x1, text.get_text()
