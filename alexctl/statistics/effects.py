"""Control against arm, paired by seed: the effect, its interval, and what is left of both where trials are censored.

Everything a caller passes or gets is in the effect's own units: ratios control / arm for time-like measures,
percentage points control - arm for errors (fractions of 1), differences control - arm for any other number. Inside,
`theta` is the log of a ratio, or the difference as it is.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from alexctl.statistics import special
from alexctl.statistics.intervals import half_width, mean_interval, near_one, signed_ranks, smallest_effect

Scale = Literal["ratio", "points", "difference"]
Bound = Literal["exact", "at_least", "at_most", "none"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one trial says of the measure; `value` is in epochs, seconds or fractions of 1 (errors).

    A censored trial (target never reached) or a diverged one needs no value, and any it has is not used. One that ended
    no better than chance, where that counts as diverged, is both `diverged` and `at_chance`.
    """

    value: float | None = None
    censored: bool = False
    diverged: bool = False
    at_chance: bool = False

    def __post_init__(self):
        if self.usable and (self.value is None or not math.isfinite(self.value)):
            raise ValueError("a trial that is neither censored nor diverged needs a finite value")

    @property
    def usable(self) -> bool:
        return not (self.censored or self.diverged)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Control and arm with one seed; `value` is their effect, `bound` says whether it is only a bound on it."""

    seed: int
    control: float | None
    arm: float | None
    value: float | None
    bound: Bound


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Control against arm over n pairs; an end of the interval that is None is open, or there is no interval at all.

    Where `bound` is not exact, so is `estimate`: it is the mean of bounds. `sd` is that of one pair, on theta's scale.
    `p_value` is two-sided, for no effect; against the open side of a bound it is 1. Pairs that agree exactly say nothing
    of their spread, so they have no interval and no p value. `signs` are the signed ranks of all pairs where a trial of
    some diverged, which then counts as the worst; empty otherwise.
    """

    scale: Scale
    pairs: tuple[Pair, ...]
    bound: Bound
    estimate: float | None
    low: float | None
    high: float | None
    level: float
    sd: float | None = None
    p_value: float | None = None
    correlation: float | None = None
    num_censored_control: int = 0
    num_censored_arm: int = 0
    num_diverged_control: int = 0  # those at chance among them
    num_diverged_arm: int = 0
    num_at_chance_control: int = 0
    num_at_chance_arm: int = 0
    num_left_out: int = 0
    num_unpaired: int = 0
    signs: tuple[float, ...] = ()

    @property
    def n(self) -> int:
        return len(self.pairs)

    def half_width(self, more: int = 0) -> float:
        """Half the width of the interval, as a theta; with so many pairs `more` if their spread stays."""
        return half_width(self.sd, self.n + more, self.level)

    def smallest(self) -> float:
        """The least true effect, as a theta, that so many pairs tell from none four times in five."""
        return smallest_effect(self.sd, self.n, self.level)


def paired_effect(
    control: Mapping[int, Outcome],
    arm: Mapping[int, Outcome],
    *,
    scale: Scale,
    budget: float | None = None,
    level: float = 0.95,
    higher: bool = False,
) -> Effect:
    """The effect over the seeds both sides have.

    `budget` is what a trial could run at most, in the measure's unit: a censored or diverged trial took more than it.
    Without a budget (errors, seconds per epoch) a pair with a diverged side is left out, and counted. `higher`: more is
    better, and the caller has exchanged the sides for it; a trial that diverged is the worse one all the same.
    """
    seeds = sorted(control.keys() & arm.keys())
    kept, thetas, left_out = [], [], 0
    for seed in seeds:
        pair = _pair(seed, control[seed], arm[seed], scale, budget)
        left_out += pair is None
        kept += [pair] if pair else []
        thetas.append(
            to_theta(pair.value, scale) if pair and pair.value is not None else _worst(control[seed], arm[seed], higher)
        )
    bound = _common_bound(pair.bound for pair in kept)
    counts = {
        f"num_{what}_{name}": sum(getattr(side[seed], what) for seed in seeds)
        for what in ("censored", "diverged", "at_chance")
        for name, side in (("control", control), ("arm", arm))
    }
    return Effect(
        scale=scale,
        pairs=tuple(kept),
        bound=bound,
        level=level,
        num_left_out=left_out,
        num_unpaired=len(control.keys() ^ arm.keys()),
        signs=tuple(signed_ranks(thetas).tolist()) if left_out else (),
        **counts,
        **_size(kept, bound, scale, level),
    )


def _pair(seed: int, control: Outcome, arm: Outcome, scale: Scale, budget: float | None) -> Pair | None:
    if scale != "ratio":
        if control.censored or arm.censored:
            raise ValueError("errors cannot be censored")
        if control.diverged or arm.diverged:
            return None
        value = (100 if scale == "points" else 1) * (control.value - arm.value)
        return Pair(seed=seed, control=control.value, arm=arm.value, value=value, bound="exact")
    if budget is None and not (control.usable and arm.usable):
        if control.censored or arm.censored:
            raise ValueError("a censored trial needs the budget it was censored at")
        return None
    times = [side.value if side.usable else budget for side in (control, arm)]
    if min(times) <= 0:
        raise ValueError(f"seed {seed}: a ratio needs values above 0")
    bound = {(True, True): "exact", (False, True): "at_least", (True, False): "at_most"}.get(
        (control.usable, arm.usable), "none"
    )
    return Pair(
        seed=seed,
        control=control.value if control.usable else None,
        arm=arm.value if arm.usable else None,
        value=None if bound == "none" else times[0] / times[1],
        bound=bound,
    )


def _worst(control: Outcome, arm: Outcome, higher: bool) -> float:
    """A pair without a value as a difference: infinite where only one side diverged, 0 where both did."""
    if control.diverged == arm.diverged:
        return 0.0
    return math.inf if control.diverged != higher else -math.inf


def _size(pairs: list[Pair], bound: Bound, scale: Scale, level: float) -> dict[str, float | None]:
    """Estimate, interval, spread, p value and correlation, as far as these pairs have them."""
    size = dict.fromkeys(("estimate", "low", "high", "sd", "p_value", "correlation"))
    if not pairs or bound == "none":
        return size
    thetas = np.array([to_theta(pair.value, scale) for pair in pairs])
    size["estimate"] = from_theta(float(thetas.mean()), scale)
    if len(pairs) < 3:
        return size
    rounding = None
    if scale == "difference":  # in any unit: what rounds is the two numbers, however small their difference
        rounding = 1e-14 * max(abs(v) for pair in pairs for v in (pair.control, pair.arm))
    mean, sd, low, high = mean_interval(thetas, level, rounding)
    size["sd"] = sd
    if sd == 0:
        return size
    t = mean / (sd / math.sqrt(len(thetas)))
    p = float(2 * special.stdtr(len(thetas) - 1, -abs(t)))
    if bound == "at_most":
        size |= {"high": from_theta(high, scale), "p_value": p if mean < 0 else 1.0}
    elif bound == "at_least":
        size |= {"low": from_theta(low, scale), "p_value": p if mean > 0 else 1.0}
    else:
        size |= {"low": from_theta(low, scale), "high": from_theta(high, scale), "p_value": p}
        sides = np.array(
            [[to_theta(v, scale) if scale == "ratio" else v for v in (pair.control, pair.arm)] for pair in pairs]
        )
        if (np.ptp(sides, axis=0) > (1e-12 if rounding is None else rounding)).all():
            size["correlation"] = float(np.corrcoef([near_one(side)[0] for side in sides.T])[0, 1])
    return size


def interaction(first: Effect, second: Effect) -> Effect:
    """How much the second effect of a knob differs from its first, seed by seed: a ratio of ratios, or the difference
    of two differences. In the counts, `control` stands for the two sides of the first, `arm` for those of the second.
    """
    scale, level = first.scale, first.level
    at_first, at_second = ({pair.seed: pair for pair in effect.pairs} for effect in (first, second))
    pairs = []
    for seed in sorted(at_first.keys() & at_second.keys()):
        one, two = at_first[seed], at_second[seed]
        mirrored = {"at_least": "at_most", "at_most": "at_least"}.get(one.bound, one.bound)
        bound = _common_bound((mirrored, two.bound))
        value = None
        if bound != "none":
            value = from_theta(to_theta(two.value, scale) - to_theta(one.value, scale), scale)
        pairs.append(Pair(seed=seed, control=one.value, arm=two.value, value=value, bound=bound))
    bound = _common_bound(pair.bound for pair in pairs)
    counts = {
        f"num_{what}_{name}": getattr(effect, f"num_{what}_control") + getattr(effect, f"num_{what}_arm")
        for what in ("censored", "diverged", "at_chance")
        for name, effect in (("control", first), ("arm", second))
    }
    return Effect(
        scale=scale, pairs=tuple(pairs), bound=bound, level=level,
        num_left_out=max(first.n + first.num_left_out, second.n + second.num_left_out) - len(pairs),
        num_unpaired=first.num_unpaired + second.num_unpaired, **counts, **_size(pairs, bound, scale, level),
    )  # fmt: skip


def _common_bound(bounds: Iterable[Bound]) -> Bound:
    """What all of these say together: exact ones go with any, opposite ones leave nothing."""
    kinds = set(bounds) - {"exact"}
    return "exact" if not kinds else kinds.pop() if len(kinds) == 1 else "none"


def to_theta(value: float, scale: Scale) -> float:
    """A ratio to its log; differences stay."""
    return math.log(value) if scale == "ratio" else value


def from_theta(theta: float, scale: Scale) -> float:
    """The inverse of `to_theta`."""
    return math.exp(theta) if scale == "ratio" else theta
