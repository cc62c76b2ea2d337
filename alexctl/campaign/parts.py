"""The equal parts of a campaign: a study is the whole procedure once more, a budget the same schedule made shorter."""

from dataclasses import dataclass
from typing import Any

from alexctl.ablation.model import Ablation, Plan


@dataclass(frozen=True, kw_only=True, order=True)
class Part:
    """One of a campaign's equal parts, each with searches and seeds of its own: a study, at one of the budgets."""

    budget: int | None = None  # epochs; None: as the file has them
    study: int = 0


def parts_of(plan: Plan) -> list[Part]:
    """All parts; those that are judged, with the largest budget, at the end."""
    return [Part(budget=budget, study=study) for budget in plan.budgets or (None,) for study in range(plan.studies)]


def at_budget(ablation: Ablation, arm: str, budget: int | None) -> dict[str, Any]:
    """The knobs of an arm's schedule in proportion to a budget of so many epochs."""
    if budget is None:
        return {}
    table = {**ablation.base, **ablation.arms[arm]}
    changes: dict[str, Any] = {"epochs": budget}
    for key in ("lr_drops", "first_layer_drops"):
        if drops := table.get(key):
            changes[key] = [max(1, round(drop * budget / table["epochs"])) for drop in drops]
    for key in ("first_layer_until", "colour_noise_until"):
        if until := table.get(key):
            changes[key] = max(1, round(until * budget / table["epochs"]))
    if warmup := table.get("warmup_epochs"):
        changes["warmup_epochs"] = warmup * budget / table["epochs"]
    return changes
