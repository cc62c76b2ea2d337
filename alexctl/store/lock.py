"""A folder is worked on by one process at a time, on this machine or on another that shares the disk.

A lock of the operating system ends with its process, however that ends, so the lock of a dead process is taken
over at once. Between machines such a lock may not be seen; there a heartbeat speaks: a file that its owner touches
every ten seconds. What it bears, a time above all, is not believed, since no two clocks need agree: the lock of
another machine is taken over once its heartbeat was watched for a minute and has not changed.
"""

import contextlib
import hashlib
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from alexctl.errors import UserError
from alexctl.regular_files import is_regular, odd_kind
from alexctl.store import files, layout

BEAT_SECONDS = 10.0
SILENT_SECONDS = 60.0
TOLD_SECONDS = 2.0  # of waiting for a lock; then it is said
HERE, ELSEWHERE = "on this machine", "on another machine"

_watched: dict[Path, tuple[object, float]] = {}
"""Heartbeats of others: what was there, and since when (by this process's own clock) it has been just that."""


class Locked(Exception):
    """Another process is at work in the folder; the argument says where it is, in words."""


class Silent(Locked):
    """Another machine was at work in the folder, and may be still: its heartbeat has to be watched for longer."""


class FolderLock:
    """Ours from construction to `release()`; raises Locked, or UserError where the folder can't be written."""

    def __init__(self, folder: Path):
        self.folder, self.path = folder, folder / layout.HEARTBEAT
        self.token = uuid.uuid4().hex
        self._lost: str | None = None  # to whom, in words
        self._released = threading.Event()
        self._checking = threading.Lock()
        self._lock, self._file = self._taken()
        try:
            self._refuse_if_alive_elsewhere()
            files.sweep(folder)
            self._write_heartbeat()
        except BaseException:
            self._let_go()
            raise
        threading.Thread(target=self._beat, daemon=True).start()

    def _taken(self) -> tuple[FileLock | None, tuple[int, int] | None]:
        """The operating system's lock, None on a disk that knows none, and the identity of the file it is on."""
        path = self.folder / layout.LOCK
        if kind := odd_kind(path):
            raise UserError(f"{path} is a {kind}, not a file; remove it, then run the same command again")
        lock: FileLock | None = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise Locked(HERE) from None
        except NotImplementedError:  # a disk that knows no locks: the heartbeat alone has to do
            lock = None
        except OSError as error:
            raise files.storage_error(self.folder, error) from None
        return lock, _identity(path)

    def _let_go(self) -> None:
        if self._lock:
            self._lock.release()

    def _refuse_if_alive_elsewhere(self) -> None:
        try:
            held = _read(self.path)
        except files.Unreadable as error:  # it may be that of another machine
            raise files.unusable(str(self.folder), error, "") from None
        if held is None or (held.get("machine") == machine() and self._lock):
            return
        where = HERE if held.get("machine") == machine() else ELSEWHERE
        sign, now = (held, _touched(self.path)), time.monotonic()
        before, since = _watched.setdefault(self.path, (sign, now))
        if before != sign:
            _watched[self.path] = (sign, now)
            raise Locked(where)
        if now - since < SILENT_SECONDS:
            raise Silent(where)

    def _write_heartbeat(self) -> None:
        files.write_atomic(self.path, json.dumps({"machine": machine(), "token": self.token}) + "\n")

    def _beat(self) -> None:
        while not self._released.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError, UserError):
                self._look()
                if self._lost:
                    return
                os.utime(self.path)

    def check(self) -> None:
        """Raises Locked when another process has taken the lock over (after a long sleep of this one, or because
        somebody deleted its files), UserError when the folder is gone. To be called before anything is written."""
        self._look()
        if self._lost:
            raise Locked(self._lost)

    def _look(self) -> None:
        """Whether the lock's files are still ours; what a clean-up has deleted is put back where nobody else has come."""
        with self._checking:
            if self._lost or self._released.is_set():
                return
            if not self.folder.is_dir():
                raise files.storage_error(self.folder, FileNotFoundError(2, "the folder has vanished"))
            held, now = None, _identity(self.folder / layout.LOCK)
            with contextlib.suppress(files.Unreadable):
                held = _read(self.path)
            if held is not None and held.get("token") != self.token:
                self._lost = HERE if held.get("machine") == machine() else ELSEWHERE
            elif self._lock and now is None:
                old = self._lock
                try:
                    self._lock, self._file = self._taken()
                except Locked as locked:
                    self._lost = str(locked)
                else:
                    old.release()
            elif self._lock and now != self._file:
                self._lost = HERE
            if _identity(self.path) is None and not self._lost:
                self._write_heartbeat()

    def release(self) -> None:
        """Lets others in; what is theirs by now is left alone."""
        with contextlib.suppress(OSError, UserError):
            self._look()
        self._released.set()
        if not self._lost:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self._let_go()

    def __enter__(self) -> "FolderLock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def wait_for_lock(folder: Path, waiting: Callable[[str, int, int], None], *, patience: float = 0.0) -> FolderLock:
    """The folder's lock; where another machine was at work there, after a minute without a sign of life from it.

    `waiting` hears what is waited for, how many seconds it has been and how many it may be. Raises Locked where another
    process still holds it after `patience` seconds.
    """
    began = time.monotonic()
    while True:
        try:
            return FolderLock(folder)
        except Silent:
            words = "another machine was at work here; seconds without a sign of life from it"
            waiting(words, int(time.monotonic() - began), int(SILENT_SECONDS))
            time.sleep(min(1.0, SILENT_SECONDS))
        except Locked:
            waited = time.monotonic() - began
            if waited >= patience:
                raise
            if waited > TOLD_SECONDS:
                words = f"another alexctl is writing the plan or the tables of {folder.name}; seconds waited for it"
                waiting(words, int(waited), int(patience))
            time.sleep(min(1.0, 0.1 + waited / 20))  # many may wait, each with a look at the disk


def is_held(folder: Path) -> bool:
    """Whether a process is at work in the folder, or may be still (on another machine, silent for under a minute).

    To find out, the lock of a dead process is taken and let go.
    """
    if odd_kind(folder) != "folder" or not is_regular(folder / layout.HEARTBEAT):
        return False
    try:
        FolderLock(folder).release()
    except Locked:
        return True
    return False


def machine() -> str:
    """Twelve hex digits that tell this machine from others and name neither it nor its user."""
    return hashlib.sha256(f"{platform.node()} {uuid.getnode()}".encode()).hexdigest()[:12]


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from one that stands in its place later; None where there is none."""
    with contextlib.suppress(OSError):
        about = path.lstat()
        return about.st_dev, about.st_ino
    return None


def _touched(path: Path) -> int | None:
    """Changes whenever the file is touched; not a time that anybody's clock need agree with."""
    with contextlib.suppress(OSError):
        return path.lstat().st_mtime_ns
    return None


def _read(path: Path) -> dict | None:
    try:
        table = json.loads(files.read_bytes(path, 4096))
    except files.Unreadable:
        raise
    except (ValueError, RecursionError):
        return None
    return table if isinstance(table, dict) else None
