"""What an ablation says at each of several budgets: errors, the gap between them, and the effect with its interval."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from alexctl.store.records import TrialRecord
from alexctl.verdicts.compare import compare
from alexctl.verdicts.evidence import Evidence

BUDGET_COLUMNS = (
    "ablation", "arm", "budget", "n", "train_error_pass", "test_error", "gap", "effect", "low", "high", "lr",
)  # fmt: skip


def budgets(evidence: Evidence) -> pd.DataFrame:
    """A row for each arm at each budget; empty without several. The effect is that against the control.

    `train_error_pass` is the mean error of the finished nets on all training images, `gap` the test error less that.
    """
    lines: list[dict[str, Any]] = []
    if evidence.shorter:
        for one in (*evidence.shorter, replace(evidence, shorter=())):
            effects = {line["arm"]: line for line in compare(one)}
            for arm in evidence.ablation.arms:
                done = [r for r in one.judged if r.arm == arm and r.state == "done"]
                train, test = _mean(done, "train_error_pass"), _mean(done, "test_error")
                line = effects.get(arm, {})
                lines.append({
                    "ablation": evidence.ablation.name, "arm": arm, "budget": one.budget, "n": len(done),
                    "train_error_pass": train, "test_error": test,
                    "gap": None if train is None or test is None else test - train,
                    **{key: line.get(key) for key in ("effect", "low", "high")}, "lr": one.rates.get(arm),
                })  # fmt: skip
    return pd.DataFrame(lines, columns=BUDGET_COLUMNS)


def _mean(trials: Sequence[TrialRecord], column: str) -> float | None:
    """The mean of the last rows' column; None unless every trial has it."""
    values = [r.rows[-1].get(column) for r in trials]
    return math.fsum(values) / len(values) if values and None not in values else None
