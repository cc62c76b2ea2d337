"""The command that decides what a campaign has left undecided, and whose interval keeps its promise."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from alexctl.statistics.looks import LOOKS, MOST_SEEDS

if TYPE_CHECKING:
    from alexctl.api import Result

OFFSET = 1000  # to seeds that no campaign of this one's question has seen
REPLACED = ("--seeds", "--max-seeds", "--name", "--require", "--tier", "--fail-on")
REPLACED_FLAGS = ("--until-decided", "--dry-run")


def command(found: "Result", typed: Sequence[str]) -> str | None:
    """What to type after `typed`, the words of this campaign's command; None where more seeds would decide nothing.

    It asks the same on seeds of its own, with looks planned from the first: a result that was seen has spent the chance
    of error of its seeds (docs/statistics.md), so they are left alone.
    """
    which = found.ablation
    lines = [line for line in found.verdict["comparisons"] if line["verdict"] == "undecided"]
    more = [line["n"] + line["more_seeds"] for line in lines if isinstance(line["more_seeds"], int)]
    told = "seed_offset" in which.varies or any("seed_offset" in knobs for knobs in which.arms.values())
    if not more or which.smoke or which.plan.studies > 1 or told or max(more) > MOST_SEEDS:
        return None
    offset = which.base.get("seed_offset", 0) + OFFSET
    words = [
        *_kept(typed),
        "--until-decided",
        "--name",
        f"{found.folder.name[:40]}-{offset}",
        "--set",
        f"seed_offset={offset}",
    ]
    if max(more) > LOOKS[-1]:
        words += ["--max-seeds", str(min(MOST_SEEDS, 2 * max(more)))]
    return shlex.join(["alexctl", *words])


def _kept(typed: Sequence[str]) -> list[str]:
    """The words without the options that the new command gives otherwise."""
    kept, words = [], iter(typed)
    for word in words:
        option = word.partition("=")[0]
        value = next(words, "") if option in ("--set", *REPLACED) and "=" not in word else None
        replaced = option in REPLACED or word in REPLACED_FLAGS
        is_offset = option == "--set" and (value or word.partition("=")[2]).startswith("seed_offset=")
        if not (replaced or is_offset):
            kept += [word] if value is None else [word, value]
    return kept
