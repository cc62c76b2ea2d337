"""The one step timer: calls timed one by one, until the device is done with each; the first, which warms up, is not counted."""

import math
import time
from collections.abc import Callable


def seconds_of(work: Callable[[], object], sync: Callable[[], None]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    work()
    sync()
    return time.perf_counter() - began


def laps(
    work: Callable[[], object], sync: Callable[[], None], *, seconds: float = math.inf, most: float = math.inf
) -> list[float]:
    """Seconds of each call after the first: at least one, until there are `most` or they come to more than `seconds`."""
    seconds_of(work, sync)
    found, total = [], 0.0
    while not found or (len(found) < most and total <= seconds):
        found.append(seconds_of(work, sync))
        total += found[-1]
    return found


def per_second(work: Callable[[], object], sync: Callable[[], None], seconds: float) -> float:
    """How often a second it is done, measured for about so many seconds."""
    found = laps(work, sync, seconds=seconds)
    return len(found) / sum(found)
