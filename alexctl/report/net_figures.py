"""Figures 3 and 4 of a campaign, where trials kept their weights: drawn from what those trials laid beside them."""

from typing import Any

import pandas as pd

from alexctl.figures import images
from alexctl.report import figure_cache
from alexctl.report.drawings import Drawing
from alexctl.store import files, inspection, layout
from alexctl.store.inspection import Inspection
from alexctl.verdicts.evidence import Evidence

REMEDY = "delete that file, or the trial's folder to have `alexctl ablate --keep-weights` make it again"
TABLES = ((layout.PREDICTIONS, layout.PREDICTIONS_CSV), (layout.NEIGHBOURS, layout.NEIGHBOURS_CSV))
TALLEST = 80.0  # inches, of a figure of kernels
FIGURES = (layout.KERNELS, layout.PREDICTIONS, layout.NEIGHBOURS)


def draw(evidence: Evidence, *, pdf: bool = False) -> list[str]:
    """Draws the kernels of every arm's seed 0, and images by the ablation's subject; a note for each that is damaged.

    Writes predictions.csv and neighbours.csv of that arm too. Where no trial kept its weights there is none of it, and
    what was drawn before of a damaged one is removed.
    """
    found, notes = {}, []
    for record in sorted(evidence.final, key=lambda record: record.arm):
        if record.seed != 0 or not inspection.is_there(record.folder):
            continue
        try:
            found[record.arm] = inspection.read(record.folder)
        except files.Unreadable as error:  # for now; what was drawn of it stays
            raise files.unusable(record.folder.name, error, "") from None
        except ValueError as error:
            notes.append(f"{record.folder.name}: {error}, so {evidence.folder.name} goes without its images; {REMEDY}")
    made = _draw(evidence, found, notes, pdf)
    for stem in set(FIGURES) - made if notes else ():
        figure_cache.remove(evidence.folder, stem)
    for stem, table in TABLES if notes else ():
        if stem not in made:
            files.remove(evidence.folder / table)
    return notes


def _draw(evidence: Evidence, found: dict[str, Inspection], notes: list[str], pdf: bool) -> set[str]:
    """Draws what there is of each arm; the figures that are then there."""
    made, with_kernels, height = set(), [], 0.0
    for arm, kept in found.items():
        if kept.kernels is None:
            continue
        height += images.sheets_height(kept.kernels, kept.towers)
        if height <= TALLEST:
            with_kernels.append(arm)
        else:
            notes.append(
                f"{evidence.folder.name}: the kernels of {arm} are left out, since the figure would be too tall"
            )
    if with_kernels:
        frames = tuple(found[arm].kernels for arm in with_kernels)
        options = {
            "arms": with_kernels, "towers": [found[arm].towers for arm in with_kernels],
            "caption": "Kernels of the first layer after training with seed 0. Zero is mid grey; each arm has a scale of "
            "its own.",
        }  # fmt: skip
        kernels = Drawing(draw=images.first_kernels, frames=frames, options=options)
        figure_cache.draw(evidence.folder, layout.KERNELS, kernels, pdf=pdf)
        made.add(layout.KERNELS)
    arm = evidence.ablation.subject
    if arm not in found:
        return made
    data, kept = evidence.data_name, found[arm]
    predictions = _frame(evidence, arm, layout.PREDICTIONS_CSV, kept.predictions)
    neighbours = _frame(evidence, arm, layout.NEIGHBOURS_CSV, kept.neighbours)
    words = (
        f"Test images of {data} and the classes that {arm}, seed 0, finds most probable; the true one in bold. They are "
        "the first test image of each of so many classes, not a selection."
    )
    guesses = Drawing(draw=images.five_most_probable, frames=(predictions, kept.images), options={"caption": words})
    figure_cache.draw(evidence.folder, layout.PREDICTIONS, guesses, pdf=pdf)
    words = (
        f"Test images of {data} (left) and the training images nearest to them by the input of the last layer of {arm}, "
        "seed 0."
    )
    frames = (neighbours, kept.images[: len(kept.near)], kept.near)
    nearest = Drawing(draw=images.nearest_images, frames=frames, options={"caption": words})
    figure_cache.draw(evidence.folder, layout.NEIGHBOURS, nearest, pdf=pdf)
    return made | {layout.PREDICTIONS, layout.NEIGHBOURS}


def _frame(evidence: Evidence, arm: str, name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """One of an arm's tables, also written into the campaign's folder with the arm it is of."""
    rows = [{"ablation": evidence.ablation.name, "arm": arm, "seed": 0, **row} for row in rows]
    files.write_atomic(evidence.folder / name, files.csv_text(tuple(rows[0]), rows))
    return pd.DataFrame(rows)
