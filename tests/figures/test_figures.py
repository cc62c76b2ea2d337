"""What the figures show, by their artists: which lines, where the marks are, what the labels say. No pixels."""

import math
import os
import re
import subprocess
import sys

import matplotlib
import pandas as pd
import pytest
from matplotlib.text import Annotation, Text

from alexctl.figures.budgets import effect_by_budget
from alexctl.figures.curves import crossing_label, learning_curves, median_curve
from alexctl.figures.page import COLUMN, MOST_LINES, for_a_column, sample, sampled, save
from alexctl.figures.rates import errors_at, learning_rate_search
from alexctl.figures.styles import arm_styles

NAN = float("nan")
GHOSTS = [("relu", 6), ("tanh", 36)]


def rows(arm, seed, errors, **more):
    """One trial, a row an epoch."""
    epochs = [float(i + 1) for i in range(len(errors))]
    return pd.DataFrame({"arm": arm, "phase": "final", "seed": seed, "epoch": epochs, "train_error": errors, **more})


def trial(arm, seed, epochs_to_target, phase="final"):
    return {"arm": arm, "phase": phase, "seed": seed, "status": "done", "epochs_to_target": epochs_to_target}


CURVES = pd.concat(
    [
        rows("relu", 0, [0.5, 0.3, 0.2]),
        rows("relu", 1, [0.6, 0.2]),
        rows("tanh", 0, [0.7, 0.6, 0.5, 0.4, 0.3, 0.2]),
        rows("tanh", 1, [0.7, 0.5, 0.4, 0.4, 0.4, 0.3]),
    ]
)
TRIALS = pd.DataFrame(
    [
        trial("relu", 0, 2.5),
        trial("relu", 1, 1.5),
        trial("tanh", 0, 5.5),
        trial("tanh", 1, NAN),
        trial("tanh", 10000, 1.0, "search"),
    ]
)


def draw(curves=CURVES, trials=TRIALS, **changes):
    options = {"target": 0.25, "control": "tanh", "budget": 6, "caption": "A caption.", "landmarks": GHOSTS} | changes
    return learning_curves(curves, trials, **options)


def words(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def lines(figure, gid, panel=0):
    return [line for line in figure.axes[panel].lines if line.get_gid() == gid]


def test_a_band_of_all_seeds_and_a_bold_median_an_arm():
    """The band ends where the first seed is done; the others go on as thin lines."""
    figure = draw()
    bands = [patch.get_path().vertices for patch in figure.axes[0].patches if patch.get_gid() == "band"]
    assert sorted(band[:, 0].max() for band in bands) == [2.0, 6.0]
    of_tanh = max(bands, key=lambda band: band[:, 0].max())
    assert sorted(of_tanh[of_tanh[:, 0] == 3, 1]) == pytest.approx([0.4, 0.5])
    (thin,) = [line for line in figure.axes[0].lines if str(line.get_gid()).startswith("seed")]
    assert thin.get_xydata().tolist() == [[2, 0.3], [3, 0.2]]
    bold = {line.get_label(): line for line in lines(figure, "median")}
    assert bold["tanh"].get_linestyle() == "--"
    assert bold["relu"].get_linestyle() == "-"
    assert bold["tanh"].get_ydata() == pytest.approx([0.7, 0.55, 0.45, 0.4, 0.35, 0.25])
    assert bold["relu"].get_ydata() == pytest.approx([0.55, 0.25])  # at epoch 3 one of two is done


def test_one_seed_is_a_line():
    figure = draw(CURVES[CURVES["seed"] == 0], TRIALS[TRIALS["seed"] == 0])
    assert not figure.axes[0].patches
    assert [len(line.get_xdata()) for line in figure.axes[0].lines if line.get_gid() == "seed 0"] == [6, 3]


def test_the_target_and_the_papers_landmarks():
    figure = draw()
    (target,) = lines(figure, "target")
    assert target.get_ydata() == [0.25, 0.25]
    landmarks = [line for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in landmarks] == [(6, 0.25), (36, 0.25)]
    assert "◇ read off the paper's Figure 1: relu 6, tanh 36" in words(figure)
    assert not any("Figure 1" in text for text in words(draw(landmarks=[])))


def test_crossings_are_marked_at_the_median_of_the_final_trials():
    figure = draw()
    assert [line.get_xdata()[0] for line in lines(figure, "crossing")] == [2.0]
    assert "relu 2.0 epochs" in words(figure)
    assert "tanh > 6 epochs (1 of 2 reached it)" in words(figure)
    (mark,) = lines(figure, "censored")
    assert mark.get_xydata().tolist() == [[6.0, pytest.approx(0.25)]]


@pytest.mark.parametrize(
    ("crossings", "label"),
    [
        ([3.0], (3.0, "3.0 epochs")),
        ([1, 2, 9], (2.0, "2.0 epochs")),
        ([1, NAN, 9], (9.0, "9.0 epochs (1 of 3 > 60)")),
        ([1, NAN], (None, "> 60 epochs (1 of 2 reached it)")),
        ([NAN, NAN], (None, "> 60 epochs")),
        ([], (None, "")),
    ],
)
def test_crossing_label(crossings, label):
    assert crossing_label(crossings, 60) == label


def test_the_median_does_not_jump_when_the_first_seed_is_done():
    """Three seeds; one is done at epoch 1 and stays the lowest: the median is the better of the other two."""
    curves = pd.concat([rows("a", 0, [0.2]), rows("a", 1, [0.5, 0.4, 0.3, 0.2]), rows("a", 2, [0.6, 0.5, 0.4, 0.3])])
    median = median_curve(curves, 0.25)
    assert median["train_error"].tolist() == pytest.approx([0.5, 0.4, 0.3, 0.2])
    broke_off = pd.concat([rows("a", 0, [0.9]), *[rows("a", s, [0.6 - s / 10, 0.5 - s / 10]) for s in (1, 2)]])
    assert median_curve(broke_off, 0.25)["train_error"].tolist() == pytest.approx([0.5, 0.4])
    assert median_curve(CURVES.iloc[:0], 0.25).empty


def test_looks_differ_in_more_than_colour():
    looks = arm_styles(["relu", "tanh", "leaky"], "tanh")
    assert list(looks) == ["tanh", "relu", "leaky"]
    assert len({str(look["linestyle"]) for look in looks.values()}) == 3
    assert len({look["color"] for look in looks.values()}) == 3


PATH = {f"relu-{step}": f"tanh-{step}" for step in ("2012", "inputs", "weights", "biases")}


def test_an_arm_and_its_own_control_are_a_pair():
    arms = [*PATH, *PATH.values()]
    looks = arm_styles(arms, PATH)
    assert looks.keys() == set(arms)
    for arm, control in PATH.items():
        assert looks[arm]["color"] == looks[control]["color"]
        assert (looks[arm]["linestyle"], looks[control]["linestyle"]) == ("-", "--")
    assert len({look["color"] for look in looks.values()}) == 4
    chain = {"batch": "lrn", "lrn": "scale"}  # no pairs: lrn would be both
    assert arm_styles(["batch", "lrn", "scale"], chain) == arm_styles(["batch", "lrn", "scale"], "lrn")
    assert list(arm_styles(["relu-2012"], PATH)) == ["relu-2012"]


def test_the_labels_of_eight_arms_can_all_be_read():
    """Four crossings close together, and curves wherever a label could stand: then across those, not on another label."""
    speeds = {"relu-2012": 0.25, "tanh-2012": 0.06, "relu-inputs": 0.2, "tanh-inputs": 0.08, "relu-weights": 0.4,
              "tanh-weights": 0.35, "relu-biases": 0.42, "tanh-biases": 0.37}  # fmt: skip
    curves = pd.concat(
        rows(arm, seed, [0.15 + 0.01 * seed + 0.7 * math.exp(-speed * (i + 1)) for i in range(40)])
        for arm, speed in speeds.items()
        for seed in range(3)
    )
    trials = pd.DataFrame([trial(arm, seed, math.log(7) / speed) for arm, speed in speeds.items() for seed in range(3)])
    figure = draw(curves, trials, control=PATH, landmarks=(), budget=40)
    boxes = [Text.get_window_extent(text) for text in figure.findobj(Annotation) if "epochs" in text.get_text()]
    assert len(boxes) == 8
    assert not any(box.overlaps(other) for i, box in enumerate(boxes) for other in boxes[i + 1 :])


def test_hostile_names_and_missing_rows_are_drawn_as_they_are(tmp_path):
    name = "$\\frac{x}$ <script>\x1b\u6f22"
    curves = CURVES.replace({"arm": {"relu": name}})
    figure = draw(curves, TRIALS.replace({"arm": {"relu": name}}), caption="costs $5 and $6 <b>")
    label = next(text for text in figure.findobj(Annotation) if "2.0 epochs" in text.get_text())
    assert label.get_parse_math() is False
    assert "\x1b" not in label.get_text()
    save(figure, tmp_path / "figure")
    assert "<script>" not in (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert "$5 and $6" in (tmp_path / "figure.svg").read_text(encoding="utf-8")
    draw(CURVES.iloc[:0], TRIALS)  # trials without rows
    draw(CURVES.assign(train_error=NAN), TRIALS.assign(epochs_to_target=NAN))


def test_no_label_touches_another_or_leaves_the_page():
    figure = draw()
    axes, renderer = figure.axes[0], figure.canvas.get_renderer()
    boxes = []
    for text in [*axes.texts, *figure.texts, axes.xaxis.label, axes.yaxis.label]:
        if isinstance(text, Annotation):
            text.update_positions(renderer)
        boxes.append((text.get_text(), Text.get_window_extent(text, renderer)))
    for i, (name, box) in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0, name
        assert box.x1 <= figure.bbox.x1, name
        for other, other_box in boxes[i + 1 :]:
            assert not box.overlaps(other_box), (name, other)


def test_no_line_to_a_label_runs_through_another():
    """The demo's curves, where the line to the first label once ran through the second."""
    relu = [[0.74, 0.52, 0.44, 0.29], [0.78, 0.69, 0.48, 0.3], [0.86, 0.74, 0.65, 0.55, 0.39, 0.25]]
    tanh = [
        [0.67, 0.53, 0.45, 0.34, 0.31, 0.28], [0.7, 0.61, 0.46, 0.46, 0.36, 0.28], [0.7, 0.56, 0.4, 0.36, 0.27, 0.27],
    ]  # fmt: skip
    curves = pd.concat(
        [
            rows(arm, seed, errors)
            for arm, family in (("relu", relu), ("tanh", tanh))
            for seed, errors in enumerate(family)
        ]
    )
    figure = draw(curves, pd.DataFrame([trial("relu", 0, 4.68), trial("tanh", 0, 6.39)]), landmarks=())
    labels = [text for text in figure.findobj(Annotation) if "epochs" in text.get_text()]
    boxes = {text.get_text(): Text.get_window_extent(text) for text in labels}
    assert len(boxes) == 2
    leaders = [text for text in labels if text.arrow_patch is not None]
    assert leaders
    for text in leaders:
        (own,) = [box for name, box in boxes.items() if name == text.get_text()]
        (other,) = [box for name, box in boxes.items() if name != text.get_text()]
        start = figure.axes[0].transData.transform(text.xy)
        ends = [(x, y) for x in (own.x0, own.x1) for y in (own.y0, own.y1)]
        end = min(ends, key=lambda corner: math.dist(corner, start))
        for i in range(100):
            point = [a + (b - a) * i / 99 for a, b in zip(start, end, strict=True)]
            assert not other.contains(*point), text.get_text()


def test_saving_gives_the_same_bytes_and_leaves_nothing_else(tmp_path):
    for name in ("one", "two"):
        paths = save(draw(), tmp_path / name)
        assert [path.name for path in paths] == [f"{name}.svg", f"{name}.png"]
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert len(list(tmp_path.iterdir())) == 4
    assert str(tmp_path) not in (tmp_path / "one.svg").read_text(encoding="utf-8")


def test_a_pdf_for_a_column(tmp_path):
    """As wide as one, with its fonts embedded as TrueType, no caption, and the same bytes for the same figure."""
    with for_a_column():
        figure = draw()
    assert "A caption." not in words(figure)
    box = figure.get_tightbbox()  # inches
    assert box.x0 >= 0
    assert box.x1 <= COLUMN
    written = [save(figure, tmp_path / name, ("pdf",)) for name in ("one", "two")]
    one, two = (paths[0].read_bytes() for paths in written)
    assert one == two
    assert [float(number) for number in re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", one).groups()] == [72 * COLUMN]
    assert b"/FontFile2" in one
    assert b"/Type3" not in one
    assert b"Date" not in one
    assert b"Matplotlib" not in one
    assert draw().get_figwidth() > COLUMN, "and the next is drawn for a page again"


BUDGETS = pd.DataFrame({
    "arm": ["relu", "relu", "tanh", "tanh"], "budget": [2, 4, 2, 4], "test_error": [0.4, 0.3, 0.5, 0.4],
    "gap": [0.1, 0.2, 0.1, 0.2], "effect": [1.0, 2.0, NAN, NAN], "low": NAN, "high": NAN,
})  # fmt: skip


@pytest.mark.parametrize(
    ("unknown", "labels"),
    [
        ([], ["test error (%)", "gap (points)", "effect"]), (["gap"], ["test error (%)", "effect"]),
        (["gap", "effect"], ["test error (%)"]),
    ],
)  # fmt: skip
def test_of_what_is_not_known_at_any_budget_there_is_no_panel(unknown, labels):
    budgets = BUDGETS.assign(**dict.fromkeys(unknown, NAN))
    figure = effect_by_budget(budgets, control="tanh", scale="points", effect_label="effect")
    assert [axes.get_ylabel() for axes in figure.axes] == labels
    assert figure.axes[-1].get_xlabel() == "epochs"


def test_a_failed_save_keeps_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "figure.svg").write_text("old")
    figure = draw()
    monkeypatch.setattr(figure, "savefig", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save(figure, tmp_path / "figure")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_users_matplotlibrc_changes_nothing(tmp_path):
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        save(draw(), tmp_path / "theirs")
        assert matplotlib.rcParams["font.size"] == 30
    save(draw(), tmp_path / "ours")
    assert (tmp_path / "theirs.svg").read_bytes() == (tmp_path / "ours.svg").read_bytes()


SEARCH = pd.DataFrame(
    [
        ("relu", 0.001, 10000, "stopped", NAN, 2.0),
        ("relu", 0.01, 10000, "done", 8.0, 10.0),
        ("relu", 0.1, 10000, "diverged", NAN, 0.5),
        ("tanh", 0.001, 10000, "done", 30.0, 32.0),
        ("tanh", 0.01, 10000, "done", 40.0, 42.0),
        ("tanh", 0.1, 10000, "done", NAN, 60.0),
    ],
    columns=["arm", "lr", "seed", "status", "epochs_to_target", "epochs_run"],
)
SEARCH_CURVES = pd.concat(
    [
        rows("relu", 10000, [0.8, 0.7], lr=0.001),
        rows("relu", 10000, [0.5, 0.4, 0.3], lr=0.01),
        rows("tanh", 10000, [0.7, 0.6, 0.5], lr=0.01),
    ]
).assign(phase="search")


def draw_search(search=SEARCH, **changes):
    options = {"measure_label": "epochs to 25%", "winners": {"relu": 0.01, "tanh": 0.001}, "control": "tanh"}
    return learning_rate_search(search, **options | changes)


def test_the_search_accounts_for_every_rate():
    figure = draw_search(curves=SEARCH_CURVES)
    lost, reached, errors = figure.axes
    marks = [(line.get_xdata()[0], line.get_marker()) for line in lost.lines]
    assert marks == [(0.001, "o"), (0.1, "x"), (0.1, "v")]
    assert {"2", "0.5", "60"} <= {text.get_text() for text in lost.texts}
    winners = [line.get_xydata().tolist()[0] for line in lines(figure, "winner", 1)]
    assert winners == [[0.001, pytest.approx(30)], [0.01, pytest.approx(8)]]
    assert "relu: 0.01" in words(figure)
    assert "tanh: 0.001 (edge of the grid)" in words(figure)
    assert errors.get_ylabel() == "training error\nafter 2 epochs"
    relu = next(line for line in lines(figure, "errors", 2) if line.get_label() == "relu")
    assert relu.get_xydata().tolist() == [[0.001, pytest.approx(0.7)], [0.01, pytest.approx(0.4)]]
    assert reached.get_ylabel() == "epochs to 25%"


def test_the_line_breaks_where_a_rate_did_not_get_there():
    search = SEARCH[SEARCH["arm"] == "tanh"].assign(epochs_to_target=[30.0, NAN, 50.0])
    (line,) = lines(draw_search(search, winners={"tanh": 0.001}), "median", 1)
    assert [math.isnan(y) for y in line.get_ydata()] == [False, True, False]


def test_a_search_that_found_nothing_and_one_without_losses():
    figure = draw_search(SEARCH.assign(epochs_to_target=NAN), winners={})
    assert any(text.startswith("no rate reached the target; ") for text in words(figure))
    assert all(axes.lines for axes in figure.axes), "no empty axes"
    assert len(draw_search(SEARCH.dropna()).axes) == 1


def test_errors_at_equal_epochs():
    found = errors_at(SEARCH_CURVES, 2.5)  # the rate that was stopped after 2 is left out
    assert found["train_error"].tolist() == pytest.approx([0.35, 0.55])


def test_of_many_seeds_a_sample_is_drawn_and_the_caption_says_so():
    assert sample([3, 1, 2, 2]) == [1, 2, 3]
    drawn = sample(range(1000))
    assert (len(drawn), drawn[0], drawn[30]) == (MOST_LINES, 0, 500)
    assert len(set(drawn)) == MOST_LINES
    assert sampled(range(MOST_LINES)) == ""
    assert sampled(range(1000)) == f" Thin lines: {MOST_LINES} of 1000 seeds."


def test_a_backend_that_is_not_installed_is_no_matter(tmp_path):
    """A notebook's processes inherit the variable; matplotlib itself fails on it at import."""
    code = "import os, sys; sys.modules['matplotlib_inline'] = None\nimport importlib.metadata as m; m.entry_points = lambda **_: ()\n"
    code += "import alexctl.figures.page as page\nwith page.rc_style(): print(os.environ['MPLBACKEND'])"
    environment = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("module://matplotlib_inline.backend_inline\n", "")
