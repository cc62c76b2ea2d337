"""A folder is worked on by one process at a time, on this machine or on another that shares the disk.

A lock of the operating system ends with its process, however that ends, so the lock of a dead process is taken
over at once. Between machines such a lock may not be seen; there a heartbeat speaks: the lock of another machine
stands until its file has not been touched for a minute.
"""

import contextlib
import hashlib
import json
import os
import platform
import threading
import uuid
from pathlib import Path

from filelock import FileLock, Timeout

from alexctl.store import files, layout

BEAT_SECONDS = 10.0
SILENT_SECONDS = 60.0


class Locked(Exception):
    """Another process is at work in the folder; the argument says where it is, in words."""


class FolderLock:
    """Ours from construction to `release()`; raises Locked, or UserError where the folder can't be written."""

    def __init__(self, folder: Path):
        self.folder, self.path = folder, folder / layout.HEARTBEAT
        self.token = uuid.uuid4().hex
        self._lost = False
        self._released = threading.Event()
        self._lock: FileLock | None = FileLock(folder / layout.LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise Locked("on this machine") from None
        except NotImplementedError:  # a disk that knows no locks: the heartbeat alone has to do
            self._lock = None
        except OSError as error:
            raise files.storage_error(folder, error) from None
        try:
            self._refuse_if_alive_elsewhere()
            files.sweep(folder)
            files.write_atomic(self.path, json.dumps({"machine": machine(), "token": self.token}) + "\n")
        except BaseException:
            if self._lock:
                self._lock.release()
            raise
        threading.Thread(target=self._beat, daemon=True).start()

    def _refuse_if_alive_elsewhere(self) -> None:
        held = _read(self.path)
        if held is None or (held.get("machine") == machine() and self._lock):
            return
        with contextlib.suppress(FileNotFoundError):
            # Both times are the disk's, so that no two clocks have to agree.
            if _now(self.folder) - self.path.stat().st_mtime < SILENT_SECONDS:
                raise Locked("on this machine" if held.get("machine") == machine() else "on another machine")

    def _beat(self) -> None:
        while not self._released.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError):
                if (_read(self.path) or {}).get("token", self.token) != self.token:
                    self._lost = True
                    return
                os.utime(self.path)

    def check(self) -> None:
        """Raises Locked when another machine has taken the lock over (after a long sleep of this one), UserError
        when the folder is gone."""
        if self._lost:
            raise Locked("on another machine")
        if not self.path.exists():
            raise files.storage_error(self.folder, FileNotFoundError(2, "the folder has vanished"))

    def release(self) -> None:
        """Lets others in."""
        self._released.set()
        if not self._lost:
            with contextlib.suppress(OSError):
                self.path.unlink()
        if self._lock:
            self._lock.release()


def machine() -> str:
    """Twelve hex digits that tell this machine from others and name neither it nor its user."""
    return hashlib.sha256(f"{platform.node()} {uuid.getnode()}".encode()).hexdigest()[:12]


def _read(path: Path) -> dict | None:
    try:
        table = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return table if isinstance(table, dict) else None


def _now(folder: Path) -> float:
    """The time by the disk's own clock."""
    probe = folder / f".now.{os.getpid()}.tmp"
    try:
        probe.write_bytes(b"")
        return probe.stat().st_mtime
    except OSError as error:
        raise files.storage_error(probe, error) from None
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
