"""How a training gives its device work: at once; on a CUDA device as graphs, captured once and replayed on a stream.

A step of a small net is a hundred kernels of some microseconds each, so that an eager loop mostly waits for Python. A
graph is launched whole, and graphs of several trainings, each on a stream of its own, share the device.
"""

import contextlib
from collections.abc import Callable, Generator, Hashable, Iterator
from functools import partial
from typing import Any, Protocol

import torch

from alexctl.training.device import is_out_of_memory, release_memory, synchroniser

Work = Callable[[], None]
WARM_UPS = 3  # of a kind of work before it is captured: libraries choose their kernels and take their memory then


class Launcher(Protocol):
    """What a Training gives its work to: `work` of a `kind`, of which there is one `variant` at a time.

    For an equal kind and variant it must be the same, and touch the device alone.
    """

    captures: bool

    def turn(self) -> contextlib.AbstractContextManager: ...
    def launch(self, kind: Hashable, variant: object, work: Work) -> None: ...
    def is_done(self) -> bool: ...
    def wait(self) -> None: ...


class Eager:
    """Does what it is given, there and then."""

    captures = False

    def __init__(self, wait: Callable[[], None] = lambda: None):
        self.wait = wait

    def turn(self) -> contextlib.AbstractContextManager:
        """Whatever touches the training's tensors happens within."""
        return contextlib.nullcontext()

    def launch(self, kind: Hashable, variant: object, work: Work) -> None:
        """Does the work, or has it done."""
        work()

    def is_done(self) -> bool:
        """Whether all that was launched is done."""
        return True


class Capturing:
    """Each kind of work is done eagerly some times, then captured as a graph, which is replayed from then on.

    `stream` and `graph` are torch.cuda's. What is given to the device within `turn` goes to the stream. Work that can't
    be captured is done eagerly to the end: `captures` is False then.
    """

    def __init__(
        self, stream: Any, *, graph: Callable[[], Any], release: Callable[[], None] = lambda: None,
        turn: Callable[[Any], contextlib.AbstractContextManager] = torch.cuda.stream,
    ):  # fmt: skip
        self.stream, self.captures = stream, True
        self._graph, self._turn, self._release = graph, turn, release
        self._done: dict[Hashable, int] = {}
        self._graphs: dict[Hashable, tuple[object, Any]] = {}
        self._pool: Any = None

    @classmethod
    def on(cls, device: torch.device) -> "Capturing":
        """On a new stream of this device, behind what the current one has still to do."""
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        return cls(stream, graph=torch.cuda.CUDAGraph, release=partial(release_memory, device))

    def turn(self) -> contextlib.AbstractContextManager:
        return self._turn(self.stream)

    def launch(self, kind: Hashable, variant: object, work: Work) -> None:
        known, graph = self._graphs.get(kind, (None, None))
        if graph is not None and known == variant:
            graph.replay()
            return
        done = self._done.get(kind, 0)
        if self.captures and done >= WARM_UPS:
            graph = self._captured(work)  # the one before it still lives: their memory goes with the last of them
            self.captures = graph is not None
        if graph is not None and self.captures:
            self._graphs[kind] = (variant, graph)
            graph.replay()
            return
        work()
        self._done[kind] = done + 1

    def _captured(self, work: Work, *, again: bool = False) -> Any:
        """The work as a graph, which does nothing yet; None where it can't be one.

        Where there is no memory for it, what others have left is given back first, and it is tried `again`.
        """
        graph = self._graph()
        # Graphs of one training never run at once, so they share their memory. torch.cuda.graph would also wait for
        # all other streams of the device.
        options = {} if self._pool is None else {"pool": self._pool}
        self.wait()
        try:
            graph.capture_begin(**options, capture_error_mode="thread_local")
            try:
                work()
            finally:
                graph.capture_end()
        except RuntimeError as error:
            if not any(map(is_out_of_memory, (error, error.__context__))):
                return None
            if again:
                raise
        else:
            self._pool = graph.pool()
            return graph
        self._release()
        return self._captured(work, again=True)

    def is_done(self) -> bool:
        return self.stream.query()

    def wait(self) -> None:
        """Returns when all that was launched is done."""
        self.stream.synchronize()


def launcher_on(device: torch.device, *, captures: bool = True) -> Launcher:
    """That of a training on this device; not `captures`: on a CUDA device too, step by step."""
    if device.type != "cuda":
        return Eager(synchroniser(device))
    launcher = Capturing.on(device)
    launcher.captures = captures
    return launcher


WAITING = object()
"""Yielded by what is done in pieces, while it waits for its device: there is nothing to launch yet."""


def waited(launcher: Launcher) -> Iterator[object]:
    """WAITING, until the device has done all it was given."""
    while not launcher.is_done():
        yield WAITING


def finished(pieces: Generator[Any, None, Any]) -> Any:
    """What a generator returns, run to its end."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value
