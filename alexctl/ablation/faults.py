"""What is wrong with a table of knobs, in plain words: pydantic's findings, each as a `Fault`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from alexctl.ablation.toml import quoted
from alexctl.errors import nearest, printable

Model = TypeVar("Model", bound=BaseModel)
TARGET_KEYS = ("metric", "at_most")  # of the one nested table
UNKNOWN = "unknown key"
WORDS = {  # for what pydantic finds; its own words speak of integers, strings and inputs
    "int_type": "a whole number", "int_parsing": "a whole number", "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of fewer digits", "float_type": "a number", "float_parsing": "a number",
    "finite_number": "a finite number", "string_type": "text in quotes", "bool_type": "true or false",
    "tuple_type": "a list, such as [1, 2]", "dict_type": "a table", "model_type": "a table, such as {{ at_most = 0.25 }}",
    "greater_than": "above {gt}", "greater_than_equal": "{ge} or more", "less_than": "below {lt}",
    "less_than_equal": "{le} or less", "literal_error": "{expected}", "too_long": "a list of {max_length}",
    "enum": "{expected}",
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """One fault: in which table (`[arms.relu]`; "" is the top of the file), of which key, and what would do instead.

    A table that does not know where it stands leaves `where` empty for its caller to fill in.
    """

    where: str
    key: str
    text: str

    def __str__(self) -> str:
        return printable(": ".join(filter(None, (f"{self.where} {self.key}".strip(), self.text))))


def validated(
    model: type[Model], table: dict[str, Any], where: str = "", known: Iterable[str] | None = None
) -> tuple[Model | None, list[Fault]]:
    """The table as a model, or None and every fault in it; `known` are the keys that it may have been meant to have."""
    # TOML and JSON have arrays where a strict model wants a tuple.
    table = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        return model.model_validate(table), []
    except ValidationError as error:
        return None, [
            fault_of(entry, where, model.model_fields if known is None else known) for entry in error.errors()
        ]


def told_once(faults: Iterable[Fault]) -> list[Fault]:
    """Each fault once; a key that is unknown in several places, or that is named in `varies` too, in the first of them."""
    kept: list[Fault] = []
    seen: set[tuple[str, str]] = set()
    for fault in dict.fromkeys(faults):
        key, text = (fault.key, fault.text)
        if key == "varies" and UNKNOWN in text:
            key, _, text = text.partition(": ")
        if text.startswith(UNKNOWN) and (key, text.partition(",")[0]) in seen:
            continue
        seen.add((key, text.partition(",")[0]))
        kept.append(fault)
    return kept


def fault_of(entry: dict[str, Any], where: str = "", known: Iterable[str] = ()) -> Fault:
    """One of pydantic's findings; what lies deeper than the key is named in the text."""
    key, *inner = entry["loc"]
    places = [f"item {part + 1}" if isinstance(part, int) else part for part in inner]
    return Fault(where, str(key), ": ".join([*places, _text(entry, TARGET_KEYS if inner else known)]))


def _text(entry: dict[str, Any], known: Iterable[str]) -> str:
    kind, given, context = entry["type"], entry["input"], entry.get("ctx", {})
    if kind == "missing":
        return "missing"
    if kind == "extra_forbidden":
        return f"{UNKNOWN}, {nearest(str(entry['loc'][-1]), known)}"
    if kind == "value_error":
        return str(context["error"]).rstrip(".")
    if kind == "literal_error" and isinstance(given, str):
        choices = re.findall(r"'([^']*)'", context["expected"])
        return f"'{given}' is not allowed, {nearest(given, choices)}"
    if kind in WORDS:
        bounds = {name: f"{bound:g}" if isinstance(bound, float) else bound for name, bound in context.items()}
        message = "should be " + WORDS[kind].format(**bounds)
    else:
        message = entry["msg"].replace("Input should be", "should be")
        message = message[0].lower() + message[1:]
    return f"{message}, not {quoted(given)}"
