"""Stands between alexctl and the files below one folder, in this process: each operation on them is told before it is done."""

import builtins
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest import mock

_REAL = {name: getattr(os, name) for name in ("open", "fdopen", "fsync", "replace", "unlink", "mkdir")}
_OPEN = io.open


class Operation(NamedTuple):
    """`open` (for reading), `create` (for writing), `write`, `fsync`, `replace`, `unlink` or `mkdir`, of a path."""

    kind: str
    path: Path
    folder: Path  # that is watched
    source: Path | None = None  # of what is replaced

    @property
    def what(self) -> str:
        """The file's name, that of `.rows.csv.0123456789abcdef.tmp` without what is drawn anew each time."""
        name = self.path.name
        return name.rpartition(".tmp")[0].rpartition(".")[0] if name.endswith(".tmp") else name

    @property
    def where(self) -> tuple[str, str, str]:
        """What is done, with which file, in which folder."""
        within = self.path.relative_to(self.folder)
        return self.kind, self.what if within.name else "", str(within.parent)


@contextmanager
def watched(folder: Path, before: Callable[[Operation], None]) -> Iterator[None]:
    """Has `before` hear of each operation below the folder that this thread is about to do; what it raises, that raises.

    A heartbeat's thread does what it does unheard, so that the operations come in the same order every time.
    """
    folder, thread, opened, telling = folder.resolve(), threading.get_ident(), {}, False

    def tell(kind: str, path, source=None) -> None:
        nonlocal telling
        if telling or not isinstance(path, str | os.PathLike) or threading.get_ident() != thread:
            return
        path = Path(os.fspath(path)).absolute()
        if path.is_relative_to(folder):
            telling = True
            try:
                before(Operation(kind, path, folder, source and Path(source).absolute()))
            finally:
                telling = False

    def open_(path, flags, *rest, **options):
        tell("create" if flags & (os.O_WRONLY | os.O_RDWR) else "open", path)
        number = _REAL["open"](path, flags, *rest, **options)
        opened[number] = path
        return number

    def fdopen(number, mode="r", *rest, **options):
        if number in opened and mode in ("wb", "ab"):
            return io.BufferedWriter(Told(number, mode, lambda: tell("write", opened[number])))
        return _REAL["fdopen"](number, mode, *rest, **options)

    def fsync(number):
        tell("fsync", opened.get(number))  # and no more: a test has no power to lose

    def plain_open(path, mode="r", *rest, **options):
        tell("open" if set("wax+").isdisjoint(mode) else "create", path)
        return _OPEN(path, mode, *rest, **options)

    def replace(source, target, **options):
        tell("replace", target, source)
        return _REAL["replace"](source, target, **options)

    def told(name: str):
        def operation(path, *rest, **options):
            tell(name, path)
            return _REAL[name](path, *rest, **options)

        return operation

    class Told(io.FileIO):
        def __init__(self, number: int, mode: str, before_writing: Callable[[], None]):
            super().__init__(number, mode)
            self.before_writing = before_writing

        def write(self, data) -> int:
            self.before_writing()
            return super().write(data)

    patched = {"open": open_, "fdopen": fdopen, "fsync": fsync, "replace": replace}
    patched |= {"unlink": told("unlink"), "mkdir": told("mkdir")}
    opens = mock.patch.object(io, "open", plain_open), mock.patch.object(builtins, "open", plain_open)
    with mock.patch.multiple(os, **patched), opens[0], opens[1]:
        yield
