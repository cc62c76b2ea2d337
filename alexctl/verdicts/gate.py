"""Whether verdicts pass what a CI job asked of them: `--require supported`, `--fail-on contradicted`."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

EMPTY = ("nothing learned", "not judged", "not run yet", "outside the claim's regime")
"""Verdicts that rest on no comparison: no gate passes on them."""

NO_CLAIM = "no claim"
"""The word for an arm of which the claim says nothing: it is compared, and no gate asks for it."""


def gate_failures(
    comparisons: Iterable[Mapping[str, Any]], *, require: str | None = None, tier: str | None = None,
    fail_on: Collection[str] = (),
) -> list[str]:  # fmt: skip
    """Why the comparisons (lines of verdict.json, or of `alexctl stats`) don't pass, a line each; empty if they do.

    `require` is "supported" or None, `fail_on` names verdicts. With `tier` "own" only a comparison passes that has the
    claim's data and net and half of its schedule. Where a claim is that nothing differs, "no difference" supports it.
    """
    lines = [line for line in comparisons if line["verdict"] != NO_CLAIM]
    if not lines:
        return ["nothing was compared"]
    return [
        f"{line['arm']}: {line.get('words') or line['verdict']}"
        for line in lines
        if not passes(line, require=require, tier=tier, fail_on=fail_on)
    ]


def passes(
    line: Mapping[str, Any], *, require: str | None = None, tier: str | None = None, fail_on: Collection[str] = ()
) -> bool:
    """Whether one comparison does; one of which the claim says nothing always does."""
    return line["verdict"] == NO_CLAIM or _passes(line, require, tier, fail_on)


def _passes(line: Mapping[str, Any], require: str | None, tier: str | None, fail_on: Collection[str]) -> bool:
    word = line["verdict"].partition(",")[0]
    if word in EMPTY or word in fail_on or (tier is not None and line.get("tier") != tier):
        return False
    agreed = "no difference" if line.get("direction") == "none" else "supported"
    return require is None or word in ("supported", agreed)
