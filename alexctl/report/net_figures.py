"""Figures 3 and 4 of a campaign, where trials kept their weights: drawn from what those trials laid beside them."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors.numpy
from safetensors import SafetensorError

from alexctl.errors import UserError
from alexctl.figures import images
from alexctl.regular_files import is_regular
from alexctl.report import figure_cache
from alexctl.report.drawings import Drawing
from alexctl.store import files, layout
from alexctl.verdicts.evidence import Evidence


def draw(evidence: Evidence) -> None:
    """Draws the kernels of every arm's seed 0, and images by the ablation's subject.

    Writes predictions.csv and neighbours.csv of that arm too. Where no trial kept its weights there is none of it.
    UserError where such a file is damaged.
    """
    found = {
        record.arm: record.folder
        for record in evidence.final
        if record.seed == 0 and all(is_regular(record.folder / n) for n in layout.INSPECTION)
    }
    found = dict(sorted(found.items()))
    tensors = {arm: _tensors(folder) for arm, folder in found.items()}
    with_kernels = [arm for arm in found if "kernels" in tensors[arm]]
    if with_kernels:
        frames = tuple(tensors[arm]["kernels"] for arm in with_kernels)
        options = {
            "arms": with_kernels, "towers": [int(tensors[arm]["towers"][0]) for arm in with_kernels],
            "caption": "Kernels of the first layer after training with seed 0. Zero is mid grey; each arm has a scale of "
            "its own.",
        }  # fmt: skip
        kernels = Drawing(draw=images.first_kernels, frames=frames, options=options)
        figure_cache.draw(evidence.folder, layout.KERNELS, kernels)
    arm = evidence.ablation.subject
    if arm not in found:
        return
    data, shown, near = evidence.data_name, tensors[arm]["images"], tensors[arm]["near"]
    predictions, neighbours = (
        _table(evidence, arm, found[arm] / name) for name in (layout.PREDICTIONS_CSV, layout.NEIGHBOURS_CSV)
    )
    words = (
        f"Test images of {data} and the classes that {arm}, seed 0, finds most probable; the true one in bold. They are "
        "the first test image of each of so many classes, not a selection."
    )
    guesses = Drawing(draw=images.five_most_probable, frames=(predictions, shown), options={"caption": words})
    figure_cache.draw(evidence.folder, layout.PREDICTIONS, guesses)
    words = (
        f"Test images of {data} (left) and the training images nearest to them by the input of the last layer of {arm}, "
        "seed 0."
    )
    frames = (neighbours, shown[: len(near)], near)
    nearest = Drawing(draw=images.nearest_images, frames=frames, options={"caption": words})
    figure_cache.draw(evidence.folder, layout.NEIGHBOURS, nearest)


_RENAMED = {"picture": "image", "pictures": "images"}  # what version 0.1.0 called them


def _tensors(folder: Path) -> dict[str, np.ndarray]:
    try:
        tensors = safetensors.numpy.load(files.read_bytes(folder / layout.GALLERY))
        return {_RENAMED.get(name, name): tensor for name, tensor in tensors.items()}
    except (SafetensorError, ValueError):
        raise _damaged(folder / layout.GALLERY) from None


def _table(evidence: Evidence, arm: str, path: Path) -> pd.DataFrame:
    """One of a trial's CSVs, also written into the campaign's folder with the arm it is of."""
    try:
        lines = csv.DictReader(files.read_text(path).splitlines(keepends=True))
        rows = [{_RENAMED.get(name, name): cell for name, cell in row.items()} for row in lines]
        for row in rows:
            row |= {key: float(row[key]) for key in ("probability", "distance") if key in row}
            row |= {key: int(row[key]) for key in ("image", "rank", "neighbour") if key in row}
    except (ValueError, TypeError, csv.Error):
        raise _damaged(path) from None
    rows = [{"ablation": evidence.ablation.name, "arm": arm, "seed": 0, **row} for row in rows]
    if not rows:
        raise _damaged(path)
    files.write_atomic(evidence.folder / path.name, files.csv_text(tuple(rows[0]), rows))
    return pd.DataFrame(rows)


def _damaged(path: Path) -> UserError:
    return UserError(f"{path.parent.name}/{path.name} is damaged; delete it, and the report goes without its figures")
