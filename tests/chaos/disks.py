"""Small disks that a test may fill or make read-only: a tmpfs in a mount namespace that ends with the test."""

import contextlib
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

WAYS = (("unshare", "-rm"), ("unshare", "-m"))


class NotPossible(Exception):
    """This machine lets nobody here mount anything; the argument says why."""


class Disk:
    """A tmpfs at `where`, which only processes started `within` see there; the test looks at it from `outside`."""

    def __init__(self, where: Path, shell: subprocess.Popen, namespaces: tuple[str, ...]):
        self.where, self.shell = where, shell
        self.outside = Path(f"/proc/{shell.pid}/root{where}")
        # Going into another mount namespace leads to its root folder, hence the cd.
        enter = ("nsenter", *namespaces, "-m", "-t", str(shell.pid), "--")
        self.within = (*enter, "sh", "-c", 'cd "$0" && exec "$@"', str(where.parent))

    def remount(self, how: str) -> None:
        """`ro`, `rw` or `size=...`."""
        assert tell(self.shell, f"mount -o remount,{how} {shlex.quote(str(self.where))}"), how

    def fill(self, left: int) -> None:
        """Takes all room but about `left` bytes (a disk gives room by pages of 4 KiB)."""
        ballast = self.outside / "ballast"
        ballast.unlink(missing_ok=True)
        about = os.statvfs(self.outside)
        with ballast.open("wb") as file:
            file.write(bytes(max(0, about.f_bavail * about.f_frsize - left)))

    def free(self) -> None:
        """Gives the room back."""
        (self.outside / "ballast").unlink()


@contextlib.contextmanager
def small_disk(where: Path, *, size: str) -> Iterator[Disk]:
    """A disk of that size; NotPossible where nothing can be mounted."""
    where.mkdir()
    for way in WAYS:
        try:
            shell = subprocess.Popen(
                [*way, "sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        except OSError as error:
            raise NotPossible(f"unshare: {error.strerror}") from None
        with shell:
            try:
                if tell(shell, f"mount -t tmpfs -o size={size} none {shlex.quote(str(where))}"):
                    users = ("--preserve-credentials", "-U") if way == WAYS[0] else ()
                    yield Disk(where, shell, users)
                    return
            finally:
                shell.kill()
    raise NotPossible("neither `unshare -rm` nor `unshare -m` may mount a tmpfs")


def tell(shell: subprocess.Popen, line: str) -> bool:
    """Whether a command succeeds in the shell that holds the namespace."""
    try:
        shell.stdin.write(f"if {line} >/dev/null 2>&1; then echo yes; else echo no; fi\n")
        shell.stdin.flush()
    except BrokenPipeError:  # it was not let into a namespace at all
        return False
    return shell.stdout.readline() == "yes\n"
