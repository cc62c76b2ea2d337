"""Results folders of many people become one: plans are compared, and the trials of each campaign put together, checked.

Nothing in the folders that are merged is changed. What is made is a results folder like any other: a trial counts in it
once it is there whole, so that after a kill the same command goes on.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexctl import numbers
from alexctl.campaign.campaign import Campaign
from alexctl.errors import UserError
from alexctl.regular_files import is_regular
from alexctl.store import files, layout, plan, records, test_images
from alexctl.store.copies import copy_trial
from alexctl.store.files import make_inner, read_bytes, write_atomic
from alexctl.store.lock import FolderLock, Locked, is_held, wait_for_lock
from alexctl.store.records import TrialRecord

PATIENCE = 60.0  # seconds for another process that writes in the folder
KEPT = (layout.WEIGHTS, layout.PROBABILITIES, *layout.INSPECTION)
BEGUN = ("paused", "stopped")  # trials of a search that it had got no further with


@dataclass(frozen=True, kw_only=True)
class Merged:
    """One campaign as it lies in the new folder, how many of its trials came from each, and what a person should know."""

    folder: Path
    came_from: dict[str, int]
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        came = (
            f"{numbers.counted(n, 'trial') if n else 'nothing new'} from {place}" for place, n in self.came_from.items()
        )
        return f"{self.folder.name}: {', '.join(came)}"


def merge(
    sources: Sequence[Path], into: Path, *, waiting: Callable[[str, int, int], None] = lambda *_: None
) -> list[Merged]:
    """Puts the campaigns of the same name together, by name; each source is a results folder or a campaign's.

    A trial that lies in several is kept once where its rows are equal, seconds aside; else that of the first is kept and
    the other named. Raises UserError, before anything is written, for folders that are no results or are given twice,
    and for plans that ask something else, are damaged or too old.
    """
    _refuse_folders(sources, into)
    found = _by_name(sources, into)
    plans, faults = {}, []
    for name, places in found.items():
        try:
            plans[name] = plan.merged(places)
        except UserError as error:
            faults += error.faults
    if faults:
        raise UserError(*faults)
    files.make_folder(into)
    return [_merged(into / name, places, plans[name], waiting) for name, places in sorted(found.items())]


def _refuse_folders(sources: Sequence[Path], into: Path) -> None:
    faults, seen = [], set()
    for source in sources:
        place = source.resolve()
        if place in seen:
            faults.append(f"{source} is given twice; name each folder once")
        seen.add(place)
        if not source.is_dir():
            faults.append(
                f"there is no folder {source}; name results folders, as `--results` of `alexctl ablate` has them"
            )
        elif place.is_relative_to(into.resolve()) or into.resolve().is_relative_to(place):
            faults.append(
                f"--into {into}: {source} would be changed, and what is merged stays as it is; choose a new folder"
            )
    if faults:
        raise UserError(*faults)


def _by_name(sources: Sequence[Path], into: Path) -> dict[str, list[tuple[str, Path]]]:
    """(what to call its place, its folder) of each campaign, by its name; what lies in `into` already comes first."""
    found: dict[str, list[tuple[str, Path]]] = {}
    for place in (into, *sources):
        here = [place] if is_regular(place / layout.PLAN) else records.campaigns(place)
        if not here and place != into:
            raise UserError(
                f"{place} holds no results of alexctl: neither it nor a folder in it has a {layout.PLAN}; name the folder "
                "that `--results` named, or leave it out"
            )
        for campaign in here:
            found.setdefault(campaign.name, []).append((str(place), campaign))
    return {name: places for name, places in found.items() if any(place != str(into) for place, _ in places)}


def _merged(target: Path, places: list[tuple[str, Path]], table: dict[str, Any], waiting) -> Merged:
    """One campaign's trials, put together under its lock."""
    make_inner(make_inner(target) / layout.TRIALS)
    try:
        lock = wait_for_lock(target, waiting, patience=PATIENCE)
    except Locked as locked:
        raise UserError(f"another alexctl is at work in {target} {locked}; wait for it, or merge elsewhere") from None
    with lock:
        if at_work := [path.name for path in records.trial_folders(target) if is_held(path)]:
            raise UserError(f"another alexctl is training {at_work[0]} in {target}; wait for it, or merge elsewhere")
        files.write_json(target / layout.PLAN, table)
        came_from, notes = {}, _plan_notes(target.name, places, table)
        for place, campaign in places:
            if campaign == target:
                continue
            _copy_about(campaign, target, table)
            came_from[place] = _copy_trials(campaign, target, place, notes)
    return Merged(folder=target, came_from=came_from, notes=notes + _what_is_left(target))


def _plan_notes(name: str, places: list[tuple[str, Path]], table: dict[str, Any]) -> list[str]:
    commits = {str(files.read_json(path / layout.PLAN).get("git_commit"))[:8] for _, path in places}
    notes = [f"{name} was planned by different versions of the code (commits {', '.join(sorted(commits))})"]
    notes = notes if len(commits) > 1 else []
    if looks := table.get("unplanned_looks"):
        notes.append(
            f"{name}: seeds are added after a result with {looks[-1]} was seen, which plan.json keeps as an unplanned "
            "look; people who agree on `--seeds` beforehand and share them out by `--seed-range` have none"
        )
    return notes


def _copy_about(campaign: Path, target: Path, table: dict[str, Any]) -> None:
    """What is known of the test images and the net beside the trials, where it is not there yet."""
    about = {"data_digest": table["data_digest"], "num_classes": table["num_classes"]}
    with contextlib.suppress(ValueError):
        if not is_regular(target / layout.TEST_LABELS) and test_images.read_labels(campaign, **about):
            write_atomic(target / layout.TEST_LABELS, read_bytes(campaign / layout.TEST_LABELS))
    drawing = layout.svg(layout.NET)
    with contextlib.suppress(ValueError):
        if not is_regular(target / drawing):
            write_atomic(target / drawing, read_bytes(campaign / drawing))


def _copy_trials(campaign: Path, target: Path, place: str, notes: list[str]) -> int:
    """Copies what lies in one campaign and not yet in the other; returns how many, and adds to the notes what was not."""
    copied, unfinished, others = 0, 0, []
    for record in records.trials_of(campaign):
        if record.problem:
            notes.append(f"{place}: {record.folder.name} is left out: {record.problem}")
            continue
        if not (record.finished or record.state in BEGUN):
            unfinished += 1
            continue
        folder = make_inner(layout.trial(target, record.folder.name))
        try:
            with FolderLock(folder) as lock:
                there = records.read_trial(folder)
                if there.problem and is_regular(folder / layout.SETTING):
                    notes.append(
                        f"{target.name}/{layout.TRIALS}/{folder.name}: {there.problem}; delete that folder, then merge again"
                    )
                elif there.status and not _same_rows(there, record):
                    others.append(folder.name)
                elif _progress(record) > _progress(there):
                    copy_trial(record, lock, if_there=KEPT)
                    files.remove(folder / layout.CHECKPOINT)  # of rows that are no longer there
                    copied += 1
        except Locked:
            notes.append(f"{place}: {folder.name} is left out: another process is at it in {target}")
        except ValueError as error:
            notes.append(f"{place}: {record.folder.name} is left out: {error}")
    if others:
        notes.append(
            f"{place}: {', '.join(others)}: other rows than the same setting and seed have in the folders before it, as on "
            "other hardware or with other threads; left out"
        )
    if unfinished:
        notes.append(f"{place}: {numbers.counted(unfinished, 'trial')} of {campaign.name} not finished, left out")
    return copied


def _progress(record: TrialRecord) -> tuple[bool, int]:
    """How far it got, to be compared."""
    return (record.over, len(_rows(record))) if record.status else (False, -1)


def _rows(record: TrialRecord) -> list[dict[str, Any]]:
    """Its rows that count, seconds aside."""
    rows = record.rows if record.over else record.rows[: record.status.get("num_rows", 0)]
    return [{key: value for key, value in row.items() if not key.endswith("_seconds")} for row in rows]


def _same_rows(one: TrialRecord, other: TrialRecord) -> bool:
    """Whether two runs of one setting and seed agree, as far as both got."""
    mine, theirs = _rows(one), _rows(other)
    if one.finished and other.finished:
        return mine == theirs and one.state == other.state
    # The last row of a finished trial has an evaluation that one which was paused there has not.
    shared = min(len(mine), len(theirs))
    return all(_agree(a, b) for a, b in zip(mine[:shared], theirs[:shared], strict=True))


def _agree(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(a[key] == b[key] for key in a.keys() & b.keys() if a[key] is not None and b[key] is not None)


def _what_is_left(folder: Path) -> list[str]:
    """What a campaign put together lacks, and which of its trials it does not count."""
    campaign = Campaign.open(folder)
    try:
        counted, ready = {record.folder.name for record in campaign.counted()}, campaign.ready()
    except UserError as error:  # a trial that was damaged in the new folder
        return list(error.faults)
    notes = []
    final = [record for record in campaign.records.values() if record.phase == "final" and record.finished]
    if others := sorted(record.folder.name for record in final if record.folder.name not in counted):
        notes.append(
            f"{folder.name}: {numbers.counted(len(others), 'reported trial')} (such as {others[0]}) kept but not counted, "
            "since the search in this folder chose another learning rate, or the plan has no such seed"
        )
    if ready:
        searching = sorted({job.arm for job in ready if job.phase == "search"})
        still = f"{numbers.counted(len(ready), 'trial')} still to run"
        what = f"the search of {' and '.join(searching)} is not over" if searching else still
        notes.append(f"{folder.name}: {what}; `alexctl ablate` with `--results {folder.parent}` goes on with it")
    return notes
