"""From a TOML document to the checked ablation: its tables laid over each other, and every fault with its place."""

from dataclasses import replace
from typing import Any

from alexctl.ablation.checks import (
    Resolved,
    arm_faults,
    claim_faults,
    control_faults,
    margin_faults,
    plan_faults,
    resolved,
    search_faults,
    setting_faults,
)
from alexctl.ablation.faults import Fault, told_once, validated
from alexctl.ablation.measures import named
from alexctl.ablation.model import Ablation, Claim, Plan, is_name
from alexctl.ablation.smoke import OF_SMOKE, usual_smoke
from alexctl.errors import nearest

HEAD_KEYS = ("title", "control", "varies", "measure", "also", "compares", "margin", "note", "usual_epochs", "next")
TABLES = ("claim", "base", "search", "arms", "smoke")
OF_FILE = ("data", "net", "epochs", "num_train")  # what a claim is about, where it does not say it itself


def parse(document: dict[str, Any], *, name: str, overrides: dict[str, Any], smoke: bool):
    """(Ablation or None, faults) of a TOML document; `overrides` are laid over its base, a fault of theirs is in `--set`."""
    head, tables, faults = _parts(document, name)
    has_smoke = bool(tables["smoke"])
    tables["smoke"] = {**OF_SMOKE, **(tables["smoke"] if has_smoke else usual_smoke(tables["base"], head["varies"]))}
    if "search" in tables["base"]:
        faults.append(Fault("[base]", "search", "should be a table of its own, write [search]"))
    layers = {"[base]": tables["base"], "[smoke]": tables["smoke"] if smoke else {}, "--set": overrides}
    base: dict[str, Any] = {}
    places: dict[str, str] = {}  # where a key of the base was last given
    for where, layer in layers.items():
        base = _laid_over(base, layer)
        places |= dict.fromkeys(layer, where)
    arms, of_arms = _arms(tables["arms"])
    base = _ended_by_its_target(base, arms, head)
    if tables["search"] and not (base.get("lr") != "search" and places.get("lr") in ("[smoke]", "--set")):
        base = {**base, "search": _searched(tables["search"], smoke)}
        places["search"] = ""
    claim, of_claim = validated(Claim, tables["claim"], "[claim]")
    plan, resolved_arms, of_base = _checked_base(base, arms, head, places)
    faults += of_claim + of_arms + of_base
    faults += search_faults(base, arms, head["varies"])
    if has_smoke and not smoke and not any(fault.where in layers for fault in of_base):
        in_smoke = _ended_by_its_target(_laid_over(tables["base"], tables["smoke"]), arms, head)
        faults += _checked_base(in_smoke, arms, head, {}, "[smoke]")[2]
    faults += [
        Fault("--set", key, "every arm sets its own, so this would change nothing; change it in a copy of the file")
        for key in overrides
        if key in head["varies"] and arms and all(key in knobs for knobs in arms.values())
    ]
    faults += arm_faults(head, arms, resolved_arms)
    faults += control_faults(head, tables["arms"])
    if claim:
        if not (claim.section or claim.paper or "source" in tables["claim"]):
            text = 'missing, and so is the paper\'s section; say whose claim it is, such as source = "a guess of mine"'
            faults.append(Fault("[claim]", "source", text))
        of_claim = claim_faults(claim, arms, head.get("measure"))
        faults += of_claim or margin_faults(head.get("margin"), claim, named(head.get("measure")))
    table = {
        **head, "plan": plan or Plan(), "claim": claim or Claim(section="", says="", data=""), "name": name,
        "base": _knobs(base), "arms": arms, "smoke": smoke,
        "of_file": {key: tables["base"][key] for key in OF_FILE if key in tables["base"]},
        "data_of_file": data if isinstance(data := tables["base"].get("data"), str) else "",
    }  # fmt: skip
    ablation, of_head = validated(Ablation, table)
    faults += of_head
    return (None if faults else ablation), told_once(faults)


def _parts(document: dict[str, Any], name: str) -> tuple[dict[str, Any], dict[str, dict], list[Fault]]:
    """(the keys at the top of the file, its tables, what is wrong with either)."""
    known = {*HEAD_KEYS, *TABLES}
    faults = [Fault("", key, f"unknown key, {nearest(key, known)}") for key in document if key not in known]
    if not is_name(name):
        allowed = "letters, digits, '-', '_' or '.' only, 48 at most"
        faults.append(Fault("", "", f"the file's name '{name}' should be {allowed}; rename it"))
    tables = {key: document.get(key, {}) for key in TABLES}
    for key, table in tables.items():
        if not isinstance(table, dict):
            faults.append(Fault("", key, f"should be a table, write [{key}]"))
            tables[key] = {}
    head = {key: document[key] for key in HEAD_KEYS if key in document}
    if not (isinstance(v := head.get("varies"), list) and v and all(isinstance(key, str) for key in v)):
        faults.append(Fault("", "varies", 'should be a list of knobs, such as ["activation"]'))
        head["varies"] = []
    return head, tables, faults


def _laid_over(base: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    """A layer over those below it: `seeds` puts `looks` away, and the other way round."""
    away = {"seeds": "looks", "looks": "seeds"}
    return {key: value for key, value in base.items() if away.get(key) not in layer} | layer


def _ended_by_its_target(base: dict[str, Any], arms: dict[str, dict[str, Any]], head: dict[str, Any]) -> dict[str, Any]:
    """A race whose file does not say how long a trial goes on after its target: no longer, for nothing else is asked."""
    measure = named(head.get("measure"))
    told = any("epochs_after_target" in table for table in (base, *arms.values()))
    if measure is None or not measure.race or head.get("also") or told:
        return base
    return base | {"epochs_after_target": 0.0}


def _searched(table: dict[str, Any], smoke: bool) -> dict[str, Any]:
    """The table [search] as a plan has it; two values each where all is only to run."""
    return {
        key: tuple(values[: 2 if smoke else None]) if isinstance(values, list) else values
        for key, values in table.items()
    }


def _knobs(table: dict[str, Any]) -> dict[str, Any]:
    """A table without what concerns the campaign."""
    return {key: value for key, value in table.items() if key not in Plan.model_fields}


def _arms(table: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], list[Fault]]:
    arms, faults = {}, []
    for arm, knobs in table.items():
        if not is_name(arm):
            faults.append(Fault("[arms]", arm, "an arm's name should be letters, digits, '-', '_' or '.' only"))
        elif not isinstance(knobs, dict):
            faults.append(Fault("[arms]", arm, f"should be a table, write [arms.{arm}]"))
        else:
            arms[arm] = _knobs(knobs)
            shared = [key for key in knobs if key in Plan.model_fields]
            faults += [Fault(f"[arms.{arm}]", key, "is the same for all arms; move it to [base]") for key in shared]
    if len(table) < 2:
        faults.append(Fault("[arms]", "", "a comparison needs at least two arms, write [arms.NAME] twice"))
    return arms, faults


def _checked_base(
    base: dict[str, Any], arms: dict[str, dict], head: dict[str, Any], places: dict[str, str], otherwise: str = "[base]"
) -> tuple[Plan | None, dict[str, Resolved], list[Fault]]:
    """The base's plan, its arms, the faults of the base, then those that only an arm has.

    `places` says where each key of the base was given, `otherwise` where one that is missing would be.
    """
    knobs, plans, searchable = _knobs(base), Plan.model_fields, "lr_grid" in base
    asked = [head.get("measure"), *(also if isinstance(also := head.get("also"), list) else ())]
    plan, faults = validated(Plan, {key: base[key] for key in base if key not in knobs})
    if {"seeds", "looks"} <= base.keys():
        faults.append(Fault("", "looks", "can't be combined with seeds; leave one of them out"))
    if plan:
        faults += plan_faults(plan, base.get("epochs"))
    resolved_arms = {name: resolved({**knobs, **changes}, plans) for name, changes in arms.items()}
    of_arms = {name: setting_faults(arm, asked, searchable) for name, arm in resolved_arms.items()}
    # An arm may supply what the base leaves out: that is missing from the base only if it is missing everywhere.
    faults += [
        fault
        for fault in setting_faults(resolved(knobs, plans), asked, searchable)
        if fault.key in knobs or all(fault in them for them in of_arms.values())
    ]
    placed = [replace(fault, where=places.get(fault.key, otherwise)) for fault in faults]
    for name, them in of_arms.items():
        placed += [replace(fault, where=f"[arms.{name}]") for fault in them if fault not in faults]
    return plan, resolved_arms, placed
