"""What a claimed size may be, as far as it is rounded, and how large a margin may be beside it."""

import math
from decimal import Decimal

from alexctl.statistics.effects import Scale, from_theta, to_theta

MOST_RATIO = 1.25  # the largest margin of a ratio: what is 1.3 times as fast is no "no difference"


def rounding_range(effect: float) -> tuple[float, float]:
    """What a printed number may have been before it was rounded: 6 -> 5.5 to 6.5, 1.4 -> 1.35 to 1.45.

    A float carries no trailing zeros, so 6.0 counts as rounded to a whole number, and 10 as rounded to 1.
    """
    printed = Decimal(repr(effect)).normalize()
    half = Decimal(5).scaleb(min(printed.as_tuple().exponent, 0) - 1)
    return float(printed - half), float(printed + half)


def largest_margin(claimed: float, claimed_range: tuple[float, float] | None, scale: Scale) -> float | None:
    """The largest margin beside a claimed size, in its units: half of the least it may be, a ratio's 1.25 at most.

    None where the claim may also be of no effect, so that any margin would be too large.
    """
    ends = claimed_range or rounding_range(claimed)
    if scale == "ratio" and min(ends) <= 0:
        return None
    sign = math.copysign(1.0, to_theta(claimed, scale))
    least = min(sign * to_theta(end, scale) for end in ends)
    if least <= 0:
        return None
    margin = from_theta(least / 2, scale)
    if scale == "ratio":
        return min(margin, MOST_RATIO) if margin > 1 else None  # of a claim of 1 up to rounding
    return margin
