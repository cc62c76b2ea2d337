"""What an effect says of a claim, rule by rule as the design has them, in a word and in a sentence."""

from dataclasses import dataclass, replace
from typing import Literal

from alexctl.numbers import counted, plural
from alexctl.statistics import Effect, Scale, UnpairedEffect, from_theta, sign_flip_p, to_theta
from alexctl.statistics.intervals import FEWEST_FLIPS, MOST_FLIPS
from alexctl.statistics.margins import rounding_range
from alexctl.statistics.unpaired import MOST_RANKS

Direction = Literal["positive", "negative", "none", "not worse"]
Regime = Literal["in", "outside", "unclear"]


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """What is claimed of an arm, in the effect's units; `margin`: what is nearer to no effect counts as no difference.

    A claimed ratio under 1, or a negative difference, turns the claimed direction round; `direction` (positive or
    negative) says it where no size is claimed. It is "none" where nothing is claimed to differ, and "not worse" where an
    arm is claimed to lose nothing, or no more than the margin.
    """

    size: float | None = None
    size_range: tuple[float, float] | None = None
    direction: Direction | None = None
    margin: float | None = None

    def ends(self) -> tuple[float | None, float | None]:
        """What the size may be, as far as it is rounded."""
        return self.size_range or ((None, None) if self.size is None else rounding_range(self.size))


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What an effect says of its claim, in a word and in a sentence's end.

    `size` is "smaller" or "larger" where the interval lies beside the claimed size. `more_seeds` is set only where more
    seeds may decide: a count, or 'over 100'. `by_ranks`: the verdict rests not on the interval but on a test of ranks, with its
    p value if it can be made.
    """

    word: str
    detail: str
    size: str | None = None
    more_seeds: int | str | None = None
    by_ranks: bool = False
    p_value: float | None = None


def verdict(
    effect: Effect, claimed: Claimed, *, learned: bool = True, regime: Regime = "in", deaths_count: bool = True,
    each: str = "seed",
) -> Verdict:  # fmt: skip
    """The first of the design's rules that holds; all sizes in the effect's units.

    `learned`: some arm is better than chance. `regime`: whether the control is where the claim is about. With
    `deaths_count` a trial that diverged is the arm's own outcome, the worst there is. `each` is what makes a pair.
    """
    scale, margin = effect.scale, claimed.margin
    if margin is not None and margin <= (scale == "ratio"):
        raise ValueError(f"a margin is above {'1, a factor' if scale == 'ratio' else '0 points'}, not {margin}")
    if not learned:
        return Verdict(word="nothing learned", detail="no arm's error is below chance, so there is nothing to compare")
    if regime == "outside":
        return Verdict(
            word="outside the claim's regime", detail="the claim is about nets that overfit, and the control does not"
        )
    if regime == "unclear":
        return Verdict(
            word="undecided",
            detail="whether the control overfits, which the claim is about, is not clear from its search trials: "
            'search the rate (`lr = "search"`) with more `search_seeds`',
        )
    if effect.num_left_out and deaths_count:
        return replace(_by_ranks(effect, claimed, each), by_ranks=True)
    m = 0.0 if margin is None else to_theta(margin, scale)
    low, high = _turned((effect.low, effect.high), _sign(claimed, scale), scale)
    size = _beside(low, high, claimed, scale)
    above, below = low is not None and low > 0, high is not None and high < 0
    same = effect.sd == 0 and effect.bound == "exact" and abs(to_theta(effect.estimate, scale)) < m
    if claimed.direction == "not worse" and low is not None and low > -m:
        return Verdict(
            word="supported",
            detail=f"any loss is within the margin, {_amount(margin or from_theta(0.0, scale), scale)}",
        )
    if same or (low is not None and high is not None and -m < low and high < m):
        return Verdict(word="no difference", detail=f"any effect is within the margin, {_amount(margin, scale)}")
    if below or (above and claimed.direction == "none"):
        return Verdict(word="contradicted", detail="the effect goes the other way" if below else "there is an effect")
    if above:
        return Verdict(word="supported", detail=_ruled_out(claimed, scale, size), size=size)
    more = more_seeds(effect, m)
    return Verdict(
        word="undecided",
        detail=_undecided(effect, more, each, size and _ruled_out(claimed, scale, size)),
        more_seeds=more,
    )


def _by_ranks(effect: Effect, claimed: Claimed, each: str) -> Verdict:
    """The verdict where trials diverged: an exact test of all pairs' ranks (or runs'), such a trial being the worst.

    An arm of which more trials diverged than of the control is never supported, whatever the others say.
    """
    if isinstance(effect, UnpairedEffect):
        p, shift, note = effect.rank_p, effect.rank_shift, "diverged runs count as the worst in a rank-sum test"
        lacking = f"takes at most {MOST_RANKS} runs" if p is None else None
    elif not effect.signs:  # of an interaction
        return Verdict(word="undecided", detail=f"{_dead(effect)} can't be ranked in pairs")
    else:
        p, shift, note = None, sum(effect.signs), f"{_dead(effect)} count as the worst in a sign-flip test of ranks"
        more = FEWEST_FLIPS - len(effect.signs)
        if more > 0:
            text = f"{note}, which needs {FEWEST_FLIPS} pairs: {counted(more, each)} more"
            return Verdict(word="undecided", detail=text, more_seeds=more)
        lacking = f"takes at most {MOST_FLIPS} pairs" if len(effect.signs) > MOST_FLIPS else None
        p = None if lacking else sign_flip_p(effect.signs)
    if lacking:
        return Verdict(word="undecided", detail=f"{note}, which {lacking}")
    found, sign = f"{note}, p = {p:.2g}", _sign(claimed, effect.scale)
    worse = sign * (effect.num_diverged_arm - effect.num_diverged_control)
    if p >= 1 - effect.level:
        word = "undecided"
    elif sign * shift < 0 or claimed.direction == "none":
        word = "contradicted"
    elif worse > 0:
        word, found = "undecided", f"{found}, but the arm has more {_dead(effect)} than the control"
    else:
        word = "supported"
    return Verdict(word=word, detail=found, p_value=p)


def _dead(effect: Effect) -> str:
    """What befell the trials that are left out of an effect."""
    at_chance = effect.num_at_chance_control + effect.num_at_chance_arm
    diverged = effect.num_diverged_control + effect.num_diverged_arm - at_chance
    if diverged and at_chance:
        return "trials that diverged or ended at chance"
    return "trials that ended at chance" if at_chance else "diverged trials"


def _sign(claimed: Claimed, scale: Scale) -> int:
    """What turns a theta so that it is positive in the claimed direction."""
    below = claimed.size is not None and to_theta(claimed.size, scale) < 0
    return -1 if claimed.direction == "negative" or below else 1


def _beside(low: float | None, high: float | None, claimed: Claimed, scale: Scale) -> str | None:
    """Whether an interval (thetas, positive in the claimed direction) lies below the claimed size or above it."""
    claim_low, claim_high = _turned(claimed.ends(), _sign(claimed, scale), scale)
    if high is not None and claim_low is not None and high < claim_low:
        return "smaller"
    return "larger" if low is not None and claim_high is not None and low > claim_high else None


def _turned(ends: tuple[float | None, float | None], sign: int, scale: Scale) -> list[float | None]:
    """Both ends as thetas, positive in the claimed direction."""
    thetas = [None if end is None else sign * to_theta(end, scale) for end in ends]
    return thetas[::sign]


def more_seeds(effect: Effect, margin: float = 0.0) -> int | str | None:
    """About how many seeds more (runs more a side, where they have no pairs) would decide; None where seeds do not help but a larger budget does.

    Today's spread is taken to stay. Half the interval's width must fall under the distance to no effect or, with an
    estimate inside the margin (a theta), under the distance to the margin: whichever needs fewer seeds.
    """
    if effect.bound == "none" or effect.sd == 0:
        return None
    if effect.n < 3:
        return 3 - effect.n
    theta = to_theta(effect.estimate, effect.scale)
    if (effect.bound == "at_least" and theta <= 0) or (effect.bound == "at_most" and theta >= 0):
        return None
    room = max(abs(theta), margin - abs(theta)) if effect.bound == "exact" else abs(theta)
    return next((more for more in range(1, 101) if effect.half_width(more) < room), "over 100")


def _undecided(effect: Effect, more: int | str | None, each: str, ruled_out: str | None) -> str:
    unpaired = isinstance(effect, UnpairedEffect)
    parts = [ruled_out.replace("is ruled out", "is already ruled out")] if ruled_out else []
    if effect.sd == 0 and effect.bound == "exact":
        parts.append(f"{'runs' if unpaired else 'pairs'} that agree exactly say nothing of chance")
    elif more is None:
        parts.append("raise `epochs`, so that more trials reach the target")
    elif effect.n < 3:
        parts.append(f"an interval needs at least {counted(more, each)} more" + " on each side" * unpaired)
    else:
        about = f"about {more} {each if more == 1 else plural(each)} more{' a side' * unpaired} would decide".replace(
            "about over", "over"
        )
        parts.append(about + "; `--until-decided`, on seeds of its own, adds them until it is" * (each == "seed"))
    return "; ".join(parts)


def _ruled_out(claimed: Claimed, scale: Scale, size: str | None) -> str:
    if claimed.size is None:
        return ""
    text = f"{claimed.size:g}" + " points" * (scale == "points")
    return f"the claimed {text} is {'' if size else 'not '}ruled out"


def _amount(margin: float, scale: Scale) -> str:
    return f"a factor of {margin:.3g}" if scale == "ratio" else f"{margin:.3g}" + " points" * (scale == "points")


def sentence(words: str, where: str, description: str, detail: str) -> str:
    """A verdict as people read it: 'Supported (on cifar10): lower by 1.20 points (...); the claimed 1 is not ruled out.'"""
    return f"{words[:1].upper()}{words[1:]} ({where}): {description}{'; ' + detail if detail else ''}."
