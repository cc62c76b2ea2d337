"""Control against arm where runs share nothing: Welch's t, on the scales of the paired effect."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alexctl.statistics import special
from alexctl.statistics.effects import Effect, Outcome, Scale, from_theta, to_theta
from alexctl.statistics.intervals import least_mean, near_one

MOST_RANKS = 100  # runs of both sides together: more take too long to count


@dataclass(frozen=True, kw_only=True)
class UnpairedEffect(Effect):
    """The mean of the control's runs less the arm's (ratios: of their logs); it has no pairs.

    `control` and `arm` are the values that count, without the runs that diverged. `n` is the number on the smaller side,
    `sd` that of the difference of two single runs, `df` the degrees of freedom (Welch and Satterthwaite). `rank_p` is
    that of the exact rank-sum test (Wilcoxon, Mann and Whitney) of all runs, one that diverged being the worst; None for
    more than 100. `rank_shift` is above 0 where the control's ranks are the larger.
    """

    control: tuple[float, ...]
    arm: tuple[float, ...]
    df: float | None = None
    rank_p: float | None = None
    rank_shift: float = 0.0

    @property
    def n(self) -> int:
        return min(len(self.control), len(self.arm))

    def half_width(self, more: int = 0) -> float:
        """Half the width of the interval, as a theta; with so many runs `more` on each side if their spread stays."""
        error, df = _welch(*self._thetas(), more)
        return float(special.stdtrit(df, (1 + self.level) / 2)) * error

    def smallest(self) -> float:
        """The least true effect, as a theta, that so many runs tell from none four times in five."""
        return least_mean(*_welch(*self._thetas()), self.level)

    def _thetas(self) -> tuple[list[float], ...]:
        return _thetas(self.control, self.arm, self.scale)


def unpaired_effect(
    control: Sequence[Outcome], arm: Sequence[Outcome], *, scale: Scale, level: float = 0.95, higher: bool = False
) -> UnpairedEffect:
    """The effect of runs of two sides that share nothing, with an interval from 3 runs a side on.

    Runs that diverged are left out of it and counted. `higher`: more is better, and the caller has exchanged the sides
    for it; a run that diverged is the worse one all the same. ValueError for a censored run, and where a ratio is asked
    of numbers that are not above 0.
    """
    if any(run.censored for run in (*control, *arm)):
        raise ValueError("runs without pairs cannot be censored")
    values = [tuple(run.value for run in side if run.usable) for side in (control, arm)]
    if scale == "ratio" and any(value <= 0 for side in values for value in side):
        raise ValueError("a ratio needs values above 0")
    worst = -math.inf if higher else math.inf
    ranked = [[run.value if run.usable else worst for run in side] for side in (control, arm)]
    p, shift = rank_sum(*ranked) if all(ranked) and sum(map(len, ranked)) <= MOST_RANKS else (None, 0.0)
    diverged = [sum(run.diverged for run in side) for side in (control, arm)]
    return UnpairedEffect(
        scale=scale, pairs=(), bound="exact", level=level, control=values[0], arm=values[1],
        num_diverged_control=diverged[0], num_diverged_arm=diverged[1], num_left_out=sum(diverged),
        rank_p=p, rank_shift=shift, **_size(_thetas(*values, scale), scale, level),
    )  # fmt: skip


def _thetas(control: Sequence[float], arm: Sequence[float], scale: Scale) -> tuple[list[float], list[float]]:
    unit = 100 if scale == "points" else 1
    return [unit * to_theta(v, scale) for v in control], [unit * to_theta(v, scale) for v in arm]


def _size(thetas: tuple[list[float], list[float]], scale: Scale, level: float) -> dict[str, float | None]:
    """Estimate, interval, spread, degrees of freedom and p value, as far as so many runs have them."""
    size = dict.fromkeys(("estimate", "low", "high", "sd", "df", "p_value"))
    if not all(thetas):
        return size
    mean = math.fsum(thetas[0]) / len(thetas[0]) - math.fsum(thetas[1]) / len(thetas[1])
    size["estimate"] = from_theta(mean, scale)
    if min(map(len, thetas)) < 3:
        return size
    size["sd"] = math.hypot(*(_sd(side, thetas) for side in thetas))
    if size["sd"] == 0:  # says nothing of chance
        return size
    error, df = _welch(*thetas)
    half = float(special.stdtrit(df, (1 + level) / 2)) * error
    size |= {"low": from_theta(mean - half, scale), "high": from_theta(mean + half, scale), "df": df}
    return size | {"p_value": float(2 * special.stdtr(df, -abs(mean / error)))}


def _sd(side: Sequence[float], both: Sequence[Sequence[float]]) -> float:
    """The standard deviation of one side; 0 where it is only the rounding of such numbers."""
    values, exponent = near_one(side)
    sd = math.ldexp(float(values.std(ddof=1)), exponent)
    return 0.0 if sd <= 1e-14 * max(abs(value) for each in both for value in each) else sd


def _welch(control: Sequence[float], arm: Sequence[float], more: int = 0) -> tuple[float, float]:
    """(standard error of the difference of two means, its degrees of freedom), with `more` runs on each side.

    One side may have no spread.
    """
    sides = (control, arm)
    sds, counts = [_sd(side, sides) for side in sides], [len(side) + more for side in sides]
    largest = max(sds)  # by which all is divided: the square of 1e200 is no float
    shares = [(sd / largest) ** 2 / n for sd, n in zip(sds, counts, strict=True)]
    total = sum(shares)
    df = total**2 / sum(share**2 / (n - 1) for share, n in zip(shares, counts, strict=True))
    return largest * math.sqrt(total), df


def rank_sum(control: Sequence[float], arm: Sequence[float]) -> tuple[float, float]:
    """(two-sided p value of the exact rank-sum test, how far the control's rank sum is above what chance gives).

    Ties share their mean rank, and the test is exact with them: every way to deal the ranks out is counted. Infinite
    values come first or last.
    """
    values = np.array([*control, *arm], dtype=float)
    ranks = [int(2 * (values < v).sum() + (values == v).sum() + 1) for v in values]  # doubled, so that all are whole
    n, total = len(control), sum(ranks)
    ways = np.zeros((n + 1, total + 1))  # how many sets of so many ranks have this sum
    ways[0, 0] = 1
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, : total + 1 - rank].copy()
    expected = n * (len(values) + 1)  # doubled too
    off = sum(ranks[:n]) - expected
    far = np.abs(np.arange(total + 1) - expected) >= abs(off)
    return float(ways[n, far].sum() / ways[n].sum()), off / 2
