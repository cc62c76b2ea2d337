"""Which figures a campaign has, and what each is drawn from: the comparison, the learning-rate search, survival."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alexctl.ablation.measures import MEASURES
from alexctl.ablation.toml import key_values
from alexctl.figures.budgets import effect_by_budget
from alexctl.figures.curves import learning_curves
from alexctl.figures.errors import arm_comparison
from alexctl.figures.page import for_a_column
from alexctl.figures.rates import learning_rate_search
from alexctl.figures.survival import survival_curves
from alexctl.statistics import HALF_WINDOW
from alexctl.store import layout
from alexctl.verdicts.evidence import Evidence
from alexctl.verdicts.tables import Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure that is not drawn yet: `draw(*frames, **options)`."""

    draw: "Callable[..., Figure]"
    frames: tuple[pd.DataFrame | np.ndarray, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def figure(self, *, column: bool = False) -> "Figure":
        """Drawn for a page, with its caption, or for a `column` of a paper, without."""
        with for_a_column() if column else nullcontext():
            return self.draw(*self.frames, **self.options)


def drawings(evidence: Evidence, tables: Tables) -> dict[str, Drawing]:
    """The campaign's figures by name, as far as its trials give them: `figure`, `search`, `survival`, `budgets`."""
    found = {
        layout.FIGURE: _comparison(evidence, tables),
        layout.SEARCH: _search(evidence, tables),
        layout.SURVIVAL: _survival(evidence, tables),
        layout.BUDGETS: _budgets(evidence, tables),
    }
    return {name: drawing for name, drawing in found.items() if drawing is not None}


def _comparison(evidence: Evidence, tables: Tables) -> Drawing | None:
    """The paper's Figure 1 where arms race to a target, else each arm's error."""
    ablation, target = evidence.ablation, evidence.ablation.target
    trials, curves = _phase(evidence, tables, "final")
    if curves.empty or evidence.mixed:
        return None
    options = {
        "measure": ablation.measure.name,
        "control": ablation.control,
        "caption": caption(evidence, tables),
    }
    if not ablation.measure.race:
        return Drawing(draw=arm_comparison, frames=(curves, trials), options=options)
    if target is None:  # each arm has a target of its own, so there is no one line to race to
        return None
    options |= {
        "budget": float(ablation.base.get("epochs", trials["epochs_run"].max())),
        "target": target.at_most, "landmarks": list(ablation.claim.landmarks.items()),
    }  # fmt: skip
    return Drawing(draw=learning_curves, frames=(_raced(curves), trials), options=options)


def _search(evidence: Evidence, tables: Tables) -> Drawing | None:
    """The learning-rate search, as far as it went."""
    ablation, target, rates = evidence.ablation, evidence.ablation.target, evidence.rates
    trials, curves = (_of_chosen(evidence, frame) for frame in _phase(evidence, tables, "search"))
    begun = trials[trials["epochs_run"] > 0]
    if begun.empty:
        return None
    options = {
        "control": ablation.control, "winners": {arm: rates[arm] for arm in ablation.searched if arm in rates},
        "ties": {search.arm: search.ties for search in evidence.searches if search.study == 0 and search.ties},
        "caption": _beside_the_rate(evidence),
    }  # fmt: skip
    if ablation.measure.race or evidence.is_older:
        label = None
        if target is not None:  # a search never sees the test data
            what = "validation error" if target.metric == "test_error" else MEASURES[target.metric].label
            label = f"epochs to {target.at_most:.0%} {what}"
        options |= {"curves": _raced(curves), "measure_label": label}
    else:
        options |= {"chosen_by": ablation.measure.searched_by}
    return Drawing(draw=learning_rate_search, frames=(begun,), options=options)


def _survival(evidence: Evidence, tables: Tables) -> Drawing | None:
    """The share of each arm that is still training, where some trial never reached the target."""
    if tables.survival.empty:
        return None
    target = evidence.ablation.target
    words = "the target" if target is None else f"{target.at_most:.0%} {MEASURES[target.metric].label}"
    options = {"control": evidence.ablation.control, "target": words}
    return Drawing(draw=survival_curves, frames=(tables.survival,), options=options)


def _budgets(evidence: Evidence, tables: Tables) -> Drawing | None:
    """Errors and effect against the budget, where the plan has several and the trials of one are judged."""
    if tables.budgets.empty or tables.budgets["test_error"].isna().all():
        return None
    scale = evidence.ablation.measure.scale
    options = {
        "control": evidence.ablation.control, "scale": scale,
        "effect_label": "effect (ratio)" if scale == "ratio" else "effect (points)",
    }  # fmt: skip
    return Drawing(draw=effect_by_budget, frames=(tables.budgets,), options=options)


def _phase(evidence: Evidence, tables: Tables, phase: str) -> list[pd.DataFrame]:
    """The trials and curves of a phase, at the largest budget."""
    frames = [frame[frame["phase"] == phase] for frame in (tables.trials, tables.curves)]
    return [frame[frame["budget"] == evidence.budget] if "budget" in frame else frame for frame in frames]


def _of_chosen(evidence: Evidence, frame: pd.DataFrame) -> pd.DataFrame:
    """A search's lines with what was chosen beside the rate, which is all that a figure over rates can show."""
    for arm in evidence.ablation.searched:
        for key, value in evidence.chosen_knobs(arm).items():
            frame = frame[(frame["arm"] != arm) | (frame[key] == value)]
    return frame


def _beside_the_rate(evidence: Evidence) -> str:
    """What the rates in the figure of a search were tried with, where there was a choice."""
    found = {arm: key_values(evidence.chosen_knobs(arm)) for arm in evidence.ablation.searched}
    return "; ".join(f"{arm}: {words}" for arm, words in found.items() if words)


def _raced(curves: pd.DataFrame) -> pd.DataFrame:
    """The curves as they are raced: the error over whole epochs at its centre, where it is known."""
    if curves["whole_epoch_error"].isna().all():
        return curves
    raced = curves[curves["whole_epoch_error"].notna()]
    return raced.assign(epoch=raced["epoch"] - HALF_WINDOW, train_error=raced["whole_epoch_error"].astype(float))


def caption(evidence: Evidence, tables: Tables) -> str:
    """What stands under the figure: the data, the effect with its interval, the paper's number."""
    lines = []
    for line in tables.verdict["comparisons"]:
        if line["n"]:
            sides = f"{line['control']} to {line['arm']} on " if line["control"] else "On "
            lines.append(f"{sides}{evidence.data_name}: {line['description']}")
    lines.append(str(evidence.ablation.claim))
    return "".join(f"{line}. " for line in lines).rstrip()
