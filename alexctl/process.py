"""This process: its standard streams, which nothing ends for, the signals that ask it to stop, and its end."""

import io
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import Any, TextIO

end = os._exit  # at once; code of the user's own may find another function under the name in `os`
STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupt(KeyboardInterrupt):
    """One of STOP_SIGNALS was received. A bare KeyboardInterrupt may as well come from code that raises one."""


def on_stop(handler: Callable[[int, Any], None]) -> dict[int, Any]:
    """Has STOP_SIGNALS call the handler, and returns the handlers before; a SIGHUP that nohup ignores stays ignored."""
    heard = [n for n in STOP_SIGNALS if n.name != "SIGHUP" or signal.getsignal(n) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in heard}


def raise_interrupt(number: int, frame: Any) -> None:
    """The handler that has everything under way end with an Interrupt."""
    raise Interrupt


def is_interrupt(error: BaseException) -> bool:
    """Whether a person asked for it, so that it goes on upwards, and it is no fault of the code that it went through."""
    defaulted = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # of a program that only imports alexctl
    return isinstance(error, Interrupt) or (isinstance(error, KeyboardInterrupt) and defaulted)


class Dropping(io.FileIO):
    """A file for which what can't be written (its disk is full, its terminal gone) counts as written."""

    lost: OSError | None = None

    def write(self, data: Any) -> int:
        """Writes what it can, and keeps the first reason why it could not."""
        try:
            while (written := super().write(data)) is None:  # it has no room yet and was told not to wait
                select.select([], [self], [])
            return written
        except OSError as error:
            self.lost = self.lost or error
            return memoryview(data).nbytes


def open_descriptors() -> None:
    """Opens what of 0, 1 and 2 was closed at the start, lest another file get the number and be taken for it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free


def open_streams() -> None:
    """Makes standard output and error Dropping."""
    open_descriptors()
    if sys.stdout is sys.__stdout__:  # else somebody has caught what is printed
        sys.stdout = _dropping(sys.stdout, 1)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _dropping(sys.stderr, 2)


def _dropping(stream: TextIO | None, number: int) -> TextIO:
    how: dict[str, Any] = {"encoding": "utf-8", "line_buffering": number == 2}
    if stream is not None:
        if not isinstance(getattr(stream.buffer, "raw", stream.buffer), io.FileIO):  # a console of Windows
            stream.reconfigure(errors="replace")
            return stream
        how = {"encoding": stream.encoding, "line_buffering": stream.line_buffering or stream.write_through}
    return io.TextIOWrapper(io.BufferedWriter(Dropping(number, "wb", closefd=False)), errors="replace", **how)


def lost_output() -> OSError | None:
    """Why standard output could not be written, if it could not; asked again it says so no more."""
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(raw, Dropping):
        return None
    lost, raw.lost = raw.lost, None
    return lost
