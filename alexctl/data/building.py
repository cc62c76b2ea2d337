"""How data gets into the store: prepared once, by one process at a time, whole or not at all; what changed, made anew."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import filelock
import numpy as np

from alexctl.data.prepared import PARTS, SCHEMA, DataSet, Digest, Progress, check, open_prepared, read_about
from alexctl.errors import UserError
from alexctl.regular_files import new_file, no_link, replacing

WORTH_SAYING = 1.0  # seconds of checking, from which on a person is told


@dataclass(frozen=True, kw_only=True)
class Looked:
    """In place of a block: nothing will come of this data, and so many images were looked at for further faults."""

    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """Half of a data set as it is being read: labels (n,), the shape of one image, blocks (k, *shape) uint8."""

    labels: np.ndarray
    shape: tuple[int, int, int]
    blocks: Iterable[np.ndarray | Looked]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A data set as it is being read; `notes()` is complete once all blocks have been taken."""

    classes: tuple[str, ...]
    parts: dict[str, Part]
    notes: Callable[[], list[str]] = list


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set before it is prepared: `key` stands for the state of its files, `read` opens them."""

    name: str
    key: str
    read: Callable[[], Reading]
    verb: str = "reading"


def key_of(*state) -> str:
    """A short name for the state of some files."""
    return hashlib.sha256(json.dumps([SCHEMA, *state]).encode()).hexdigest()[:24]


def open_or_build(source: Source, root: Path, progress: Progress | None) -> DataSet:
    """What was prepared from this state of the source and is still the same on disk, else prepare it now.

    A note tells of data that had changed, and of a check that took long.
    """
    store = root / "prepared"
    if store.is_symlink():
        raise UserError(f"{store} is a link, which is not followed; give its folder's place as --data-root")
    index = store / "sources" / f"{source.key}.json"
    damage: list[str] = []
    if known := _known(index, source.name, root, damage, progress):
        return known
    no_link(index.parent).mkdir(parents=True, exist_ok=True)
    with _locked(store / f".{source.name}.lock", source.name, progress):
        # Where something is damaged nobody has made it anew meanwhile but whoever held the lock.
        if known := _known(index, source.name, root, [], progress):
            return known
        try:
            data = _build(source, root, index, progress)
        except UserError as error:
            if damage:
                raise UserError(*damage, *error.faults, exit_code=error.exit_code) from error
            raise
    return replace(data, notes=(*data.notes, *(f"{fault}; it was prepared again" for fault in damage)))


def _locked(path: Path, name: str, progress: Progress | None) -> filelock.BaseFileLock:
    lock = filelock.FileLock(no_link(path))  # older releases of filelock would empty what a link points to
    try:
        return lock.acquire(timeout=0)
    except filelock.Timeout:
        if progress:
            progress(f"waiting for another process that prepares {name}", 0, 0)
        return lock.acquire()


def _known(index: Path, name: str, root: Path, damage: list[str], progress: Progress | None) -> DataSet | None:
    """What the index knows of, its content checked; None where that is not there, or no longer what it was."""
    try:
        entry = read_about(index)
    except (OSError, ValueError):
        return None
    where = root / "prepared" / f"{name}-{entry.digest}"
    began = time.monotonic()

    def told(what: str, done: int, total: int) -> None:
        if progress and time.monotonic() - began > WORTH_SAYING:
            progress(what, done, total)

    try:
        data = check(name, entry.digest, root, told)
    except UserError:
        if os.path.lexists(where):
            damage.append(f"prepared/{where.name} had changed on disk since it was prepared")
        return None
    notes, seconds = entry.notes, time.monotonic() - began
    if seconds > WORTH_SAYING:
        count = len(data.train_labels) + len(data.test_labels)
        notes = (*notes, f"checked in {seconds:.0f} s that the {count:,} prepared images are as they were")
    return replace(data, notes=notes)


def _build(source: Source, root: Path, index: Path, progress: Progress | None) -> DataSet:
    """Write the arrays into a temporary folder, one block of images in memory at a time, and rename it."""
    reading = source.read()
    temporary = root / "prepared" / f".{source.name}.tmp"
    _remove(temporary)  # what a killed process left
    temporary.mkdir()
    try:
        digest = Digest(reading.classes)
        for name in PARTS:
            part = reading.parts[name]
            digest.start(part.shape, part.labels)
            _write_npy(temporary / f"{name}_labels.npy", part.labels.shape, np.int64, [part.labels])
            blocks = _told(part, source, name, digest, progress)
            _write_npy(temporary / f"{name}_images.npy", (len(part.labels), *part.shape), np.uint8, blocks)
        about = {"name": source.name, "digest": digest.hex(), "notes": reading.notes()}
        _write_json(temporary / "dataset.json", {"schema": SCHEMA, **about, "classes": reading.classes})
        target = root / "prepared" / f"{source.name}-{digest.hex()}"
        try:
            check(source.name, digest.hex(), root)  # the same images, from files that were touched or moved
        except UserError:
            _remove(target)
            temporary.rename(target)
    finally:
        for part in reading.parts.values():
            getattr(part.blocks, "close", lambda: None)()  # a reader that was broken off lets go of what it holds now
        _remove(temporary)
    _write_json(index, about)
    return replace(open_prepared(source.name, digest.hex(), root), notes=tuple(about["notes"]))


def _remove(path: Path) -> None:
    """Whatever lies there, as far as it can be removed; of a link the link alone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _told(part: Part, source: Source, name: str, digest: Digest, progress: Progress | None) -> Iterator[np.ndarray]:
    """The blocks, each taken up into the digest and told of."""
    what, done = f"{source.verb} {source.name}, {name}", 0
    for block in part.blocks:
        if isinstance(block, Looked):
            if progress:
                progress(f"looking for more broken images in {source.name}", block.done, block.total)
            continue
        whole = np.ascontiguousarray(block)
        digest.add(whole)
        yield whole
        done += len(block)
        if progress:
            progress(what, done, len(part.labels))


def _write_npy(path: Path, shape: tuple[int, ...], dtype: type, blocks: Iterable[np.ndarray]) -> None:
    # Written, not mapped: on a full disk a write raises, while a mapped page ends the process with SIGBUS.
    written = 0
    with new_file(path) as stream:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for block in blocks:
            assert block.dtype == dtype, block.dtype
            assert block.shape[1:] == shape[1:], block.shape
            written += len(block)
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    assert written == shape[0], (written, shape)


def _write_json(path: Path, content: dict) -> None:
    with replacing(path) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())
