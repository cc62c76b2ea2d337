"""What Figure 1's ratio hangs on: the target, its window, the rates, and what had to be run with other knobs."""

import math
from collections.abc import Iterator
from pathlib import Path

from alexctl import numbers, statistics
from alexctl.ablation.knobs import TrainingKnobs
from alexctl.ablation.toml import to_toml
from alexctl.store.records import TrialRecord
from tools.paper_results import STARTS, Found, variants

ROWS_PER_EPOCH = TrainingKnobs.model_fields["rows_per_epoch"].default
TARGETS = (0.5, 0.4, 0.35, 0.3)  # besides the file's own: trials end soon after that


def robustness(starts: dict[str, Found], reference: Path) -> Iterator[str]:
    """What the ratio does where something else is changed: the target, its window, the rates, and what had to be run."""
    for name, run in starts.items():
        if not run.is_there:
            yield f"Target, window and rates, start {STARTS[name]}: not known before `{run.run.campaign}` has run."
            continue
        own = run.evidence.ablation.target.at_most
        at = "; ".join(f"at {percent(level)} {ratio_at(run, level)}" for level in (*TARGETS, own))
        rows = run.evidence.judged[0].setting.get("rows_per_epoch", ROWS_PER_EPOCH)
        yield f"Target, start {STARTS[name]}: the ratio is {at}."
        yield (
            f"Window, start {STARTS[name]}: by the errors as they are, {rows} an epoch, of images that were last met a short or "
            f"a long time ago, the ratio is {ratio_at(run, own, whole_epochs=False)}."
        )  # fmt: skip
        yield f"Rates, start {STARTS[name]}: {other_rates(run)}"
    for run in variants("relu-vs-tanh", reference):
        what = ", ".join(f"{key} = {to_toml(value)}" for key, value in run.run.knobs.items())
        yield f"`{what}`, start as in 2012: {run.sentence}"


def ratio_at(run: Found, at_most: float, *, whole_epochs: bool = True) -> str:
    """The ratio of the epochs to another target, or by rows as they are: '5.83 (5.10 to 6.60)'."""
    (line,) = run.lines
    budget = float(run.evidence.ablation.base["epochs"])
    sides = (
        {r.seed: crossing(r, at_most, whole_epochs) for r in run.judged(arm)} for arm in (line["control"], line["arm"])
    )
    effect = statistics.paired_effect(*sides, scale="ratio", budget=budget)
    if effect.bound != "exact" or not effect.n:
        return "not reached by all"
    interval = (
        "" if effect.low is None else f" ({numbers.significant(effect.low)} to {numbers.significant(effect.high)})"
    )
    return numbers.significant(effect.estimate) + interval


def crossing(record: TrialRecord, at_most: float, whole_epochs: bool) -> statistics.Outcome:
    """When a trial meets a target; one that diverged, or never did, is censored."""
    if record.state != "done":
        return statistics.Outcome(censored=True)
    curve = statistics.race_curve(record.rows, record.setting)
    if not whole_epochs:
        curve = [row["epoch"] for row in record.rows], [row["train_error"] for row in record.rows]
    epoch = statistics.epochs_to_target(*curve, at_most)
    return statistics.Outcome(censored=True) if epoch is None else statistics.Outcome(value=epoch)


def other_rates(run: Found) -> str:
    """The ratios of the search's own trials over the best two rates of each arm: what a worse choice would have made of it."""
    (line,) = run.lines
    epochs = {arm: best_rates(run, arm) for arm in (line["arm"], line["control"])}
    if any(len(rates) < 2 for rates in epochs.values()):
        return "the search has fewer than two rates per arm with which every seed reached the target."
    ratios = [slow / quick for slow in epochs[line["control"]].values() for quick in epochs[line["arm"]].values()]
    used = "; ".join(f"{arm} {' or '.join(f'{rate:g}' for rate in rates)}" for arm, rates in epochs.items())
    return (
        f"from {numbers.significant(min(ratios))} to {numbers.significant(max(ratios))} in the trials of the search, had each arm had "
        f"either of its two quickest rates ({used})."
    )  # fmt: skip


def best_rates(run: Found, arm: str) -> dict[float, float]:
    """The two quickest rates of an arm's search with which every search seed crossed: geometric means of their epochs."""
    frame = run.tables.trials
    tried = frame[(frame["phase"] == "search") & (frame["arm"] == arm)]
    means = {
        float(rate): math.exp(sum(map(math.log, trials["epochs_to_target"])) / len(trials))
        for rate, trials in tried.groupby("lr") if trials["epochs_to_target"].notna().all()
    }  # fmt: skip
    return dict(sorted(means.items(), key=lambda item: item[1])[:2])


def percent(share: float) -> str:
    return f"{100 * share:g}%"
