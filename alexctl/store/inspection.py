"""What a trained net makes of images, kept beside its weights: written by its trial, read back by a report with care."""

import csv
import io
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from alexctl.regular_files import is_regular
from alexctl.store import files, layout

PREDICTIONS = {"image": int, "truth": str, "rank": int, "class": str, "probability": float}
NEIGHBOURS = {"image": int, "truth": str, "rank": int, "neighbour": int, "class": str, "distance": float}
_TENSORS = {  # type, and the largest size of each dimension
    "kernels": ("f4", (4096, 64, 64, 4096)), "images": ("u1", (64, 512, 512, 3)),
    "near": ("u1", (64, 64, 512, 512, 3)),
}  # fmt: skip
MOST_GUESSES = 20  # of an image
_RENAMED = {"picture": "image", "pictures": "images"}  # what version 0.1.0 called them


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """Images and what one trial's net takes them for.

    `images` (n, height, width, channels) uint8 are test images, `near` (queries, neighbours, height, width, channels)
    uint8 the training images nearest to the first of them. `kernels` (n, height, width, channels) float32 are those of
    the first convolution, tower after tower, None where there is none. `predictions` and `neighbours` are rows with the
    columns above, in the order of the images.
    """

    images: np.ndarray
    near: np.ndarray
    predictions: list[dict[str, Any]]
    neighbours: list[dict[str, Any]]
    kernels: np.ndarray | None = None
    towers: int = 1


def is_there(trial: Path) -> bool:
    """Whether a trial has kept it."""
    return all(is_regular(trial / name) for name in layout.INSPECTION)


def write(trial: Path, kept: Inspection) -> None:
    """Writes it into a trial's folder, as small files."""
    tensors = {"images": kept.images, "near": kept.near}
    if kept.kernels is not None:
        tensors |= {"kernels": kept.kernels, "towers": np.array([kept.towers])}
    # safetensors takes bytes as they lie and knows no strides: of a crop, which is a view, it would save other pixels.
    whole = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    files.write_atomic(trial / layout.GALLERY, safetensors.numpy.save(whole))
    files.write_atomic(trial / layout.PREDICTIONS_CSV, files.csv_text(tuple(PREDICTIONS), kept.predictions))
    files.write_atomic(trial / layout.NEIGHBOURS_CSV, files.csv_text(tuple(NEIGHBOURS), kept.neighbours))


def read(trial: Path) -> Inspection:
    """What a trial has kept; ValueError names the file that is not as alexctl writes it."""
    tensors = _tensors(trial / layout.GALLERY)
    images, near = tensors["images"], tensors["near"]
    predictions = _rows(trial / layout.PREDICTIONS_CSV, PREDICTIONS)
    if len({row["image"] for row in predictions}) != len(images):
        raise ValueError(f"{layout.PREDICTIONS_CSV} is of other images")
    if max(Counter(row["image"] for row in predictions).values()) > MOST_GUESSES:
        raise ValueError(f"{layout.PREDICTIONS_CSV} has more classes an image than alexctl keeps")
    neighbours = _rows(trial / layout.NEIGHBOURS_CSV, NEIGHBOURS)
    if list(Counter(row["image"] for row in neighbours).values()) != [near.shape[1]] * len(near):
        raise ValueError(f"{layout.NEIGHBOURS_CSV} is of other images")
    about = {"kernels": tensors["kernels"], "towers": int(tensors["towers"][0])} if "kernels" in tensors else {}
    return Inspection(images=images, near=near, predictions=predictions, neighbours=neighbours, **about)


def _tensors(path: Path) -> dict[str, np.ndarray]:
    try:
        found = safetensors.numpy.load(files.read_bytes(path))
    except SafetensorError:
        raise ValueError(f"{path.name} is damaged") from None
    found = {_RENAMED.get(name, name): tensor for name, tensor in found.items()}
    for name, (kind, most) in _TENSORS.items():
        if name == "kernels" and name not in found:
            continue
        tensor = found.get(name)
        if tensor is None or tensor.dtype != kind or not _fits(tensor.shape, most):
            raise ValueError(f"{path.name} has no {name} as alexctl keeps them")
    if len(found["near"]) > len(found["images"]) or {found["images"].shape[-1], found["near"].shape[-1]} - {1, 3}:
        raise ValueError(f"{path.name} has images that can't be shown")
    if "kernels" in found:
        towers = found.get("towers", np.zeros(0))
        counted = towers.shape == (1,) and towers.dtype.kind == "i" and towers[0] > 0
        if not counted or len(found["kernels"]) % towers[0] or not np.isfinite(found["kernels"]).all():
            raise ValueError(f"{path.name} has kernels that can't be shown")
    return found


def _fits(shape: tuple[int, ...], most: tuple[int, ...]) -> bool:
    return len(shape) == len(most) and all(0 < size <= limit for size, limit in zip(shape, most, strict=True))


def _rows(path: Path, columns: dict[str, type]) -> list[dict[str, Any]]:
    try:
        lines = list(csv.DictReader(io.StringIO(files.read_text(path), newline=""), strict=True))
        lines = [{_RENAMED.get(name, name): cell for name, cell in line.items()} for line in lines]
        rows = [{name: kind(line[name]) for name, kind in columns.items()} for line in lines]
    except (KeyError, TypeError, csv.Error):
        raise ValueError(f"{path.name} is damaged") from None
    except files.Unreadable:
        raise
    except ValueError as error:
        raise ValueError(str(error) if path.name in str(error) else f"{path.name} is damaged") from None
    if not all(math.isfinite(value) for row in rows for value in row.values() if isinstance(value, float)):
        raise ValueError(f"{path.name} is damaged")
    return rows
