"""What results/reference may hold: rows, settings, environments, bits of right images; no weights, nothing unknown."""

import re
from pathlib import Path

from alexctl.store import layout

OF_A_TRIAL = {layout.SETTING, layout.ENV, layout.STATUS, layout.ROWS, layout.CORRECT}
WHILE_IT_RUNS = {layout.CHECKPOINT, layout.LOG, layout.LOCK, layout.HEARTBEAT}  # ignored by git
OTHERS = re.compile(r"[a-z0-9_-]+\.(csv|json|svg|png|html)")
MOST_BYTES = 10_000_000  # of any one file


def refused(reference: Path) -> list[Path]:
    """The files below a results folder that must not be published, sorted."""
    return sorted(path for path in reference.rglob("*") if not path.is_dir() and not _is_fit(path))


def _is_fit(path: Path) -> bool:
    if path.name in WHILE_IT_RUNS or path.name == ".gitkeep":
        return True
    if path.is_symlink() or path.stat().st_size > MOST_BYTES:
        return False
    if path.parent.parent.name == layout.TRIALS:
        return path.name in OF_A_TRIAL
    return OTHERS.fullmatch(path.name) is not None
