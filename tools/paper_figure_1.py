"""Figure 1 as a short paper: recipe, result, the path from one start to the other, robustness, and what survives."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexctl import numbers, statistics
from alexctl.ablation.measures import MEASURES
from alexctl.ablation.toml import to_toml
from alexctl.verdicts.sentences import amount
from tools.markdown import table
from tools.paper_results import STARTS, Found
from tools.paper_robustness import percent, robustness

AT_CROSSING = MEASURES["test_error_at_crossing"]


def written(runs: Sequence[Found], reference: Path) -> Iterator[str]:
    """The parts of the section between what the authors ran and what does not follow."""
    by_name = {run.run.name: run for run in runs}
    starts = {name: by_name[name] for name in STARTS}
    path = by_name["relu-vs-tanh-path"]
    yield f"**Recipe.** {recipe(starts['relu-vs-tanh'])}"
    yield "**What we measured.** " + " ".join(
        f"Start {STARTS[name]}: {run.sentence}" + f" Ran {run.where}." * run.is_there for name, run in starts.items()
    )
    if any(run.is_there for run in starts.values()):
        yield table(("start", "arm", "learning rate", "epochs to the target, median", "of each seed", "test error at the crossing"),
                    [row for name, run in starts.items() if run.is_there for row in arms(STARTS[name], run)])  # fmt: skip
        yield images(starts)
    yield f"**The path.** {step_by_step(path)}"
    yield "**Robustness**"
    others = [run for run in runs if run.run.name not in (*STARTS, "relu-vs-tanh-path")]
    yield "\n".join([
        *(f"- {words}" for words in robustness(starts, reference)),
        *(f"- [`{run.run.name}`](../ablations/{run.run.name}.toml): {run.sentence}" for run in others),
    ])  # fmt: skip
    yield f"**What survives:** {survives(starts, path)}"


def recipe(run: Found) -> str:
    """How a trial was trained, from the campaign's own plan; the same for both starts but for the start."""
    evidence, plan = run.evidence, run.evidence.ablation.plan
    setting = evidence.ablation.setting(
        "relu", evidence.data_name, evidence.data_digest, lr=min(plan.lr_grid or (1.0,))
    )
    knobs, target = setting.training, evidence.ablation.target
    order = "in a new order in every epoch" if knobs.order == "shuffled" else "in a fixed order"
    return (
        f"`{knobs.net}`, cuda-convnet's layers-19pct (three convolutions and one fully connected layer), on {evidence.data_name}; "
        f"batches of {knobs.batch_size}, images {order}, momentum {knobs.momentum:g}, no weight decay, no augmentation, a rate that "
        f"does not drop. Each arm has its own rate, searched over {', '.join(f'{rate:g}' for rate in plan.lr_grid or ())} (and beyond, "
        f"where the best lies on the edge) with {plan.search_seeds} seeds that are not reported; {plan.seeds} seeds are. The race ends at "
        f"{percent(target.at_most)} training error, a mean over a whole epoch of minibatches before their updates, placed at the epoch's "
        f"centre; {knobs.epochs} epochs at most. *As in 2012* is the file's own start (fixed deviations of the weights, pixels "
        "minus the mean image, biases at twice the rate), *fan-in* today's (deviations by fan-in, standardised inputs, one rate)."
    )  # fmt: skip


def arms(start: str, run: Found) -> Iterator[tuple[str, ...]]:
    """A row an arm: its rate, its epochs, and the test error when it crosses."""
    lines = {line["arm"]: line for line in run.tables.summary.to_dict("records")}
    for arm in run.ablation.arms:
        outcomes = [run.evidence.outcome(record) for record in run.judged(arm)]
        each = [numbers.significant(one.value) if one and one.usable else "not reached" for one in outcomes]
        median = lines[arm]["median"]
        yield (
            start, arm, "–" if lines[arm]["lr"] is None else f"{lines[arm]['lr']:g}",
            "–" if median is None else numbers.significant(median), ", ".join(each) or "–", at_crossing(run, arm),
        )  # fmt: skip


def at_crossing(run: Found, arm: str) -> str:
    """The mean test error at the crossing; of the seeds that crossed, where some did not."""
    outcomes = [run.evidence.outcome(record, AT_CROSSING) for record in run.judged(arm)]
    values = [one.value for one in outcomes if one is not None and one.usable]
    if not values:
        return "–"
    part = "" if len(values) == len(outcomes) else f" ({len(values)} of {len(outcomes)} seeds)"
    return f"{100 * math.fsum(values) / len(values):.2f}%{part}"


def images(starts: dict[str, Found]) -> str:
    """The figures of both starts side by side."""
    there = {name: run.figure() for name, run in starts.items() if run.figure()}
    cells = [f"![ReLU against tanh, start {STARTS[name]}](../{path})" for name, path in there.items()]
    return table([f"start {STARTS[name]}" for name in there], [cells])


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the path: what it changes, and by what it divides the ratio (with an interval, where there is one)."""

    changes: str
    line: dict[str, Any]
    factor: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def words(self) -> str:
        if self.factor is None:
            return "–"
        interval = "" if self.low is None else f" ({numbers.significant(self.low)} to {numbers.significant(self.high)})"
        return numbers.significant(self.factor) + interval


def steps(path: Found) -> list[Step]:
    """The starts from that of 2012 on, in the file's order, each against the one before it."""
    found_steps: list[Step] = []
    before: dict[str, Any] = {}
    for line in path.lines:
        knobs = path.ablation.arms[line["arm"]]
        changed = ", ".join(
            f"{key} = {to_toml(value)}" for key, value in knobs.items() if before and before.get(key) != value
        )
        size = divided_by(found_steps[-1].line, line) if found_steps else {}
        found_steps.append(Step(changes=f"`{changed}`" if changed else "the start of 2012", line=line, **size))
        before = knobs
    return found_steps


def divided_by(before: dict[str, Any], now: dict[str, Any]) -> dict[str, float]:
    """The factor by which the ratio became smaller, seed by seed, as a geometric mean with Student's interval."""
    if {before["bound"], now["bound"]} != {"exact"}:
        return {}
    was, is_ = (dict(zip(line["seeds"], line["values"], strict=True)) for line in (before, now))
    logs = [math.log(was[seed] / is_[seed]) for seed in sorted(was.keys() & is_.keys()) if was[seed] and is_[seed]]
    if len(logs) < 3:
        return {"factor": math.exp(math.fsum(logs) / len(logs))} if logs else {}
    mean, _, low, high = statistics.mean_interval(logs)
    return {"factor": math.exp(mean), "low": math.exp(low), "high": math.exp(high)}


def step_by_step(path: Found) -> str:
    """The table of the path, and which step takes the ratio away."""
    if not path.is_there:
        return path.missing
    lines = []
    for step in steps(path):
        control = path.evidence.ablation.controls[step.line["arm"]]
        low, high = step.line["low"], step.line["high"]
        interval = f" ({numbers.significant(low)} to {numbers.significant(high)})" if low and high else ""
        ratio = (
            numbers.significant(step.line["effect"]) + interval if step.line["bound"] == "exact" else amount(step.line)
        )
        lines.append((step.changes, *(median(path, arm) for arm in (step.line["arm"], control)), ratio, step.words,
                      at_crossing(path, step.line["arm"]), at_crossing(path, control)))  # fmt: skip
    head = ("one knob more at a time", "ReLU, epochs", "tanh, epochs", "ratio", "divides the ratio by",
            "ReLU, test error at the crossing", "tanh, test error at the crossing")  # fmt: skip
    link = f"; [figure](../{figure})" if (figure := path.figure()) else ""
    about = f"One knob more at a time, each arm with a rate of its own ({path.where}{link})."
    return f"{about} {largest_step(path)}\n\n{table(head, lines)}"


def median(run: Found, arm: str) -> str:
    lines = {line["arm"]: line for line in run.tables.summary.to_dict("records")}
    value = lines[arm]["median"]
    return "–" if value is None else numbers.significant(value)


def largest_step(path: Found) -> str:
    """Which step divides the ratio the most, if the intervals tell the steps apart."""
    sized = sorted((step for step in steps(path)[1:] if step.low is not None), key=lambda step: -(step.factor or 0))
    if len(sized) < len(steps(path)) - 1:
        return "Some step has no size, since trials of it did not reach the target or seeds are wanting."
    first, *others = sized
    if first.low <= 1:
        return "No step surely makes the ratio smaller."
    if any(first.low <= other.factor for other in others):
        return (
            f"The largest step is {first.changes}, which divides the ratio by {first.words}; others may take as much."
        )
    return f"The step that takes most of the ratio away is {first.changes}: it divides it by {first.words}."


def survives(starts: dict[str, Found], path: Found) -> str:
    """What is left of "six times faster" after all that ran, in a few sentences."""
    parts = []
    for name, run in starts.items():
        if not run.is_there:
            parts.append(f"Nothing yet of the start {STARTS[name]}.")
            continue
        (line,) = run.lines
        parts.append(f"Started {STARTS[name]}, on {run.evidence.data_name}, {result(line)}")
        parts.append(
            f"When it gets there the test error is {at_crossing(run, line['arm'])} with ReLU and "
            f"{at_crossing(run, line['control'])} with tanh."
        )
    return " ".join([*parts, largest_step(path)] if path.is_there else parts)


def result(line: dict[str, Any]) -> str:
    """One comparison as the end of a sentence."""
    size, about = numbers.effect(line["effect"], "ratio") if line["bound"] == "exact" else "", line["description"]
    about = about.removeprefix(f"ratio {size} ")
    said = {
        "supported": f"this net reaches 25% training error {size} times sooner with ReLU than with tanh {about}",
        "no difference": f"it makes no difference that would matter: ratio {size} {about}",
        "contradicted": f"tanh is the sooner of the two: ratio {size} {about}",
    }
    if line["bound"] != "exact" or line["verdict"] not in said:
        return f'the verdict is "{line["words"]}": {line.get("description") or line["sentence"]}.'
    return f"{said[line['verdict']]}."
