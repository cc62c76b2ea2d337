"""Rank 1 as rank 0 sees it: a process that is started for a trial, or one of torchrun's; told what to do, and watched.

They talk by a line of their own (orders, signs of life, faults), and by torch.distributed for what is computed. Whatever
ends one of them closes the line and the group, so that the other one hears of it.
"""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import torch

from alexctl.ablation.setting import Setting
from alexctl.data.sources import DataSet
from alexctl.errors import UserError
from alexctl.machine import worker_environment
from alexctl.regular_files import open_regular
from alexctl.training.ranks import START_PATIENCE, TOWERS, Apart, Crossing, Lost, RankedTraining

START = Path(__file__).with_name("start_worker.py")
SECOND_RANK = "--second-rank"
BEAT_SECONDS = 5.0
LOOPBACK_HOSTS = ("127.0.0.1", "localhost")
LAST_WORDS_SECONDS = 2.0  # for what a rank has to say of its end


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two devices, a rank on each, with so many threads each.

    `events` is the descriptor that a worker's pool listens to: there rank 1 says that rank 0 hangs.
    """

    devices: tuple[torch.device, torch.device]
    threads: int = 1
    events: int | None = None


class Line:
    """A connection that carries JSON, a line each; None is its end."""

    def __init__(self, connection: socket.socket):
        self.connection, self.left = connection, b""
        self.writing = threading.Lock()

    def say(self, *words: Any) -> None:
        """Says it, or nothing where nobody is there any more: the group will say so."""
        with contextlib.suppress(OSError), self.writing:
            self.connection.sendall(json.dumps(words).encode() + b"\n")

    def hear(self, seconds: float) -> list[Any] | None:
        """The next line; TimeoutError where none comes in time."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self.left:
            self.connection.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                more = self.connection.recv(65536)
            except TimeoutError:
                raise
            except OSError:
                more = b""
            if not more:
                return None
            self.left += more
            if time.monotonic() > deadline and b"\n" not in self.left:
                raise TimeoutError
        self.connection.settimeout(None)  # also holds for what is said
        line, _, self.left = self.left.partition(b"\n")
        return json.loads(line)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.close()


class Torchrun:
    """What torchrun tells the two processes that it has started; `meets` is the store where they find each other."""

    def __init__(self) -> None:
        self.rank = int(os.environ["RANK"])
        self.store, _, _ = next(torch.distributed.rendezvous("env://", timeout=timedelta(seconds=START_PATIENCE)))
        self.host, self.count = os.environ["MASTER_ADDR"], 0

    def tell(self, what: dict[str, Any] | None) -> None:
        """Where rank 0 waits for rank 1 with the next trial; None: there is none any more."""
        self.store.set(f"alexctl/{self.count}", json.dumps(what))
        self.count += 1

    def told(self) -> dict[str, Any] | None:
        """The next of these, however long that takes; torchrun ends whoever waits for one that is gone."""
        key = f"alexctl/{self.count}"
        self.count += 1
        self.store.wait([key], timedelta(days=365))
        return json.loads(self.store.get(key))


def by_torchrun() -> bool:
    """Whether torchrun has started this process and another one. UserError where it has started more than two."""
    size = os.environ.get("WORLD_SIZE", "1") if "TORCHELASTIC_RUN_ID" in os.environ else "1"
    if size == "1":
        return False
    if size != str(TOWERS):
        raise UserError(f"torchrun started {size} processes, and a network has two towers; give --nproc-per-node 2")
    return True


@cache
def torchrun() -> Torchrun | None:
    """What torchrun tells this process, where it has started it."""
    return Torchrun() if by_torchrun() else None


class Partner:
    """Rank 1 of one trial, from its start to its end: nothing of it is left once it is closed.

    Raises Lost where it does not come; UserError where this process has a group of torch.distributed already.
    """

    def __init__(self, pair: Pair, *, root: Path, log: Path, torchrun: Torchrun | None = None):
        self.pair, self.root, self.torchrun = pair, root, torchrun
        if torch.distributed.is_initialized():
            raise UserError("--devices: this program uses torch.distributed already; run it by `alexctl ablate` alone")
        self.process: subprocess.Popen | None = None
        self.line: Line | None = None
        self.crossing: Crossing | None = None
        self.closed, self.lost = threading.Event(), False
        self.host = torchrun.host if torchrun else "127.0.0.1"
        self.log = log

    def training(self, setting: Setting, seed: int, data: DataSet, state: dict[str, Any] | None) -> RankedTraining:
        """This process's half of the training, once rank 1 has begun with the other."""
        self._start()
        store = torch.distributed.TCPStore(
            self.host, 0, TOWERS, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=START_PATIENCE)
        )
        self.line.say({
            "setting": setting.flat(), "seed": seed, "data": data.name, "device": str(self.pair.devices[1]),
            "threads": self.pair.threads, "root": str(self.root), "host": self.host, "port": store.port,
            "resumes": state is not None,
        })  # fmt: skip
        threading.Thread(target=self._beat, daemon=True).start()
        self.crossing = Crossing(store, 0, self.pair.devices[0], loopback=self.host in LOOPBACK_HOSTS)
        return RankedTraining(
            setting, seed, data, device=self.pair.devices[0], state=state, crossing=self.crossing, tell=self.line.say
        )

    def _start(self) -> None:
        token = secrets.token_hex(16)
        with socket.create_server((self.host, 0)) as server:
            about = {"host": self.host, "port": server.getsockname()[1], "token": token, "events": self.pair.events}
            if self.torchrun:
                self.torchrun.tell(about)
            else:
                self._spawn(about)
            deadline = time.monotonic() + START_PATIENCE
            while time.monotonic() < deadline and (self.process is None or self.process.poll() is None):
                server.settimeout(0.2)
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                line = Line(connection)
                with contextlib.suppress(TimeoutError, ValueError):
                    if line.hear(5.0) == [token]:
                        self.line = line
                        return
                line.close()
        raise Lost(f"it did not start within {START_PATIENCE:.0f} s")

    def _spawn(self, about: dict[str, Any]) -> None:
        kept = () if self.pair.events is None or os.name == "nt" else (self.pair.events,)
        with open_regular(self.log, append=True) as log:
            try:
                self.process = subprocess.Popen(
                    [sys.executable, "-P", str(START), SECOND_RANK], stdin=subprocess.PIPE, stdout=log, stderr=log,
                    env=os.environ | worker_environment(self.pair.threads), start_new_session=True, pass_fds=kept,
                )  # fmt: skip
            except OSError as error:
                raise Lost(f"it can't be started: {error.strerror}") from None
        with contextlib.suppress(OSError):
            self.process.stdin.write(json.dumps(about).encode() + b"\n")
            self.process.stdin.flush()  # and stays open: its end tells rank 1 that this process is gone

    def _beat(self) -> None:
        while not self.closed.wait(BEAT_SECONDS):
            self.line.say("alive")

    def reason(self, lost: Lost) -> str:
        """What became of rank 1, in words: what it said itself, how its process ended, or what was noticed here."""
        name = f"rank 1 ({self.pair.devices[1]})"
        self.lost = True
        if isinstance(lost, Apart):
            return str(lost)
        said = self._last_words()
        if said is not None:
            return f"{name}: {said}"
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.process.wait(LAST_WORDS_SECONDS)
                return f"{name} {_cause(code)}"
        return f"{name} was lost: {lost}"

    def _last_words(self) -> str | None:
        deadline = time.monotonic() + LAST_WORDS_SECONDS
        with contextlib.suppress(TimeoutError, ValueError):
            while self.line is not None and (heard := self.line.hear(max(0.01, deadline - time.monotonic()))):
                if heard[0] == "fault":
                    return heard[1]
        return None

    def close(self) -> None:
        """Ends rank 1, which has some seconds to go by itself where it was not lost, and leaves the group."""
        self.closed.set()
        if self.line is not None:
            self.line.say("end", None)
        if self.process is not None and self.lost:
            self.process.kill()
        if self.crossing is not None:
            self.crossing.close()
        if self.line is not None:
            self.line.close()
        if self.process is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            try:
                self.process.wait(LAST_WORDS_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):  # a disk that hangs holds even a killed one
                    self.process.wait(LAST_WORDS_SECONDS)


def _cause(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was killed by {signal.Signals(-code).name if -code in set(signal.Signals) else -code}"


def orders(line: Line, patience: float) -> Iterator[tuple[str, str | None]]:
    """What rank 0 says, up to its end; TimeoutError where it does not say a word for `patience` seconds."""
    while (heard := line.hear(patience)) is not None and heard[0] != "end":
        if heard[0] != "alive":
            yield heard[0], heard[1]
