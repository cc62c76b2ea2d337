"""All claims of a report side by side: a line a comparison, and which of them stand among all the others."""

from collections.abc import Iterable
from typing import Any

from alexctl import statistics
from alexctl.verdicts.compare import FAMILY

DIRECTIONS = ("positive", "negative")
COLUMNS = (
    "results", "ablation", "arm", "control", "data", "measure", "n", "effect", "low", "high", "level", "scale",
    "claimed", "direction", "verdict", "p_value", "p_holm", "stands",
)  # fmt: skip


def overview(found: Iterable[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """A line a comparison, in COLUMNS, of these campaigns: (name of the folder, its verdict.json).

    `p_holm` is the p value adjusted for all lines that claim a direction (Holm 1979), None for those that don't or have
    none. `stands`: yes where an effect in the claimed direction is sure enough even as one of so many.
    """
    lines = [
        {key: (verdict | line).get(key) for key in COLUMNS} | {"results": name}
        for name, verdict in found
        for line in verdict["comparisons"]
    ]
    family = [line for line in lines if line["direction"] in DIRECTIONS and line["p_value"] is not None]
    for line, p in zip(family, statistics.holm([line["p_value"] for line in family]).tolist(), strict=True):
        line["p_holm"] = p
        line["stands"] = "yes" if p < FAMILY and line["verdict"].startswith("supported") else "no"
    return lines
