"""Rebuilds what is derived in results/ (CSVs, verdict, figures) from the trials: no training, no data, no torch."""

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
from alexctl.store.environment import mixed
from alexctl.store.lock import FolderLock, Locked
from alexctl.verdicts import overview, tables
from alexctl.verdicts.tables import Tables


def rebuild(campaign: Campaign) -> Tables:
    """Derives and writes one campaign's tables, verdict and figures; returns the tables."""
    made = tables.derive(campaign)
    tables.write(campaign, made)
    try:
        _draw(campaign, made)
        _draw_search(campaign, made)
        _draw_survival(campaign, made)
        net_figures.draw(campaign)
    except OSError as error:
        raise files.storage_error(campaign.folder, error) from None
    return made


def _draw(campaign: Campaign, made: Tables) -> None:
    """The paper's Figure 1 where arms race to a target, else what each arm came to."""
    ablation, target = campaign.ablation, tables.target_of(campaign)
    trials, curves = (frame[frame["phase"] == "final"] for frame in (made.trials, made.curves))
    common = {"measure": ablation.measure.name, "control": ablation.control, "caption": caption(campaign, made)}
    if curves.empty:
        return
    if ablation.measure.one_machine and mixed(layout.trial(campaign.folder, name) for name in trials["trial"]):
        figure_cache.remove(campaign.folder, layout.FIGURE)
    elif not ablation.measure.race:
        figure_cache.draw(campaign.folder, layout.FIGURE, arm_comparison, curves, trials, **common)
    elif target is not None:  # else each arm has a target of its own, so there is no one line to race to
        common["budget"] = float(ablation.base.get("epochs", trials["epochs_run"].max()))
        common |= {"target": target.at_most, "ghosts": list(ablation.claim.landmarks.items())}
        figure_cache.draw(campaign.folder, layout.FIGURE, learning_curves, curves, trials, **common)


def _draw_search(campaign: Campaign, made: Tables) -> None:
    """The learning-rate search, as far as it went."""
    target = tables.target_of(campaign)
    trials, curves = (frame[frame["phase"] == "search"] for frame in (made.trials, made.curves))
    begun = trials[trials["epochs_run"] > 0]
    if begun.empty:
        return
    figure_cache.draw(
        campaign.folder, layout.SEARCH, _search, begun, curves, control=campaign.ablation.control,
        measure_label=None if target is None else f"epochs to {target.at_most:.0%} training error",
        winners={arm: lr for arm in campaign.ablation.searched if (lr := campaign.rate(arm)) is not None},
    )  # fmt: skip


def _search(begun: pd.DataFrame, curves: pd.DataFrame, **options: Any) -> Figure:
    return learning_rate_search(begun, curves=curves, **options)


def _draw_survival(campaign: Campaign, made: Tables) -> None:
    """The share of each arm that is still on its way, where some trial never arrived; else there is no such figure."""
    if made.survival.empty:
        # from before, when one had not arrived yet
        figure_cache.remove(campaign.folder, layout.SURVIVAL)
        (campaign.folder / layout.SURVIVAL_CSV).unlink(missing_ok=True)
        return
    target = tables.target_of(campaign)
    words = "the target" if target is None else f"{target.at_most:.0%} {target.metric.replace('_', ' ')}"
    words = words.replace("train error", "training error")
    figure_cache.draw(
        campaign.folder, layout.SURVIVAL, survival_curves, made.survival,
        control=campaign.ablation.control, target=words,
    )  # fmt: skip


def caption(campaign: Campaign, made: Tables) -> str:
    """What stands under the figure: the data, the effect with its interval, the paper's number."""
    lines = []
    for line in made.verdict["comparisons"]:
        if line["n"]:
            sides = f"{line['control']} to {line['arm']} on " if line["control"] else "On "
            lines.append(f"{sides}{campaign.data_name}: {line['description']}")
    lines.append(str(campaign.ablation.claim))
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
            made.append(rebuild(campaign))
        finally:
            if lock:
                lock.release()
    if name is None:
        overview.write(folder, overview.overview((tables_.folder.name, tables_.verdict) for tables_ in made))
    return made
