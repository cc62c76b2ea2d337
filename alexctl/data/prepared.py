"""Prepared data, plain arrays below ROOT/prepared: mapped, never believed before size, kind and content were checked."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alexctl.errors import UserError
from alexctl.regular_files import open_regular, read_regular

Progress = Callable[[str, int, int], None]
PARTS = ("train", "test")
SCHEMA = 1  # raised when the same files would be prepared into other arrays
MAX_IMAGES = 10**8  # of a part; ImageNet has a million
MAX_JSON = 2**24  # bytes; 20,000 class names of 255 bytes are a third of it
HASHED_AT_ONCE = 2**22  # bytes
Words = Annotated[str, Field(max_length=2000)]  # a class may be called by 255 bytes, each spelled out in six letters
# The head of a file of arrays as `building` writes it: magic, version, length, dtype, shape.
_HEAD = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '([<>|]\w\d)', 'fortran_order': False, "
    rb"'shape': \((\d{1,12}(?:, \d{1,12})*),?\), \} *\n",
    re.DOTALL,
)


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


class About(BaseModel):
    """What is written down of prepared data: where to find it (sources/KEY.json), and beside its arrays what it is."""

    model_config = ConfigDict(frozen=True, strict=True)

    name: str
    digest: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    notes: tuple[Words, ...]


class _Described(About):
    """`dataset.json`, beside the arrays."""

    schema_: Annotated[int, Field(ge=SCHEMA, le=SCHEMA, alias="schema")]
    classes: Annotated[tuple[Words, ...], Field(min_length=1)]


def read_about(path: Path, kind: type[About] = About) -> About:
    """What such a file says; OSError, or ValueError where it is not as `building` writes it."""
    try:
        return kind.model_validate_json(read_regular(path, MAX_JSON))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path.name}: {place}{': ' * bool(place)}{first['msg']}") from None


def safe_name(name: str) -> str:
    """The name with anything replaced that could mean more than a letter to a path, a table or a terminal."""
    return re.sub(r"^[.-]", "_", re.sub(r"[^\w.-]", "_", name)[:80]) or "_"


def open_prepared(name: str, digest: str, root: Path) -> DataSet:
    """Map a data set that was prepared before; UserError if it is not there or not whole. Its content is believed."""
    if name != safe_name(name) or not re.fullmatch("[0-9a-f]{16}", digest):
        raise UserError(f"no prepared data can be called '{name}-{digest}'")
    folder = root / "prepared" / f"{name}-{digest}"
    try:
        return _opened(name, digest, folder)
    except FileNotFoundError:
        raise UserError(f"{name}-{digest} is not in {root}: run the same command again to prepare it") from None
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{folder} is damaged ({what}): remove it and run again") from error


def _opened(name: str, digest: str, folder: Path) -> DataSet:
    about = read_about(folder / "dataset.json", _Described)
    if (about.name, about.digest) != (name, digest):
        raise ValueError("dataset.json belongs to another data set")
    arrays: dict[str, np.ndarray] = {}
    for part in PARTS:
        images = _mapped(folder / f"{part}_images.npy", np.uint8, 4)
        labels = np.array(_mapped(folder / f"{part}_labels.npy", np.int64, 1))
        if len(images) != len(labels):
            raise ValueError(f"{part} images and labels do not match")
        if not 0 <= labels.min() <= labels.max() < len(about.classes):
            raise ValueError(f"{part} labels are not among the classes")
        arrays |= {f"{part}_images": images, f"{part}_labels": labels}
    if arrays["train_images"].shape[1:] != arrays["test_images"].shape[1:]:
        raise ValueError("train and test images have two sizes")
    return DataSet(name=name, digest=digest, classes=about.classes, notes=about.notes, **arrays)


def _mapped(path: Path, dtype: type, num_axes: int) -> np.ndarray:
    with open_regular(path) as file:
        shape, start = _head(file, path.name, np.dtype(dtype), num_axes)
        return np.memmap(file, dtype, mode="r", offset=start, shape=shape)


def _head(file: BinaryIO, name: str, dtype: np.dtype, num_axes: int) -> tuple[tuple[int, ...], int]:
    """(shape, position of the first number); ValueError unless the file holds these numbers and nothing else."""
    match = _HEAD.match(file.read(1024))
    if match is None or int.from_bytes(match[1], "little") + 10 != match.end():
        raise ValueError(f"{name} does not begin as an array")
    shape = tuple(map(int, match[3].split(b", ")))
    if match[2].decode() != np.lib.format.dtype_to_descr(dtype) or len(shape) != num_axes:
        raise ValueError(f"{name} holds numbers of another kind or shape")
    if min(shape) < 1 or max(shape) > MAX_IMAGES:
        raise ValueError(f"{name} claims a shape of {shape}")
    if file.seek(0, 2) != match.end() + prod(shape) * dtype.itemsize:
        raise ValueError(f"{name} is not as long as it says")
    return shape, match.end()


def content_of(data: DataSet, root: Path, progress: Progress | None = None) -> str:
    """The digest of what lies on disk now; OSError or ValueError where it can't be read.

    Read, not mapped: of a bad disk a read raises, while a mapped page ends the process with SIGBUS.
    """
    folder = root / "prepared" / f"{data.name}-{data.digest}"
    found, done = Digest(data.classes), 0
    for part, labels in zip(PARTS, (data.train_labels, data.test_labels), strict=True):
        name = f"{part}_images.npy"
        with open_regular(folder / name) as file:
            shape, start = _head(file, name, np.dtype(np.uint8), 4)
            found.start(shape[1:], labels)
            file.seek(start)
            while block := file.read(HASHED_AT_ONCE):
                found.add(block)
                done += len(block)
                if progress:
                    total = data.train_images.nbytes + data.test_images.nbytes
                    progress(f"checking {data.name}, MB", done // 10**6, total // 10**6)
    return found.hex()


def check(name: str, digest: str, root: Path, progress: Progress | None = None) -> DataSet:
    """Prepared data whose content still has its digest; UserError otherwise."""
    data = open_prepared(name, digest, root)
    try:
        found = content_of(data, root, progress)
    except (OSError, ValueError) as error:
        found = str(error)
    if found != digest:
        raise UserError(f"prepared/{name}-{digest} is damaged (its content is {found}): remove it and run again")
    return data


def held(root: Path) -> list[tuple[str, str]]:
    """The (name, digest) of all that is prepared, sorted."""
    folders = [path.parent.name for path in (root / "prepared").glob("*/dataset.json")]
    found = [re.fullmatch(r"([^.].*)-([0-9a-f]{16})", folder) for folder in folders]
    return sorted((match[1], match[2]) for match in found if match and match[1] == safe_name(match[1]))


class Digest:
    """The identity of a data set's content, taken up block by block."""

    def __init__(self, classes: Iterable[str]):
        self._hash = hashlib.sha256(json.dumps(list(classes)).encode())

    def start(self, shape: tuple[int, ...], labels: np.ndarray) -> None:
        self._hash.update(json.dumps([len(labels), *shape]).encode())
        self._hash.update(labels.astype("<i8").tobytes())

    def add(self, block: np.ndarray | bytes) -> None:
        self._hash.update(block)

    def hex(self) -> str:
        return self._hash.hexdigest()[:16]
