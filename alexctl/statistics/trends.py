"""How much each doubling of a number changes a measure: a slope for every seed, then as any effect."""

import math
from collections.abc import Mapping

from alexctl.statistics.effects import Effect, Pair, _common_bound, _size, from_theta, to_theta


def trend(number: float, effects: Mapping[float, Effect]) -> Effect:
    """The change with each doubling, as a ratio or a difference, of the least-squares line through all arms of a seed.

    `number` is the control's, `effects` what arms with other numbers, all above 0, gain against it. A seed that lacks an
    arm has no slope. Where the control or an arm is censored, so is the slope, as far as its sign is known. In the
    counts `control` stands for the control and `arm` for all other arms together. Raises ValueError for fewer than two
    arms.
    """
    if len(effects) < 2:
        raise ValueError("a trend needs two arms beside the control")
    places = [0.0, *(math.log2(other / number) for other in effects)]
    mean = sum(places) / len(places)
    spread = sum((place - mean) ** 2 for place in places)
    weights = [(place - mean) / spread for place in places[1:]]  # the control's own effect is none
    found = list(effects.values())
    scale, level = found[0].scale, found[0].level
    of_arms = [{pair.seed: pair for pair in effect.pairs} for effect in found]
    pairs = [_slope(seed, [pairs[seed] for pairs in of_arms], weights, found[0]) for seed in _common(of_arms)]
    bound = _common_bound(pair.bound for pair in pairs)
    counts = {}
    for what in ("censored", "diverged", "at_chance"):
        counts[f"num_{what}_control"] = max(getattr(effect, f"num_{what}_control") for effect in found)
        counts[f"num_{what}_arm"] = sum(getattr(effect, f"num_{what}_arm") for effect in found)
    return Effect(
        scale=scale, pairs=tuple(pairs), bound=bound, level=level,
        num_left_out=max(effect.n + effect.num_left_out for effect in found) - len(pairs),
        num_unpaired=max(effect.num_unpaired for effect in found), **counts, **_size(pairs, bound, scale, level),
    )  # fmt: skip


def _common(of_arms: list[dict[int, Pair]]) -> list[int]:
    return sorted(set.intersection(*(set(pairs) for pairs in of_arms)))


def _slope(seed: int, pairs: list[Pair], weights: list[float], effect: Effect) -> Pair:
    """One seed's; an arm in the very middle has no weight, so that its bound is none of the slope's."""
    mirrored = {"at_least": "at_most", "at_most": "at_least"}
    counted = [(weight, pair) for weight, pair in zip(weights, pairs, strict=True) if abs(weight) > 1e-12]
    bound = _common_bound(mirrored.get(p.bound, p.bound) if w < 0 else p.bound for w, p in counted)
    none = from_theta(0.0, effect.scale)
    if bound == "none":
        return Pair(seed=seed, control=None, arm=None, value=None, bound=bound)
    value = from_theta(sum(w * to_theta(p.value, effect.scale) for w, p in counted), effect.scale)
    return Pair(seed=seed, control=none, arm=value, value=value, bound=bound)
