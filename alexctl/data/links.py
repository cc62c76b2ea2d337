"""Symbolic links in an image folder: followed within it, and into the stores that ALEXCTL_LINKS names."""

import os
import shlex
from pathlib import Path

VARIABLE = "ALEXCTL_LINKS"


class Links:
    """Which links may be followed; `faults()` tells of the others once all have been asked about.

    A link out of a stranger's folder would train on, and show in figures, whatever it points to. DVC, datalad and the
    Hugging Face cache make such links on purpose: whoever trusts them names the folder that holds the files.
    """

    def __init__(self, root: Path):
        self.root = root
        stores = [path for path in os.environ.get(VARIABLE, "").split(os.pathsep) if path]
        self.within = [os.path.realpath(os.path.expanduser(path)) for path in (root, *stores)]  # noqa: PTH111
        self.outside: list[tuple[str, str]] = []
        self.dangling: list[str] = []

    def allow(self, path: Path) -> bool:
        """Whether a path is no link, or one that may be followed."""
        if not path.is_symlink():
            return True
        below = str(path.relative_to(self.root))
        target = os.path.realpath(path)  # unlike Path.resolve it takes a link to itself in its stride
        if not Path(target).exists():
            self.dangling.append(below)
        elif not any(Path(target).is_relative_to(place) for place in self.within):
            self.outside.append((below, target))
        else:
            return True
        return False

    @property
    def refused(self) -> int:
        """How many links are not followed."""
        return len(self.outside) + len(self.dangling)

    def faults(self) -> list[str]:
        """At most a line for each kind of link that is not followed."""
        lines = []
        if self.outside:
            below, target = self.outside[0]
            what = _links(below, len(self.outside), "leads outside the folder", "lead outside the folder")
            lines.append(f"{what}, to {target}; copy what it points to into the folder{self._store()}")
        if self.dangling:
            what = _links(self.dangling[0], len(self.dangling), "points to nothing", "point to nothing")
            lines.append(f"{what}; fetch what is missing (`dvc pull`, `datalad get`), or remove it")
        return lines

    def _store(self) -> str:
        """How to allow the links, unless they lead all over the disk."""
        store = os.path.commonpath([os.path.dirname(target) for _, target in self.outside])  # noqa: PTH120
        if Path(self.within[0]).is_relative_to(store):
            return ""
        return f", or allow links into a store that you trust: {VARIABLE}={shlex.quote(store)}"


def _links(first: str, count: int, one: str, many: str) -> str:
    if count == 1:
        return f"{first} is a symbolic link that {one}"
    return f"{first} and {count - 1:,} more are symbolic links that {many}"
