"""The store of prepared data: plain arrays below ROOT/prepared, written once, whole or not at all, then mapped."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from alexctl.errors import UserError, printable

Progress = Callable[[str, int, int], None]
PARTS = ("train", "test")
SCHEMA = 1  # raised when the same files would be prepared into other arrays


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Images and labels, mapped from disk.

    Images are (n, height, width, channels) uint8, labels (n,) int64, class indices into `classes`. `digest` is of the
    content alone: 16 hex digits of a SHA-256 over class names, shapes, images and labels of both parts. `notes` tell
    what was done to the images. `derived` keeps what was computed from them, once a process and not once a trial.
    """

    name: str
    digest: str
    classes: tuple[str, ...]
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    notes: tuple[str, ...]
    derived: dict[tuple, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, key: tuple, compute: Callable[[], Any]) -> Any:
        """What `compute` gives, kept under this key; whoever takes it must not write into it."""
        if key not in self.derived:
            self.derived[key] = compute()
        return self.derived[key]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Half of a data set as it is being read: labels (n,), the shape of one image, blocks (k, *shape) uint8."""

    labels: np.ndarray
    shape: tuple[int, int, int]
    blocks: Iterable[np.ndarray]


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


def safe_name(name: str) -> str:
    """The name with anything replaced that could mean more than a letter to a path, a table or a terminal."""
    return re.sub(r"^[.-]", "_", re.sub(r"[^\w.-]", "_", name)[:80]) or "_"


def open_or_build(source: Source, root: Path, progress: Progress | None) -> DataSet:
    """What was prepared from this state of the source, else prepare it now, in one process at a time."""
    store = root / "prepared"
    index = store / "sources" / f"{source.key}.json"
    if known := _known(index, source.name, root):
        return known
    index.parent.mkdir(parents=True, exist_ok=True)
    with _locked(store / f".{source.name}.lock", source.name, progress):
        return _known(index, source.name, root) or _build(source, root, index, progress)


def _locked(path: Path, name: str, progress: Progress | None) -> filelock.BaseFileLock:
    lock = filelock.FileLock(path)
    try:
        return lock.acquire(timeout=0)
    except filelock.Timeout:
        if progress:
            progress(f"waiting for another process that prepares {name}", 0, 0)
        return lock.acquire()


def _known(index: Path, name: str, root: Path) -> DataSet | None:
    try:
        entry = json.loads(index.read_text("utf-8"))
        return replace(open_prepared(name, entry["digest"], root), notes=tuple(entry["notes"]))
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return None  # whatever is wrong with a cache, the answer is to make it anew


def _build(source: Source, root: Path, index: Path, progress: Progress | None) -> DataSet:
    """Write the arrays into a temporary folder, one block of images in memory at a time, and rename it."""
    reading = source.read()
    temporary = root / "prepared" / f".{source.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # what a killed process left
    temporary.mkdir()
    try:
        digest = _Digest(reading.classes)
        for name in PARTS:
            part = reading.parts[name]
            digest.start(part.shape, part.labels)
            _write_npy(temporary / f"{name}_labels.npy", part.labels.shape, np.int64, [part.labels])
            blocks = _told(part, f"{source.verb} {source.name}, {name}", progress)
            _write_npy(
                temporary / f"{name}_images.npy", (len(part.labels), *part.shape), np.uint8, map(digest.add, blocks)
            )
        about = {"name": source.name, "digest": digest.hex(), "notes": reading.notes()}
        _write_json(temporary / "dataset.json", {"schema": SCHEMA, **about, "classes": reading.classes})
        target = root / "prepared" / f"{source.name}-{digest.hex()}"
        try:
            open_prepared(source.name, digest.hex(), root)  # the same images, from files that were touched or moved
        except UserError:
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _write_json(index, about)
    return replace(open_prepared(source.name, digest.hex(), root), notes=tuple(about["notes"]))


def open_prepared(name: str, digest: str, root: Path) -> DataSet:
    """Map a data set that was prepared before; UserError if it is not there or not whole."""
    if name != safe_name(name) or not re.fullmatch("[0-9a-f]{16}", digest):
        raise UserError(f"no prepared data can be called '{printable(name)}-{printable(digest)}'")
    folder = root / "prepared" / f"{name}-{digest}"
    try:
        about = json.loads((folder / "dataset.json").read_text("utf-8"))
        if (about["name"], about["digest"], about["schema"]) != (name, digest, SCHEMA):
            raise ValueError("dataset.json belongs to another data set")
        arrays = {}
        for part in PARTS:
            arrays[f"{part}_images"] = images = np.load(folder / f"{part}_images.npy", mmap_mode="r")
            arrays[f"{part}_labels"] = labels = np.load(folder / f"{part}_labels.npy")
            if images.dtype != np.uint8 or images.ndim != 4 or labels.dtype != np.int64 or len(images) != len(labels):
                raise ValueError(f"{part} images and labels do not match")
            if not 0 <= labels.min() <= labels.max() < len(about["classes"]):
                raise ValueError(f"{part} labels are not among the classes")
        return DataSet(name=name, digest=digest, classes=tuple(about["classes"]), notes=tuple(about["notes"]), **arrays)
    except FileNotFoundError:
        where = printable(str(root))
        raise UserError(f"{name}-{digest} is not in {where}: run the same command again to prepare it") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        where = printable(str(folder))
        raise UserError(f"{where} is damaged ({printable(str(error))}): remove it and run again") from error


def check(name: str, digest: str, root: Path) -> str:
    """A line on prepared data whose content still has its digest; UserError otherwise."""
    data = open_prepared(name, digest, root)
    found = _Digest(data.classes)
    for images, labels in ((data.train_images, data.train_labels), (data.test_images, data.test_labels)):
        found.start(images.shape[1:], labels)
        for start in range(0, len(images), 1000):
            found.add(images[start : start + 1000])
    if found.hex() != digest:
        raise UserError(f"prepared/{name}-{digest} is damaged (its content is {found.hex()}): remove it and run again")
    return f"prepared/{name}-{digest}: {len(data.train_labels):,} + {len(data.test_labels):,} images, whole"


def held(root: Path) -> list[tuple[str, str]]:
    """The (name, digest) of all that is prepared, sorted."""
    folders = [path.parent.name for path in (root / "prepared").glob("*/dataset.json")]
    found = [re.fullmatch(r"([^.].*)-([0-9a-f]{16})", folder) for folder in folders]
    return sorted((match[1], match[2]) for match in found if match)


class _Digest:
    """The identity of a data set's content, taken up block by block."""

    def __init__(self, classes: Iterable[str]):
        self._hash = hashlib.sha256(json.dumps(list(classes)).encode())

    def start(self, shape: tuple[int, ...], labels: np.ndarray) -> None:
        self._hash.update(json.dumps([len(labels), *shape]).encode())
        self._hash.update(labels.astype("<i8").tobytes())

    def add(self, block: np.ndarray) -> np.ndarray:
        self._hash.update(np.ascontiguousarray(block))
        return block

    def hex(self) -> str:
        return self._hash.hexdigest()[:16]


def _told(part: Part, what: str, progress: Progress | None) -> Iterator[np.ndarray]:
    done = 0
    for block in part.blocks:
        yield block
        done += len(block)
        if progress:
            progress(what, done, len(part.labels))


def _write_npy(path: Path, shape: tuple[int, ...], dtype: type, blocks: Iterable[np.ndarray]) -> None:
    # Written, not mapped: on a full disk a write raises, while a mapped page ends the process with SIGBUS.
    written = 0
    with path.open("wb") as stream:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for block in blocks:
            assert block.dtype == dtype, block.dtype
            assert block.shape[1:] == shape[1:], block.shape
            written += len(block)
            stream.write(np.ascontiguousarray(block))
        stream.flush()
        os.fsync(stream.fileno())
    assert written == shape[0], (written, shape)


def _write_json(path: Path, content: dict) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    temporary.replace(path)
