"""`plan.json`: what a campaign was planned to be, and what to tell when it is written over one that was there before."""

import json
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from alexctl.ablation.checks import claim_faults, control_faults, factorial_faults, resolved, setting_faults
from alexctl.ablation.knobs import TrainingKnobs, spec_of
from alexctl.ablation.model import Ablation
from alexctl.ablation.setting import NUMERICS
from alexctl.ablation.toml import quoted
from alexctl.errors import UserError
from alexctl.store import files, layout

_ABLATE_AGAIN = "run the same `alexctl ablate` command again to rewrite it; no trial is lost"
_UPDATE = "update this one, or choose another place with --results"

FIRST_NUMERICS = 1  # of a plan.json that does not say
FLOAT32 = TrainingKnobs.model_fields["precision"].default


def older_numerics(folder: Path) -> int | None:
    """The numerics that a campaign was planned under, if older than today's; None also where no plan can be read."""
    try:
        return _older_numerics(folder)
    except ValueError:
        return None


def _older_numerics(folder: Path) -> int | None:
    numerics = files.read_json(folder / layout.PLAN).get("numerics", FIRST_NUMERICS)
    return numerics if numerics < NUMERICS else None


def refuse_older(folder: Path) -> None:
    """UserError where a campaign of older numerics lies in the folder, or may: it is read, never written over."""
    try:
        older = _older_numerics(folder)
    except files.Unreadable as error:
        raise files.unusable(folder.name, error, "") from None
    except ValueError:
        return
    if older is not None:
        raise UserError(
            f"{folder.name} holds results of older numerics, which can be read but not continued; "
            "give this one a name of its own with --name NAME, or another place with --results PATH"
        )


def precision(folder: Path) -> str | None:
    """The precision of products that a campaign's base was planned with; None where no plan says so."""
    try:
        planned = files.read_json(folder / layout.PLAN)["ablation"]["base"].get("precision", FLOAT32)
    except ValueError:
        return None
    return planned if planned in get_args(TrainingKnobs.model_fields["precision"].annotation) else None


def read(folder: Path) -> dict[str, Any]:
    """The ablation and what its data are, as a Campaign takes them; UserError says what is wrong with the file."""
    try:
        plan = files.read_json(folder / layout.PLAN)
        about = {key: plan[key] for key in ("data_name", "data_digest", "num_classes")}
        about["unplanned_looks"] = _looked(plan)
        about["numerics"] = numerics = plan.get("numerics", FIRST_NUMERICS)
        if numerics > NUMERICS:
            raise files.NewerFile("plan.json is of a newer alexctl, whose numbers are others")
        if numerics == FIRST_NUMERICS:
            plan["ablation"]["plan"].pop("search_epochs", None)  # of an older search, which isn't gone on with
        ablation = Ablation.model_validate_json(json.dumps(plan["ablation"]))
        ablation.base["data"] = spec_of(about["data_name"])
        if not _sound(ablation):
            raise ValueError("plan.json is damaged: no file of an ablation asks for this")
    except files.NewerFile as error:
        raise UserError(f"{folder.name}: {error}; {_UPDATE}") from None
    except ValidationError:
        raise UserError(f"{folder.name}: plan.json is damaged; {_ABLATE_AGAIN}") from None
    except ValueError as error:
        raise files.unusable(folder.name, error, _ABLATE_AGAIN) from None
    return {"ablation": ablation, **about}


def _sound(ablation: Ablation) -> bool:
    """Whether what is asked of an ablation's file holds for this plan too."""
    measure, arms, varies = ablation.measure, ablation.arms, ablation.varies
    full = {arm: resolved({**ablation.base, **knobs}) for arm, knobs in arms.items()}
    searchable = ablation.plan.lr_grid is not None
    faults = [
        fault for arm in full.values() for fault in setting_faults(arm, [measure.name, *ablation.also], searchable)
    ]
    faults += claim_faults(ablation.claim, arms, measure.name)
    faults += control_faults({"control": ablation.control, "compares": ablation.compares}, arms)
    if ablation.compares == "interaction":
        faults += factorial_faults(list(varies), full)
    margin_fits = ablation.margin is None or measure.scale != "ratio" or ablation.margin > 1
    return not faults and margin_fits and len(set(varies)) == len(varies)


def write(folder: Path, ablation: Ablation, about: dict[str, Any], code: dict[str, Any], *, begun: bool) -> list[str]:
    """Writes the plan; `about` says what the data are, `code` which code planned it. Returns notes for a person.

    Raises UserError, and leaves the plan as it is, where a newer or an older alexctl wrote it, or where trials were
    `begun` that answer another question: they would no longer be counted.
    """
    refuse_older(folder)
    path, notes = folder / layout.PLAN, []
    # The folder the images came from is nobody's business; their name and digest say what they are.
    base = {**ablation.base, "data": about["data_name"]}
    table = ablation.spelled_out().model_copy(update={"base": base}).model_dump(mode="json")
    plan = {"schema": files.SCHEMA, "numerics": NUMERICS, "ablation": table, **about, **code}
    looked: tuple[int, ...] = ()
    if path.exists():
        try:
            before = files.read_json(path)
            notes += changes(before, plan, code)
            looked = _looked(before)
            if not ablation.smoke and (seen := _seen(folder, before, plan)):
                looked = (*looked, seen)
                notes.append(
                    f"seeds are added after a result with {seen} was seen, which plan.json keeps as an unplanned look: no "
                    "error rate can be promised for the interval any more; `--until-decided` plans to look, and pays for it"
                )
            if begun and not ablation.smoke and (differences := other_question(before, plan)):
                raise UserError(
                    f"{folder.name} holds trials of another question ({'; '.join(differences[:3])}); "
                    "give this one a name of its own with --name NAME, or another place with --results PATH"
                )
        except files.NewerFile as error:
            raise UserError(f"{folder.name}: {error}; {_UPDATE}") from None
        except files.Unreadable as error:  # it may ask anything
            raise files.unusable(folder.name, error, "") from None
        except ValueError as error:
            notes.append(f"{error}; rewritten")
    files.write_json(path, plan | ({"unplanned_looks": list(looked)} if looked else {}))
    return notes


def _looked(plan: dict[str, Any]) -> tuple[int, ...]:
    """The numbers of seeds at which a result was seen before seeds were added."""
    return tuple(n for n in plan.get("unplanned_looks") or () if type(n) is int)


def _seen(folder: Path, before: dict[str, Any], plan: dict[str, Any]) -> int | None:
    """The seeds of a result that was there to be seen, where this plan adds seeds to it; None where it adds none."""
    then, now = _compared(before.get("ablation")), _compared(plan["ablation"])
    if then is None or now["plan"]["looks"] or then["plan"]["looks"] or then["plan"]["seeds"] >= now["plan"]["seeds"]:
        return None
    try:
        seen = max((line["n"] for line in files.read_json(folder / layout.VERDICT)["comparisons"]), default=0)
    except (ValueError, KeyError, TypeError):
        return None
    return seen if seen >= 3 else None  # with less there is no interval


def changes(before: dict[str, Any], plan: dict[str, Any], code: dict[str, Any]) -> list[str]:
    """A note for each thing that is not as it was; `code` are the keys that say which code planned it."""
    notes = []
    if any(before.get(key) != code[key] for key in code):
        notes.append(
            "the code has changed since this campaign was planned "
            f"(commit {str(before.get('git_commit'))[:8]} then, {str(code.get('git_commit'))[:8]} now): "
            "finished trials are kept as they are"
        )
    then, now = _compared(before.get("ablation")), _compared(plan["ablation"])
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
    then, now = _compared(before.get("ablation")), _compared(plan["ablation"])
    if then is None:
        return []
    pairs = [("measure", then["measure"], now["measure"])]
    for arm in then["arms"].keys() & now["arms"].keys():
        was, is_ = ({**table["base"], **table["arms"][arm]} for table in (then, now))
        if was.get("net_source") == is_.get("net_source"):
            pairs += [(key, was.get(key), is_.get(key)) for key in sorted(was.keys() | is_.keys()) if key != "data"]
    differences = [f"{key} was {_word(was)}, not {_word(is_)}" for key, was, is_ in pairs if was != is_]
    if before.get("data_name") == plan["data_name"] and before.get("data_digest") != plan["data_digest"]:
        differences.insert(0, f"other images under the name {plan['data_name']}")
    return list(dict.fromkeys(differences))


def _word(value: Any) -> str:
    return "the default" if value is None else quoted(value)


def _compared(ablation: Any) -> dict[str, Any] | None:
    """What makes one plan another: no words for readers, nor keys that came later. None where it can't be read."""
    try:
        table = Ablation.model_validate_json(json.dumps(ablation)).model_dump(mode="json", exclude={"title", "note"})
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
