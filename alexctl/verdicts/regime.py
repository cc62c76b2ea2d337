"""Whether the control overfits, where a claim is about nets that do: by its search trials, never by the reported ones."""

from typing import Any

from alexctl.statistics import mean_interval
from alexctl.verdicts.evidence import Evidence
from alexctl.verdicts.rules import Regime


def regime(evidence: Evidence, control: str) -> dict[str, Any] | None:
    """`where` the control is (in, outside, unclear), by the interval of its training error; None: the claim has no regime.

    The errors are those of the finished nets on all images they were trained on, over the search seeds of the rate that
    was chosen. With fewer than two of them it is unclear.
    """
    limit = evidence.ablation.claim.control_train_error_at_most
    if limit is None:
        return None
    chosen = evidence.rates.get(control)
    errors = [
        r.rows[-1]["train_error_pass"]
        for r in evidence.counted
        if r.phase == "search" and r.arm == control and r.state == "done" and r.setting["lr"] == chosen
        and all(r.setting.get(key) == value for key, value in evidence.chosen_knobs(control).items())
        and evidence.budget in (None, r.setting["epochs"]) and r.rows[-1].get("train_error_pass") is not None
    ]  # fmt: skip
    low = high = None
    where: Regime = "unclear"
    if len(errors) >= 2:
        _, _, low, high = mean_interval(errors)
        where = "in" if high <= limit else "outside" if low > limit else "unclear"
    return {"control_train_error_at_most": limit, "n": len(errors), "low": low, "high": high, "where": where}
