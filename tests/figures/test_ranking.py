"""The learning-rate search where there is no target: every rate's fate, the error they are chosen by, the winners."""

import pandas as pd
import pytest
from matplotlib.text import Text

from alexctl.figures.rates import learning_rate_search

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
SEARCH = SEARCH.assign(validation_error=[(0.5 if arm == "lrn" else 0.4) - lr if status == "done" else NAN
                                         for arm, lr, status, _ in FATES])  # fmt: skip


def draw(search=SEARCH, **changes):
    options = {"winners": {"plain": 0.02, "lrn": 0.08}, "control": "plain", "chosen_by": "validation_error"} | changes
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
    more = pd.concat(
        [SEARCH, pd.DataFrame([("plain", 0.02, 10001, "diverged", NAN, 0.5, NAN)], columns=SEARCH.columns)]
    )
    fates = draw(more).axes[0]
    assert [line.get_marker() for line in fates.lines if line.get_xydata()[0].tolist() == [0.02, 0]] == ["x", "o"]


def test_winners_are_ringed_and_named_with_the_edge():
    fates, errors = draw().axes
    assert [line.get_xydata()[0].tolist() for line in lines(fates, "winner")] == [[0.02, 0], [0.08, 1]]
    rings = [line.get_xydata()[0].tolist() for line in lines(errors, "winner")]
    assert rings == [[0.02, pytest.approx(38)], [0.08, pytest.approx(42)]]
    assert {"0.02", "0.08\n(grid's edge)"} <= set(words(draw()))
    assert errors.get_ylabel() == "validation error at the end (%)"
    assert errors.get_xlabel() == "learning rate"


def test_rates_as_good_are_named():
    assert {"0.02\nas good: 0.01", "0.08\n(grid's edge)"} <= set(words(draw(ties={"plain": (0.01, 0.02)})))


def test_a_search_of_which_nothing_is_left():
    (only,) = draw(SEARCH.assign(status="diverged"), winners={}).axes
    assert only.get_xlabel() == "learning rate"
    assert len(only.lines) == len(SEARCH) + 2  # a mark a rate, a sample of each arm's line


def test_long_names_stay_on_the_page():
    name = "overlapping-pooling-three-by-three-stride-two"
    renamed = {"arm": {"lrn": name}}
    figure = draw(SEARCH.replace(renamed), winners={name: 0.08, "plain": 0.02})
    assert name in [text.replace("\n", "") for text in words(figure)]
    for text in figure.findobj(Text):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent()
            assert figure.bbox.x0 <= box.x0, text.get_text()
            assert box.x1 <= figure.bbox.x1, text.get_text()
