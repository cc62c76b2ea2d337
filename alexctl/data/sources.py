"""From the name of a data set to its verified pictures: prepared once as plain arrays, then mapped, never downloaded."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import filelock
import numpy as np
import platformdirs

from alexctl.data import archives, folders, shapes
from alexctl.data.archives import fetch
from alexctl.errors import UserError, nearest, printable

__all__ = ["DataSet", "data_root", "fetch", "list_sources", "open_prepared", "prepare", "verify"]

Progress = Callable[[str, int, int], None]
NAMES = ("cifar10", "mnist", "shapes")
PARTS = ("train", "test")
SCHEMA = 1  # raised when the same files would be prepared into other arrays


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Pictures and labels, mapped from disk.

    Images are (n, height, width, channels) uint8, labels (n,) int64, class indices into `classes`. `digest` is of the
    content alone: 16 hex digits of a SHA-256 over class names, shapes, images and labels of both parts. `notes` tell
    what was done to the pictures.
    """

    name: str
    digest: str
    classes: tuple[str, ...]
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    notes: tuple[str, ...]


Reading = tuple[
    tuple[str, ...], dict[str, tuple[np.ndarray, tuple[int, ...], Iterable[np.ndarray]]], Callable[[], list[str]]
]


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A data set before it is prepared.

    `key` stands for the state of its files. `read(progress)` gives the class names; for each part its labels, the
    shape of a picture and blocks of pictures; and a function that gives the notes once the blocks have been read.
    """

    name: str
    key: str
    read: Callable[[Progress | None], Reading]


def data_root(option: Path | None = None) -> Path:
    """The folder that holds data: the option, else ALEXCTL_DATA, else the user's cache folder."""
    chosen = option or os.environ.get("ALEXCTL_DATA") or Path(platformdirs.user_cache_dir("alexctl", False)) / "data"
    return Path(chosen).expanduser()


def prepare(spec: str, root: Path, *, image_size: int = 32, progress: Progress | None = None) -> DataSet:
    """The data set of that name ('shapes', 'cifar10', 'mnist' or 'imagefolder:PATH'), prepared where it is not yet.

    Raises UserError where files are missing, damaged or no pictures, or where the root cannot be written.
    """
    source = _source(spec, root, image_size)
    store = root / "prepared"
    index = store / "sources" / f"{source.key}.json"
    try:
        if known := _known(index, source.name, root):
            return known
        index.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(store / f".{source.name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if progress:
                progress(f"waiting for another process that prepares {source.name}", 0, 0)
            lock.acquire()
        try:
            return _known(index, source.name, root) or _build(source, root, index, progress)
        finally:
            lock.release()
    except OSError as error:
        raise UserError(
            f"cannot prepare {printable(spec)} in {_shown(store)}: {error.strerror or error}; "
            "make room there, or name another folder with --data-root"
        ) from error


def _known(index: Path, name: str, root: Path) -> DataSet | None:
    """What was prepared from this state of the source, if it is still there and whole."""
    try:
        entry = json.loads(index.read_text("utf-8"))
        return replace(open_prepared(name, entry["digest"], root), notes=tuple(entry["notes"]))
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return None


def _build(source: _Source, root: Path, index: Path, progress: Progress | None) -> DataSet:
    """Write the arrays into a temporary folder, one block of pictures in memory at a time, and rename it."""
    classes, parts, tell = source.read(progress)
    temporary = root / "prepared" / f".{source.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # what a killed process left
    temporary.mkdir()
    try:
        hasher = _Digest(classes)
        for part in PARTS:
            labels, shape, blocks = parts[part]
            hasher.start(shape, labels)
            _write_npy(temporary / f"{part}_labels.npy", labels.shape, np.int64, [labels])
            hashed = (hasher.add(block) for block in blocks)
            _write_npy(temporary / f"{part}_images.npy", (len(labels), *shape), np.uint8, hashed)
        digest, notes = hasher.hexdigest(), tell()
        about = {"schema": SCHEMA, "name": source.name, "digest": digest, "classes": classes, "notes": notes}
        _write_json(temporary / "dataset.json", about)
        target = root / "prepared" / f"{source.name}-{digest}"
        try:
            open_prepared(source.name, digest, root)  # the same pictures, from files that were touched or moved
        except UserError:
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _write_json(index, {"name": source.name, "digest": digest, "notes": notes})
    return replace(open_prepared(source.name, digest, root), notes=tuple(notes))


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

    def hexdigest(self) -> str:
        return self._hash.hexdigest()[:16]


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


def open_prepared(name: str, digest: str, root: Path) -> DataSet:
    """Map a data set that `prepare` has made; UserError if it is not there or not whole."""
    if name != folders.safe_name(name) or not re.fullmatch("[0-9a-f]{16}", digest):
        raise UserError(f"no prepared data can be called '{printable(name)}-{printable(digest)}'")
    folder = root / "prepared" / f"{name}-{digest}"
    try:
        about = json.loads((folder / "dataset.json").read_text("utf-8"))
        arrays = {}
        for part in PARTS:
            arrays[f"{part}_images"] = images = np.load(folder / f"{part}_images.npy", mmap_mode="r")
            arrays[f"{part}_labels"] = labels = np.load(folder / f"{part}_labels.npy")
            if images.dtype != np.uint8 or images.ndim != 4 or labels.dtype != np.int64 or len(images) != len(labels):
                raise ValueError(f"{part} images and labels do not match")
        if (about["name"], about["digest"], about["schema"]) != (name, digest, SCHEMA):
            raise ValueError("dataset.json belongs to another data set")
        return DataSet(name=name, digest=digest, classes=tuple(about["classes"]), notes=tuple(about["notes"]), **arrays)
    except FileNotFoundError:
        raise UserError(f"{name}-{digest} is not in {_shown(root)}: run the same command again to prepare it") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise UserError(f"{_shown(folder)} is damaged ({printable(str(error))}): remove it and run again") from error


def verify(name_or_spec: str, root: Path) -> list[str]:
    """Check the published files by md5 and the prepared arrays by their digest; a line for each.

    Takes a spec as `prepare` does, or the name of prepared data. UserError where something is not what it should be.
    """
    lines = []
    name = name_or_spec
    if name.startswith("imagefolder:"):
        name = _source(name, root, 32).name
    elif name in ("cifar10", "mnist"):
        lines = archives.check(name, root)
    for digest in [digest for n, digest in _prepared(root) if n == name]:
        data = open_prepared(name, digest, root)
        hasher = _Digest(data.classes)
        for images, labels in ((data.train_images, data.train_labels), (data.test_images, data.test_labels)):
            hasher.start(images.shape[1:], labels)
            for start in range(0, len(images), 1000):
                hasher.add(images[start : start + 1000])
        if (found := hasher.hexdigest()) != digest:
            raise UserError(f"prepared/{name}-{digest} is damaged (its content is {found}): remove it and run again")
        lines.append(f"prepared/{name}-{digest}: {len(data.train_labels)} + {len(data.test_labels)} pictures, whole")
    if not lines and name not in NAMES and name == name_or_spec:
        known = sorted({*NAMES, *(n for n, _ in _prepared(root))})
        raise UserError(f"no data is called '{printable(name)}': {nearest(name, known)}")
    return lines or [f"{name}: not prepared yet; the first run does it"]


def list_sources(root: Path) -> list[dict]:
    """What data there is and could be: dicts with name, what, state, size_mb, where, next."""
    rows = [
        _archive_row("cifar10", "CIFAR-10, 60,000 photographs, 10 classes", root, archives.CIFAR10_FOLDER, 6),
        _archive_row("mnist", "MNIST, 70,000 handwritten digits, padded to 32 x 32", root, archives.MNIST_FOLDER, 4),
    ]
    rows.append(
        _row("shapes", "12,000 drawn figures, 10 classes, for demos and tests", "built in", None, "--data shapes")
    )
    for name, digest in _prepared(root):
        folder = root / "prepared" / f"{name}-{digest}"
        rows.append(_row(name, "prepared arrays", "ready", folder, "", detail=digest))
    return rows


def _row(name: str, what: str, state: str, where: Path | None, next_action: str, detail: str = "") -> dict:
    size = sum(f.stat().st_size for f in where.rglob("*") if f.is_file()) if where and where.exists() else 0
    what = f"{what} {detail}".strip()
    return {
        "name": name, "what": what, "state": state, "size_mb": round(size / 1e6, 1),
        "where": str(where or ""), "next": next_action,
    }  # fmt: skip


def _archive_row(name: str, what: str, root: Path, folder: str, num_files: int) -> dict:
    where = root / folder
    held = len([f for f in where.glob("*") if f.suffix not in (".gz", ".part", ".html")]) if where.is_dir() else 0
    if held >= num_files:
        return _row(name, what, "there", where, f"alexctl data verify {name}")
    part = any(root.glob("*.part")) if name == "cifar10" else any(where.glob("*.part"))
    return _row(name, what, "half fetched" if part or held else "missing", where, f"alexctl data fetch {name}")


def _prepared(root: Path) -> list[tuple[str, str]]:
    found = [
        re.fullmatch(r"([^.].*)-([0-9a-f]{16})", f.parent.name) for f in (root / "prepared").glob("*/dataset.json")
    ]
    return sorted((m[1], m[2]) for m in found if m)


def _shown(path: Path) -> str:
    return printable(str(path))


def _source(spec: str, root: Path, image_size: int) -> _Source:
    kind, _, path = spec.partition(":")
    if kind == "imagefolder" and path:
        folder = folders.scan(Path(path))
        return _Source(
            name=folder.name,
            key=_key("imagefolder", image_size, folder.fingerprint),
            read=lambda progress: folders.read(folder, image_size, progress),
        )
    if spec not in NAMES:
        if kind == "imagefolder":
            raise UserError("--data imagefolder: names no folder; write imagefolder:PATH, with train/CLASS/*.jpg in it")
        raise UserError(f"no data is called '{printable(spec)}': {nearest(spec, (*NAMES, 'imagefolder:PATH'))}")
    smallest = 28 if spec == "mnist" else 32
    if image_size < smallest or (image_size != 32 and spec != "mnist"):
        raise UserError(
            f"{spec} has pictures of {smallest} pixels, not {image_size}: only an image folder comes in any size"
        )
    if spec == "shapes":
        return _Source(name=spec, key=_key(spec, shapes.VERSION), read=_read_shapes)
    # The md5 sums say what the files must be, so they are the state of the files.
    return _Source(
        name=spec,
        key=_key(spec, image_size, archives.files_of(spec)),
        read=lambda progress: _read_archive(spec, root, image_size, progress),
    )


def _read_shapes(progress: Progress | None) -> Reading:
    parts = {}
    for part, num in (("train", shapes.NUM_TRAIN), ("test", shapes.NUM_TEST)):
        labels = shapes.labels(num, part)
        blocks = folders.told(shapes.blocks(labels, part), f"drawing shapes, {part}", num, progress)
        parts[part] = (labels, (shapes.SIDE, shapes.SIDE, 3), blocks)
    return shapes.CLASSES, parts, list


def _read_archive(name: str, root: Path, image_size: int, progress: Progress | None) -> Reading:
    if progress:
        progress(f"reading {name}", 0, 0)
    if name == "cifar10":
        classes, parts = archives.read_cifar10(root)
    else:
        classes, parts = archives.read_mnist(root, image_size)
    notes = [f"padded with zeros from 28 to {image_size} pixels"] if name == "mnist" and image_size > 28 else []
    return classes, {p: (y.astype(np.int64), x.shape[1:], [x]) for p, (x, y) in parts.items()}, lambda: notes


def _key(*state) -> str:
    return hashlib.sha256(json.dumps([SCHEMA, *state]).encode()).hexdigest()[:24]
