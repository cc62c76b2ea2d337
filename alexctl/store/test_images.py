"""Which test images a trial's net got right, its class probabilities if they were kept, and the labels they are held against."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from alexctl.errors import printable
from alexctl.regular_files import is_regular
from alexctl.store import files, layout

PROBABILITY_BYTES = 2**30
_ROUNDING = 0.01  # that a row of float16 probabilities may be off a sum of 1


@dataclass(frozen=True, kw_only=True)
class Right:
    """Which of `count` test images were right: one bit each in the test set's order, the first one the highest of its byte."""

    count: int
    bits: bytes

    @classmethod
    def of(cls, right: np.ndarray) -> "Right":
        """From a bool for each image."""
        return cls(count=len(right), bits=np.packbits(right.astype(bool)).tobytes())

    @property
    def digest(self) -> str:
        """16 hex digits that identify the bits."""
        return hashlib.sha256(self.bits).hexdigest()[:16]

    @property
    def error(self) -> float:
        """The test error that they mean, as a trial's rows have it."""
        return (self.count - int.from_bytes(self.bits).bit_count()) / self.count

    def array(self) -> np.ndarray:
        """(count,) bool."""
        return np.unpackbits(np.frombuffer(self.bits, np.uint8), count=self.count).astype(bool)


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The right class of each test image, as a position in `classes`, in the test set's order."""

    classes: tuple[str, ...]
    labels: np.ndarray


def read_right(trial: Path, count: int, digest: str, test_error: float | None) -> Right | None:
    """What a finished trial has kept, None where it has kept nothing; ValueError where it contradicts status.json or rows."""
    if not is_regular(trial / layout.CORRECT):
        return None
    bits = files.read_bytes(trial / layout.CORRECT, (count + 7) // 8)
    right = Right(count=count, bits=bits)
    if len(bits) != (count + 7) // 8 or bits[-1] & (1 << -count % 8) - 1:
        raise ValueError(f"{layout.CORRECT} is not of the {count:,} test images that status.json counts")
    if right.digest != digest:
        raise ValueError(f"{layout.CORRECT} was changed after the trial ended")
    if right.error != test_error:
        raise ValueError(f"{layout.CORRECT} has another test error than rows.csv")
    return right


def write_probabilities(trial: Path, probabilities: np.ndarray) -> None:
    """(test images, classes) float16, in the test set's order."""
    content = safetensors.numpy.save({"probabilities": np.ascontiguousarray(probabilities, dtype="<f2")})
    files.write_atomic(trial / layout.PROBABILITIES, content)


def read_probabilities(trial: Path, right: Right, labels: Labels) -> np.ndarray | None:
    """(test images, classes) float16, None where none were kept; ValueError where they are not those of a trial's net."""
    path = trial / layout.PROBABILITIES
    if not is_regular(path):
        return None
    try:
        found = safetensors.numpy.load(files.read_bytes(path, PROBABILITY_BYTES)).get("probabilities")
    except SafetensorError:
        raise ValueError(f"{path.name} is damaged") from None
    if found is None or found.dtype != "f2" or found.shape != (right.count, len(labels.classes)):
        raise ValueError(f"{path.name} has no probability of each class for each test image")
    with np.errstate(invalid="ignore"):  # a NaN is not within
        if not ((found >= 0).all() and (abs(found.sum(1, dtype=np.float32) - 1) < _ROUNDING).all()):
            raise ValueError(f"{path.name} has numbers that are no probabilities")
    # Rounding to float16 may make two classes equal, but it never turns them round.
    best = found.max(1)
    clear = (found == best[:, None]).sum(1) == 1
    if ((found.argmax(1) == labels.labels) != right.array())[clear].any():
        raise ValueError(f"{path.name} contradicts {layout.CORRECT}")
    return found


def write_labels(campaign: Path, *, data_digest: str, classes: Sequence[str], labels: np.ndarray) -> None:
    """The labels of the test images that all trials of a campaign are evaluated on; nothing where they are too many."""
    table = {
        "schema": files.SCHEMA, "data_digest": data_digest, "classes": [printable(name) for name in classes],
        "labels": base64.b64encode(np.asarray(labels).astype("<u2").tobytes()).decode(),
    }  # fmt: skip
    if len(classes) <= files.MOST_ITEMS and len(json.dumps(table)) < files.JSON_BYTES // 2:
        files.write_json(campaign / layout.TEST_LABELS, table)


def read_labels(campaign: Path, *, data_digest: str, num_classes: int) -> Labels | None:
    """What `write_labels` wrote, None where it wrote nothing; ValueError where it is of other data, or damaged."""
    path = campaign / layout.TEST_LABELS
    if not is_regular(path):
        return None
    table = files.read_json(path)
    try:
        labels = np.frombuffer(base64.b64decode(table["labels"], validate=True), "<u2")
    except (binascii.Error, ValueError):
        raise ValueError(f"{path.name} is damaged: labels: no base64 of 16-bit numbers") from None
    if table["data_digest"] != data_digest or len(table["classes"]) != num_classes:
        raise ValueError(f"{path.name} is of other data")
    if not labels.size or labels.max() >= num_classes:
        raise ValueError(f"{path.name} is damaged: labels: of no class")
    return Labels(classes=tuple(table["classes"]), labels=labels.astype(np.int64))
