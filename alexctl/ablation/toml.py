"""Values as a TOML file has them: the counterpart of `tomllib`, which only reads."""

import datetime
import json
from typing import Any

from alexctl.errors import short


def to_toml(value: Any) -> str:
    """A value on one line, as TOML and `--set KEY=VALUE` read it back; entries of a table that are None are left out.

    Raises ValueError for an integer of over 4300 digits, which Python does not print.
    """
    if isinstance(value, dict):
        return f"{{ {key_values(value)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(to_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        quoted = json.dumps(value, ensure_ascii=False)
        return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else repr(value)


def key_values(table: dict[str, Any]) -> str:
    """`net = "convnet4", hidden = 64`: what a table holds, on one line."""
    return ", ".join(f"{_key(str(key))} = {to_toml(value)}" for key, value in table.items() if value is not None)


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("-", "").replace("_", "").isalnum() else to_toml(key)


def quoted(value: Any) -> str:
    """A value as a message quotes it: as TOML has it, cut short."""
    try:
        return short(to_toml(value))
    except ValueError:
        return "a number of thousands of digits"
