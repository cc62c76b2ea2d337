"""A trial is copied from one campaign's folder into another's, so that a kill on the way leaves one that is still to run."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from alexctl.store import layout
from alexctl.store.files import ANY_BYTES, read_bytes, read_json, settle, write_atomic, write_json
from alexctl.store.lock import FolderLock
from alexctl.store.records import TrialRecord

ABOUT_A_TRIAL = (layout.ENV, layout.ROWS, layout.STATUS)


def copy_trial(
    record: TrialRecord, lock: FolderLock, *, head: Mapping[str, Any] = MappingProxyType({}), wanted: tuple[str, ...] = (),
    if_there: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """Copies a trial into the folder that is locked.

    `head` is laid over its `setting.json`; of its files besides those that make the trial those `wanted`, and those
    that it has of `if_there`. ValueError, and nothing is written, where a file can't be read or one wanted is missing.
    """
    source, folder = record.folder, lock.folder
    setting = {**read_json(source / layout.SETTING), **head}
    there = tuple(name for name in if_there if (source / name).is_file())
    files = {name: read_bytes(source / name, ANY_BYTES) for name in (*wanted, *there, *ABOUT_A_TRIAL)}
    if record.right is not None:  # older trials have none of these
        files[layout.CORRECT] = record.right.bits
    write_json(folder / layout.SETTING, setting)
    settle(folder)
    status = files.pop(layout.STATUS)
    for name, content in files.items():
        write_atomic(folder / name, content)
    settle(folder)
    write_atomic(folder / layout.STATUS, status)  # last: without one it is still to run
