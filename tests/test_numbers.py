"""Numbers as people read them, each kind by hand."""

import pytest

from alexctl import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [(8.3, "8.30"), (0.0357, "0.0357"), (12345.6, "12,346"), (0.0, "0"), (-1.005, "-1.00"), (9.996, "10.0")],
)
def test_three_significant_digits(value, text):
    assert numbers.significant(value) == text


def test_effects():
    assert [numbers.effect(6, scale) for scale in ("ratio", "points", "difference")] == ["6.00", "+6.00", "+6"]
    assert [numbers.claimed(value, "points") for value in (1.4, -2.0, 0.0)] == ["+1.4", "-2", "0"]
    assert numbers.claimed(6.0, "ratio") == "6"
    assert numbers.typographic("-0.50") == "−0.50"
    assert [numbers.level(value) for value in (0.95, 0.98345)] == ["95%", "98.3%"]


def test_counts_and_bytes():
    assert [numbers.counted(n, "worker") for n in (0, 1, 2000)] == ["0 workers", "1 worker", "2,000 workers"]
    assert [numbers.counted(n, "study") for n in (1, 3)] == ["1 study", "3 studies"]
    assert [numbers.compact(n) for n in (12, 1000, 104_940_000, 2.5e9)] == ["12", "1 k", "105 M", "2.5 G"]
    assert [numbers.byte_size(n) for n in (96e6, 3.21e9)] == ["96 MB", "3.2 GB"]


def test_durations():
    seconds = (12.4, 89, 300, 5400, 2 * 86400 - 1, 3 * 86400)
    assert [numbers.duration(s) for s in seconds] == ["12 s", "89 s", "5 min", "1.5 h", "48.0 h", "3 days"]
    assert numbers.duration(1.23, ".1f") == "1.2 s"
    assert [numbers.elapsed(s) for s in (7, 3723)] == ["0:07", "1:02:03"]


def test_seeds():
    assert numbers.seeds(range(0, 1)) == "seed 0"
    assert numbers.seeds(range(6, 12)) == "seeds 6 to 11"
