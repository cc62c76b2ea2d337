"""The table of measures: what an ablation may compare, how it is read from a trial's rows, and how it is written.

A new measure is one more entry of MEASURES and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alexctl import numbers
from alexctl.statistics import Outcome, target_epoch

Rows = Sequence[Mapping[str, float | None]]
Read = Callable[[Rows, Mapping[str, Any]], Outcome | None]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number that arms are compared by. Less of it is always better: accuracy is an error, throughput is seconds.

    `name` is what a file asks for, and the measure's column in trials.csv. `read` takes the rows (one or more) and the
    setting of a trial that is done, and gives its value or that it is censored; None where the rows do not have it.
    """

    name: str
    label: str  # in words
    scale: Literal["ratio", "points"]  # how two arms are compared: times by a ratio, errors by percentage points
    unit: str = ""  # what stands behind a value; "%": values are fractions of 1 and written as per cent
    read: Read
    race: bool = False  # the epochs until a target is met, so there must be one; a trial that never does is censored
    crossing: bool = False  # of the moment when a target is met, so there must be one too
    searched_by: str = "validation_error"  # the last row's column by which rates are chosen; races are raced
    on_test: bool = False  # needs evaluations on the test data
    one_machine: bool = False  # comparable only within one run on one machine, by trials that share no step
    needs_learning: bool = True  # compares nothing where no arm is better than chance

    @property
    def percent(self) -> bool:
        return self.unit == "%"

    @property
    def factor(self) -> int:
        """What takes a value to its unit."""
        return 100 if self.percent else 1

    def written(self, value: float) -> str:
        """A value with its unit: per cent with two decimals, anything else to three digits."""
        return f"{100 * value:.2f}%" if self.percent else numbers.significant(value) + self.unit


def named(name: Any) -> Measure | None:
    """The measure that a file asks for; None where it asks for none that there is."""
    return MEASURES.get(name) if isinstance(name, str) else None


def _crossing(rows: Rows, setting: Mapping[str, Any]) -> Outcome:
    epoch = target_epoch(rows, setting)
    return Outcome(censored=True) if epoch is None else Outcome(value=epoch)


def _last(column: str) -> Read:
    """The value in the last row."""

    def read(rows: Rows, setting: Mapping[str, Any]) -> Outcome | None:
        value = rows[-1].get(column)
        return None if value is None else Outcome(value=value)

    return read


def _test_error_at_crossing(rows: Rows, setting: Mapping[str, Any]) -> Outcome | None:
    """The test error when the target was met, on the line between the evaluations before and after; None without both."""
    epoch = target_epoch(rows, setting)
    if epoch is None:
        return None
    known = [(row["epoch"], row["test_error"]) for row in rows if row["test_error"] is not None]
    before = max((point for point in known if point[0] <= epoch), default=None)
    after = min((point for point in known if point[0] >= epoch), default=None)
    if before is None or after is None:
        return None
    share = (epoch - before[0]) / (after[0] - before[0]) if after[0] > before[0] else 0.0
    return Outcome(value=before[1] + share * (after[1] - before[1]))


def _seconds_per_epoch(rows: Rows, setting: Mapping[str, Any]) -> Outcome:
    return Outcome(value=rows[-1]["train_seconds"] / rows[-1]["epoch"])


MEASURES = {
    measure.name: measure
    for measure in (
        Measure(name="epochs_to_target", label="epochs to the target", scale="ratio", read=_crossing, race=True),
        Measure(name="test_error", label="test error", scale="points", unit="%", read=_last("test_error"), on_test=True),
        Measure(
            name="top5_error", label="top-5 test error", scale="points", unit="%", read=_last("top5_error"), on_test=True,
            searched_by="validation_top5_error",
        ),
        Measure(
            name="test_error_at_crossing", label="test error at the crossing", scale="points", unit="%",
            read=_test_error_at_crossing, on_test=True, crossing=True,
        ),
        Measure(
            name="train_error", label="training error", scale="points", unit="%", read=_last("train_error"),
            searched_by="train_error",
        ),
        Measure(
            name="seconds_per_epoch", label="training seconds per epoch", scale="ratio", unit=" s",
            read=_seconds_per_epoch, one_machine=True, needs_learning=False,
        ),
    )
}  # fmt: skip
