"""A results folder as a static site: a page of all claims, one of each, and the history of their verdicts.

Every file of it can be opened from a disk: addresses are relative, and nothing is fetched. Nothing in its folder that
alexctl did not write there is written over or removed.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from alexctl.errors import StorageError, UserError
from alexctl.regular_files import odd_kind
from alexctl.report import history
from alexctl.report.headline import headline
from alexctl.report.page import LIMIT, groups, read, render, within
from alexctl.store import files, layout
from alexctl.store.lock import FolderLock, Locked

INDEX, HISTORY, CLAIMS, MARK = "index.html", "history.html", "claims", "alexctl-site.json"
BEGUN = {history.NAME, layout.LOCK, layout.HEARTBEAT}  # what a site may have that is not marked yet
_OURS = re.compile(rf"{INDEX}|{HISTORY}|{CLAIMS}/[A-Za-z0-9._-]+\.html")


def check(folder: Path) -> None:
    """UserError where a folder is neither empty nor a site of ours, or where something else stands in its place.

    One with nothing but a history.csv begins with that.
    """
    if _exists(folder) and odd_kind(folder) != "folder":
        raise UserError(f"--site {folder}: a {odd_kind(folder) or 'file'} is there; give --site another folder")
    if folder.is_dir() and not _exists(folder / MARK) and {path.name for path in folder.iterdir()} - BEGUN:
        raise UserError(
            f"--site {folder}: the folder is not empty and no site of alexctl's (it has no {MARK}); give --site an empty or "
            "new folder"
        )


def write(
    folder: Path, paths: Sequence[Path], *, now: datetime | None = None, problems: list[str] | None = None
) -> Path:
    """Writes the site of these campaign folders, or brings it up to date; its first page.

    `now` is the date of what is new. The history gets a line for each comparison whose verdict, numbers or version
    changed; where nothing did, every file stays as it is. UserError as `check` and `page.read` raise it, and where the
    history is damaged.
    """
    check(folder)
    sections = read(paths, problems=problems)
    try:
        files.make_folder(folder)
        with FolderLock(folder):
            _write(folder, sections, now or datetime.now(UTC))
    except StorageError as error:
        raise UserError(str(error).replace("--results", "--site"), exit_code=error.exit_code) from error
    except Locked as error:
        raise UserError(
            f"--site {folder}: another alexctl is writing it; run the same command again", exit_code=1
        ) from error
    return folder / INDEX


def _write(folder: Path, sections: list[dict[str, Any]], now: datetime) -> None:
    past, ours = folder / history.NAME, _ours(folder)
    _mark(folder, ours)
    before, rows = _history(past)
    new = history.added(rows, sections, f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    pages = _pages(sections, [*rows, *new])
    if taken := [name for name in pages if name not in ours and _exists(folder / name)]:
        raise UserError(
            f"--site {folder}: {taken[0]} is there and not of alexctl's making; move it away, then run the same command again"
        )
    files.make_inner(folder / CLAIMS)
    if new:  # first of all: whatever happens then, no line is lost
        files.write_atomic(
            past, before + "\n" * (bool(before) and not before.endswith("\n")) + history.text(new, new=not before)
        )
    digests = {name: sha256(text.encode()).hexdigest()[:16] for name, text in pages.items()}
    _mark(folder, ours | digests)
    for name, text in pages.items():
        files.write_atomic(folder / name, text)
    for name in ours.keys() - digests.keys():  # of a campaign that is gone
        if _digest(folder / name) == ours[name]:
            files.remove(folder / name)
    _mark(folder, digests)


def _history(path: Path) -> tuple[str, list[history.Row]]:
    """The history as it lies there, as text and as lines; nothing where there is none yet."""
    if not _exists(path):
        return "", []
    try:
        text = files.read_text(path)
    except ValueError as error:
        raise UserError(f"--site {path.parent}: {error}; restore it, or give --site a new folder") from None
    return text, history.read(text) if text else []


def _pages(sections: list[dict[str, Any]], rows: Sequence[history.Row]) -> dict[str, str]:
    """Every page by its name below the site's folder."""
    for one in sections:
        one["page"] = f"{CLAIMS}/{one['id']}.html"
        one |= {"href": one["page"], "back": "", "history": _lines(rows, one["folder"])}
    about: dict[str, Any] = {"site": True, "sections": sections}
    at_top = about | {"base": "", "home": INDEX, "past": HISTORY}
    below = about | {"base": "../", "home": f"../{INDEX}", "past": f"../{HISTORY}"}
    pages = {
        INDEX: render("site_index.html", **at_top, current="index", groups=groups(sections), headline=headline(sections)),
        HISTORY: render("site_history.html", **at_top, current="history", groups=_past(sections, rows), headline="History"),
    }  # fmt: skip
    for one in sections:
        name = f"{CLAIMS}/{one['id']}.html"
        about = {**below, "one": one, "current": one["id"], "headline": headline([one])}
        pages[name] = within(LIMIT, [one], lambda about=about: render("site_claim.html", **about))
    return pages


def _past(sections: Sequence[dict[str, Any]], rows: Sequence[history.Row]) -> list[dict[str, Any]]:
    """The history claim by claim: those of today in the site's order, then those that are gone."""
    today = {files.cell_text(one["folder"]): one for one in sections}
    names = dict.fromkeys((*today, *(row["results"] for row in rows)))
    found = []
    for i, name in enumerate(names):
        lines = _lines(rows, name)
        found.append({"id": f"history-{i}", "name": name, "one": today.get(name), "lines": lines})
    return [group for group in found if group["lines"]]


def _lines(rows: Sequence[history.Row], campaign: str) -> list[dict[str, Any]]:
    """A campaign's lines as a page shows them, the newest first."""
    return [history.shown(row) for row in reversed(rows) if row["results"] in (campaign, files.cell_text(campaign))]


def _ours(folder: Path) -> dict[str, str]:
    """The files that we wrote there before, each with its digest; UserError where that can't be told."""
    if not (folder / MARK).exists():
        return {}
    try:
        found = files.read_json(folder / MARK)["files"]
        return {str(name): str(digest) for name, digest in found.items() if _OURS.fullmatch(str(name))}
    except (ValueError, KeyError, AttributeError) as error:
        raise UserError(
            f"--site {folder}: {MARK} is damaged; begin another site in an empty folder, and copy {history.NAME} there"
        ) from error


def _mark(folder: Path, digests: dict[str, str]) -> None:
    files.write_json(folder / MARK, {"schema": files.SCHEMA, "made_by": "alexctl report --site", "files": digests})


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _digest(path: Path) -> str | None:
    try:
        return sha256(files.read_bytes(path)).hexdigest()[:16]
    except ValueError:
        return None
