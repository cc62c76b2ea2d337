"""Commands in processes of their own, what they leave behind, and waiting for it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from conftest import TINY

from alexctl.campaign.campaign import Campaign

PATIENCE = 120.0  # seconds for anything that is waited for

NET = """
import os, time
from torch import nn

class Slow(nn.Module):
    def forward(self, images):
        if self.training and os.path.exists(os.environ.get("SLOWLY", "")):
            time.sleep(0.25)
        return images

def make(*, act: str = "relu", image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    act = nn.ReLU() if act == "relu" else nn.Tanh()
    return nn.Sequential(Slow(), nn.Flatten(), nn.Linear(image_shape[0] * image_shape[1] * image_shape[2], 16), act, nn.Linear(16, num_classes))
"""


def write_slow(folder: Path) -> Path:
    """An ablation with a search of the learning rate; its trials take their time, but not the processor's, while the file
    named by SLOWLY exists. Their rows are the same either way."""
    (folder / "slow_net.py").write_text(NET)
    base = {key: value for key, value in TINY["base"].items() if key not in ("init", "bias_rate", "input_scaling")}
    base |= {"net": "slow_net:make", "epochs": 30, "epochs_after_target": 99.0, "evaluate_every": 10}
    base |= {"lr": "search", "lr_grid": [0.01, 0.04], "lr_widenings": 1}
    return _write(folder / "slow.toml", base, ["act"], {"relu": {"act": "relu"}, "tanh": {"act": "tanh"}})


def _write(path: Path, base: dict, varies: list[str], arms: dict) -> Path:
    top = {key: TINY[key] for key in ("title", "control", "measure", "margin")} | {"varies": varies}
    tables = {"claim": TINY["claim"], "base": base, **{f"arms.{name}": knobs for name, knobs in arms.items()}}
    lines = [f"{key} = {_toml(value)}" for key, value in top.items()]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    path.write_text("\n".join(lines) + "\n")
    return path


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "alexctl", *map(str, words)]


def alexctl(*words: object, seconds: float = 200.0) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=seconds)


@contextlib.contextmanager
def started(*words: object) -> Iterator[subprocess.Popen[str]]:
    """The command under way; killed at the end, if it is there still."""
    process = subprocess.Popen(
        command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(what: str, seen: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Returns when it was seen; fails where it never is."""
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, f"{what} has not come in {seconds:.0f} s"
        time.sleep(0.3)


def rows_of(campaign: Path) -> dict[str, list]:
    """The rows that count of each trial, by the name of its folder, which has the hash of its setting; seconds aside.

    A search trial may have some more: how far it runs depends on what is known of the others by then.
    """
    return {
        record.folder.name: [{k: v for k, v in row.items() if not k.endswith("_seconds")} for row in record.rows]
        for record in Campaign.open(campaign).counted()
    }


def hands(campaign: Path) -> list[int]:
    """The processes that jobs have started to work on a campaign."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            if words[1:4] == ["-m", "alexctl", "ablate"] and f"--results={campaign.parent}" in words:
                found.append(int(entry.name))
    return found


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
