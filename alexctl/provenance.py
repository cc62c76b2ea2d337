"""What numbers were made with: versions, device, threads, commit. No host, no user, no absolute path."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from alexctl import results

PACKAGES = ("torch", "torchvision", "numpy", "pandas", "scipy", "pillow")


def environment(device: torch.device, precision: str = "float32") -> dict[str, Any]:
    """The content of a trial's `env.json`."""
    return {
        "schema": results.SCHEMA,
        "alexctl": version("alexctl"),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "precision": precision,
        **git_state(),
    }


def git_state() -> dict[str, Any]:
    """The commit of the checkout the code runs from and whether it was changed since; both None when installed."""
    checkout = Path(__file__).parent.parent

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
