"""From the name of a data set to its verified images: prepared once as plain arrays, then mapped, never fetched."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs

from alexctl.ablation.knobs import DATA_NAMES, unknown_data
from alexctl.data import archives, building, decoding, folders, prepared, shapes
from alexctl.data.archives import fetch
from alexctl.data.building import Part, Reading, Source, key_of
from alexctl.data.file_faults import FileFaults
from alexctl.data.prepared import PARTS, DataSet, Progress, open_prepared
from alexctl.errors import UserError, nearest, printable

EMBEDDED = ("shapes", "shapes-grey")

__all__ = ["DataSet", "Facts", "data_root", "facts", "fetch", "list_sources", "open_prepared", "prepare", "verify"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a data set before any image is read; sides in pixels."""

    height: int
    width: int
    channels: int
    num_classes: int
    num_train: int
    num_test: int


def data_root(option: Path | None = None) -> Path:
    """The folder that holds data: the option, else ALEXCTL_DATA, else the user's cache folder."""
    chosen = option or os.environ.get("ALEXCTL_DATA") or Path(platformdirs.user_cache_dir("alexctl", False)) / "data"
    return Path(os.path.expanduser(chosen))  # noqa: PTH111, Path.expanduser raises on the ~ of a stranger


def prepare(spec: str, root: Path, *, image_size: int = 32, progress: Progress | None = None) -> DataSet:
    """The data set of that name ('shapes', 'cifar10', 'mnist' or 'imagefolder:PATH'), prepared where it is not yet.

    What was prepared before is checked, all of it, so that no trial trains on what changed on disk. Raises UserError
    where files are missing, damaged or no images, or where the root cannot be written.
    """
    try:
        with _all_faults_listed(spec, root):
            return building.open_or_build(_source(spec, root, image_size), root, progress)
    except OSError as error:
        mend = "make room there" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "mend that"
        raise UserError(
            f"cannot prepare {spec} in {root}: {error.strerror or error}; "
            f"{mend}, or choose another folder with --data-root"
        ) from error


def facts(spec: str, image_size: int = 32) -> Facts:
    """The sizes of a data set as `prepare` would give it; an image folder is looked through, its images are not read.

    Raises UserError for an unknown name, a folder that is none, or a size that the data does not come in.
    """
    kind, _, path = spec.partition(":")
    if kind == "imagefolder" and path:
        folder = folders.scan(Path(path))
        counts = (3, len(folder.classes), *(len(folder.images[part]) for part in PARTS))
    else:
        _check(spec, image_size)
        drawn = (1 if spec == "shapes-grey" else 3, len(shapes.CLASSES), shapes.NUM_TRAIN, shapes.NUM_TEST)
        counts = archives.CONTENTS.get(spec, drawn)
    names = ("channels", "num_classes", "num_train", "num_test")
    return Facts(height=image_size, width=image_size, **dict(zip(names, counts, strict=True)))


def verify(name_or_spec: str, root: Path) -> list[str]:
    """Check the published files by md5 and the prepared arrays by their digest; a line for each.

    Takes a spec as `prepare` does, or the name of prepared data. UserError where something is not what it should be.
    """
    name, lines = name_or_spec, []
    if name.startswith("imagefolder:"):
        with _all_faults_listed(name, root):
            name = _source(name, root, 32).name
    digests = [digest for held, digest in prepared.held(root) if held == name]
    if name in ("cifar10", "mnist"):
        lines = archives.check(name, root)
    elif not digests and name not in DATA_NAMES and name == name_or_spec:
        known = {*DATA_NAMES, *(held for held, _ in prepared.held(root))}
        raise UserError(f"unknown data set '{name}', {nearest(name, known)}")
    for data in [prepared.check(name, digest, root) for digest in digests]:
        num_train, num_test = len(data.train_labels), len(data.test_labels)
        lines.append(f"prepared/{name}-{data.digest}: {num_train:,} + {num_test:,} images, whole")
    return lines or [f"{name}: not prepared yet; the first run does it"]


@contextmanager
def _all_faults_listed(spec: str, root: Path) -> Iterator[None]:
    """Where a folder has more faults than are shown, a file below the root lists them."""
    try:
        yield
    except FileFaults as faults:
        name = prepared.safe_name(Path(spec.partition(":")[2]).name)
        raise faults.listed_in(root / "prepared" / f"{name}-faults.txt") from None


def list_sources(root: Path) -> list[dict]:
    """What data there is and could be: dicts with name, what, state, size_mb, where, next."""
    drawn = f"{shapes.NUM_TRAIN + shapes.NUM_TEST:,} drawn figures, 10 classes, for demos and tests"
    rows = [
        _archive_row("cifar10", "CIFAR-10, 60,000 photographs, 10 classes", root, archives.CIFAR10_FOLDER, 7),
        _archive_row("mnist", "MNIST, 70,000 handwritten digits, padded to 32 x 32", root, archives.MNIST_FOLDER, 4),
        _row("shapes", drawn, "built in", None, "--data shapes"),
        _row(
            "shapes-grey", "the same in one channel, for nets that see digits", "built in", None, "--data shapes-grey"
        ),
    ]
    for name, digest in prepared.held(root):
        folder = root / "prepared" / f"{name}-{digest}"
        rows.append(_row(name, f"prepared arrays {digest}", "ready", folder, f"alexctl data verify {name}"))
    return rows


def _row(name: str, what: str, state: str, where: Path | None, next_action: str) -> dict:
    size = round(_bytes_below(where) / 1e6, 1) if where else 0.0
    where_text = printable(str(where)) if where else ""
    return {"name": name, "what": what, "state": state, "size_mb": size, "where": where_text, "next": next_action}


def _bytes_below(folder: Path) -> int:
    """The size of all files; what can't be looked at counts nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += Path(place, name).lstat().st_size
    return total


def _archive_row(name: str, what: str, root: Path, folder: str, num_files: int) -> dict:
    """By what lies there; reading it all for its md5 is the business of `verify`."""
    where = root / folder
    files = [file.name for file in where.glob("*")]
    if len([file for file in files if file.endswith(("-ubyte", ".meta")) or "_batch" in file]) >= num_files:
        return _row(name, what, "there", where, f"alexctl data verify {name}")
    begun = bool(files) or any(root.glob(f"{archives.CIFAR10_ARCHIVE}*") if name == "cifar10" else [])
    return _row(name, what, "half fetched" if begun else "missing", where, f"alexctl data fetch {name}")


def _source(spec: str, root: Path, image_size: int) -> Source:
    kind, _, path = spec.partition(":")
    if kind == "imagefolder" and path:
        folder = folders.scan(Path(path))
        key = key_of("imagefolder", image_size, folder.fingerprint)
        name = folder.name
        if name.casefold() in folders.IMAGENETS and image_size < folders.IMAGENET_SIZE:
            name += f"-{image_size}px"  # not what the paper's net saw
        return Source(name=name, key=key, read=lambda: decoding.read(folder, image_size), verb="decoding")
    _check(spec, image_size)
    if spec in EMBEDDED:
        return Source(name=spec, key=key_of(spec, shapes.VERSION), read=lambda: _read_shapes(spec), verb="drawing")
    # The md5 sums say what the files must be, so they are the state of the files.
    key = key_of(spec, image_size, archives.files_of(spec))
    return Source(name=spec, key=key, read=lambda: _read_archive(spec, root, image_size))


def _check(spec: str, image_size: int) -> None:
    if spec not in DATA_NAMES:
        raise UserError(unknown_data(spec))
    if image_size != 32 and not (spec == "mnist" and image_size >= 28):
        side = 28 if spec == "mnist" else 32
        raise UserError(f"{spec} has images of {side} pixels, not {image_size}: only an image folder comes in any size")


def _read_shapes(name: str) -> Reading:
    parts = {}
    for part, num in zip(PARTS, (shapes.NUM_TRAIN, shapes.NUM_TEST), strict=True):
        labels = shapes.labels(num, part)
        blocks, channels = shapes.blocks(labels, part), 3
        if name == "shapes-grey":
            blocks, channels = map(shapes.grey, blocks), 1
        parts[part] = Part(labels=labels, shape=(shapes.SIDE, shapes.SIDE, channels), blocks=blocks)
    return Reading(classes=shapes.CLASSES, parts=parts)


def _read_archive(name: str, root: Path, image_size: int) -> Reading:
    classes, arrays = archives.read_cifar10(root) if name == "cifar10" else archives.read_mnist(root, image_size)
    parts = {
        part: Part(labels=labels.astype(np.int64), shape=images.shape[1:], blocks=[images])
        for part, (images, labels) in arrays.items()
    }
    notes = [f"padded with zeros from 28 to {image_size} pixels"] if name == "mnist" and image_size > 28 else []
    return Reading(classes=classes, parts=parts, notes=lambda: notes)
