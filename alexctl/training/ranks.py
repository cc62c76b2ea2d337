"""A training on two ranks of torch.distributed, each with one tower of the net, its parameters and its optimiser.

Rank 0 is the trial's: it alone yields rows, keeps time, and hands out checkpoints, which are those of the whole net on
one device. It tells rank 1 what comes next, and rank 1 does the same steps at the same time.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Generator, Mapping
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor

from alexctl.errors import UserError
from alexctl.nets import build
from alexctl.nets.split import TOWERS, half, keep_half, whole
from alexctl.training.graphs import WAITING
from alexctl.training.loop import Diverged, Row, Training

PATIENCE = 40.0  # seconds that a rank waits for the other one; a trial whose rank hangs is to end within a minute
START_PATIENCE = 55.0  # seconds for rank 1 to start and to import torch
AGREES = 1e-4  # by how much, of its size, the sum of losses of one rank may differ from the other's
LOOPBACK = ("lo", "lo0")  # of Linux, of a Mac


class Lost(Exception):
    """The other rank did not do its part: it is gone, it hangs, or it computes something else."""


def choose_pair(given: str) -> tuple[torch.device, torch.device]:
    """The two devices of `--devices A,B`, both CUDA or `cpu,cpu`; UserError for any others, or where torch lacks what
    they would talk by."""
    names = [name.strip() for name in given.split(",")]
    has = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    example = "cuda:0,cuda:1" if len(has) > 1 else "cpu,cpu"
    if len(names) != TOWERS or not all(names):
        raise UserError(f"--devices {given}: should be two, such as {example}; for one device use --device")
    if names[0] == names[1] != "cpu":
        raise UserError(f"--devices {given}: names {names[0]} twice, and each rank needs its own; give {example}")
    missing = [name for name in names if name != "cpu" and name not in has]
    if missing:
        raise UserError(
            f"--devices {given}: no {missing[0]} on this machine, which has: {', '.join(['cpu', *has])}; give {example}"
        )
    if "cpu" in names and names[0] != names[1]:
        raise UserError(f"--devices {given}: both should be of one kind; give {example}")
    pair = torch.device(names[0]), torch.device(names[1])
    backend = backend_for(pair[0])
    if not _has_backend(backend):
        raise UserError(
            f"--devices {given}: this torch comes without {backend}, by which two ranks talk; "
            "install one that has it, or leave --devices out"
        )
    return pair


def backend_for(device: torch.device) -> str:
    """What ranks on such devices talk by."""
    return "nccl" if device.type == "cuda" else "gloo"


def _has_backend(name: str) -> bool:
    distributed = torch.distributed
    return distributed.is_available() and getattr(distributed, f"is_{name}_available")()


class Apart(Lost):
    """It computes something else."""


class Crossing:
    """The way between the two ranks of this process's group, which is made here; bytes and seconds of waiting counted.

    `store` is where they meet, `loopback`: on this machine. Raises Lost where the other one does not come. One at a time in a process.
    """

    def __init__(self, store: Any, rank: int, device: torch.device, *, loopback: bool = True):
        self.rank, self.peer, self.device = rank, 1 - rank, device
        self.num_bytes, self.waited = 0, 0.0  # sent and received; seconds
        self.backend = backend_for(device)
        about: dict[str, Any] = {}
        if self.backend == "nccl":
            os.environ["TORCH_NCCL_BLOCKING_WAIT"] = "1"  # else a rank that hangs would have this process aborted
            torch.cuda.set_device(device)
            about["device_id"] = device
        elif loopback and (names := [name for _, name in socket.if_nameindex() if name in LOOPBACK]):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", names[0])
        self._guarded(
            torch.distributed.init_process_group, self.backend, store=store, rank=rank, world_size=TOWERS,
            timeout=timedelta(seconds=PATIENCE), **about,
        )  # fmt: skip

    def swap(self, mine: Tensor, theirs: Tensor) -> "Swapping":
        """Starts sending `mine`, and receiving into `theirs`."""
        self.num_bytes += mine.nbytes + theirs.nbytes
        return Swapping(self, self._guarded(self._started, mine, theirs), (mine, theirs))

    def _started(self, mine: Tensor, theirs: Tensor) -> list[Any]:
        distributed = torch.distributed
        if self.backend == "nccl":
            ways = [(distributed.isend, mine), (distributed.irecv, theirs)]
            return distributed.batch_isend_irecv([distributed.P2POp(way, each, self.peer) for way, each in ways])
        return [distributed.irecv(theirs, self.peer), distributed.isend(mine, self.peer)]

    def give(self, tensor: Tensor) -> None:
        """Sends it, with nothing in return."""
        self._guarded(torch.distributed.send, tensor.to(self.device).contiguous(), self.peer)

    def take(self, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """What the other one gives, of this shape."""
        tensor = torch.empty(shape, dtype=dtype, device=self.device)
        self._guarded(torch.distributed.recv, tensor, self.peer)
        return tensor

    def _guarded(self, work: Callable[..., Any], *words: Any, **about: Any) -> Any:
        try:
            return work(*words, **about)
        except RuntimeError as error:  # DistBackendError and the like
            raise Lost(said_by_torch(error)) from error

    def close(self) -> None:
        """Leaves the group, whatever has become of the other one."""
        with contextlib.suppress(RuntimeError, AssertionError, ValueError):
            torch.distributed.destroy_process_group()


def said_by_torch(error: BaseException) -> str:
    """Why the other rank was lost, as far as torch knows: it did not answer, or its connection is closed."""
    text = str(error)
    if "imed out" in text or "imeout" in text:
        return f"it did not answer for {PATIENCE:.0f} s"
    return "its connection was closed"


class Swapping:
    """Two tensors on their way."""

    def __init__(self, crossing: Crossing, works: list[Any], tensors: tuple[Tensor, Tensor]):
        self.crossing, self.works, self.tensors = crossing, works, tensors

    def wait(self) -> Tensor:
        """What the other rank has sent. The time that this takes is of waiting: there is nothing else to do."""
        crossing = self.crossing
        if crossing.backend == "nccl":
            torch.cuda.current_stream(crossing.device).synchronize()  # computing is no waiting
        began = time.perf_counter()
        for work in self.works:
            crossing._guarded(work.wait)
        crossing.waited += time.perf_counter() - began
        return self.tensors[1]


class RankedTraining(Training):
    """The Training of one of two ranks.

    `tell` gives rank 1 its orders; on rank 1 it does nothing. A state is that of the whole net, and rank 0's alone: it
    gives rank 1 its part. Raises Lost where the other rank does not do its part, and what Training raises.
    """

    def __init__(
        self, *words: Any, crossing: Crossing, tell: Callable[[str, str | None], None] = lambda *_: None,
        state: dict[str, Any] | None = None, resumes: bool = False, **about: Any,
    ):  # fmt: skip
        self.crossing, self.tell = crossing, tell
        self.bytes_per_step, self.waited = 0, 0.0
        super().__init__(*words, state=state, **about)
        if resumes and crossing.rank == 1:
            self._take_state()

    def _cut(self) -> None:
        self.shapes = {name: tensor.shape for name, tensor in self.net.state_dict().items()}
        keep_half(self.net, self.crossing)

    @property
    def is_capturable(self) -> bool:
        """No: what crosses waits for the other rank."""
        return False

    @property
    def leads(self) -> bool:
        """Whether this is rank 0."""
        return self.crossing.rank == 0

    @property
    def waiting_share(self) -> float:
        """Of the seconds of training steps in this process, the share spent waiting for the other rank."""
        return self.waited / self.stepping if self.stepping else 0.0

    stepping = 0.0

    def launch_step(self, size: int, epoch: int) -> None:
        num_bytes, waited, began = self.crossing.num_bytes, self.crossing.waited, time.perf_counter()
        super().launch_step(size, epoch)
        self.stepping += time.perf_counter() - began
        self.bytes_per_step = max(self.bytes_per_step, self.crossing.num_bytes - num_bytes)
        self.waited += self.crossing.waited - waited

    def in_turns(self, pieces: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
        """The same pieces, for each of which rank 1 is told to go on too."""
        inner, piece = super().in_turns(pieces), None
        while True:
            if piece is not WAITING:
                self.tell("go", None)
            try:
                piece = next(inner)
            except StopIteration as end:
                return end.value
            yield piece

    def errors_on(self, part: str) -> Generator[object | None, None, tuple[float, float]]:
        self.tell("errors_on", part)
        return super().errors_on(part)

    def _row(self) -> Generator[Row | object | None, None, None]:
        theirs = self.crossing.swap(self.sums, torch.empty_like(self.sums)).wait()
        if not torch.allclose(theirs, self.sums, rtol=AGREES, equal_nan=True):
            mine, others = (float(sums[0] / sums[2]) for sums in (self.sums, theirs))
            raise Apart(
                f"rank {self.crossing.peer} ({self.device.type}) computed another training loss than rank "
                f"{self.crossing.rank}: {others:.6g} against {mine:.6g}, at step {self.step}"
            )
        yield from super()._row()

    def state(self) -> dict[str, Any]:
        """That of the whole net; rank 1 gives its part of it, and returns its own."""
        state = super().state()
        names = ("net", *self.optimiser.KEEPS)
        if not self.leads:
            for name in names:
                for tensor in state[name].values():
                    self.crossing.give(tensor)
            return state
        self.tell("state", None)
        theirs = {name: self._taken(state[name]) for name in names}
        return state | {name: whole(state[name], theirs[name]) for name in names}

    def _taken(self, mine: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors of these names, as the other rank gives them."""
        other = self.crossing.peer
        return {
            name: self.crossing.take(_part(self.shapes[name], other), tensor.dtype) for name, tensor in mine.items()
        }

    def _load(self, state: dict[str, Any]) -> None:
        """Rank 0 keeps its part of a whole state, and gives rank 1 the other."""
        names = ("net", *self.optimiser.KEEPS)
        self.crossing.give(torch.tensor([state["step"]]))
        self.crossing.give(state["sums"].to(self.sums.dtype))
        for name in names:
            for tensor in half({key: state[name][key] for key in self._keys(name)}, 1).values():
                self.crossing.give(tensor)
        super()._load(state | {name: half(state[name], 0) for name in names})

    def _take_state(self) -> None:
        """What rank 0 gives of a state that is gone on with."""
        step = int(self.crossing.take(torch.Size([1]), torch.int64))
        sums = self.crossing.take(self.sums.shape, self.sums.dtype)
        mine = {"net": self.net.state_dict(), **self.optimiser.kept}
        names = ("net", *self.optimiser.KEEPS)
        parts = {
            name: {key: self.crossing.take(mine[name][key].shape, mine[name][key].dtype) for key in self._keys(name)}
            for name in names
        }
        super()._load({"step": step, "sums": sums, "right": None, "probabilities": None, **parts})

    def _keys(self, name: str) -> list[str]:
        """The tensors of a part of the state, in the order in which they are given."""
        return list(self.net.state_dict() if name == "net" else self.optimiser.kept[name])

    def reunite(self) -> None:
        """On rank 0: `net` is the whole net from now on, on its device; nothing is trained or evaluated any more."""
        state, batches = self.state()["net"], self.batches
        net = build(
            self.setting.training.net, self.setting.net, image_shape=batches.shape, num_classes=self.num_classes,
            seed=self.seed,
        )  # fmt: skip
        net.load_state_dict(state)
        self.net = net.to(device=self.device, memory_format=torch.channels_last)


def _part(shape: torch.Size, tower: int) -> torch.Size:
    return torch.empty(shape, device="meta").tensor_split(TOWERS)[tower].shape if len(shape) else shape


def follow(training: RankedTraining, orders: Generator[tuple[str, str | None], None, None]) -> None:
    """What rank 1 does: all that rank 0 does, as it is told, until it is told no more."""
    pieces: Generator[Any, None, Any] | None = training.work()
    for order, what in orders:
        if order == "errors_on":
            pieces = training.errors_on(what)
        elif order == "state":
            training.state()
        elif order == "go" and pieces is not None:
            pieces = _gone_on(pieces)


def _gone_on(pieces: Generator[Any, None, Any]) -> Generator[Any, None, Any] | None:
    try:
        while next(pieces) is WAITING:
            pass
    except (StopIteration, Diverged):  # rank 0 says so too
        return None
    return pieces
