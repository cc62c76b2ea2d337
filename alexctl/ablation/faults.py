"""What is wrong with a table of knobs, in plain words: pydantic's findings as `key: what is wrong, what would do`."""

import datetime
from typing import Any

from alexctl.errors import nearest, printable

TARGET_KEYS = ("metric", "at_most")  # of the one nested table
WORDS = {  # for what pydantic finds; its own words speak of integers, strings and inputs
    "int_type": "a whole number", "int_parsing": "a whole number", "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of fewer digits", "float_type": "a number", "float_parsing": "a number",
    "finite_number": "a finite number", "string_type": "text in quotes", "bool_type": "true or false",
    "tuple_type": "a list, such as [1, 2]", "dict_type": "a table", "model_type": "a table, such as {{ at_most = 0.25 }}",
    "greater_than": "above {gt}", "greater_than_equal": "{ge} or more", "less_than": "below {lt}",
    "less_than_equal": "{le} or less", "literal_error": "{expected}", "too_long": "a list of {max_length}",
    "enum": "{expected}",
}  # fmt: skip


def unknown_key(key: str, known: set[str]) -> str:
    """The fault for a key nobody reads."""
    return f"{printable(key)}: unknown key, {nearest(key, known)}"


def fault_line(entry: dict[str, Any]) -> str:
    """One of pydantic's findings as `key: what is wrong`, with the value given and what would be allowed."""
    key = ".".join(printable(str(part)) for part in entry["loc"])
    kind, given, context = entry["type"], entry["input"], entry.get("ctx", {})
    if kind == "missing":
        return f"{key}: missing"
    if kind == "extra_forbidden":
        return f"{key}: unknown key, {nearest(str(entry['loc'][-1]), TARGET_KEYS)}"  # the one nested table
    if kind == "value_error":
        return f"{key}: {context['error']}" if key else str(context["error"])  # of several knobs together
    if kind == "literal_error" and isinstance(given, str):
        choices = [choice.strip("' ") for choice in context["expected"].replace(" or ", ",").split(",")]
        return f"{key}: '{printable(given)}' is not allowed, {nearest(given, choices)}"
    if kind in WORDS:
        bounds = {name: f"{bound:g}" if isinstance(bound, float) else bound for name, bound in context.items()}
        message = "should be " + WORDS[kind].format(**bounds)
    else:
        message = entry["msg"].replace("Input should be", "should be")
        message = message[0].lower() + message[1:]
    return f"{key}: {message}, not {in_toml(given)}"


def in_toml(given: Any) -> str:
    """A value as a TOML file has it, cut short."""
    if isinstance(given, datetime.date | datetime.time):
        return f"the date {given.isoformat()}" if isinstance(given, datetime.date) else f"the time {given.isoformat()}"
    try:
        text = _toml(given)
        return text if len(text) <= 60 else text[:57] + "..."
    except ValueError:  # Python does not print integers of over 4300 digits
        return "a number of thousands of digits"


def _toml(given: Any) -> str:
    if isinstance(given, dict):
        return "{ " + ", ".join(f"{printable(str(key))} = {_toml(value)}" for key, value in given.items()) + " }"
    if isinstance(given, list | tuple):
        return f"[{', '.join(map(_toml, given))}]"
    return str(given).lower() if isinstance(given, bool) else printable(repr(given))
