"""The table of docs/teaching.md: every claim that a student can take, by the time that it takes."""

import csv
import tomllib
from pathlib import Path

from alexctl import numbers
from alexctl.ablation.load import shipped
from alexctl.store import layout
from tools.markdown import table
from tools.marked_blocks import rewritten

HOUR = 3600
# The most seconds of each group, and what it is called.
GROUPS = (
    (1.5 * HOUR, "Within a double lesson"),
    (12 * HOUR, "Overnight"),
    (float("inf"), "Shared: each takes some of the seeds"),
)


def written(text: str, bench: Path) -> str:
    """docs/teaching.md with its table made anew from the costs in `bench`; UserError when the marks are gone."""
    rows = csv.DictReader((bench / layout.COSTS_CSV).read_text(encoding="utf-8").splitlines())
    lines = sorted((float(row["seconds"]), row) for row in rows if row["data"] != "shapes")
    parts, least = [], 0.0
    for most, name in GROUPS:
        inside = [_row(row) for seconds, row in lines if least < seconds <= most]
        parts.append(f"### {name}\n\n{table(['time', 'file', 'claim', 'whose'], inside)}")
        least = most
    return rewritten(text, "claims", "\n\n".join(parts), file="docs/teaching.md")


def _row(cost: dict[str, str]) -> tuple[str, ...]:
    name = cost["ablation"]
    claim = tomllib.loads(shipped()[name].read_text(encoding="utf-8"))["claim"]
    section = f"section {claim['section']}" if claim.get("section") else ""
    whose = claim.get("paper") or claim.get("source") or "AlexNet"
    about = "at most " * (cost["at_most"] == "true") + numbers.duration(float(cost["seconds"]))
    return (about, f"[`{name}`](../ablations/{name}.toml)", claim["says"], f"{whose}, {section}" if section else whose)
