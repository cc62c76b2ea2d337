"""Random draws that depend on nothing but (seed, purpose): the number of workers or an interruption can't move them.

On the meta device, where a tensor has no numbers, nothing is drawn.
"""

import hashlib

import torch
from torch import Tensor


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU generator seeded by (seed, purpose), such as `generator(0, "order", epoch)`."""
    return torch.Generator().manual_seed(derived_seed(seed, *purpose))


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A number of 63 bits from (seed, purpose), to seed a generator with."""
    digest = hashlib.sha256("/".join(map(str, (seed, *purpose))).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


@torch.no_grad()
def normal_(weight: Tensor, std: float | Tensor, *, seed: int, name: str) -> None:
    """Fills a weight from N(0, std^2); two nets whose layer of this name has the same shape get the same draws."""
    if not weight.is_meta:
        weight.copy_(torch.randn(weight.shape, generator=generator(seed, "init", name)) * std)


@torch.no_grad()
def uniform_(weight: Tensor, bound: float | Tensor, *, seed: int, name: str) -> None:
    """Fills a weight uniformly within +-bound; two nets whose layer of this name has the same shape draw alike."""
    if not weight.is_meta:
        weight.copy_((2 * torch.rand(weight.shape, generator=generator(seed, "init", name)) - 1) * bound)
