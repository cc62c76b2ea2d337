"""All claims of a report side by side: a line a comparison, and which of them stand among all that there are."""

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from alexctl import statistics
from alexctl.ablation.model import current_name
from alexctl.verdicts.compare import FAMILY

DIRECTIONS = ("positive", "negative")
COLUMNS = (
    "results", "ablation", "arm", "control", "data", "measure", "n", "effect", "low", "high", "level", "scale",
    "claimed", "direction", "verdict", "tier", "words", "conditions", "p_value", "p_holm", "stands",
)  # fmt: skip


@cache
def shipped_claims() -> frozenset[tuple[str, str]]:
    """(ablation, arm) of every comparison in the files that ship which claims a direction: one family, whoever ran what.

    Not of those with a `paper` of their own, each of which is a family by itself.
    """
    with Path(__file__).with_name("claims.csv").open(encoding="utf-8") as file:
        return frozenset((row["ablation"], row["arm"]) for row in csv.DictReader(file))


def overview(found: Iterable[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """A line a comparison, in COLUMNS, of these campaigns: (name of the folder, its verdict.json).

    `p_holm` is the p value adjusted (Holm 1979) for all claims of the files that ship, run or not; for an ablation of
    one's own, for those of its file. None for a comparison that claims no direction, or has no p value. `stands`: yes
    where an effect in the claimed direction is sure enough even as one of so many.
    """
    lines = [
        {key: (verdict | line).get(key) for key in COLUMNS} | {"results": name}
        for name, verdict in found
        for line in verdict["comparisons"]
    ]
    for line in lines:
        line["words"] = line["words"] or line["verdict"]
    directed = [line for line in lines if line["direction"] in DIRECTIONS and line["p_value"] is not None]
    known = shipped_claims()
    shipped = [line for line in directed if _named(line) in known]
    _adjust(shipped, len(known - {_named(line) for line in shipped}))
    own = [line for line in directed if line not in shipped]
    for name in {line["results"] for line in own}:
        _adjust([line for line in own if line["results"] == name], 0)
    return lines


def _named(line: dict[str, Any]) -> tuple[str, str]:
    """(ablation, arm) of a line, by the name that the ablation has today."""
    return current_name(line["ablation"]), line["arm"]


def _adjust(family: list[dict[str, Any]], num_unknown: int) -> None:
    """Holm over these lines and so many claims more of which nothing is known, so that none of them is sure."""
    adjusted = statistics.holm([line["p_value"] for line in family] + [1.0] * num_unknown)
    for line, p in zip(family, adjusted.tolist(), strict=False):
        line["p_holm"] = p
        line["stands"] = "yes" if p < FAMILY and line["verdict"].startswith("supported") else "no"
