"""Random draws that depend on nothing but (seed, purpose): the number of workers or an interruption can't move them.

Initial weights come from torch's generator, on the CPU. All that is drawn while a net trains comes from a generator that
has no state, Philox-4x32-10 (Salmon, Moraes, Dror and Shaw 2011: "Parallel random numbers: as easy as 1, 2, 3"): a
number is a function of its key, a step and its index, so that it is the same on every device, whoever draws it.
"""

import hashlib
import math
from functools import lru_cache

import torch
from torch import Tensor

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)  # of Philox-4x32, as are the two below
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
WORD = 2**32 - 1


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU generator seeded by (seed, purpose), such as `generator(0, "init", "fc.weight")`."""
    return torch.Generator().manual_seed(derived_seed(seed, *purpose))


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A number of 63 bits from (seed, purpose): a key for `words`, or to seed a generator with."""
    digest = hashlib.sha256("/".join(map(str, (seed, *purpose))).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


@torch.no_grad()
def normal_(weight: Tensor, std: float | Tensor, *, seed: int, name: str) -> None:
    """Fills a weight from N(0, std^2); two nets whose layer of this name has the same shape get the same draws.

    On the meta device, where a tensor has no numbers, nothing is drawn.
    """
    if not weight.is_meta:
        weight.copy_(torch.randn(weight.shape, generator=generator(seed, "init", name)) * std)


@torch.no_grad()
def uniform_(weight: Tensor, bound: float | Tensor, *, seed: int, name: str) -> None:
    """Fills a weight uniformly within +-bound; two nets whose layer of this name has the same shape draw alike."""
    if not weight.is_meta:
        weight.copy_((2 * torch.rand(weight.shape, generator=generator(seed, "init", name)) - 1) * bound)


def words(key: int, step: Tensor, count: int) -> Tensor:
    """(count,) int64 from 0 to 2^32 - 1, all equally probable, on the device of `step`: a whole number, shape ().

    `key` has at most 64 bits. The numbers are the same on every device.
    """
    return _words_of(key, step, torch.arange(-(-count // 4), device=step.device))[:count]


def _words_of(key: int, step: Tensor, blocks: Tensor) -> Tensor:
    """The four words of each block, one after another."""
    return philox(key, (blocks & WORD, blocks >> 32, step & WORD, step >> 32)).flatten()


def integers(key: int, step: Tensor, count: int, below: int) -> Tensor:
    """(count,) int64 from 0 to `below` - 1, each as probable as another but for one in 2^32 / `below`."""
    return words(key, step, count) * below >> 32


def happens(
    key: int, step: Tensor, count: int, probability: float, *, rows: int = 1, part: tuple[int, int] = (0, 1)
) -> Tensor:
    """(count,) bool, each true with this probability, which is rounded to a multiple of 2^-32.

    `part` = (i, n): the i-th of n equal parts of each of so many rows, drawn as a part of the n * count numbers.
    """
    which, parts = part
    if parts == 1:
        drawn = words(key, step, count)
    elif (length := count // rows) % 4 == 0:  # whole blocks of four words
        row = torch.arange(rows, device=step.device)[:, None] * (parts * length // 4) + which * length // 4
        drawn = _words_of(key, step, (row + torch.arange(length // 4, device=step.device)).flatten())
    else:
        drawn = words(key, step, parts * count).view(rows, parts, length)[:, which].flatten()
    return drawn < round(probability * 2**32)


def normals(key: int, step: Tensor, count: int) -> Tensor:
    """(count,) float32 from N(0, 1), by Box and Muller's transform; devices agree but for rounding."""
    one, other = words(key, step, 2 * count).view(2, count).float().mul_(2**-32)
    radius = (-2 * torch.log1p(-one.clamp_max_(1 - 2**-24))).sqrt_()
    return radius * torch.cos(2 * math.pi * other)


def betas(key: int, step: Tensor, count: int, alpha: float) -> Tensor:
    """(count,) float64 from Beta(alpha, alpha), by Jöhnk's rejections (1964); `alpha` is above 0 and at most 1.

    A try is taken with probability one half at least. Where 40 in a row were not, one in 10^12, the last one is.
    """
    tries = 40
    uniform = (words(key, step, 2 * tries * count).view(2, tries, count).double() + 0.5) * 2**-32
    one, other = uniform.log() / alpha
    taken = one.exp() + other.exp() <= 1
    taken[-1] = True
    first = taken.int().argmax(0, keepdim=True)
    return torch.sigmoid((one - other).gather(0, first)[0])


def permutation(key: int, step: Tensor, count: int) -> Tensor:
    """(count,) int64: a random order of the first `count` whole numbers."""
    high, low = words(key, step, 2 * count).view(2, count)
    return torch.argsort(high << 31 | low >> 1, stable=True)  # of 63 bits no two are likely to be equal


def philox(key: int, counter: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    """(n, 4) int64: Philox-4x32-10 of n counters, each four words of 32 bits; a word of shape () goes for all."""
    factors = _factors(counter[0].device)
    first, second = (torch.stack(torch.broadcast_tensors(*counter)[part::2]) for part in (0, 1))
    for number in range(ROUNDS):
        products = first * factors  # what overflows is the sign, whose bit `& WORD` gives back
        first = (products >> 32 & WORD).flip(0).bitwise_xor_(second)
        for row, (word, step) in enumerate(zip((key & WORD, key >> 32 & WORD), KEY_STEPS, strict=True)):
            first[row].bitwise_xor_((word + number * step) & WORD)
        second = (products & WORD).flip(0)
    return torch.stack((first[0], second[0], first[1], second[1]), 1)


@lru_cache
def _factors(device: torch.device) -> Tensor:
    """(2, 1), kept on the device: a step that is captured can't copy it over."""
    return torch.tensor([[factor] for factor in MULTIPLIERS], device=device)
