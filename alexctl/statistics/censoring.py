"""When a trial meets its target, and what share of an arm has not yet: trials that never do are censored, not lost."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Rows = Sequence[Mapping[str, float | None]]
_ROUNDING = 1e-9  # epochs are sums of fractions

HALF_WINDOW = 0.5  # epochs: a mean over a whole one is known half an epoch after the moment it stands for


def target_epoch(rows: Rows, setting: Mapping[str, Any]) -> float | None:
    """`epochs_to_target` of a trial's rows, whose setting names the target; None too where there is none."""
    target = setting.get("target")
    if target is None:
        return None
    return epochs_to_target(*race_curve(rows, setting), target["at_most"])


def race_curve(rows: Rows, setting: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """(epochs, errors): the error that a trial's target is about, as it is raced; NaN where a row has none.

    The training error of minibatches is the mean over the last whole epoch, placed at its centre; an evaluation stands
    where it was made.
    """
    metric = (setting.get("target") or {}).get("metric", "train_error")
    if metric == "test_error" and setting.get("held_out"):
        metric = "validation_error"  # of a trial that never sees the test data
    epochs = np.array([row["epoch"] for row in rows], dtype=float)
    errors = np.array([math.nan if row.get(metric) is None else row[metric] for row in rows], dtype=float)
    return whole_epochs(epochs, errors) if is_windowed(setting) else (epochs, errors)


def is_windowed(setting: Mapping[str, Any]) -> bool:
    """Whether a setting's target is about the errors of minibatches, and not about an evaluation.

    Trials of numerics 1 ended by their rows as they are, so they are read so.
    """
    metric = (setting.get("target") or {}).get("metric", "train_error")
    of_minibatches = setting.get("train_error_from", "minibatches") == "minibatches"
    return metric == "train_error" and of_minibatches and setting.get("numerics", 2) > 1


def whole_epochs(epochs: Sequence[float], errors: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """(centres, means) of the errors over the last whole epoch at each row from the first full epoch on.

    An error is that of all images since the row before. Images come in a new order in every epoch: at its start they
    were met a short time ago, at its end a long one, so that any window but whole epochs sees a sawtooth. A mean stands
    at the centre of its window, since at its end it would be half an epoch late. Rows fall at the same steps in each
    epoch, so that the window is exact.
    """
    epochs, errors = np.asarray(epochs, dtype=float), np.asarray(errors, dtype=float)
    ends = np.concatenate([[0.0], epochs])
    sums = np.concatenate([[0.0], np.cumsum(errors * np.diff(ends))])
    begins = np.searchsorted(ends, epochs - 1 - _ROUNDING)
    whole = np.abs(ends[begins] - (epochs - 1)) <= _ROUNDING
    return epochs[whole] - HALF_WINDOW, (sums[1:] - sums[begins])[whole]


def epochs_to_target(epochs: Sequence[float], errors: Sequence[float], at_most: float) -> float | None:
    """The epoch at which the error first is at or below the target, interpolated between rows; None if it never is.

    The first row counts at its own epoch, since nothing is known before it. A row that is NaN is passed over.
    """
    epochs, errors = np.asarray(epochs, dtype=float), np.asarray(errors, dtype=float)
    known = ~np.isnan(errors)
    epochs, errors = epochs[known], errors[known]
    below = np.flatnonzero(errors <= at_most)
    if not below.size:
        return None
    i = below[0]
    if i == 0:
        return float(epochs[0])
    share = (errors[i - 1] - at_most) / (errors[i - 1] - errors[i])
    return float(epochs[i - 1] + share * (epochs[i] - epochs[i - 1]))


def survival(epochs: Sequence[float], censored: Sequence[bool]) -> list[tuple[float, float, int]]:
    """Kaplan and Meier's (1958) estimate of the share of an arm's trials that have not met the target yet.

    A trial is the epoch it met the target at, or the one it was last seen without (`censored`). Gives (epoch, share
    from there on, trials at risk until there): epoch 0, every crossing, and the last epoch known. A trial censored in
    the epoch of a crossing was still at risk then.
    """
    epochs, censored = np.asarray(epochs, dtype=float), np.asarray(censored, dtype=bool)
    share, steps = 1.0, [(0.0, 1.0, len(epochs))]
    for epoch in np.unique(epochs):
        at_risk = int((epochs >= epoch).sum())
        crossed = int(((epochs == epoch) & ~censored).sum())
        share *= 1 - crossed / at_risk
        if crossed or epoch == epochs.max():
            steps.append((float(epoch), share, at_risk))
    return steps
