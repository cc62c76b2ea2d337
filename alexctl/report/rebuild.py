"""Rebuilds what is derived in results/ (CSVs, verdict, figures) from the trials: no training, no data, no torch."""

from pathlib import Path

import pandas as pd

from alexctl import figures, results
from alexctl.campaign import Campaign
from alexctl.claims import Claim, Claimed
from alexctl.errors import UserError
from alexctl.report import tables
from alexctl.report.tables import Tables


def rebuild(campaign: Campaign) -> Tables:
    """Derives and writes one campaign's tables, verdict and figures; returns the tables."""
    made = tables.derive(campaign)
    tables.write(campaign, made)
    target = tables.target_of(campaign)
    if target is None:
        return made
    final = made.trials[made.trials["phase"] == "final"]
    curves = made.curves[made.curves["phase"] == "final"]
    try:
        if len(curves):
            claim = campaign.ablation.claim
            figure = figures.learning_curves(
                curves, final, target=target.at_most, control=campaign.ablation.control,
                budget=float(final["epochs_run"].max() if "epochs" not in campaign.ablation.base
                             else campaign.ablation.base["epochs"]),
                caption=caption(campaign, made), ghosts=list(claim.landmarks.items()),
            )  # fmt: skip
            figures.save(figure, campaign.folder / "figure")
        search = made.trials[made.trials["phase"] == "search"]
        if len(search[search["epochs_run"] > 0]):
            winners = {arm: lr for arm in campaign.ablation.searched if (lr := campaign.rate(arm)) is not None}
            figure = figures.learning_rate_search(
                search[search["epochs_run"] > 0], measure_label=f"epochs to {target.at_most:.0%} training error",
                winners=winners, control=campaign.ablation.control, curves=made.curves[made.curves["phase"] == "search"],
            )  # fmt: skip
            figures.save(figure, campaign.folder / "search")
    except OSError as error:
        raise results.storage_error(campaign.folder, error) from None
    return made


def caption(campaign: Campaign, made: Tables) -> str:
    """What stands under the figure: the data, the effect with its interval, the paper's number."""
    lines = []
    for line in made.verdict["comparisons"]:
        if line["n"]:
            sides = f"{line['control']} to {line['arm']} on " if line["control"] else "On "
            lines.append(f"{sides}{campaign.data_name}: {line['description']}")
    lines.append(str(campaign.ablation.claim))
    return ". ".join(lines) + "."


def open_results(folder: Path, name: str | None = None) -> list[Campaign]:
    """The campaigns in a results folder, or the one of that name; UserError when there are none."""
    found = results.campaigns(folder)
    if name is not None:
        found = [path for path in found if path.name == name or path.name.split("@")[0] == name]
    if not found:
        what = f"no results of {name}" if name else "no results"
        raise UserError(f"{what} in {folder}; `alexctl ablate relu-vs-tanh` makes some, --results PATH reads others")
    return [Campaign.open(path) for path in found]


def rebuild_all(folder: Path, name: str | None = None) -> list[Tables]:
    """Rebuilds every campaign in a results folder, or those of that name, also beside a run that is going on."""
    made = []
    for campaign in open_results(folder, name):
        try:
            claim = Claim(campaign.folder)  # a run that began now would sweep up what looks half-written
        except Claimed:
            claim = None
        try:
            made.append(rebuild(campaign))
        finally:
            if claim:
                claim.release()
    return made


def overview(made: list[Tables]) -> pd.DataFrame:
    """One line a comparison: what was claimed, what came out, and on what."""
    lines = []
    for tables_ in made:
        verdict = tables_.verdict
        for line in verdict["comparisons"]:
            lines.append({
                "ablation": verdict["ablation"], "arm": line["arm"], "control": line["control"],
                "data": verdict["data"], "measure": verdict["measure"], "n": line["n"], "effect": line["effect"],
                "low": line["low"], "high": line["high"], "claimed": line["claimed"],
                "verdict": line["verdict"], "sentence": line["sentence"],
            })  # fmt: skip
    return pd.DataFrame(lines)
