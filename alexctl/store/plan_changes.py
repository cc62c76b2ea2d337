"""How one plan of a campaign differs from another, in words: what is asked, what is only said otherwise, and by which code."""

import json
from collections.abc import Collection
from typing import Any

from pydantic import ValidationError

from alexctl.ablation.knobs import NETS, TrainingKnobs
from alexctl.ablation.model import Ablation
from alexctl.ablation.toml import quoted
from alexctl.errors import short

FIRST_NUMERICS = 1  # of a plan.json that does not say
FLOAT32 = TrainingKnobs.model_fields["precision"].default
_WORDS_OF_A_CLAIM = ("claim.says", "claim.section", "claim.source")


def changes(before: dict[str, Any], plan: dict[str, Any], code: dict[str, Any]) -> list[str]:
    """A note for each thing that is not as it was; `code` are the keys that say which code planned it."""
    notes = []
    if any(before.get(key) != code[key] for key in code):
        notes.append(
            "the code has changed since this campaign was planned "
            f"(commit {str(before.get('git_commit'))[:8]} then, {str(code.get('git_commit'))[:8]} now): "
            "finished trials are kept as they are"
        )
    then, now = compared(before.get("ablation")), compared(plan["ablation"])
    if rewritten := _rewritten(then, now):
        notes.append(
            f"the code of {' and '.join(rewritten)} has changed since this campaign was planned: "
            "those trials are run again; the old ones are kept but not counted"
        )
    elif then != now and not _only_more_seeds(then, now):
        notes.append("the plan has changed; trials that no longer belong to it are kept but not counted")
        notes += _of_looks(then["plan"], now["plan"]) if then else []
    return notes


def other_question(before: dict[str, Any], plan: dict[str, Any]) -> list[str]:
    """How what a plan asks differs from what another asked, a few words each; empty where they ask the same.

    More seeds or arms, other rates to try, and other words ask the same. So does changed code of a net of the user's own.
    """
    then, now = compared(before.get("ablation")), compared(plan["ablation"])
    if then is None:
        return []
    pairs = [("measure", then["measure"], now["measure"])]
    for arm in then["arms"].keys() & now["arms"].keys():
        was, is_ = (_told({**table["base"], **table["arms"][arm]}) for table in (then, now))
        if was.get("net_source") == is_.get("net_source"):
            pairs += [(key, was.get(key), is_.get(key)) for key in sorted(was.keys() | is_.keys())]
    differences = [f"{key} was {_word(was)}, not {_word(is_)}" for key, was, is_ in pairs if was != is_]
    if before.get("data_name") == plan["data_name"] and before.get("data_digest") != plan["data_digest"]:
        differences.insert(0, f"other images under the name {plan['data_name']}")
    return list(dict.fromkeys(differences))


def differences(then: dict[str, Any], now: dict[str, Any], *, but: Collection[str] = ()) -> list[str]:
    """Everything that is asked in one plan.json and not in another, a few words each; empty where they ask the same.

    Both are as `files.read_json` has them; `but` names keys that may differ, as may the words of the claim, and knobs
    that one spells out at their default.
    """
    found = differing(then, now)
    if found is None:
        return ["the ablation can't be read"]
    return [f"{key} was {a}, not {b}" for key, a, b in found if key not in but]


def differing(then: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, str, str]] | None:
    """(key, value in one, value in the other) of what `differences` tells; None where an ablation can't be read."""
    was, is_ = compared(then.get("ablation")), compared(now.get("ablation"))
    if was is None or is_ is None:
        return None
    for table in (was, is_):
        table["base"] = _told(table["base"])
    pairs = [("numerics", then.get("numerics", FIRST_NUMERICS), now.get("numerics", FIRST_NUMERICS))]
    pairs += [("data", then.get("data_name"), now.get("data_name"))]
    if then.get("data_name") == now.get("data_name"):
        pairs.append(("the digest of the images", then.get("data_digest"), now.get("data_digest")))
    pairs += _pairs("", was, is_)
    return [(key, _word(a), _word(b)) for key, a, b in pairs if a != b and key not in _WORDS_OF_A_CLAIM]


def _told(base: dict[str, Any]) -> dict[str, Any]:
    """What a base says besides its data, which a plan names apart, and knobs at their default."""
    fields = dict(TrainingKnobs.model_fields)
    fields |= NETS[base["net"]].model_fields if base.get("net") in NETS else {}
    defaults = {key: list(f.default) if isinstance(f.default, tuple) else f.default for key, f in fields.items()}
    return {key: v for key, v in base.items() if key != "data" and (key not in defaults or v != defaults[key])}


def _pairs(place: str, was: dict[str, Any], is_: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(where, value in one, value in the other) of the innermost keys of two tables; a base and a plan are not named."""
    pairs = []
    for key in dict.fromkeys((*was, *is_)):
        a, b, name = was.get(key), is_.get(key), f"{place}{key}"
        inner = "" if name in ("base", "plan") else f"{name}."
        pairs += _pairs(inner, a, b) if isinstance(a, dict) and isinstance(b, dict) else [(name, a, b)]
    return pairs


def _word(value: Any) -> str:
    return "the default" if value is None else short(quoted(value))


def compared(ablation: Any) -> dict[str, Any] | None:
    """An `ablation` of a plan.json as plans are compared: what makes one plan another: no words for readers, nor keys that came later. None where it can't be read."""
    try:
        table = Ablation.model_validate_json(json.dumps(ablation)).model_dump(
            mode="json", exclude={"title", "note", "usual_epochs", "next"}
        )
    except ValidationError:
        return None
    if table["base"].get("precision") == FLOAT32:  # said or not, it is the same question
        del table["base"]["precision"]
    return table


def _only_more_seeds(then: dict[str, Any] | None, now: dict[str, Any]) -> bool:
    """Then all trials of before still belong to the plan."""
    if then is None or then["plan"]["seeds"] > now["plan"]["seeds"]:
        return False
    return {**then, "plan": {**then["plan"], "seeds": now["plan"]["seeds"]}} == now


def _rewritten(before: Any, now: Any) -> list[str]:
    """The user's own nets in both of two plans whose code is no longer the same."""
    was, is_ = _sources(before), _sources(now)
    return sorted(net for net in was.keys() & is_.keys() if was[net] != is_[net])


def _sources(plan: Any) -> dict[str, str]:
    """What identifies the code of each of a plan's own nets."""
    try:
        tables = [{**plan["base"], **knobs} for knobs in plan["arms"].values()]
        return {table["net"]: table["net_source"] for table in tables if "net_source" in table}
    except (TypeError, KeyError, AttributeError):  # edited by hand
        return {}


def _of_looks(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Looking, and then choosing how to go on, is what an interval can't be paid for afterwards."""
    before, after = then["looks"], now["looks"]
    if before == after:
        return []
    if before is None:
        return [
            f"this campaign was planned for {then['seeds']} seeds and now stops as soon as it is decided: its trials "
            f"are judged again at the interim analyses n = {_list(after)}, seeds beyond the look that decides are not counted"
        ]
    if after is None:
        return [
            f"this campaign was looked at until decided (n = {_list(before)}) and now has a fixed number of seeds: an "
            "interval for one look is too narrow after several; for one that is not, begin anew with --results elsewhere"
        ]
    return [
        f"the looks were n = {_list(before)} and are n = {_list(after)} now: the interval is that of looks fixed "
        "beforehand, and these were changed after looking"
    ]


def _list(looks: list[int]) -> str:
    return ", ".join(map(str, looks))
