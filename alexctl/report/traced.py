"""What a campaign's folder holds, read as it lies there, and each value with the place it was read from.

The page shows no number that is not one of these, so a test can look every one of them up again.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from markupsafe import Markup

from alexctl.errors import UserError, printable
from alexctl.regular_files import is_regular, odd_kind
from alexctl.store import files, layout


@dataclass(frozen=True, kw_only=True)
class Traced:
    """Words for a page and where they are from: `file` below the results folder, `at` a place in it.

    `at` is a path of keys in JSON (`comparisons/0/effect`), or `KEY=VALUE,...:COLUMN` in a CSV. Without `at` the words are a name that stands in the file. `value` is the exact one.
    """

    text: str
    file: str
    at: str = ""
    value: str = ""

    def __html__(self) -> str:
        tag = "data" if self.value else "span"
        fields = {"value": self.value, "data-from": self.file, "data-at": self.at}
        attributes = Markup("").join(Markup(' {}="{}"').format(k, v) for k, v in fields.items() if v)
        return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), attributes, self.text)

    def __str__(self) -> str:
        return self.text


class ResultsFolder:
    """One campaign's folder as files: tables of strings and JSON, each read once; `id` is its own among those of a page.

    Raises UserError, a line each, where a file is missing, damaged or of a newer alexctl.
    """

    def __init__(self, path: Path, id: str = "campaign"):
        self.path, self.name, self.id = path, path.name, id
        self._json: dict[str, dict[str, Any]] = {}

    def _read(self, name: str, read: Callable[[Path], Any]) -> Any:
        try:
            return read(self.path / name)
        except (ValueError, csv.Error) as error:
            action = "`alexctl report` makes it again from the trials"
            if isinstance(error, files.NewerFile):
                action = "update this one"
            elif odd_kind(self.path / name):
                action = f"move it away, and {action}"
            raise UserError(f"{self.name}: {error}; {action}") from None

    def json(self, name: str) -> dict[str, Any]:
        """The table in a JSON file of ours, such as `verdict.json` or `trials/NAME/env.json`."""
        if name not in self._json:
            self._json[name] = self._read(name, files.read_json)
        return self._json[name]

    def has(self, name: str) -> bool:
        return is_regular(self.path / name)

    def table(self, name: str) -> list[dict[str, str]]:
        """The rows of a CSV, each cell as text."""

        def read(path: Path) -> list[dict[str, str]]:
            lines = csv.DictReader(io.StringIO(files.read_text(path), newline=""))
            return [{k: v or "" for k, v in row.items() if k is not None} for row in lines]

        return self._read(name, read)

    @cached_property
    def trials(self) -> list[dict[str, str]]:
        return self.table(layout.TRIALS_CSV)

    @cached_property
    def summary(self) -> list[dict[str, str]]:
        return self.table(layout.SUMMARY_CSV)

    def word(self, text: str, file: str = layout.TRIALS_CSV) -> Traced:
        """A name that stands in a file."""
        return Traced(text=printable(text), file=f"{self.name}/{file}")

    def at(self, file: str, *keys: str | int, form: Callable[[Any], str] = str) -> Traced | None:
        """The value at these keys of a JSON file, as `form` writes it; None where there is none."""
        found: Any = self.json(file)
        for key in keys:
            try:
                found = found[key]
            except (KeyError, IndexError, TypeError):
                return None
        if found is None or found == "":
            return None
        exact = repr(found) if isinstance(found, float) else str(found)
        path = "/".join(map(str, keys))
        return Traced(
            text=printable(form(found)), file=f"{self.name}/{file}", at=path,
            value="" if isinstance(found, str) and form is str else exact,
        )  # fmt: skip

    def cell(
        self, table: str, row: dict[str, str], column: str, keys: tuple[str, ...], form: Callable[[float], str]
    ) -> Traced | None:
        """The number in a CSV's row and column; None where the cell is empty."""
        exact = row.get(column, "")
        if not exact:
            return None
        place = ",".join(f"{key}={row[key]}" for key in keys)
        return Traced(text=form(float(exact)), file=f"{self.name}/{table}", at=f"{place}:{column}", value=exact)
