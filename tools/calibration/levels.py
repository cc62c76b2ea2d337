"""The level each look must be judged at so that all looks together are wrong in 5% of campaigns with nothing in them."""

import numpy as np
from scipy import special

from alexctl.statistics.looks import LOOKS, MOST_SEEDS

REPEATS, CHUNK, BINS = 1_000_000, 20_000, 5_000
COLUMNS = ("max_seeds", "looks", "nominal", "repeats")


def nominal_levels(repeats: int = REPEATS, error: float = 0.05, most: int = MOST_SEEDS, seed: int = 2012) -> list[dict]:
    """A line for every `max_seeds`: the two-sided chance of error at each look, Pocock's constant for Student's t.

    By simulation of normal differences with no effect: the level is the quantile, at `error`, of a campaign's smallest
    p value over its looks. Its standard error is half a per cent of it with a million repeats.
    """
    rng = np.random.default_rng(seed)
    ns = np.arange(LOOKS[0], most + 1)
    edges = np.linspace(0, error, BINS + 1)  # the level can't be above the error of a single look
    counts = np.zeros((len(ns), BINS))
    for _ in range(-(-repeats // CHUNK)):
        smallest = smallest_p(rng.standard_normal((CHUNK, most)), ns)
        for i in range(len(ns)):
            counts[i] += np.histogram(smallest[:, i], edges)[0]
    total = CHUNK * -(-repeats // CHUNK)
    lines = []
    for n, row in zip(ns.tolist(), counts, strict=True):
        looks = [*(look for look in LOOKS if look < n), n]
        nominal = float(np.interp(error, np.cumsum(row) / total, edges[1:])) if len(looks) > 1 else error
        line = {"max_seeds": n, "looks": " ".join(map(str, looks)), "nominal": round(nominal, 5), "repeats": total}
        lines.append(line)
    return lines


def smallest_p(differences: np.ndarray, ns: np.ndarray) -> np.ndarray:
    """For campaigns (a row each, a difference a column) that end at each of `ns`: the least p value over its looks."""
    count = np.arange(1, differences.shape[1] + 1)
    mean = np.cumsum(differences, axis=1) / count
    variance = (np.cumsum(differences**2, axis=1) - count * mean**2)[:, ns - 1] / (ns - 1)
    p = 2 * special.stdtr(ns - 1, -np.abs(mean[:, ns - 1]) / np.sqrt(variance / ns))
    before = np.minimum.accumulate(np.where(np.isin(ns, LOOKS), p, 1.0), axis=1)
    return np.minimum(p, before)
