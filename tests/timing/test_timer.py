"""The step timer, its clock turned by hand: the first call does not count, and it stops when it should."""

import pytest

from alexctl.timing import timer


@pytest.fixture
def work(monkeypatch):
    """Something that takes 9 s the first time, then 1, 2, 3, ... s; half of it is waited for in `sync`."""
    clock = {"now": 0.0, "owed": 0.0}
    seconds = iter([9.0, *map(float, range(1, 100))])
    monkeypatch.setattr(timer.time, "perf_counter", lambda: clock["now"])

    def call() -> None:
        clock["owed"] = next(seconds) / 2
        clock["now"] += clock["owed"]

    def sync() -> None:
        clock["now"] += clock["owed"]

    return call, sync


def test_so_many_calls(work):
    assert timer.laps(*work, most=3) == [1, 2, 3]


def test_until_the_seconds_are_over(work):
    assert timer.laps(*work, seconds=3.0) == [1, 2, 3]


def test_at_least_one(work):
    assert timer.laps(*work, seconds=0.0) == [1]


def test_how_often_a_second(work):
    assert timer.per_second(*work, 5.0) == 3 / 6
