"""What is wrong with a folder's files: ten faults at a time for a person, all of them in a file."""

from collections.abc import Sequence
from pathlib import Path

from alexctl.errors import UserError, printable
from alexctl.regular_files import replacing

SHOWN = 10


class FileFaults(UserError):
    """Faults found in one go, a line each; `every` holds those too that are not shown."""

    def __init__(self, every: Sequence[str], where: str = ""):
        hidden = len(every) - SHOWN
        more = [f"... and {hidden:,} more, {len(every):,} in all{where}"] if hidden > 0 else []
        super().__init__(*every[:SHOWN], *more)
        self.every = tuple(printable(fault) for fault in every)

    def listed_in(self, path: Path) -> "FileFaults":
        """The same faults, with a file that lists them all where they are too many to show."""
        if len(self.every) <= SHOWN or path.parent.is_symlink():
            return self
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write("".join(f"{fault}\n" for fault in self.every).encode())
        except OSError:  # the faults matter, not where they are listed
            return self
        return FileFaults(self.every, f": all are listed in {path}")
