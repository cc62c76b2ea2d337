"""Student's t interval, the smallest effect it can see, and two second opinions: Holm and the sign-flip test."""

import math
from collections.abc import Sequence

import numpy as np

from alexctl.statistics import special

FEWEST_FLIPS, MOST_FLIPS = 6, 24  # differences: with fewer the test can't reach 5%, with more it can't be enumerated


def mean_interval(
    values: Sequence[float], level: float = 0.95, rounding: float | None = None
) -> tuple[float, float, float, float]:
    """Mean, standard deviation and both ends of Student's t interval (at least 2 values).

    A spread that is only rounding counts as none: the interval then has no width. `rounding` is the largest such
    spread; by default that of numbers near 1, or of the values if they are larger.
    """
    values, exponent = near_one(values)
    mean, sd = math.ldexp(float(values.mean()), exponent), math.ldexp(float(values.std(ddof=1)), exponent)
    if rounding is None:
        rounding = 1e-12 * max(1.0, math.ldexp(float(np.abs(values).max()), exponent))
    if sd <= rounding:
        sd = 0.0
    half = half_width(sd, len(values), level)
    return mean, sd, mean - half, mean + half


def near_one(values: Sequence[float]) -> tuple[np.ndarray, int]:
    """The values divided by a power of two, which rounds nothing, and its exponent: the square of 1e200 is no float."""
    values = np.asarray(values, dtype=float)
    exponent = math.frexp(float(np.abs(values).max()))[1]
    return np.ldexp(values, -exponent), exponent


def half_width(sd: float, n: int, level: float = 0.95) -> float:
    """Half the width of Student's t interval for n values with this standard deviation."""
    return float(special.stdtrit(n - 1, (1 + level) / 2)) * sd / math.sqrt(n)


def smallest_effect(sd: float, n: int, level: float = 0.95, power: float = 0.8) -> float:
    """The least true mean that n values of this standard deviation tell from 0 in a share `power` of samples."""
    return least_mean(sd / math.sqrt(n), n - 1, level, power)


def least_mean(error: float, df: float, level: float = 0.95, power: float = 0.8) -> float:
    """The same of any mean with this standard error, on so many degrees of freedom."""
    t = special.stdtrit(df, (1 + level) / 2)
    return float(special.nctdtrinc(df, 1 - power, t)) * error


def learned(errors: Sequence[float], chance: float, level: float = 0.95) -> bool:
    """Whether an arm's errors (fractions of 1) are below chance by their own interval.

    A diverged trial's NaN counts as chance. One or two seeds have no interval: each must then be right a fifth more
    often than chance is (with ten classes, an error under 0.88).
    """
    errors = np.asarray(errors, dtype=float)
    errors = np.where(np.isnan(errors), chance, errors)
    if not errors.size:
        return False
    if errors.size < 3:
        return bool((errors < 1 - 1.2 * (1 - chance)).all())
    return mean_interval(errors, level)[3] < chance


def share_interval(count: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Both ends of the exact interval (Clopper and Pearson, 1934) of the share behind `count` of `total`."""
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(special.betaincinv(count, total - count + 1, tail))
    high = 1.0 if count == total else float(special.betaincinv(count + 1, total - count, 1 - tail))
    return low, high


def signed_ranks(differences: Sequence[float]) -> np.ndarray:
    """Each difference's rank by size (ties share their mean rank, 0 has rank 0), with its sign; infinite ones come last."""
    differences = np.asarray(differences, dtype=float)
    sizes = np.abs(differences)
    ranks = np.array([(sizes < size).sum() + ((sizes == size).sum() + 1) / 2 for size in sizes])
    return np.where(sizes == 0, 0.0, np.sign(differences) * ranks)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p values, in the order given: a claim stands if its own is below the level of the family."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(p_values[order] * (len(p_values) - np.arange(len(p_values))))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def sign_flip_p(differences: Sequence[float]) -> float:
    """The exact two-sided sign-flip test of paired differences (at most 24); never below 2 / 2**n.

    So it needs 6 of them to get under 5%. Ties with the observed sum count, up to rounding.
    """
    differences = np.asarray(differences, dtype=float)
    if not 1 <= differences.size <= MOST_FLIPS:
        raise ValueError(f"the exact sign-flip test takes 1 to {MOST_FLIPS} differences, not {differences.size}")
    sums = differences[:1]  # the other sign of the first one mirrors all sums
    for d in differences[1:]:
        sums = np.concatenate([sums + d, sums - d])
    observed = abs(differences.sum())
    return float((np.abs(sums) >= observed - 1e-9 * np.abs(differences).sum()).mean())
