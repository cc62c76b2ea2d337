"""Rebuilds what is derived in results/ (CSVs, verdict, figures) from the trials: no training, no data, no torch."""

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from alexctl.campaign.results import open_results
from alexctl.errors import UserError
from alexctl.report import figure_cache, net_figures
from alexctl.report.drawings import drawings
from alexctl.store import files, layout
from alexctl.store.lock import FolderLock, Locked, Silent
from alexctl.verdicts import overview
from alexctl.verdicts.evidence import Evidence
from alexctl.verdicts.images import COLUMNS
from alexctl.verdicts.tables import Tables, derive

PATIENCE = 20.0  # seconds


def rebuild(evidence: Evidence, *, problems: list[str] | None = None, pdf: bool = False) -> Tables:
    """Derives and writes one campaign's tables, verdict and figures; returns the tables.

    What figures have to go without is added to `problems`. With `pdf` each figure is there for a paper's column too.
    """
    tables = derive(evidence)
    if not figure_cache.tables_are_of(evidence.folder, evidence.standing):
        figure_cache.note_tables(evidence.folder, None)  # until they are
    write(tables, evidence.folder)
    for name in COLUMNS.keys() - tables.images.frames.keys():
        files.remove(evidence.folder / name)
    try:
        _draw(evidence, tables, pdf)
        left_out = net_figures.draw(evidence, pdf=pdf)
    except OSError as error:
        raise files.storage_error(evidence.folder, error) from None
    if not figure_cache.tables_are_of(evidence.folder, evidence.standing):
        figure_cache.note_tables(evidence.folder, evidence.standing)
    if problems is not None:
        problems += [*tables.images.notes, *left_out]
    return tables


def _draw(evidence: Evidence, tables: Tables, pdf: bool) -> None:
    """Draws the figures there are, and removes those of before that must no longer be shown."""
    found = drawings(evidence, tables)
    for name, drawing in found.items():
        figure_cache.draw(evidence.folder, name, drawing, pdf=pdf)
    for name, table in ((layout.SURVIVAL, layout.SURVIVAL_CSV), (layout.BUDGETS, layout.BUDGETS_CSV)):
        if name not in found:
            figure_cache.remove(evidence.folder, name)
            (evidence.folder / table).unlink(missing_ok=True)
    if evidence.mixed:
        figure_cache.remove(evidence.folder, layout.FIGURE)


def write(tables: Tables, folder: Path) -> None:
    """Writes the CSVs and verdict.json into a campaign's folder, each whole."""
    frames = {
        layout.TRIALS_CSV: tables.trials, layout.CURVES_CSV: tables.curves, layout.SUMMARY_CSV: tables.summary,
    }  # fmt: skip
    sometimes = {layout.SURVIVAL_CSV: tables.survival, layout.BUDGETS_CSV: tables.budgets}
    frames |= {name: frame for name, frame in sometimes.items() if not frame.empty} | tables.images.frames
    for name, frame in frames.items():
        files.write_atomic(folder / name, files.csv_text(tuple(frame.columns), frame.to_dict("records")))
    files.write_json(folder / layout.VERDICT, tables.verdict)


def write_overview(folder: Path, verdicts: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Writes overview.csv into a results folder; `verdicts` are its campaigns, (name of the folder, verdict.json)."""
    files.write_atomic(folder / layout.OVERVIEW, files.csv_text(overview.COLUMNS, overview.overview(verdicts)))


def rebuild_all(
    folder: Path, name: str | None = None, *, problems: list[str] | None = None, pdf: bool = False
) -> list[Tables]:
    """Rebuilds every campaign in a results folder and the overview of them all, or only the campaigns of that name.

    It may be done beside a run that is going on. What is damaged is treated as `open_results` says; of a campaign that
    can't be written the files stay as they are.
    """
    made, refusals = [], []
    for evidence in open_results(folder, name, problems=problems):
        try:
            made.append(_rebuild_locked(evidence, problems, pdf))
        except UserError as error:
            refusals.append(error)
            made.append(derive(evidence))
    if refusals and (problems is None or len(refusals) == len(made)):
        raise refusals[0]
    if problems is not None:
        problems += [fault for error in refusals for fault in error.faults]
    if name is None:
        write_overview(folder, ((tables.folder.name, tables.verdict) for tables in made))
    return made


def _rebuild_locked(evidence: Evidence, problems: list[str] | None, pdf: bool) -> Tables:
    with _lock(evidence):
        return rebuild(evidence, problems=problems, pdf=pdf)


def _lock(evidence: Evidence) -> contextlib.AbstractContextManager:
    """The lock of a campaign's folder, since a run would sweep up what looks half-written.

    A run that is just writing its own tables is waited for; one that compares seconds keeps its lock, and nothing waits.
    """
    until = time.monotonic() + (0.0 if evidence.ablation.measure.one_machine else PATIENCE)
    while True:
        try:
            return FolderLock(evidence.folder)
        except Locked as locked:
            if isinstance(locked, Silent) or time.monotonic() >= until:
                return contextlib.nullcontext()
            time.sleep(0.1)
