"""What the figure of errors shows, by its artists: lines, marks, numbers and words. No pixels."""

import pandas as pd
import pytest
from matplotlib.text import Text

from alexctl.figures.errors import arm_comparison, spread, view
from alexctl.figures.finals import final_values, note, number, stacked
from alexctl.figures.page import save

NAN = float("nan")


def frames(table, *, epochs=9, status=None):
    """curves and trials of {arm: [final test error of each seed]}: a fall from 0.9 to there in equal steps."""
    curves, trials = [], []
    for arm, errors in table.items():
        for seed, error in enumerate(errors):
            state = (status or {}).get((arm, seed), "done")
            ran = epochs if state == "done" else 3
            for epoch in range(1, ran + 1):
                now = 0.9 + (error - 0.9) * epoch / epochs
                curves.append((arm, "final", seed, epoch - 0.5, now, NAN, 2.0 * epoch - 1))
                curves.append((arm, "final", seed, float(epoch), now, now, 2.0 * epoch))
            trials.append((arm, "final", seed, state, now, now, 2.0, float(ran)))
    trials.append((next(iter(table)), "search", 10000, "done", 0.01, NAN, 1.0, 1.0))
    columns = ["arm", "phase", "seed", "epoch", "train_error", "test_error", "train_seconds"]
    named = ["arm", "phase", "seed", "status", "train_error", "test_error", "seconds_per_epoch", "epochs_run"]
    return pd.DataFrame(curves, columns=columns), pd.DataFrame(trials, columns=named)


TWO = {"plain": [0.24, 0.25, 0.26], "lrn": [0.22, 0.23, 0.25]}
FIVE = {"depth-8": [0.2, 0.21], "depth-7-without-conv3": [0.22, 0.23], "b": [0.2, 0.21], "c": [0.2, 0.21], "d": [0.4]}


def draw(table=TWO, *, status=None, **changes):
    curves, trials = frames(table, status=status)
    options = {"measure": "test_error", "control": next(iter(table)), "caption": "A caption."} | changes
    return arm_comparison(curves, trials, **options)


def lines(figure, gid, panel=0):
    return [line for line in figure.axes[panel].lines if str(line.get_gid()).startswith(gid)]


def texts(figure, gid):
    return [text.get_text() for text in figure.findobj(Text) if text.get_gid() == gid]


def test_a_band_where_the_error_was_measured_and_a_bold_median():
    figure = draw()
    above, _ = figure.axes
    bands = [patch.get_path().vertices[:, 0] for patch in above.patches if patch.get_gid() == "band"]
    assert len(bands) == 2
    assert all(sorted({*band}) == list(range(1, 10)) for band in bands)  # test_error is empty between
    assert not lines(figure, "seed")  # all end together
    medians = {line.get_label(): line for line in lines(figure, "median")}
    assert medians["plain"].get_ydata()[-1] == pytest.approx(25.0)
    assert medians["lrn"].get_ydata()[-1] == pytest.approx(23.0)
    assert medians["plain"].get_linestyle() == "--"
    assert medians["plain"].get_zorder() > medians["lrn"].get_zorder()  # dashes show on a line beneath them
    assert (above.get_xlabel(), above.get_ylabel()) == ("epochs", "test error (%)")
    assert sorted(texts(figure, "end")) == ["lrn", "plain"]
    assert texts(figure, "caption") == ["A caption."]


def test_the_axis_shows_where_the_lines_end():
    """Nine rows from 90 to 30%: from 30 to where the second half begins, and half as much again."""
    curves, _ = frames({"a": [0.3]})
    rows = curves[curves["test_error"].notna()]
    rows = rows.assign(error=100 * rows["test_error"])[["arm", "seed", "epoch", "error"]]
    half, late = rows.loc[rows["epoch"] == 5, "error"].item(), rows.loc[rows["epoch"] == 7, "error"].item()
    low, high = view(rows)
    assert (low, high) == pytest.approx((30 - 0.06 * 1.5 * (half - 30), 30 + 1.06 * 1.5 * (half - 30)))
    few = rows[rows["epoch"] > 6]
    assert view(few) == pytest.approx((30 - 0.06 * (late - 30), late + 0.06 * (late - 30)))  # whole
    assert view(rows.assign(error=0.0)) == pytest.approx((-0.06, 0.06))


def test_final_values_come_from_the_trials_with_their_interval():
    figure = draw()
    below = figure.axes[1]
    dots = {line.get_label(): line.get_xdata().tolist() for line in lines(figure, "values", 1)}
    assert dots["plain"] == pytest.approx([24, 25, 26])
    assert dots["lrn"] == pytest.approx([22, 23, 25])
    assert [line.get_xdata()[0] for line in lines(figure, "mean", 1)] == pytest.approx([25, 70 / 3])
    half = 4.302653 / 3**0.5  # t of 2 degrees of freedom, a standard deviation of 1
    assert lines(figure, "interval", 1)[0].get_xdata() == pytest.approx([25 - half, 25 + half], abs=1e-5)
    assert texts(figure, "number") == ["25.00 ± 2.48%", "23.33 ± 3.79%"]
    assert texts(figure, "name") == ["plain", "lrn"]
    assert texts(figure, "note") == ["n = 3", "n = 3"]
    assert below.get_xlabel() == "final test error (%)"
    heights = [line.get_ydata()[0] for line in lines(figure, "mean", 1)]
    assert heights[0] < heights[1]  # the axis points down: the control is on top
    assert below.yaxis_inverted()


def test_seeds_are_joined_where_there_are_two_arms():
    pairs = {line.get_gid(): line.get_xdata() for line in lines(draw(), "pair", 1)}
    assert pairs["pair 2"] == pytest.approx([26, 25])
    assert len(pairs) == 3
    lost = draw(status={("lrn", 1): "diverged"})
    assert [line.get_gid() for line in lines(lost, "pair", 1)] == ["pair 0", "pair 2"]
    (key,) = texts(lost, "key")
    assert "the same seed in both arms" in key.replace("\n", " ")
    many = draw({"a": [0.2] * 3, "b": [0.3] * 3, "c": [0.3] * 3})
    assert not lines(many, "pair", 1)
    assert "same seed" not in texts(many, "key")[0]


def test_what_befell_trials_is_said_and_not_drawn_as_a_value():
    status = {("lrn", 0): "diverged", ("lrn", 1): "failed", ("plain", 2): "paused"}
    figure = draw({"plain": [0.25] * 6, "lrn": [0.2] * 6}, status=status)
    assert texts(figure, "note") == ["n = 5\n1 of 6 not finished", "n = 4\n1 of 6 diverged\n1 of 6 failed"]
    assert [len(line.get_xdata()) for line in lines(figure, "values", 1)] == [5, 4]
    assert texts(figure, "number") == ["25.00 ± 0.00%", "20.00 ± 0.00%"]
    assert [line.get_xdata()[0] for line in lines(figure, "diverged")] == [3.0]
    dead = draw(status={("lrn", seed): "diverged" for seed in range(3)})
    assert texts(dead, "note")[1] == "n = 0\n3 of 3 diverged"
    assert texts(dead, "number")[1] == "-"
    assert texts(draw(status={(a, s): "failed" for a in TWO for s in range(3)}), "number") == ["-", "-"]


def test_one_and_two_seeds_have_no_interval():
    figure = draw({"plain": [0.25], "lrn": [0.22, 0.23]})
    assert texts(figure, "number") == ["25.00%", "22.00, 23.00%"]
    assert texts(figure, "note") == ["n = 1, no interval", "n = 2, no interval"]
    assert not lines(figure, "mean", 1)
    assert "interval" not in texts(figure, "key")[0]


def test_seconds_have_final_values_only():
    figure = draw(measure="seconds_per_epoch")
    (only,) = figure.axes
    assert only.get_xlabel() == "training seconds per epoch"
    assert texts(figure, "number") == ["2.00 ± 0.00 s", "2.00 ± 0.00 s"]


def test_other_errors():
    assert draw(measure="train_error").axes[0].get_ylabel() == "training error (%)"
    curves, trials = frames(TWO)
    trials = trials.assign(top5_error=trials["test_error"] / 2)
    (only,) = arm_comparison(curves, trials, measure="top5_error", control="plain").axes
    assert only.get_xlabel() == "final top-5 test error (%)"
    both = arm_comparison(
        curves.assign(top5_error=curves["test_error"] / 2), trials, measure="top5_error", control="plain"
    )
    assert both.axes[0].get_ylabel() == "top-5 test error (%)"


@pytest.mark.parametrize(
    ("values", "unit", "written"),
    [
        ([24.31], "%", "24.31%"),
        ([], "%", "-"),
        ([100.0, 101.0, 102.0], " s", "101.0 ± 2.5 s"),
        ([0.0123, 0.0124], " s", "0.0123, 0.0124 s"),
        ([1234.0] * 3, " s", "1234 ± 0 s"),
        ([0.0] * 3, " s", "0 ± 0 s"),
    ],
)
def test_numbers(values, unit, written):
    assert number(values, unit) == written


def test_a_value_counts_only_when_its_trial_is_done():
    _, trials = frames(TWO, status={("lrn", 1): "diverged"})
    values = final_values(trials, "test_error")
    assert values["value"].isna().tolist() == [False] * 4 + [True, False]
    assert note(values[values["arm"] == "lrn"]) == "n = 2, no interval\n1 of 3 diverged"


def test_dots_that_would_hide_each_other_stand_apart():
    assert stacked([1.0, 5.0, 1.2, 1.1], 0.5) == [0, 0, -1, 1]
    assert stacked([1.0] * 6, 0.5) == [0, 1, -1, 2, -2, 0]


def test_labels_are_spread_within_their_margin():
    assert spread([1.0, 5.0], [1.0, 1.0], 0, 10) == pytest.approx([1.0, 5.0])
    assert spread([5.0, 5.0, 5.2], [1.0, 1.0, 1.0], 0, 10) == pytest.approx([4.0667, 5.0667, 6.0667], abs=1e-3)
    assert spread([0.0, 0.1], [1.0, 1.0], 0, 10) == pytest.approx([0.5, 1.5])
    assert spread([1.0, 9.9, 9.95], [1.0, 1.0, 1.0], 0, 10) == pytest.approx([1.0, 8.5, 9.5])


LONG = {
    "no-overlap-without-any-normalisation": [0.243, 0.244, 0.242],
    "overlapping-pooling-three-by-three-stride-two": [0.24, 0.241, 0.239],
    "overlapping-pooling-with-normalisation": [0.24, 0.24, 0.24],
}


@pytest.mark.parametrize(
    ("table", "status"),
    [
        (TWO, {("lrn", 0): "diverged", ("lrn", 1): "failed"}),
        (FIVE, None),
        (LONG, None),
        ({"a": [0.25] * 24, "b": [0.25] * 24}, None),
        ({f"pooling-{i}": [0.25] for i in range(12)}, None),
        ({"a": [0.25]}, None),
    ],
)
def test_no_words_touch_others_or_leave_the_page(table, status):
    figure = draw(table, status=status, caption="A caption of some length. " * 6)
    renderer = figure.canvas.get_renderer()
    boxes = []
    axes = [axis for panel in figure.axes for axis in (panel.xaxis, panel.yaxis)]
    ticks = [(tick, sorted(axis.get_view_interval())) for axis in axes for tick in axis.get_major_ticks()]
    unseen = [tick.label1 for tick, (low, high) in ticks if not low <= tick.get_loc() <= high]
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and text not in unseen:
            boxes.append((text.get_text(), Text.get_window_extent(text, renderer)))
    assert len(boxes) > 10
    for i, (name, box) in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0, name
        assert box.x1 <= figure.bbox.x1, name
        assert figure.bbox.y0 <= box.y0, name
        assert box.y1 <= figure.bbox.y1, name
        for other, other_box in boxes[i + 1 :]:
            assert not box.overlaps(other_box), (name, other)


def test_names_are_shown_whole_and_as_text(tmp_path):
    figure = draw({"$\\frac{x}$ <b>\x1b": [0.2, 0.3, 0.3], **LONG})
    whole = [name.replace("\n", "") for name in texts(figure, "name")]
    assert whole[1:] == list(LONG)
    assert "\x1b" not in whole[0]
    save(figure, tmp_path / "figure")
    assert "<b>" not in (tmp_path / "figure.svg").read_text(encoding="utf-8")
