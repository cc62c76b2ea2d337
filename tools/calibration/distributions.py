"""Made-up campaigns: what a pair's difference may be distributed like, and races in which some trials never arrive.

Everything is in standard deviations of one pair's difference, on theta's scale; every mean is 0.
"""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import special

from alexctl.store import layout

Sampler = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def gamma(skewness: float) -> Sampler:
    """A gamma distribution, shifted and scaled, of this skewness (2: exponential; negative: mirrored; 0: normal)."""
    if abs(skewness) < 1e-6:
        return lambda rng, shape: rng.standard_normal(shape)
    k = 4 / skewness**2
    return lambda rng, shape: math.copysign(1, skewness) * (rng.gamma(k, size=shape) - k) / math.sqrt(k)


def heavy(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Student's t with 3 degrees of freedom, whose variance is 3."""
    return rng.standard_t(3, shape) / math.sqrt(3)


def distributions(skewness: float, num_trials: int) -> dict[str, Sampler]:
    """The distributions that are tried; `skewness` is that of so many committed trials."""
    return {
        "normal": gamma(0),
        f"as skewed as our {num_trials} trials ({skewness:.2f})": gamma(skewness),
        "heavy tails (t, 3 df)": heavy,
        "skewness 1": gamma(1),
        "skewness 1, mirrored": gamma(-1),
        "exponential": gamma(2),
        "exponential, mirrored": gamma(-2),
    }


CENSORED = {"1 control in 10 censored": 0.1, "1 control in 2 censored": 0.5}


def race(rng: np.random.Generator, shape: tuple[int, int], effect: float, share: float) -> tuple[np.ndarray, ...]:
    """(thetas, control censored, arm censored) of races with a budget that this share of the controls runs out of.

    Log times are normal and independent in both arms, half of the variance each; the arm is `effect` ahead.
    """
    control, arm = rng.standard_normal((2, *shape)) / math.sqrt(2)
    arm -= effect
    budget = float(special.ndtri(1 - share)) / math.sqrt(2)
    return np.minimum(control, budget) - np.minimum(arm, budget), control > budget, arm > budget


def skewness_of_trials(reference: Path) -> tuple[float, int]:
    """The skewness of log epochs to the target within an arm, pooled over the committed trials, and how many they are."""
    centred: list[float] = []
    for path in sorted(reference.glob(f"*/{layout.TRIALS_CSV}")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["phase"] == "final" and row["epochs_to_target"]]
        for arm in sorted({row["arm"] for row in rows}):
            logs = np.log([float(row["epochs_to_target"]) for row in rows if row["arm"] == arm])
            centred += (logs - logs.mean()).tolist()
    values = np.array(centred)
    return float((values**3).mean() / (values**2).mean() ** 1.5), len(values)
