"""What this process may use of the machine: cores, a container's share of them, memory."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
GIB = 2**30
# Page faults on freshly mapped buffers cost a quarter of a CPU step; with huge pages there are few (glibc on Linux only).
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def worker_environment(threads: int) -> dict[str, str]:
    """What the environment of a process that trains has besides its parent's."""
    return {**HUGE_PAGES, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def default_workers(device_type: str = "cpu") -> int:
    """Trials at once: one on an accelerator; on a CPU one a core, and no more than a container gives time for."""
    if device_type != "cpu":
        return 1
    quota = cpu_quota()
    return max(1, min(usable_cores(), int(quota) if quota is not None else usable_cores()))


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_quota() -> float | None:
    """Cores' worth of time a container allows (cgroup v2, then v1); None where nothing limits it."""
    try:
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        quota, period = (int((CGROUP / "cpu" / f"cpu.cfs_{n}_us").read_text()) for n in ("quota", "period"))
        return quota / period if quota > 0 else None
    except (OSError, ValueError):
        return None


def memory_gib() -> tuple[float | None, float | None]:
    """(all, free) in GiB; a container's limit counts as all there is; None where the system does not tell."""
    total = free = None
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total, free = (int(lines[key].split()[0]) * 1024 / GIB for key in ("MemTotal", "MemAvailable"))
    except (OSError, ValueError, KeyError):
        try:
            total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
        except (AttributeError, OSError, ValueError):
            return None, None
    for limit in (CGROUP / "memory.max", CGROUP / "memory" / "memory.limit_in_bytes"):
        try:
            allowed = int(limit.read_text()) / GIB
        except (OSError, ValueError):  # "max", or no such file
            continue
        if allowed < total:
            return allowed, None
    return total, free
