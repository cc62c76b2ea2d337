"""Files in a folder that a stranger may have laid out: opened only where they are regular ones, through no link."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

# A pipe is not waited for, a link is not followed; Windows has neither flag and needs its files opened as bytes.
_SAFELY = sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))


_KINDS = {
    stat.S_IFLNK: "link", stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device", stat.S_IFBLK: "device",
}  # fmt: skip


def odd_kind(path: Path) -> str | None:
    """What stands where a file should be: `link`, `folder`, `pipe`, `socket` or `device`; None for a file, or for nothing.

    Raises OSError where the folder it is in can't be looked into.
    """
    try:
        return _KINDS.get(stat.S_IFMT(path.lstat().st_mode))
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_regular(path: Path) -> bool:
    """Whether a regular file has that name; False too where nobody can tell."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def signature(path: Path | str) -> tuple[int, int, int] | None:
    """What changes whenever a file is written or replaced; not a time that anybody's clock need agree with. None: no file."""
    try:
        about = os.lstat(path)
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size


def open_regular(path: Path, *, append: bool = False) -> BinaryIO:
    """The file, open to read, or to append to, for which it is made where there is none.

    Raises OSError as `open` does, and ValueError where that name is a link, a folder, a pipe or a device.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT if append else os.O_RDONLY
    if kind := odd_kind(path):
        raise ValueError(f"{path.name} is a {kind}, not a file")
    try:
        descriptor = os.open(path, flags | _SAFELY, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):  # put there since: a link; one on BSD; a pipe
            raise ValueError(f"{path.name} is no regular file") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path.name} is no regular file")
    return os.fdopen(descriptor, "ab" if append else "rb")


def read_regular(path: Path, max_bytes: int) -> bytes:
    """All of a file; ValueError where it is larger, or no regular file."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise ValueError(f"{path.name} is larger than {max_bytes:,} bytes")
        return file.read(size)


def new_file(path: Path) -> BinaryIO:
    """A file made anew to write to; what had that name before, a link for one, loses the name and no byte."""
    with suppress(FileNotFoundError):
        path.unlink()
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, 0o666), "wb")


def no_link(path: Path) -> Path:
    """The path, on which a link, if one lay there, has been removed: for what is opened by others."""
    if path.is_symlink():
        path.unlink()
    return path


def sync_names(folder: Path) -> None:
    """Has the disk keep the names in a folder as they are, should the power go; where a system has that for folders."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a disk that knows no such thing
            raise
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file beside `path`, under a name nobody can foresee, which takes its place once it is written whole."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with new_file(temporary) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
