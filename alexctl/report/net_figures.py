"""Figures 3 and 4 of a campaign, where trials kept their weights: drawn from what those trials laid beside them."""

from pathlib import Path
from typing import Any

import pandas as pd

from alexctl.figures import images
from alexctl.report import figure_cache
from alexctl.report.drawings import Drawing
from alexctl.store import files, inspection, layout
from alexctl.store.inspection import Inspection
from alexctl.verdicts.evidence import Evidence


def draw(evidence: Evidence) -> None:
    """Draws the kernels of every arm's seed 0, and images by the ablation's subject.

    Writes predictions.csv and neighbours.csv of that arm too. Where no trial kept its weights there is none of it.
    UserError where such a file is damaged.
    """
    with_images = (record for record in evidence.final if record.seed == 0 and inspection.is_there(record.folder))
    found = {record.arm: _read(record.folder) for record in sorted(with_images, key=lambda record: record.arm)}
    with_kernels = [arm for arm, kept in found.items() if kept.kernels is not None]
    if with_kernels:
        frames = tuple(found[arm].kernels for arm in with_kernels)
        options = {
            "arms": with_kernels, "towers": [found[arm].towers for arm in with_kernels],
            "caption": "Kernels of the first layer after training with seed 0. Zero is mid grey; each arm has a scale of "
            "its own.",
        }  # fmt: skip
        kernels = Drawing(draw=images.first_kernels, frames=frames, options=options)
        figure_cache.draw(evidence.folder, layout.KERNELS, kernels)
    arm = evidence.ablation.subject
    if arm not in found:
        return
    data, kept = evidence.data_name, found[arm]
    predictions = _frame(evidence, arm, layout.PREDICTIONS_CSV, kept.predictions)
    neighbours = _frame(evidence, arm, layout.NEIGHBOURS_CSV, kept.neighbours)
    words = (
        f"Test images of {data} and the classes that {arm}, seed 0, finds most probable; the true one in bold. They are "
        "the first test image of each of so many classes, not a selection."
    )
    guesses = Drawing(draw=images.five_most_probable, frames=(predictions, kept.images), options={"caption": words})
    figure_cache.draw(evidence.folder, layout.PREDICTIONS, guesses)
    words = (
        f"Test images of {data} (left) and the training images nearest to them by the input of the last layer of {arm}, "
        "seed 0."
    )
    frames = (neighbours, kept.images[: len(kept.near)], kept.near)
    nearest = Drawing(draw=images.nearest_images, frames=frames, options={"caption": words})
    figure_cache.draw(evidence.folder, layout.NEIGHBOURS, nearest)


def _read(trial: Path) -> Inspection:
    try:
        return inspection.read(trial)
    except ValueError as error:
        raise files.unusable(trial.name, error, "delete that file, and the report goes without its figures") from None


def _frame(evidence: Evidence, arm: str, name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """One of an arm's tables, also written into the campaign's folder with the arm it is of."""
    rows = [{"ablation": evidence.ablation.name, "arm": arm, "seed": 0, **row} for row in rows]
    files.write_atomic(evidence.folder / name, files.csv_text(tuple(rows[0]), rows))
    return pd.DataFrame(rows)
