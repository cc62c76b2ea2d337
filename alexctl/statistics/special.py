"""The functions of `scipy.special`, which is imported at the first use: who trains reads targets and needs none of them."""

from typing import Any


def __getattr__(name: str) -> Any:
    from scipy import special  # a tenth of the import time of scipy.stats

    return getattr(special, name)
