"""The process of rank 1: it does what rank 0 tells it, for one trial, and ends with it.

It writes nothing but its trial's log, holds no lock, and has no checkpoint: whatever happens, rank 0 has all of it.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import threading
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from alexctl import process
from alexctl.ablation.own_code import in_a_line
from alexctl.ablation.setting import Setting
from alexctl.data.sources import data_root, open_prepared
from alexctl.training.ranks import PATIENCE, START_PATIENCE, TOWERS, Crossing, Lost, RankedTraining, follow
from alexctl.trials import partner
from alexctl.trials.partner import LOOPBACK_HOSTS, Line, orders

PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>


def main() -> None:
    """Reads from standard input where rank 0 waits, and ends as soon as that is closed."""
    _die_with_parent()
    about = json.loads(sys.stdin.buffer.readline() or b"null")
    if about is None:
        process.end(1)
    threading.Thread(target=_watch_stdin, daemon=True).start()
    process.end(0 if serve(about) else 1)


def serve_torchrun(root: Path | None) -> bool:
    """Rank 1 of every trial that torchrun's first process has, until that has no more; `root` is where this machine has
    its data. Returns whether this is torchrun's second process at all."""
    torchrun = partner.torchrun()
    if torchrun is None:
        return False
    while (about := torchrun.told()) is not None:
        serve(about, data_root(root))
    return True


def serve(about: dict[str, Any], root: Path | None = None) -> bool:
    """Rank 1 of the trial with which rank 0 waits; returns whether it came to an end that is no fault."""
    with contextlib.suppress(OSError), socket.create_connection((about["host"], about["port"]), PATIENCE) as connection:
        line = Line(connection)
        line.say(about["token"])
        try:
            _train(line, root)
        except (Lost, TimeoutError) as lost:
            if isinstance(lost, TimeoutError) or "answer" in str(lost):
                _say_that_rank_0_hangs(about.get("events"))
            traceback.print_exc()
            line.say("fault", f"it has lost rank 0: {lost or 'not a word of it'}")
        except Exception as failure:
            traceback.print_exc()
            line.say("fault", in_a_line(failure))
        else:
            return True
    return False


def _train(line: Line, root: Path | None) -> None:
    heard = line.hear(START_PATIENCE)
    if heard is None:
        return
    (told,) = heard
    torch.set_num_threads(told["threads"])
    setting, device = Setting.from_flat(told["setting"]), torch.device(told["device"])
    data = open_prepared(setting.data_name, setting.data_digest, root or Path(told["root"]))
    store = torch.distributed.TCPStore(
        told["host"], told["port"], TOWERS, is_master=False, timeout=timedelta(seconds=START_PATIENCE)
    )
    crossing = Crossing(store, 1, device, loopback=told["host"] in LOOPBACK_HOSTS)
    try:
        training = RankedTraining(
            setting, told["seed"], data, device=device, crossing=crossing, resumes=told["resumes"]
        )
        follow(training, orders(line, PATIENCE))
    finally:
        crossing.close()


def _say_that_rank_0_hangs(events: int | None) -> None:
    """Tells the pool of rank 0's worker, which can end it."""
    if events is not None:
        why = f"rank 0 has not answered for {PATIENCE:.0f} s, as rank 1 says"
        with contextlib.suppress(OSError):
            os.write(events, json.dumps({"event": "hangs", "why": why}).encode() + b"\n")


def _watch_stdin() -> None:
    with contextlib.suppress(OSError), open(0, "rb", buffering=0, closefd=False) as lines:
        while lines.read(4096):
            pass
    process.end(1)


def _die_with_parent() -> None:
    """Has Linux kill this process when its parent dies, however it stands."""
    with contextlib.suppress(AttributeError, OSError):  # another system
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
