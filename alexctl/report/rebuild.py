"""Rebuilds what is derived in results/ (CSVs, verdict, figures) from the trials: no training, no data, no torch."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from alexctl.campaign.campaign import Campaign
from alexctl.figures.curves import learning_curves
from alexctl.figures.errors import arm_comparison
from alexctl.figures.rates import learning_rate_search
from alexctl.figures.survival import survival_curves
from alexctl.report import figure_cache, net_figures
from alexctl.store import files, layout, reference
from alexctl.store.lock import FolderLock, Locked
from alexctl.verdicts import overview
from alexctl.verdicts.evidence import Evidence
from alexctl.verdicts.tables import Tables, derive


def rebuild(evidence: Evidence) -> Tables:
    """Derives and writes one campaign's tables, verdict and figures; returns the tables."""
    made = derive(evidence)
    write(made, evidence.folder)
    try:
        _draw(evidence, made)
        _draw_search(evidence, made)
        _draw_survival(evidence, made)
        net_figures.draw(evidence)
    except OSError as error:
        raise files.storage_error(evidence.folder, error) from None
    return made


def write(tables: Tables, folder: Path) -> None:
    """Writes the CSVs and verdict.json into a campaign's folder, each whole."""
    frames = {
        layout.TRIALS_CSV: tables.trials, layout.CURVES_CSV: tables.curves, layout.SUMMARY_CSV: tables.summary,
        layout.SURVIVAL_CSV: tables.survival,
    }  # fmt: skip
    for name, frame in frames.items():
        if frame is tables.survival and frame.empty:
            continue
        files.write_atomic(folder / name, files.csv_text(tuple(frame.columns), frame.to_dict("records")))
    files.write_json(folder / layout.VERDICT, tables.verdict)


def write_overview(folder: Path, verdicts: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Writes overview.csv into a results folder; `verdicts` are its campaigns, (name of the folder, verdict.json)."""
    files.write_atomic(folder / layout.OVERVIEW, files.csv_text(overview.COLUMNS, overview.overview(verdicts)))


def _draw(evidence: Evidence, made: Tables) -> None:
    """The paper's Figure 1 where arms race to a target, else what each arm came to."""
    ablation, target = evidence.ablation, evidence.ablation.target
    trials, curves = (frame[frame["phase"] == "final"] for frame in (made.trials, made.curves))
    common = {"measure": ablation.measure.name, "control": ablation.control, "caption": caption(evidence, made)}
    if curves.empty:
        return
    if evidence.mixed:
        figure_cache.remove(evidence.folder, layout.FIGURE)
    elif not ablation.measure.race:
        figure_cache.draw(evidence.folder, layout.FIGURE, arm_comparison, curves, trials, **common)
    elif target is not None:  # else each arm has a target of its own, so there is no one line to race to
        common["budget"] = float(ablation.base.get("epochs", trials["epochs_run"].max()))
        common |= {"target": target.at_most, "landmarks": list(ablation.claim.landmarks.items())}
        figure_cache.draw(evidence.folder, layout.FIGURE, learning_curves, curves, trials, **common)


def _draw_search(evidence: Evidence, made: Tables) -> None:
    """The learning-rate search, as far as it went."""
    target = evidence.ablation.target
    trials, curves = (frame[frame["phase"] == "search"] for frame in (made.trials, made.curves))
    begun = trials[trials["epochs_run"] > 0]
    if begun.empty:
        return
    figure_cache.draw(
        evidence.folder, layout.SEARCH, _search, begun, curves, control=evidence.ablation.control,
        measure_label=None if target is None else f"epochs to {target.at_most:.0%} training error",
        winners={arm: evidence.rates[arm] for arm in evidence.ablation.searched if arm in evidence.rates},
    )  # fmt: skip


def _search(begun: pd.DataFrame, curves: pd.DataFrame, **options: Any) -> Figure:
    return learning_rate_search(begun, curves=curves, **options)


def _draw_survival(evidence: Evidence, made: Tables) -> None:
    """The share of each arm that is still on its way, where some trial never arrived; else there is no such figure."""
    if made.survival.empty:
        for stale in evidence.folder.glob(f"{layout.SURVIVAL}.*"):  # from before, when one had not arrived yet
            stale.unlink()
        return
    target = evidence.ablation.target
    words = "the target" if target is None else f"{target.at_most:.0%} {target.metric.replace('_', ' ')}"
    words = words.replace("train error", "training error")
    figure_cache.draw(
        evidence.folder, layout.SURVIVAL, survival_curves, made.survival,
        control=evidence.ablation.control, target=words,
    )  # fmt: skip


def caption(evidence: Evidence, made: Tables) -> str:
    """What stands under the figure: the data, the effect with its interval, the paper's number."""
    lines = []
    for line in made.verdict["comparisons"]:
        if line["n"]:
            sides = f"{line['control']} to {line['arm']} on " if line["control"] else "On "
            lines.append(f"{sides}{evidence.data_name}: {line['description']}")
    lines.append(str(evidence.ablation.claim))
    return "".join(f"{line}. " for line in lines).rstrip()


def open_results(folder: Path, name: str | None = None) -> list[Campaign]:
    """The campaigns in a results folder, or the one of that name; UserError when there are none."""
    return [Campaign.open(path) for path in reference.campaigns(folder, name)]


def rebuild_all(folder: Path, name: str | None = None) -> list[Tables]:
    """Rebuilds every campaign in a results folder and the overview of them all, or only the campaigns of that name.

    It may be done beside a run that is going on.
    """
    made = []
    for campaign in open_results(folder, name):
        try:
            lock = FolderLock(campaign.folder)  # a run that began now would sweep up what looks half-written
        except Locked:
            lock = None
        try:
            made.append(rebuild(campaign.evidence()))
        finally:
            if lock:
                lock.release()
    if name is None:
        write_overview(folder, ((tables.folder.name, tables.verdict) for tables in made))
    return made
