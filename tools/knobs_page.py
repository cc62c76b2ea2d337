"""`python -m tools.knobs_page`: every knob with its values, default and meaning, as docs/knobs.md.

Names, types and defaults are those of the models in `ablation/knobs.py`, meanings the comments beside them.
"""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from alexctl.ablation import knobs
from alexctl.ablation.toml import to_toml
from tools.markdown import table

PAGE = Path(__file__).parents[1] / "docs" / "knobs.md"
HEAD = """# All knobs

Written by `make knobs` from [`knobs.py`](../alexctl/ablation/knobs.py). [ablations.md](ablations.md) says how they
are used; `alexctl show NAME` what an ablation sets them to.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, _table("Of the training, with every net", knobs.TrainingKnobs)]
    for net, model in knobs.NETS.items():
        if model is knobs.AlexNet32Knobs:
            parts.append(f"## Of `{net}`\n\nThose of `alexnet`.\n")
        else:
            parts.append(_table(f"Of `{net}`", model))
    return "\n".join(parts)


def _table(title: str, model: type[BaseModel]) -> str:
    meanings = meanings_of(model)
    rows = [
        (f"`{name}`", values(field), _default(field), meanings.get(name, ""))
        for name, field in model.model_fields.items()
    ]
    return f"## {title}\n\n{table(['knob', 'values', 'default', 'what it is'], rows)}\n"


def meanings_of(model: type[BaseModel]) -> dict[str, str]:
    """The comment of each field: on its own lines, or on those right above it."""
    lines = inspect.getsource(model).splitlines()
    found = {}
    for node in ast.parse("\n".join(lines)).body[0].body:
        if not isinstance(node, ast.AnnAssign):
            continue
        first = node.lineno - 1
        above = first
        while lines[above - 1].lstrip().startswith("#"):
            above -= 1
        said = [line.strip().removeprefix("#").strip() for line in lines[above:first]]
        said += [
            line[1].strip()
            for line in (row.split("  # ", 1) for row in lines[first : node.end_lineno])
            if len(line) == 2
        ]
        found[node.target.id] = " ".join(said)
    return found


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    return "none" if field.default is None else f"`{to_toml(field.default)}`"


def values(field: FieldInfo) -> str:
    """What a field may be, in words."""
    whole = field.annotation
    for part in field.metadata:
        if not type(part).__name__.endswith("Validator"):
            whole = Annotated[whole, part]
    schema = TypeAdapter(whole).json_schema()
    return " or ".join(dict.fromkeys(_kinds(schema)))


def _kinds(schema: dict[str, Any]) -> Iterator[str]:
    if "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from _kinds(each)
    elif "const" in schema or "enum" in schema:
        yield ", ".join(f"`{to_toml(choice)}`" for choice in schema.get("enum", [schema.get("const")]))
    elif schema.get("type") == "array":
        items = " or ".join(_kinds(schema["items"])) if "items" in schema else "values"
        yield f"list of {items.replace('whole number', 'whole numbers')}"
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


def main() -> None:
    """What the module's head says."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
