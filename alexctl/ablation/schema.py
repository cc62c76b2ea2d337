"""A JSON schema of ablation files, made of the types that check them: editors complete keys by it and mark what is wrong.

It knows less than `alexctl check`: not which knobs go together, nor those of a net of one's own.
"""

import ast
import inspect
from functools import cache
from typing import Any

from pydantic import BaseModel

from alexctl.ablation.knobs import NETS, TrainingKnobs
from alexctl.ablation.measures import MEASURES
from alexctl.ablation.model import Ablation, Claim, Plan
from alexctl.ablation.parse import HEAD_KEYS

DRAFT = "http://json-schema.org/draft-07/schema#"  # what editors for TOML know


def schema() -> dict[str, Any]:
    """The schema of a whole file."""
    shared, all_of_them = _knobs(TrainingKnobs, Plan), _knobs(TrainingKnobs, Plan, *NETS.values())
    for table in (shared, all_of_them):
        del table["search"]  # a table of its own
    base = {"type": "object", "properties": shared, **_unless_own_net(all_of_them)}
    # An arm does not say which net it is of, so its other knobs are offered, not checked.
    of_arms = shared | {key: {"anyOf": [entry, {}]} for key, entry in all_of_them.items() if key not in shared}
    head = _properties(Ablation)
    names = {"type": "string", "enum": sorted(MEASURES)}
    return {
        "$schema": DRAFT,
        "title": "An ablation file of alexctl",
        "type": "object",
        "additionalProperties": False,
        "required": ["title", "control", "varies", "measure", "claim", "base", "arms"],
        "properties": {
            **{key: head[key] for key in HEAD_KEYS},
            "measure": {**head["measure"], **names},
            "also": {**head["also"], "items": names},
            "claim": {
                "type": "object", "properties": _properties(Claim), "required": ["says", "data"], "additionalProperties": False,
            },
            "base": {**base, "description": "the knobs that all arms share, and the plan"},
            "search": {
                "type": "object", "additionalProperties": {"type": "array", "minItems": 2},
                "description": "what each arm tries beside its learning rate: a knob, and the values to try",
            },
            "arms": {
                "type": "object", "minProperties": 2, "description": "what each arm has that the base has not",
                "additionalProperties": {"type": "object", "properties": of_arms},
            },
            "smoke": {**base, "description": "what --smoke lays over the base"},
        },
    }  # fmt: skip


def _unless_own_net(knobs: dict[str, Any]) -> dict[str, Any]:
    """Other keys are faults, unless the net is one's own, which brings its own."""
    own = {"properties": {"net": {"type": "string", "pattern": ":"}}, "required": ["net"]}
    return {"if": own, "else": {"properties": knobs, "propertyNames": {"enum": sorted(knobs)}}}


def _knobs(*models: type[BaseModel]) -> dict[str, Any]:
    """Every knob of these models; one that they have in several forms may have any of them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for model in models:
        for name, entry in _properties(model).items():
            if entry not in found.setdefault(name, []):
                found[name].append(entry)
    knobs = {name: entries[0] if len(entries) == 1 else {"anyOf": entries} for name, entries in found.items()}
    knobs["lr"] = {"anyOf": [knobs["lr"], {"const": "search"}], "description": 'a number, or "search" in lr_grid'}
    knobs["net"] = {
        "type": "string", "description": "a net's name, or package.module:factory",
        "anyOf": [{"enum": sorted(NETS)}, {"pattern": "^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$"}],
    }  # fmt: skip
    return knobs


def _properties(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of each field, its comment in the source as its description; what TOML has not, null, is left out."""
    whole = model.model_json_schema()
    parts, said = whole.get("$defs", {}), comments(model)
    found = {}
    for name, entry in whole["properties"].items():
        entry = _without_null(_inlined(entry, parts))
        entry = {key: value for key, value in entry.items() if key != "title" and (key, value) != ("default", None)}
        found[name] = entry | ({"description": said[name]} if name in said else {})
    return found


def _inlined(entry: Any, parts: dict[str, Any]) -> Any:
    """With what it refers to put in its place."""
    if isinstance(entry, list):
        return [_inlined(each, parts) for each in entry]
    if not isinstance(entry, dict):
        return entry
    if "$ref" in entry:
        return _inlined(parts[entry["$ref"].rpartition("/")[2]], parts)
    return {key: _inlined(value, parts) for key, value in entry.items()}


def _without_null(entry: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" not in entry:
        return entry
    kinds = [kind for kind in entry["anyOf"] if kind != {"type": "null"}]
    rest = {key: value for key, value in entry.items() if key != "anyOf"}
    return rest | kinds[0] if len(kinds) == 1 else rest | {"anyOf": kinds}


@cache
def comments(model: type[BaseModel]) -> dict[str, str]:
    """What the source says of each field, those of the model's bases too: the comment on its lines, or right above them."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if not issubclass(cls, BaseModel) or cls is BaseModel:
            continue
        lines = inspect.getsource(cls).splitlines()
        for node in ast.parse("\n".join(lines)).body[0].body:
            if not isinstance(node, ast.AnnAssign):
                continue
            first = above = node.lineno - 1
            while lines[above - 1].lstrip().startswith("#"):
                above -= 1
            said = [line.strip().removeprefix("#").strip() for line in lines[above:first]]
            said += [row.split("  # ", 1)[1].strip() for row in lines[first : node.end_lineno] if "  # " in row]
            words = " ".join(line for line in said if line != "fmt: skip")
            if words:
                found[node.target.id] = words.replace(". None:", ". Left out:").replace("None:", "left out:")
    return found
