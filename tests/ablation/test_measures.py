"""What a measure reads from a trial's rows."""

import pytest

from alexctl.ablation.measures import MEASURES

AT = MEASURES["test_error_at_crossing"]
TARGET = {"target": {"metric": "train_error", "at_most": 0.25}, "train_error_from": "pass"}


def rows(*table):
    return [dict(zip(("epoch", "train_error", "test_error"), line, strict=True)) for line in table]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([(1.0, 0.5, 0.5), (1.5, 0.3, None), (2.0, 0.2, 0.4)], 0.425),  # it crosses at 1.75
        ([(1.0, 0.5, 0.5), (2.0, 0.25, 0.4), (3.0, 0.1, 0.3)], 0.4),  # just where it was evaluated
        ([(1.0, 0.5, 0.5), (1.5, 0.3, None), (2.0, 0.2, None)], None),  # no evaluation after it
        ([(1.5, 0.2, None), (2.0, 0.1, 0.4)], None),  # none before
        ([(1.0, 0.5, 0.5), (2.0, 0.4, 0.4)], None),  # never met
    ],
)
def test_the_test_error_at_the_crossing_lies_between_the_evaluations_around_it(table, expected):
    found = AT.read(rows(*table), TARGET)
    assert (found and found.value) == (expected and pytest.approx(expected))


def test_without_a_target_there_is_no_crossing():
    assert AT.read(rows((1.0, 0.2, 0.2)), {}) is None
