"""The tables of docs/knobs.md and docs/ablation-file.md: every key with its values, default and meaning.

Names, types and defaults are those of the models in `alexctl/ablation`, meanings the comments beside them.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from alexctl.ablation import knobs
from alexctl.ablation.measures import MEASURES, Measure
from alexctl.ablation.model import Ablation, Claim, Plan
from alexctl.ablation.parse import HEAD_KEYS
from alexctl.ablation.schema import comments
from alexctl.ablation.toml import to_toml
from tools.markdown import table
from tools.marked_blocks import rewritten

SEARCH = """Knobs that each arm tries beside its learning rate, each with the values to try, such as
`weight_decay = [0.0005, 0.005]`; [what comes of it](#what-is-searched)."""


def all_knobs(text: str) -> str:
    """docs/knobs.md with its tables made anew; UserError when the marks are gone."""
    parts = [f"## Of the training, with every net\n\n{_table('knob', knobs.TrainingKnobs)}"]
    for net, model in knobs.NETS.items():
        like_alexnet = model is knobs.AlexNet32Knobs
        parts.append(f"## Of `{net}`\n\n{'Those of `alexnet`.' if like_alexnet else _table('knob', model)}")
    return rewritten(text, "knobs", "\n\n".join(parts), file="docs/knobs.md")


def whole_file(text: str) -> str:
    """docs/ablation-file.md with its tables made anew; UserError when the marks are gone."""
    block = "\n\n".join([
        f"### At the top\n\n{_table('key', Ablation, HEAD_KEYS)}",
        f"### `[claim]`\n\n{_table('key', Claim)}",
        "### `[base]`\n\nThe knobs that all arms have in common ([all of them](knobs.md)), and what the campaign is:\n\n"
        + _table("key", Plan, [name for name in Plan.model_fields if name != "search"]),
        f"### `[search]`\n\n{SEARCH}",
        "### `[arms.NAME]`\n\nThe knobs in which this arm differs from the base.",
        "### `[smoke]`\n\nThe knobs that `--smoke` changes. Without it: one epoch on 500 images that alexctl draws, two seeds.",
    ])  # fmt: skip
    text = rewritten(text, "keys", block, file="docs/ablation-file.md")
    return rewritten(text, "measures", _measures(), file="docs/ablation-file.md")


def _table(head: str, model: type[BaseModel], names: Iterable[str] | None = None) -> str:
    meanings = comments(model)
    fields = model.model_fields
    rows = [
        (f"`{name}`", values(fields[name]), _default(fields[name]), meanings.get(name, "")) for name in names or fields
    ]
    return table([head, "values", "default", "what it is"], rows)


def _measures() -> str:
    rows = [
        (f"`{measure.name}`", measure.label, "a ratio" if measure.scale == "ratio" else "percentage points")
        for measure in MEASURES.values()
    ]
    return table(["measure", "what it is", "effect"], rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    return "none" if field.default in (None, {}, "") else f"`{to_toml(field.default)}`"


def values(field: FieldInfo) -> str:
    """What a field may be, in words."""
    if field.annotation is Measure:
        return "one of [these](#measures)"
    whole = field.annotation
    for part in field.metadata:
        if not type(part).__name__.endswith(("Validator", "Serializer")):
            whole = Annotated[whole, part]
    return " or ".join(dict.fromkeys(_kinds(TypeAdapter(whole).json_schema())))


def _kinds(schema: dict[str, Any]) -> Iterator[str]:
    if "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from _kinds(each)
    elif "const" in schema or "enum" in schema:
        yield ", ".join(f"`{to_toml(choice)}`" for choice in schema.get("enum", [schema.get("const")]))
    elif schema.get("type") == "array":
        several = schema.get("prefixItems", [schema.get("items", {"type": "string"})])
        items = " or ".join(dict.fromkeys(kind for each in several for kind in _kinds(each)))
        yield f"list of {f'{len(several)} ' * ('prefixItems' in schema)}{items.replace('number', 'numbers')}"
    elif schema.get("type") in ("integer", "number"):
        yield "whole number" * (schema["type"] == "integer") + "number" * (schema["type"] == "number") + _bounds(schema)
    elif schema.get("type") == "boolean":
        yield "`true`, `false`"
    elif schema.get("type") == "string":
        yield "text"
    elif schema.get("type") != "null":
        yield "table"


def _bounds(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    words = {"{:,} or more": low, "above {:,}": above, "at most {:,}": high, "below {:,}": below}
    return "".join(f", {text.format(bound)}" for text, bound in words.items() if bound is not None)
