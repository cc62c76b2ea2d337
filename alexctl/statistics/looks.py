"""Looks: a campaign that stops as soon as it is decided looks several times, and pays for it with a wider interval.

The looks are fixed beforehand. Each is judged with the same nominal level (Pocock 1977, here for Student's t), chosen
so that where nothing is there all looks together call it something in 5% of campaigns. The levels are in `looks.csv`,
simulated by `python -m tools.calibration looks`.
"""

import csv
from functools import cache
from pathlib import Path

LOOKS = (4, 6, 10, 16, 24)
MOST_SEEDS = 100
TABLE = Path(__file__).with_name("looks.csv")


def looks_up_to(max_seeds: int) -> tuple[int, ...]:
    """The looks, in seeds an arm, of a campaign that spends at most so many (4 to 100)."""
    if not LOOKS[0] <= max_seeds <= MOST_SEEDS:
        raise ValueError(f"looks begin at {LOOKS[0]} seeds and end at {MOST_SEEDS}, so not at {max_seeds}")
    return (*(n for n in LOOKS if n < max_seeds), max_seeds)


def planned(looks: tuple[int, ...]) -> tuple[int, ...]:
    """The looks, if a level is known for them; else ValueError."""
    if not looks or not LOOKS[0] <= looks[-1] <= MOST_SEEDS or looks != looks_up_to(looks[-1]):
        raise ValueError(f"should be the first of {list(LOOKS)} and the most seeds to spend, such as {list(LOOKS[:3])}")
    return looks


def level_of(looks: tuple[int, ...] | None, level: float = 0.95) -> float:
    """The nominal level of each look's interval; that of the plain interval where there is only one look, or none."""
    if looks is None or len(looks) == 1:
        return level
    if looks != looks_up_to(looks[-1]):
        raise ValueError(f"no level is known for looks at {looks}")
    return 1 - _nominal()[looks[-1]]


@cache
def _nominal() -> dict[int, float]:
    """The two-sided chance of error at each look, by the most seeds."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {int(row["max_seeds"]): float(row["nominal"]) for row in csv.DictReader(file)}
