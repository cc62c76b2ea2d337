"""What numbers were made with: versions, device, threads, commit. No host, no user, no absolute path."""

import contextlib
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexctl import __version__
from alexctl.errors import printable
from alexctl.regular_files import is_regular
from alexctl.store import layout
from alexctl.store.files import SCHEMA, read_json, unusable

if TYPE_CHECKING:
    import torch

PACKAGES = ("torch", "torchvision", "numpy", "pandas", "scipy", "pillow")


def environment(device: "torch.device", precision: str = "float32") -> dict[str, Any]:
    """The content of a trial's `env.json`."""
    import torch

    return {
        "schema": SCHEMA,
        "alexctl": __version__,  # also in a checkout that is not installed
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "precision": precision,
        **git_state(),
    }


def git_state() -> dict[str, Any]:
    """The commit of the checkout the code runs from and whether it was changed since; both None when installed."""
    checkout = Path(__file__).parents[2]

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(checkout), *words], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("log", "-1", "--format=%H", "--", "alexctl") if (checkout / ".git").exists() else None
    return {
        "git_commit": commit or None,
        "git_dirty": bool(git("status", "--porcelain", "--", "alexctl")) if commit else None,
    }


CLOCK = (
    "platform",
    "cpu",
    "device",
    "devices",
    "threads",
    "lanes",
)  # what, with the version of torch, a second depends on


def clock(env: dict[str, Any]) -> tuple:
    """What a trial's seconds depend on, of its env.json."""
    parts = {**env, "devices": " ".join(env.get("devices") or [])}
    return *(parts.get(part) for part in CLOCK), env.get("packages", {}).get("torch")


def mixed(trials: Iterable[Path]) -> bool:
    """Whether the trials in these folders ran on several machines, so that their seconds can't be compared."""
    clocks = set()
    for file in (folder / layout.ENV for folder in trials):
        try:
            clocks |= {clock(read_json(file))} if is_regular(file) else set()
        except ValueError as error:
            raise unusable(
                file.parent.name, error, "restore it, or delete that trial's folder and run it again"
            ) from None
    return len(clocks) > 1


def made_with(trials: Iterable[Path]) -> dict[str, tuple[str, ...]]:
    """The different values of each part of the env.json of the trials in these folders, sorted, as words.

    Packages stand beside the other parts by their names. UserError where an env.json is damaged.
    """
    found: dict[str, set[str]] = {}
    for file in (folder / layout.ENV for folder in trials):
        try:
            env = read_json(file) if is_regular(file) else {}
        except ValueError as error:
            raise unusable(file.parent.name, error, "restore it, or delete that trial's folder") from None
        commit, changed = env.get("git_commit"), " with changes" * bool(env.get("git_dirty"))
        parts = {
            key: value for key, value in env.items() if key not in ("schema", "packages", "git_commit", "git_dirty")
        }
        parts |= env.get("packages", {}) | ({"commit": f"{commit[:8]}{changed}"} if commit else {})
        for key, value in parts.items():
            if value is not None:
                found.setdefault(key, set()).add(printable(str(value)))
    return {key: tuple(sorted(values)) for key, values in found.items()}


def threads_of(trials: Iterable[Path]) -> set[int]:
    """The numbers of threads that the trials in these folders ran with, as far as that is known."""
    found = set()
    for folder in trials:
        with contextlib.suppress(ValueError):  # not begun yet, or damaged
            threads = read_json(folder / layout.ENV).get("threads")
            found |= {threads} if type(threads) is int else set()
    return found


def devices_of(trials: Iterable[Path]) -> set[str]:
    """The devices that the trials in these folders ran on, as their env.json calls them, as far as that is known."""
    found = set()
    for folder in trials:
        with contextlib.suppress(ValueError):
            device = read_json(folder / layout.ENV).get("device")
            found |= {device} if device else set()
    return found


def device_name(device: "torch.device") -> str:
    """A device as env.json calls it: 'cpu', 'mps', or the GPU's own name."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
