"""Every cell of the calibration: a distribution, a number of seeds or looks, a claimed size, and what is true."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from alexctl.statistics.looks import level_of, looks_up_to
from tools.calibration.distributions import CENSORED, distributions, race
from tools.calibration.rules import CONTRADICTED, NO_DIFFERENCE, SUPPORTED, UNDECIDED, intervals, words

REPEATS = 40_000
PLAIN = (3, 4, 6, 10)
UNTIL = (10, 24)
SIZES = (1.0, 2.0, 4.0, 8.0)
"""Locked effects, in standard deviations of a pair; the margin is a quarter, as without `margin` in the file."""
TRUTHS = {"nothing": 0.0, "the margin": 0.25, "as claimed": 1.0}
"""The true effect, as a share of the claimed one."""
COLUMNS = (
    "distribution", "looks", "claimed_sds", "truth", "repeats", "sized", "bounded", "wrong", "wrong_bounded",
    "supported", "no_difference", "contradicted", "undecided", "mean_seeds",
)  # fmt: skip


def cells(skewness: float, num_trials: int, repeats: int = REPEATS, seed: int = 2012) -> Iterator[dict[str, Any]]:
    """A line of `calibration.csv` each: shares of campaigns, of which `repeats` are made up in a cell."""
    samplers = distributions(skewness, num_trials)
    plans = [(n,) for n in PLAIN] + [looks_up_to(n) for n in UNTIL]
    for i, (name, looks) in enumerate(itertools.product([*samplers, *CENSORED], plans)):
        rng = np.random.default_rng([seed, i])
        shape = (repeats, looks[-1])
        noise = samplers[name](rng, shape) if name in samplers else None
        for size, (truth, share) in itertools.product(SIZES, TRUTHS.items()):
            effect = share * size
            sample = race(rng, shape, effect, CENSORED[name]) if noise is None else (noise + effect, None, None)
            about = {"distribution": name, "looks": " ".join(map(str, looks)), "claimed_sds": size, "truth": truth}
            yield about | {"repeats": repeats} | cell(sample, looks, effect, size / 4)


def cell(sample: tuple, looks: tuple[int, ...], effect: float, margin: float) -> dict[str, float]:
    """What the rules say of these campaigns, each at the look that decided it, else at the last.

    `sized`: the share with an interval or an end of one, `bounded`: with one end only, `wrong`: with an interval or an
    end that the truth is outside of; `wrong_bounded` is the last among the bounded ones.
    """
    thetas, *censored = sample
    level = level_of(looks)
    word = np.full(len(thetas), UNDECIDED)
    seeds = np.full(len(thetas), looks[-1])
    wrong, bounded, sized = (np.zeros(len(thetas), dtype=bool) for _ in range(3))
    for n in looks:
        found = intervals(thetas[:, :n], level, *(None if c is None else c[:, :n] for c in censored))
        now = words(found, margin)
        ends = (word == UNDECIDED) & ((now != UNDECIDED) | (n == looks[-1]))
        word[ends], seeds[ends] = now[ends], n
        wrong[ends] = ((effect < found.low) | (found.high < effect))[ends]
        bounded[ends], sized[ends] = found.bounded[ends], found.sized[ends]
    shares = {
        "supported": SUPPORTED,
        "no_difference": NO_DIFFERENCE,
        "contradicted": CONTRADICTED,
        "undecided": UNDECIDED,
    }
    return {
        "sized": float(sized.mean()),
        "bounded": float(bounded.mean()),
        "wrong": float(wrong.mean()),
        "wrong_bounded": float(wrong[bounded].mean()) if bounded.any() else None,
        **{name: float((word == code).mean()) for name, code in shares.items()},
        "mean_seeds": float(seeds.mean()),
    }  # fmt: skip
