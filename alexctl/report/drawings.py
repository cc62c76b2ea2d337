"""Which figures a campaign has, and what each is drawn from: the comparison, the learning-rate search, survival."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alexctl.ablation.measures import MEASURES
from alexctl.figures.curves import learning_curves
from alexctl.figures.errors import arm_comparison
from alexctl.figures.rates import learning_rate_search
from alexctl.figures.survival import survival_curves
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

    def figure(self) -> "Figure":
        return self.draw(*self.frames, **self.options)


def drawings(evidence: Evidence, tables: Tables) -> dict[str, Drawing]:
    """The campaign's figures by name, as far as its trials give them: `figure`, `search`, `survival`."""
    found = {
        layout.FIGURE: _comparison(evidence, tables),
        layout.SEARCH: _search(evidence, tables),
        layout.SURVIVAL: _survival(evidence, tables),
    }
    return {name: drawing for name, drawing in found.items() if drawing is not None}


def _comparison(evidence: Evidence, tables: Tables) -> Drawing | None:
    """The paper's Figure 1 where arms race to a target, else each arm's error."""
    ablation, target = evidence.ablation, evidence.ablation.target
    trials, curves = _phase(tables, "final")
    if curves.empty or evidence.mixed:
        return None
    options = {"measure": ablation.measure.name, "control": ablation.control, "caption": caption(evidence, tables)}
    if not ablation.measure.race:
        return Drawing(draw=arm_comparison, frames=(curves, trials), options=options)
    if target is None:  # each arm has a target of its own, so there is no one line to race to
        return None
    options |= {
        "budget": float(ablation.base.get("epochs", trials["epochs_run"].max())),
        "target": target.at_most, "landmarks": list(ablation.claim.landmarks.items()),
    }  # fmt: skip
    return Drawing(draw=learning_curves, frames=(curves, trials), options=options)


def _search(evidence: Evidence, tables: Tables) -> Drawing | None:
    """The learning-rate search, as far as it went."""
    target, rates = evidence.ablation.target, evidence.rates
    trials, curves = _phase(tables, "search")
    begun = trials[trials["epochs_run"] > 0]
    if begun.empty:
        return None
    return Drawing(draw=learning_rate_search, frames=(begun,), options={
        "curves": curves, "control": evidence.ablation.control,
        "measure_label": None if target is None else f"epochs to {target.at_most:.0%} training error",
        "winners": {arm: rates[arm] for arm in evidence.ablation.searched if arm in rates},
    })  # fmt: skip


def _survival(evidence: Evidence, tables: Tables) -> Drawing | None:
    """The share of each arm that is still training, where some trial never reached the target."""
    if tables.survival.empty:
        return None
    target = evidence.ablation.target
    words = "the target" if target is None else f"{target.at_most:.0%} {MEASURES[target.metric].label}"
    options = {"control": evidence.ablation.control, "target": words}
    return Drawing(draw=survival_curves, frames=(tables.survival,), options=options)


def _phase(tables: Tables, phase: str) -> list[pd.DataFrame]:
    return [frame[frame["phase"] == phase] for frame in (tables.trials, tables.curves)]


def caption(evidence: Evidence, tables: Tables) -> str:
    """What stands under the figure: the data, the effect with its interval, the paper's number."""
    lines = []
    for line in tables.verdict["comparisons"]:
        if line["n"]:
            sides = f"{line['control']} to {line['arm']} on " if line["control"] else "On "
            lines.append(f"{sides}{evidence.data_name}: {line['description']}")
    lines.append(str(evidence.ablation.claim))
    return "".join(f"{line}. " for line in lines).rstrip()
