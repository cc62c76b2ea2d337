"""A figure is drawn anew only where what it shows, what draws it, or its files have changed: a report takes seconds."""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import alexctl
from alexctl.figures.page import PDF, PNG, SVG, save
from alexctl.regular_files import is_regular
from alexctl.report.drawings import Drawing
from alexctl.store import files, layout
from alexctl.store.files import SCHEMA, read_bytes, read_json, write_json

KINDS = (SVG, PNG)  # of a PDF there is none unless somebody asked for it
_TABLES = "tables"  # among the figures in figures.json


def draw(folder: Path, stem: str, drawing: Drawing, *, pdf: bool = False) -> None:
    """Writes the figure as STEM.svg and STEM.png, unless they are there and are just that.

    With `pdf`, and where there is one from before, also as STEM.pdf, as wide as a paper's column. What they were drawn
    from is kept in figures.json, as digests.
    """
    pdf = pdf or is_regular(folder / layout.pdf(stem))
    kept, kinds = _kept(folder), (*KINDS, PDF) if pdf else KINDS
    options = {key: _content(value) for key, value in drawing.options.items()}
    wanted = _digest(_code(), drawing.draw.__name__, repr(sorted(options.items())), *map(_content, drawing.frames))
    before = kept.get(stem, {})
    there = {kind for kind, digest in _files(folder, stem, kinds).items() if digest and digest == before.get(kind)}
    if before.get("of") == wanted and there == set(kinds):
        return
    if before.get("of") != wanted or there - {PDF} != set(KINDS):
        save(drawing.figure(), folder / stem, KINDS)
    if pdf:
        save(drawing.figure(column=True), folder / stem, (PDF,))
    kept[stem] = {"of": wanted, **_files(folder, stem, kinds)}
    write_json(folder / layout.DRAWN_FROM, {**kept, "schema": SCHEMA})


def note_tables(folder: Path, of: str | None) -> None:
    """Writes down, in the same file, what the tables are made of; None: of something that has no such name."""
    kept = {stem: drawn for stem, drawn in _kept(folder).items() if stem != _TABLES}
    if of is not None:
        kept[_TABLES] = {"of": of, **dict.fromkeys(KINDS)}
    write_json(folder / layout.DRAWN_FROM, {**kept, "schema": SCHEMA})


def tables_are_of(folder: Path, of: str | None) -> bool:
    """Whether `note_tables` has said just that."""
    return _kept(folder).get(_TABLES, {}).get("of") == of


def remove(folder: Path, stem: str) -> None:
    """Removes a figure that must no longer be shown."""
    for kind in (*KINDS, PDF):
        files.remove(folder / f"{stem}.{kind}")


def _kept(folder: Path) -> dict[str, Any]:
    try:
        return read_json(folder / layout.DRAWN_FROM)
    except ValueError:  # not there yet, or no use
        return {}


def _files(folder: Path, stem: str, kinds: Sequence[str]) -> dict[str, str | None]:
    paths = {kind: folder / f"{stem}.{kind}" for kind in kinds}
    return {kind: _digest_of(path) for kind, path in paths.items()}


def _digest_of(path: Path) -> str | None:
    try:
        return _digest(read_bytes(path))
    except ValueError:  # not there, or no drawing of ours
        return None


def _content(of: Any) -> Any:
    """What tells a frame or an array from another; anything else is told by its repr."""
    if isinstance(of, pd.DataFrame):
        return of.to_csv(index=False)
    return repr((of.shape, of.dtype)).encode() + of.tobytes() if isinstance(of, np.ndarray) else of


@cache
def _code() -> str:
    """What draws: our own files and the versions of what they call."""
    package = Path(alexctl.__file__).parent
    kinds = ("figures/*.py", "statistics/*.py", "numbers.py", "ablation/measures.py")
    sources = sorted(path for files in kinds for path in package.glob(files))
    return _digest(
        *(path.read_bytes() for path in sources), *(version(name) for name in ("matplotlib", "numpy", "pandas"))
    )


def _digest(*parts: str | bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:16]
