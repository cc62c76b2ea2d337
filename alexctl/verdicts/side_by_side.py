"""Two sets of results side by side, campaign by campaign and arm by arm: what each found, and what else differs.

Nothing is pooled and nothing is tested here: each side keeps its own verdict and interval.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alexctl.errors import UserError
from alexctl.store import environment
from alexctl.store.plan_changes import differing
from alexctl.verdicts.evidence import Evidence
from alexctl.verdicts.gate import EMPTY
from alexctl.verdicts.sentences import amount, interval
from alexctl.verdicts.tables import derive

Line = Mapping[str, Any]


def pairs(a: Sequence[Evidence], b: Sequence[Evidence]) -> list[tuple[Evidence, Evidence]]:
    """Which campaigns are compared: those whose folders have the same name, else of the same ablation, where each side
    has one; two single campaigns are compared whatever they are called. UserError where there are none.
    """
    if len(a) == len(b) == 1:
        return [(a[0], b[0])]
    named = {one.folder.name: one for one in b}
    found = [(one, named[one.folder.name]) for one in a if one.folder.name in named]
    if not found:
        found = [
            (one, other) for one in a for other in b if one.ablation.name == other.ablation.name
            and all(sum(each.ablation.name == one.ablation.name for each in side) == 1 for side in (a, b))
        ]  # fmt: skip
    if not found:
        names = (", ".join(one.folder.name for one in side) for side in (a, b))
        raise UserError(
            "no campaign is in both: {} in A, {} in B; name two campaigns to compare them: FOLDER:NAME".format(*names)
        )
    return found


def side_by_side(a: Sequence[Evidence], b: Sequence[Evidence]) -> dict[str, Any]:
    """Everything that `alexctl compare` tells, as JSON has it: `campaigns`, `only_in_a` and `only_in_b`."""
    both = pairs(a, b)
    sides = ({one.folder for one in side} for side in zip(*both, strict=True))
    alone = (
        [one.folder.name for one in each if one.folder not in seen] for each, seen in zip((a, b), sides, strict=True)
    )
    campaigns = [_campaign(*pair) for pair in both]
    return {"campaigns": campaigns, **dict(zip(("only_in_a", "only_in_b"), alone, strict=True))}


def _campaign(a: Evidence, b: Evidence) -> dict[str, Any]:
    """One campaign in both: what differs in the question and in how it was run, and a table of arms."""
    asked = differing(_plan(a), _plan(b)) or []
    verdicts = [derive(one).verdict for one in (a, b)]
    lines = [{(line["arm"], line["control"]): line for line in verdict["comparisons"]} for verdict in verdicts]
    arms = [
        _arm(key, *(_side(line.get(key), one) for line, one in zip(lines, (a, b), strict=True)), _same_measure(a, b))
        for key in dict.fromkeys((*lines[0], *lines[1]))
    ]
    made = [environment.made_with(record.folder for record in one.counted) for one in (a, b)]
    return {
        "a": a.folder.name, "b": b.folder.name, "title": a.ablation.title,
        "measure": {"a": a.ablation.measure.name, "b": b.ablation.measure.name},
        "question": [{"what": key, "a": one, "b": other} for key, one, other in asked if key != "name"],
        "smoke": {"a": a.ablation.smoke, "b": b.ablation.smoke},
        "older": {key: verdict.get("older") for key, verdict in zip("ab", verdicts, strict=True)},
        "arms": arms,
        "made_with": {
            key: {"a": list(made[0].get(key, ())), "b": list(made[1].get(key, ()))} for key in dict.fromkeys((*made[0], *made[1]))
        },
        "trials": _trials(a, b),
    }  # fmt: skip


def _plan(one: Evidence) -> dict[str, Any]:
    """What a campaign asks, as a plan.json of today has it."""
    about = {"numerics": one.numerics, "data_name": one.data_name, "data_digest": one.data_digest}
    return {"ablation": one.ablation.model_dump(mode="json"), **about}


def _same_measure(a: Evidence, b: Evidence) -> bool:
    return a.ablation.measure.name == b.ablation.measure.name


def _side(line: Line | None, one: Evidence) -> dict[str, Any] | None:
    """What one side found of an arm; None where it has no such arm."""
    if line is None:
        return None
    keys = ("verdict", "words", "tier", "effect", "low", "high", "bound", "level", "scale", "n", "seeds")
    arms = [arm for arm in (line["control"], line["arm"]) if arm in one.rates] or sorted(one.rates)
    shown = {
        "amount": amount(line),
        "interval_in_words": interval(line),
        "rates": {arm: one.rates[arm] for arm in arms},
    }
    return {key: line[key] for key in keys} | shown


def _arm(key: tuple[str, str | None], a: Line | None, b: Line | None, alike: bool) -> dict[str, Any]:
    """An arm in both, and whether they agree; None where that is unknown or still open."""
    same = _same_verdict(a, b) if alike else None
    overlap = overlapping(a, b) if a and b and alike else None
    agree, words = agreement(a, b, same, overlap)
    if a and b and not alike:
        words = "not comparable: the two compare different measures"
    return {
        "arm": key[0], "control": key[1], "a": a, "b": b, "same_verdict": same, "intervals_overlap": overlap,
        "agree": agree, "in_words": words,
    }  # fmt: skip


def _judged(side: Line) -> bool:
    return _word(side) not in EMPTY


def _word(side: Line) -> str:
    return side["verdict"].partition(",")[0]


def _same_verdict(a: Line | None, b: Line | None) -> bool | None:
    """None unless both have been judged."""
    return _word(a) == _word(b) if a and b and _judged(a) and _judged(b) else None


def overlapping(a: Line, b: Line) -> bool | None:
    """Whether two intervals have a point in common, one without an end reaching as far as need be; None unless both sides
    have an interval."""
    ends = []
    for side in (a, b):
        if not side["n"] or side["bound"] == "none" or (side["low"] is None and side["high"] is None):
            return None
        ends.append((
            -math.inf if side["low"] is None else side["low"], math.inf if side["high"] is None else side["high"],
        ))  # fmt: skip
    (low, high), (other_low, other_high) = ends
    return low <= other_high and other_low <= high


def agreement(a: Line | None, b: Line | None, same: bool | None, overlap: bool | None) -> tuple[bool | None, str]:
    """Whether two sides agree (the same verdict, and intervals that overlap), also in words; None where one is undecided
    and the intervals leave that open, or where it can't be told."""
    if a is None or b is None:
        return None, f"only in {'B' if a is None else 'A'}"
    if same is None:
        return None, f"not comparable: no verdict on the claim in {_which(a, b, lambda side: not _judged(side))}"
    if overlap is None:
        return (None if same else False), (
            f"{'same verdict' if same else 'no: different verdicts'}; the intervals cannot be compared, since not both have one"
        )
    if overlap and (undecided := _which(a, b, lambda side: _word(side) == "undecided")):
        return None, f"open: {undecided} undecided, and the intervals overlap"
    if same:
        return (
            overlap,
            f"{'yes: same verdict, and' if overlap else 'no: same verdict, but'} the intervals {'overlap' if overlap else 'do not overlap'}",
        )
    return False, f"no: different verdicts, {'though the intervals' if overlap else 'and the intervals do not'} overlap"


def _which(a: Line, b: Line, holds: Callable[[Line], bool]) -> str:
    """'A', 'B' or 'A and B': the sides of which it holds."""
    return " and ".join(name for name, side in (("A", a), ("B", b)) if holds(side))


def _trials(a: Evidence, b: Evidence) -> dict[str, int]:
    """How many trials each side has, how many have setting and seed in common, and how many of these the same rows."""
    mine, theirs = ({record.folder.name: record for record in one.counted} for one in (a, b))
    both = mine.keys() & theirs.keys()
    equal = sum(bool(mine[name].rows) and _rows(mine[name].rows) == _rows(theirs[name].rows) for name in both)
    return {"a": len(mine), "b": len(theirs), "in_both": len(both), "equal_rows": equal}


def _rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows, seconds aside."""
    return [{key: value for key, value in row.items() if not key.endswith("_seconds")} for row in rows]
