"""What an effect says of a claim, rule by rule as the design has them, in a word and in a sentence."""

from dataclasses import dataclass
from decimal import Decimal

from alexctl.statistics import Effect, Scale, from_theta, half_width, to_theta
from alexctl.verdicts.sentences import describe


def rounding_range(effect: float) -> tuple[float, float]:
    """What a printed number may have been before it was rounded: 6 -> 5.5 to 6.5, 1.4 -> 1.35 to 1.45.

    A float carries no trailing zeros, so 6.0 counts as rounded to a whole number, and 10 as rounded to 1.
    """
    printed = Decimal(repr(effect)).normalize()
    half = Decimal(5).scaleb(min(printed.as_tuple().exponent, 0) - 1)
    return float(printed - half), float(printed + half)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What an effect says of its claim, in a word and in a sentence.

    `more_seeds` is set only where more seeds may decide: a count, or 'over 100'. `margin` and `claimed_range` are those
    used, in the effect's units (a margin of 1.5 is a factor of 1.5 either way).
    """

    word: str
    sentence: str
    more_seeds: int | str | None
    size_ruled_out: bool
    claimed: float | None
    claimed_range: tuple[float, float] | None
    margin: float | None


def verdict(
    effect: Effect,
    *,
    claimed: float | None,
    claimed_range: tuple[float, float] | None = None,
    direction: str | None = None,
    margin: float | None = None,
    chance_ok: bool = True,
    data_matches: bool,
    data: str,
    claim_data: str = "the data of the claim",
    description: str | None = None,
    each: str = "seed",
) -> Verdict:
    """The first of the design's rules that holds; all sizes in the effect's units.

    A claimed ratio under 1, or a negative difference, turns the claimed direction round; `direction` (positive or
    negative) says it where no size is claimed. Where the claim is that nothing differs (`direction` none), a difference
    either way contradicts it. Without a margin and without a claimed size nothing counts as 'no
    difference'. `description` stands in the sentence instead of `describe(effect)`; `each` is what makes a pair.
    """
    scale = effect.scale
    if margin is not None and margin <= (scale == "ratio"):
        raise ValueError(f"a margin is above {'1, a factor' if scale == 'ratio' else '0 points'}, not {margin}")
    if claimed is not None and claimed_range is None:
        claimed_range = rounding_range(claimed)
    if margin is None and claimed is not None:
        margin = from_theta(abs(to_theta(claimed, scale)) / 4, scale)
    m = 0.0 if margin is None else to_theta(margin, scale)
    sign = -1 if direction == "negative" or (claimed is not None and to_theta(claimed, scale) < 0) else 1
    low, high = _turned((effect.low, effect.high), sign, scale)
    claim_low, claim_high = _turned(claimed_range or (None, None), sign, scale)
    smaller = high is not None and claim_low is not None and high < claim_low
    larger = low is not None and claim_high is not None and low > claim_high
    above, below = low is not None and low > 0, high is not None and high < 0
    if not chance_ok:
        word = "nothing learned"
    elif low is not None and high is not None and -m < low and high < m:
        word = "no difference"
    elif below or (above and direction == "none"):
        word = "contradicted"
    elif above:
        word = "supported" + ", smaller" * smaller + ", larger" * larger
    else:
        word = "undecided"
    more = more_seeds(effect, m) if word == "undecided" else None
    where = f"on {data}" + ("" if data_matches else f", not on {claim_data}")
    detail = _detail(word, effect, claimed, margin, smaller or larger, more, each)
    return Verdict(
        word=word,
        sentence=f"{word[0].upper()}{word[1:]} ({where}): {description or describe(effect, each=each)}{'; ' + detail if detail else ''}.",
        more_seeds=more,
        size_ruled_out=smaller or larger,
        claimed=claimed,
        claimed_range=claimed_range,
        margin=margin,
    )


def _turned(ends: tuple[float | None, float | None], sign: int, scale: Scale) -> list[float | None]:
    """Both ends as thetas, positive in the claimed direction."""
    thetas = [None if end is None else sign * to_theta(end, scale) for end in ends]
    return thetas[::sign]


def more_seeds(effect: Effect, margin: float = 0.0) -> int | str | None:
    """About how many seeds more would decide; None where seeds do not help but a larger budget does.

    Today's spread is taken to stay. Half the interval's width must fall under the distance to no effect or, with an
    estimate inside the margin (a theta), under the distance to the margin: whichever needs fewer seeds.
    """
    if effect.bound == "none":
        return None
    if effect.n < 3:
        return 3 - effect.n
    theta = to_theta(effect.estimate, effect.scale)
    if (effect.bound == "at_least" and theta <= 0) or (effect.bound == "at_most" and theta >= 0):
        return None
    room = max(abs(theta), margin - abs(theta)) if effect.bound == "exact" else abs(theta)
    for n in range(effect.n + 1, effect.n + 101):
        if half_width(effect.sd, n, effect.level) < room:
            return n - effect.n
    return "over 100"


def _detail(
    word: str,
    effect: Effect,
    claimed: float | None,
    margin: float | None,
    ruled_out: bool,
    more: int | str | None,
    each: str,
) -> str:
    size = "" if claimed is None else f"{claimed:g}" + " points" * (effect.scale == "points")
    if word == "nothing learned":
        return "no arm's error is below chance, so there is nothing to compare"
    if word == "no difference":
        return "any effect is within the margin, " + (
            f"a factor of {margin:.3g}"
            if effect.scale == "ratio"
            else f"{margin:.3g}" + " points" * (effect.scale == "points")
        )
    if word == "contradicted":
        return "the effect goes the other way"
    if word != "undecided":
        return size and f"the claimed {size} is {'' if ruled_out else 'not '}ruled out"
    parts = [f"the claimed {size} is already ruled out"] * ruled_out
    if more is None:
        parts.append("raise `epochs`, so that more trials reach the target")
    elif effect.n < 3:
        parts.append(f"an interval needs at least {more} {each}{'s' * (more != 1)} more")
    else:
        parts.append(f"about {more} {each}{'s' * (more != 1)} more would decide".replace("about over", "over"))
    return "; ".join(parts)
