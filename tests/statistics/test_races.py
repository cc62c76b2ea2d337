"""A race is read over whole epochs: no sawtooth, placed where it stands, the same from any part of the rows."""

from pathlib import Path

import numpy as np
import pytest

from alexctl.statistics import epochs_to_target, race_curve, target_epoch, whole_epochs
from alexctl.store import layout, rows_csv

TARGET = {"target": {"metric": "train_error", "at_most": 0.25}}
QUARTERS = np.arange(1, 41) / 4


def real_curves():
    """Of the finished races that came with 0.1.0: fan-in initialisation, a row every quarter of an epoch."""
    campaign = Path(__file__).parents[1] / "fixtures" / "results-0.1.0" / "relu-vs-tanh-fan-in@cifar10-jpeg"
    for trial in sorted((campaign / layout.TRIALS).glob("*-s[0-9]-*")):
        rows = rows_csv.read(trial)
        if rows[-1]["epoch"] > 5:
            yield np.array([row["epoch"] for row in rows]), np.array([row["train_error"] for row in rows])


def step_and_slope(epochs, errors):
    """How much the error falls on average from row to row (points): over an epoch's boundary, and inside an epoch.

    After three epochs; a curve whose points stand half an epoch earlier has its boundary there too.
    """
    falls, ends = -100 * np.diff(errors), epochs[:-1]
    after, boundary = ends >= 3, np.isclose(ends, np.round(ends), atol=0.01)
    return falls[after & boundary].mean(), falls[after & ~boundary].mean()


def test_real_rows_have_a_sawtooth_and_whole_epochs_have_none():
    """The fall at an epoch's boundary and the fall a row inside it differ by less than 0.2 points."""
    raw, smooth = [], []
    for epochs, errors in real_curves():
        raw.append(np.subtract(*step_and_slope(epochs, errors)))
        centres, means = whole_epochs(epochs, errors)
        smooth.append(np.subtract(*step_and_slope(centres + 0.5, means)))
    assert len(raw) >= 6
    assert np.mean(raw) > 1.0
    assert abs(np.mean(smooth)) < 0.2
    assert max(map(abs, smooth)) < 0.5


def test_a_straight_line_is_read_where_it_is():
    """Each row is the mean since the row before, so it stands half a row late; its whole epochs stand in their centre."""

    def true(epoch):
        return 0.9 - 0.08 * epoch

    rows = [{"epoch": e, "train_error": true(e - 0.125)} for e in QUARTERS]
    centres, means = race_curve(rows, TARGET)
    assert means == pytest.approx(true(centres))
    assert (centres[0], centres[-1]) == (0.5, 9.5)
    assert target_epoch(rows, TARGET) == pytest.approx((0.9 - 0.25) / 0.08)


def test_rows_of_unequal_length_are_weighed():
    epochs = np.array([0.25, 0.5, 0.75, 1.0]) - np.array([0.0, 0.02, 0.0, 0.0])
    centres, means = whole_epochs([*epochs, *(1 + epochs)], [0.4, 0.8, 0.4, 0.8] * 2)
    assert means == pytest.approx([0.4 * 0.25 + 0.8 * 0.23 + 0.4 * 0.27 + 0.8 * 0.25] * 5)
    assert centres == pytest.approx([0.5, 0.75, 0.98, 1.25, 1.5])


def test_a_part_of_the_rows_reads_as_the_whole_does_there():
    """So a trial that goes on from its checkpoint is stopped where it would have been."""
    errors = 0.9 * np.exp(-QUARTERS / 3) + 0.02 * np.sin(40 * QUARTERS)
    rows = [{"epoch": e, "train_error": error} for e, error in zip(QUARTERS, errors, strict=True)]
    crossing = target_epoch(rows, TARGET)
    known = [target_epoch(rows[:n], TARGET) for n in range(1, len(rows) + 1)]
    first = next(n for n, found in enumerate(known, 1) if found is not None)
    assert known[first - 1 :] == [crossing] * (len(rows) - first + 1)
    assert crossing <= rows[first - 1]["epoch"] - 0.5 <= crossing + 0.25


def test_evaluations_and_trials_of_older_numerics_stand_where_they_are():
    rows = [{"epoch": e, "train_error": 0.9 - 0.08 * e, "test_error": 0.9 - 0.08 * e} for e in QUARTERS]
    there = epochs_to_target(QUARTERS, 0.9 - 0.08 * QUARTERS, 0.25)
    for setting in (
        TARGET | {"train_error_from": "pass"}, TARGET | {"numerics": 1},
        {"target": {"metric": "test_error", "at_most": 0.25}},
    ):  # fmt: skip
        assert target_epoch(rows, setting) == there


def test_less_than_an_epoch_is_no_crossing():
    assert target_epoch([{"epoch": 0.25, "train_error": 0.1}, {"epoch": 0.5, "train_error": 0.1}], TARGET) is None
