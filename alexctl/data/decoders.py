"""Image files decoded by all cores: a thread a core, each of which has a process of its own where the files are many.

Pillow lets other threads run while it decodes, but what it does in Python keeps them waiting: of small images threads
decode no more than one core alone. Processes are started by their path and not by `multiprocessing`, which would run the
user's own script once more in each.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from alexctl.data import one_image
from alexctl.data.one_image import Decoded
from alexctl.machine import default_workers

SCRIPT = Path(__file__).with_name("decoder_process.py")
MANY = 2000  # files, from which on starting processes is worth the while
LARGE = (
    4_000_000  # pixels, above which threads take no longer than processes, and share what memory there is for images
)
ORDER_FILES, ORDER_BYTES = 32, 2**20  # at most, of one order to a process
THREAD_AHEAD, PROCESS_AHEAD = 128, 4  # orders given out before the first is fetched: in all; for each process


@contextmanager
def decoders(root: Path, size: int, num_files: int) -> Iterator[Callable[[Sequence[str]], Iterator[Decoded]]]:
    """Gives a function that decodes files below `root`, and yields what `one_image.decode` says of each, in order.

    Some results are ahead of whoever takes them, never all. Nobody waits for what is under way, as an executor would at
    its end and again at that of the process: Ctrl-C has not to wait until an image that takes minutes is decoded.
    """
    num_threads = default_workers()
    orders: queue.SimpleQueue = queue.SimpleQueue()
    ended = threading.Event()
    processes: list[_Process] = []
    each, ahead = 1, THREAD_AHEAD

    def serve(process: "_Process | None") -> None:
        while (order := orders.get()) is not None and not ended.is_set():
            files, future = order
            try:
                found = process.decode(files) if process else [None] * len(files)
                if ended.is_set():
                    break
                here = (
                    one_image.decode(root, file, size) if one is None else one
                    for file, one in zip(files, found, strict=True)
                )
                future.set_result(list(here))
            except BaseException as error:
                future.set_exception(error)
        if process:
            process.close()

    def give(files: Sequence[str]) -> Iterator[Decoded]:
        given: deque[Future] = deque()
        for start in range(0, len(files), each):
            given.append(Future())
            orders.put((files[start : start + each], given[-1]))
            if len(given) == ahead:
                yield from _result(given.popleft())
        while given:
            yield from _result(given.popleft())

    try:
        if num_files >= MANY and num_threads > 1:
            with suppress(OSError):  # no process to be had: the threads do without
                processes += [_Process(root, size) for _ in range(num_threads)]
        if processes:
            each, ahead = max(1, min(ORDER_FILES, ORDER_BYTES // (3 * size**2))), PROCESS_AHEAD * num_threads
        for number in range(num_threads):
            process = processes[number] if processes else None
            threading.Thread(target=serve, args=(process,), daemon=True).start()
        yield give
    finally:
        ended.set()
        for process in processes:
            process.child.kill()
        for _ in range(num_threads):
            orders.put(None)


def _result(future: Future) -> list[Decoded]:
    while not future.done():  # a signal that comes just before a wait without end would not be heard
        wait([future], timeout=0.2)
    return future.result()


class _Process:
    """A process that decodes what one thread asks of it; it goes when that thread's process does."""

    def __init__(self, root: Path, size: int):
        self.size, self.gone = size, False
        self.child = subprocess.Popen(
            [sys.executable, "-P", str(SCRIPT), str(root), str(size), str(LARGE)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # else numpy starts a thread a core in each
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then kills it
        )  # fmt: skip

    def decode(self, files: list[str]) -> list[Decoded | None]:
        """What `one_image.decode` says of each; None for those that are large, and for all if the process is gone."""
        found: list[Decoded | None] = []
        if self.gone:
            return [None] * len(files)
        try:
            self.child.stdin.write(json.dumps(files).encode() + b"\n")
            self.child.stdin.flush()
            for told in json.loads(self.child.stdout.readline()):
                if told and told[0] is None:
                    shape = (self.size, self.size, 3)
                    told[0] = np.frombuffer(self.child.stdout.read(3 * self.size**2), np.uint8).reshape(shape)
                found.append(told and tuple(told))
            if len(found) != len(files):
                raise ValueError("an answer to something else")
        except (OSError, ValueError, TypeError):  # an answer that can't be read is the last that is asked for
            self.gone = True
            return [None] * len(files)
        return found

    def close(self) -> None:
        """Has it go, and waits for that: no longer than it is at an order, if it is."""
        with suppress(OSError):
            self.child.stdin.close()
        self.child.stdout.close()
        self.child.wait()
