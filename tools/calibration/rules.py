"""The rules of `verdicts.verdict`, for many campaigns at once; a test holds them to the ones that judge real trials."""

from dataclasses import dataclass

import numpy as np
from scipy import special

UNDECIDED, NO_DIFFERENCE, CONTRADICTED, SUPPORTED = range(4)


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Low and high ends, an array each (infinite where open), and which campaigns have only a bound or no size."""

    low: np.ndarray
    high: np.ndarray
    bounded: np.ndarray
    sized: np.ndarray


def intervals(
    thetas: np.ndarray,
    level: float,
    control_censored: np.ndarray | None = None,
    arm_censored: np.ndarray | None = None,
) -> Intervals:
    """Student's t interval of each row (campaigns, pairs), open where trials are censored as `paired_effect` has it."""
    n = thetas.shape[1]
    half = special.stdtrit(n - 1, (1 + level) / 2) * thetas.std(axis=1, ddof=1) / np.sqrt(n)
    low, high = thetas.mean(axis=1) - half, thetas.mean(axis=1) + half
    none = np.zeros_like(thetas, dtype=bool)
    control = (none if control_censored is None else control_censored).any(axis=1)
    arm = (none if arm_censored is None else arm_censored).any(axis=1)
    return Intervals(
        low=np.where(arm, -np.inf, low),
        high=np.where(control, np.inf, high),
        bounded=control ^ arm,
        sized=~(control & arm),
    )


def words(found: Intervals, margin: float) -> np.ndarray:
    """The verdicts on a claim of a positive effect."""
    word = np.where(found.low > 0, SUPPORTED, UNDECIDED)
    word = np.where(found.high < 0, CONTRADICTED, word)
    return np.where((found.low > -margin) & (found.high < margin), NO_DIFFERENCE, word)
