"""When a trial meets its target, and what share of an arm has not yet: trials that never do are censored, not lost."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def target_epoch(rows: Sequence[Mapping[str, float | None]], target: Mapping[str, Any] | None) -> float | None:
    """`epochs_to_target` of a trial's rows, whose target names its metric; None too where there is no target."""
    if target is None:
        return None
    errors = [math.nan if row[target["metric"]] is None else row[target["metric"]] for row in rows]
    return epochs_to_target([row["epoch"] for row in rows], errors, target["at_most"])


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
