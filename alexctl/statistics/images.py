"""Trials compared image by image: McNemar's test, intervals over seeds and images, agreement, ensembles; and kernels
by how coloured they are."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from alexctl.statistics import special

SUBSETS = 20  # of the nets of an ensemble, at most: all that there are of six


def mcnemar(only_first: int, only_second: int) -> tuple[float, float]:
    """McNemar's two-sided test of two classifiers on the same images: (exact p, mid-p).

    `only_first` images are wrong by the first alone, `only_second` by the second alone; if they err alike, each such
    image is as likely on either side. The mid-p value counts what was observed by half (Fagerland et al., 2013): the
    exact one, whose errors are below its level, is larger.
    """
    total, fewer = only_first + only_second, min(only_first, only_second)
    if not total:
        return 1.0, 1.0
    exact = min(1.0, 2 * float(special.bdtr(fewer, total, 0.5)))
    log_chance = special.gammaln(total + 1) - special.gammaln(fewer + 1) - special.gammaln(total - fewer + 1)
    chance = math.exp(log_chance - total * math.log(2))
    return exact, exact - chance if only_first != only_second else 1 - chance / 2


def crossed_interval(differences: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Both ends of the interval of the mean of (seeds, images) differences, for other seeds and other images; 2 seeds at least.

    Seeds and images are crossed, and both are samples. The variance of the mean is what a bootstrap that draws seeds and
    images apart from each other (Owen, 2007) estimates, here from the mean squares, without its bias: such draws count
    what is due to neither threefold, and their percentiles are far too narrow for a few seeds. The degrees of freedom are
    those of the seeds, so that it is never narrower than Student's t interval of their means.
    """
    num_seeds, num_images = differences.shape
    mean, of_seeds, of_images = differences.mean(), differences.mean(1), differences.mean(0)
    seeds = num_images * np.square(of_seeds - mean).sum()
    images = num_seeds * np.square(of_images - mean).sum()
    rest = np.square(differences - of_seeds[:, None] - of_images + mean).sum()
    mean_seeds, mean_images = seeds / (num_seeds - 1), images / max(1, num_images - 1)
    mean_rest = rest / ((num_seeds - 1) * max(1, num_images - 1))
    variance = (mean_seeds + max(0.0, mean_images - mean_rest)) / differences.size
    half = float(special.stdtrit(num_seeds - 1, (1 + level) / 2)) * math.sqrt(variance)
    return float(mean) - half, float(mean) + half


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How alike pairs of trials are on the same images, averaged over the pairs.

    `share` of the images both have right or both wrong. `kappa` is Cohen's (1960): 0 where the share is what their
    errors alone would give, 1 where they agree on every image; None where that can't be told, as each is always right.
    """

    num_pairs: int
    share: float
    kappa: float | None


def agreement(right: np.ndarray) -> Agreement:
    """Of (trials, images) bool, at least two trials."""
    num_images, counts = right.shape[1], right.sum(1)
    first, second = np.triu_indices(len(right), 1)
    # One product for all pairs: of each, how many images both have right. Whole numbers, so nothing is rounded.
    both = np.matmul(right.astype(np.float64), right.T.astype(np.float64))[first, second]
    shares = (num_images - counts[first] - counts[second] + 2 * both) / num_images
    p, q = counts[first] / num_images, counts[second] / num_images
    chance = p * q + (1 - p) * (1 - q)
    known = not (chance == 1).any()
    return Agreement(
        num_pairs=len(shares),
        share=math.fsum(shares) / len(shares),
        kappa=math.fsum((shares - chance) / (1 - chance)) / len(shares) if known else None,
    )


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """The error of `size` nets whose probabilities are averaged, in the mean over `num_subsets` choices of them."""

    size: int
    num_subsets: int
    error: float
    top5_error: float


def ensembles(probabilities: Sequence[np.ndarray], labels: np.ndarray) -> list[Ensemble]:
    """From one net to all of them; each net's probabilities are (images, classes), `labels` (images,)."""
    made = []
    for size in range(1, len(probabilities) + 1):
        chosen = list(_subsets(len(probabilities), size))
        errors = [_errors(sum(probabilities[i].astype(np.float32) for i in subset), labels) for subset in chosen]
        error, top5_error = np.mean(errors, axis=0).tolist()
        made.append(Ensemble(size=size, num_subsets=len(chosen), error=error, top5_error=top5_error))
    return made


def _subsets(total: int, size: int) -> Iterator[tuple[int, ...]]:
    """All subsets of that size, or where there are more than SUBSETS so many of them, drawn the same way every time."""
    if math.comb(total, size) <= SUBSETS:
        yield from combinations(range(total), size)
        return
    generator, drawn = np.random.default_rng(size), set()
    while len(drawn) < SUBSETS:
        drawn.add(tuple(sorted(generator.choice(total, size, replace=False).tolist())))
    yield from sorted(drawn)


def _errors(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """(error, top-5 error) of (images, classes) scores."""
    own = scores[np.arange(len(labels)), labels][:, None]
    better = (scores > own).sum(1)
    equal = (scores == own) & (np.arange(scores.shape[1]) < labels[:, None])  # of equals the first counts, as in argmax
    place = better + equal.sum(1)
    return float((place > 0).mean()), float((place > 4).mean())


@dataclass(frozen=True, kw_only=True)
class Colour:
    """How coloured kernels are: the share of their energy off the grey axis, and how many are off it for the most part."""

    num_kernels: int
    num_coloured: int
    colour_share: float


def colour(kernels: np.ndarray) -> Colour:
    """Of (n, height, width, 3) kernels.

    A kernel's energy is the sum of its squared weights. Its grey part has the mean of the three weights at each place;
    the rest is colour. A kernel counts as coloured if that is more than half. Weights drawn independently have two
    thirds there; in the share of all, kernels that stayed near zero count for little. Weights that are not finite count
    as none.
    """
    kernels = np.where(np.isfinite(kernels), kernels, 0.0)
    whole = np.square(kernels, dtype=np.float64).sum((1, 2, 3))
    grey = 3 * np.square(kernels.mean(3, dtype=np.float64)).sum((1, 2))
    off = np.clip(whole - grey, 0.0, None)
    return Colour(
        num_kernels=len(kernels),
        num_coloured=int((off > whole / 2).sum()),
        colour_share=float(off.sum() / whole.sum()) if whole.any() else 0.0,
    )
