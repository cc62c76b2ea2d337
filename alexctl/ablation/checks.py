"""Whether arms make a controlled comparison: each changes what varies, nothing else, and something."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from alexctl.ablation.faults import Fault
from alexctl.ablation.knobs import TrainingKnobs
from alexctl.ablation.measures import Measure, named
from alexctl.ablation.model import Claim, Plan
from alexctl.ablation.own_net import is_checked, is_own
from alexctl.ablation.setting import known_keys, resolve
from alexctl.ablation.toml import quoted, to_toml
from alexctl.errors import nearest
from alexctl.statistics.margins import largest_margin


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What an arm has for each knob, defaults too unless it has faults; its training, unless that has faults."""

    levels: dict[str, Any]
    training: TrainingKnobs | None
    faults: list[Fault]


def resolved(table: dict[str, Any], also: Iterable[str] = ()) -> Resolved:
    """One arm's table of knobs, whose learning rate may still be to search (`also` as in `resolve`)."""
    searched = {"lr": "search"} if table.get("lr") == "search" else {}
    training, net, faults = resolve(table | dict.fromkeys(searched, 1.0), also)
    levels = dict(table)
    for model in (training, net):  # these have tuples for lists and 0.0 for 0
        levels |= model.model_dump() if model else {}
    return Resolved(levels=levels | searched, training=training, faults=faults)


def setting_faults(arm: Resolved, measures: Iterable[Any], searchable: bool) -> list[Fault]:
    """What is wrong with one arm's knobs, and with measuring it; `searchable`: there are rates to try."""
    faults, training = list(arm.faults), arm.training
    asked = [measure for name in measures if (measure := named(name))]
    if arm.levels.get("lr") == "search" and not searchable:
        needed = 'missing; with lr = "search" give the rates to try, such as [0.001, 0.002, 0.004]'
        faults.append(Fault("", "lr_grid", needed))
    if training is None:
        return faults
    if training.held_out:
        text = "only the search holds images out; give their share as validation = 0.1"
        faults.append(Fault("", "held_out", text))
    if training.target is None and (raced := [measure.name for measure in asked if measure.race or measure.crossing]):
        needed = f'missing; measure = "{raced[0]}" needs one, such as {{ at_most = 0.25 }}'
        faults.append(Fault("", "target", needed))
    on_test = any(measure.on_test for measure in asked) or (training.target and training.target.metric == "test_error")
    if on_test and training.evaluate_every == 0:
        never = "0 never measures the test error, which this comparison needs; write 1"
        faults.append(Fault("", "evaluate_every", never))
    return faults


def plan_faults(plan: Plan, epochs: Any) -> list[Fault]:
    """Parts of a plan that don't go together; `epochs` is what the base has, if it has one."""
    faults = []
    if plan.studies > 1 and plan.looks:
        text = "can't be combined with looks, which go by single seeds; leave one of them out"
        faults.append(Fault("", "studies", text))
    if plan.budgets and type(epochs) is int and epochs != plan.budgets[-1]:
        last = plan.budgets[-1]
        text = f"should end with epochs = {epochs}, at which the claim is judged, not with {last}; [] for no budgets"
        faults.append(Fault("", "budgets", text))
    return faults


OF_THE_QUESTION = (
    "data", "image_size", "net", "num_train", "epochs", "precision", "target", "epochs_after_target", "evaluate_every",
    "rows_per_epoch", "train_error_from", "test_views", "held_out", "seed_offset",
)  # fmt: skip
"""Knobs that say what is compared, so that a search can't choose them."""


def search_faults(base: dict[str, Any], arms: dict[str, dict], varies: list[str]) -> list[Fault]:
    """What is wrong with the table [search] of a base: every arm tries each of its values, beside its learning rate."""
    search = base.get("search", {})
    if not search:
        return []
    plans, faults = Plan.model_fields, []
    knobs = {key: value for key, value in base.items() if key not in plans}
    tables = {name: {**knobs, **changes} for name, changes in arms.items()}
    fixed = [name for name, table in tables.items() if table.get("lr") != "search"]
    if fixed:
        text = f'needs lr = "search" and an lr_grid in [base]: arm {fixed[0]} has a rate of its own, which suits one value only'
        faults.append(Fault("[search]", "", text))
    known = set().union(*(known_keys(table.get("net")) for table in tables.values()))
    for key, values in search.items():
        if key == "lr":
            faults.append(Fault("[search]", key, "is searched anyway; its values are lr_grid in [base]"))
        elif key in varies:
            faults.append(
                Fault("[search]", key, "is what the arms differ in; take it out of varies, or out of [search]")
            )
        elif key in OF_THE_QUESTION or key in plans:
            faults.append(Fault("[search]", key, "says what is compared, so it can't be searched; leave it out"))
        elif key not in known and all(map(is_checked, (table.get("net") for table in tables.values()))):
            faults.append(Fault("[search]", key, f"unknown key, {nearest(key, known)}"))
        elif isinstance(values, list | tuple):
            found = [
                fault.text for table in tables.values() for value in values
                for fault in resolved({**table, key: value}, plans).faults if fault.key == key
            ]  # fmt: skip
            faults += [Fault("[search]", key, text) for text in dict.fromkeys(found)]
    return faults


def arm_faults(head: dict[str, Any], arms: dict[str, dict], full: dict[str, Resolved]) -> list[Fault]:
    """An arm that changes a key not in `varies`, or nothing at all, is refused: the file is a controlled comparison.

    `arms` are the knobs that each arm changes, `full` what becomes of them on the base.
    """
    varies, faults = head["varies"], []
    nets = [arm.levels.get("net") for arm in full.values()]
    known = known_keys(None).union(*map(known_keys, nets))
    unchecked = any(is_own(net) and not is_checked(net) for net in nets)
    if all(map(is_checked, nets)):  # else its knobs can't be told
        unknown = [key for key in varies if key not in known]
        faults += [Fault("", "varies", f"{key}: unknown key, {nearest(key, known)}") for key in unknown]
    faults += [
        Fault("", "varies", f"{key} can't vary, all arms are trained on the same images; try --data")
        for key in ("data", "image_size")
        if key in varies
    ]
    faults += [
        Fault(f"[arms.{arm}]", key, f"is not in varies = {to_toml(varies)}; move it to [base] or name it in varies")
        for arm, knobs in arms.items()
        for key in knobs
        if varies and (key in known or unchecked) and key not in varies
    ]
    for i, (name, arm) in enumerate(full.items()):
        twin = next((other for other in list(full)[:i] if full[other].levels == arm.levels), None)
        if twin and not arm.faults:
            text = f"is the same as [arms.{twin}]; change what varies, or remove it"
            faults.append(Fault(f"[arms.{name}]", "", text))
    if head.get("compares") == "interaction":
        faults += factorial_faults(varies, full)
    if head.get("compares") == "trend":
        faults += trend_faults(varies, full)
    return faults


def control_faults(head: dict[str, Any], arms: dict[str, Any]) -> list[Fault]:
    """A control, or an arm with usual epochs, that is no arm; a table of controls that holds an arm against itself."""
    control, usual = head.get("control"), head.get("usual_epochs")
    known = usual if isinstance(usual, dict) else ()
    unknown = [
        Fault("", "usual_epochs", f"no arm is called '{name}', {nearest(name, arms)}")
        for name in known
        if arms and name not in arms
    ]
    return unknown + _control_faults(control, head, arms)


def _control_faults(control: Any, head: dict[str, Any], arms: dict[str, Any]) -> list[Fault]:
    if isinstance(control, dict) and (kind := head.get("compares")) in ("interaction", "trend"):
        what = (
            "an interaction has one control for its four arms" if kind == "interaction" else "a trend has one control"
        )
        text = f"{what}, not a table of them; name that arm"
        return [Fault("", "control", text)]
    pairs = control.items() if isinstance(control, dict) else [(None, control)]
    named_arms = dict.fromkeys(name for pair in pairs for name in pair if isinstance(name, str))
    faults = [
        Fault("", "control", f"no arm is called '{name}', {nearest(name, arms)}")
        for name in named_arms
        if arms and name not in arms
    ]
    own = [name for name, other in pairs if name is not None and name == other]
    return faults + [Fault("", "control", f"arm '{name}' can't be its own control; leave it out") for name in own]


def margin_faults(margin: Any, claim: Claim, measure: Measure | None) -> list[Fault]:
    """A margin that the measure can't have, one that is missing, and one too large beside the size that is claimed."""
    if measure is None or (margin is not None and type(margin) not in (int, float)):
        return []
    scale = measure.scale
    sizes = list(claim.effect.values()) if isinstance(claim.effect, dict) else [claim.effect]
    if margin is not None and scale == "ratio" and margin <= 1:
        text = f"should be a factor above 1 for {measure.name}, such as 1.25, not {quoted(margin)}"
        return [Fault("", "margin", text)]
    if margin is None and claim.direction == "not worse":
        return [Fault("", "margin", "missing; a claim that an arm is not worse needs the loss that is still none")]
    for size in (size for size in sizes if size is not None and (scale != "ratio" or size > 0)):
        most = largest_margin(size, claim.effect_range, scale)
        if most is None:
            text = "may be of no effect at all, so no margin is small enough; leave the size out and claim a direction"
            return [Fault("[claim]", "effect_range", text)]
        limit = f"{floored(most)}, half of the least that is claimed" + " and 1.25 for a ratio" * (scale == "ratio")
        if margin is None:
            return [Fault("", "margin", f"missing; beside a claimed size of {size:g} write one of at most {limit}")]
        if margin > most * (1 + 1e-9):
            return [Fault("", "margin", f"should be at most {limit}, not {quoted(margin)}")]
    return []


def floored(value: float) -> str:
    """Three digits, never more than the value itself."""
    digits = 10 ** (2 - math.floor(math.log10(value)))
    return f"{math.floor(value * digits * (1 + 1e-12)) / digits:g}"


def factorial_faults(varies: list[str], arms: dict[str, Resolved]) -> list[Fault]:
    """An interaction needs two knobs of two values each, and every combination of them in an arm of its own.

    The second may be several knobs that move together.
    """
    if len(varies) < 2:
        example = 'name two, such as ["activation", "init"]'
        return [Fault("", "varies", f"an interaction needs two knobs, not {len(varies)}; {example}")]
    rows = [[quoted(arm.levels.get(key)) for key in varies] for arm in arms.values()]
    cells = [(first, tuple(together)) for first, *together in rows]
    values = [set(column) for column in (*zip(*rows, strict=True), *zip(*cells, strict=True))]
    if len(cells) == len(set(cells)) == 4 and all(len(column) == 2 for column in values):
        return []
    knobs = f"{varies[0]} and {' + '.join(varies[1:])}"
    text = f"an interaction needs four arms, {knobs} with two values each in all combinations"
    return [Fault("[arms]", "", text)]


def trend_faults(varies: list[str], arms: dict[str, Resolved]) -> list[Fault]:
    """A trend needs one knob, and of it a number above 0 in each of three arms or more."""
    if len(varies) != 1:
        return [Fault("", "varies", f'a trend is over one knob, such as ["width"], not over {len(varies)}')]
    values = {name: arm.levels.get(varies[0]) for name, arm in arms.items() if not arm.faults}
    faults = [
        Fault(f"[arms.{name}]", varies[0], f"a trend needs a number above 0, not {quoted(value)}")
        for name, value in values.items()
        if type(value) not in (int, float) or value <= 0
    ]
    if len(arms) < 3:
        faults.append(Fault("[arms]", "", f"a trend needs three arms or more, not {len(arms)}"))
    return faults


def claim_faults(claim: Claim, arms: dict[str, dict], measure: Any) -> list[Fault]:
    """An arm that is not there, and a size that the measure can't have or that contradicts the direction beside it."""
    effect, direction = claim.effect, claim.direction
    named_arms = {"landmarks": claim.landmarks, "effect": effect if isinstance(effect, dict) else {}}
    faults = [
        Fault("[claim]", key, f"no arm is called '{arm}', {nearest(arm, arms)}")
        for key, table in named_arms.items()
        for arm in table
        if arms and arm not in arms
    ]
    sizes = list(effect.values()) if isinstance(effect, dict) else [effect] if effect is not None else []
    asked = named(measure)
    ratio = asked is not None and asked.scale == "ratio"
    faults += [
        Fault("[claim]", "effect", f"a ratio (control / arm) should be above 0, not {size:g}")
        for size in sizes
        if ratio and size <= 0
    ]
    if ends := claim.effect_range:
        if ratio and ends[0] <= 0:
            text = f"a ratio (control / arm) should be above 0, not {ends[0]:g}"
            faults.append(Fault("[claim]", "effect_range", text))
        if not sizes:
            faults.append(
                Fault("[claim]", "effect_range", "is the range of an effect that is not given; write effect too")
            )
        elif not isinstance(effect, dict) and not ends[0] <= effect <= ends[1]:
            text = f"should hold the effect, {effect:g}"
            faults.append(Fault("[claim]", "effect_range", text))
    below = [size < (1 if ratio else 0) for size in sizes]
    if isinstance(effect, dict) and claim.effect_range:
        faults.append(Fault("[claim]", "effect_range", "is for one effect, not for a table of them; leave it out"))
    if claim.control_train_error_at_most is not None and asked and asked.race:
        text = "is for errors at the end of training, not for a race; leave it out"
        faults.append(Fault("[claim]", "control_train_error_at_most", text))
    if direction in ("none", "not worse") and sizes:
        text = f"'{direction}' claims no difference, but the effect is one; leave one of them out"
        faults.append(Fault("[claim]", "direction", text))
    elif direction and any(is_below != (direction == "negative") for is_below in below):
        text = f"'{direction}' contradicts the sign of the effect; leave one of them out"
        faults.append(Fault("[claim]", "direction", text))
    return faults
