"""`plan.json`: what a campaign was planned to be, and what to tell when it is written over one that was there before."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from alexctl.ablation.checks import (
    claim_faults,
    control_faults,
    factorial_faults,
    resolved,
    setting_faults,
    trend_faults,
)
from alexctl.ablation.knobs import TrainingKnobs, spec_of
from alexctl.ablation.model import Ablation
from alexctl.ablation.setting import NUMERICS
from alexctl.errors import UserError
from alexctl.store import files, layout
from alexctl.store.plan_changes import FIRST_NUMERICS, FLOAT32, changes, compared, differences, other_question

_ABLATE_AGAIN = "run the same `alexctl ablate` command again to rewrite it; no trial is lost"
_UPDATE = "update this one, or choose another place with --results"


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
    if ablation.compares == "trend":
        faults += trend_faults(list(varies), full)
    margin_fits = ablation.margin is None or measure.scale != "ratio" or ablation.margin > 1
    return not faults and margin_fits and len(set(varies)) == len(varies)


def table(ablation: Ablation, about: dict[str, Any], code: dict[str, Any]) -> dict[str, Any]:
    """What a plan.json says; `about` says what the data are, `code` which code planned it."""
    # The folder the images came from is nobody's business; their name and digest say what they are.
    base = {**ablation.base, "data": about["data_name"]}
    asked = ablation.spelled_out().model_copy(update={"base": base}).model_dump(mode="json")
    return {"schema": files.SCHEMA, "numerics": NUMERICS, "ablation": asked, **about, **code}


def write(
    folder: Path, ablation: Ablation, about: dict[str, Any], code: dict[str, Any], *, begun: bool,
    shared: Callable[[], bool] = lambda: False,
) -> list[str]:  # fmt: skip
    """Writes the plan as `table` has it. Returns notes for a person.

    Raises UserError, and leaves the plan as it is, where a newer or an older alexctl wrote it, where trials were
    `begun` that answer another question (they would no longer be counted), or where it asks anything else than one
    that other processes are at work on now (`shared`).
    """
    refuse_older(folder)
    path, notes = folder / layout.PLAN, []
    plan = table(ablation, about, code)
    looked: tuple[int, ...] = ()
    if path.exists():
        try:
            before = files.read_json(path)
            if (differing := differences(before, plan)) and shared():
                raise UserError(
                    f"another alexctl is at work on {folder.name}, whose plan differs ({'; '.join(differing[:3])}); give "
                    "the same options, wait until it is done, or give this one a name of its own with --name NAME"
                )
            notes += changes(before, plan, code)
            looked = _looked(before)
            if not ablation.smoke and (seen := _seen(folder, before, plan)):
                looked = (*looked, seen)
                notes.append(
                    f"seeds are added after a result with {seen} was seen, which plan.json keeps as an unplanned look: no "
                    "error rate can be promised for the interval any more; `--until-decided` keeps its promise on seeds of its own: "
                    "--name NAME --set seed_offset=1000"
                )
            if begun and not ablation.smoke and (others := other_question(before, plan)):
                raise UserError(
                    f"{folder.name} holds trials of another question ({'; '.join(others[:3])}); "
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


def check(folder: Path, mine: dict[str, Any]) -> None:
    """UserError where another process has planned something else in the folder since this one began."""
    try:
        differing = differences(mine, files.read_json(folder / layout.PLAN))
    except ValueError:  # removed or damaged: the next command writes it anew
        return
    if differing:
        raise UserError(
            f"another alexctl has changed the plan of {folder.name} ({'; '.join(differing[:3])}), so this one stops; "
            "its trials are kept, run the command you want again",
            exit_code=1,
        )


def merged(places: Sequence[tuple[str, Path]]) -> dict[str, Any]:
    """The plan.json of campaigns put together, the first's with the most seeds of any; each comes with a name to tell.

    Seeds that are added to a result that was there to be seen are an unplanned look, as in `write`. UserError where one
    can't be read, asks anything else than the first, or is of older numerics, whose trials are read only.
    """
    plans, faults = [], []
    for name, folder in places:
        try:
            read(folder)  # which doubts it thoroughly
            plans.append(files.read_json(folder / layout.PLAN))
        except UserError as error:
            faults += [f"{name}: {fault}" for fault in error.faults]
        except ValueError as error:
            faults.append(f"{name}: {error}; leave that folder out")
    if faults:
        raise UserError(*faults)
    first, campaign = plans[0], places[0][1].name
    may_differ = ("seeds",) if _counts_seeds(first) else ()
    for (name, _), plan in zip(places[1:], plans[1:], strict=True):
        if differing := differences(first, plan, but=may_differ):
            faults.append(
                f"{campaign} asks something else in {places[0][0]} than in {name} ({'; '.join(differing[:3])}); "
                "leave one of them out, or merge it elsewhere"
            )
    if not faults and first.get("numerics", FIRST_NUMERICS) < NUMERICS:
        faults.append(
            f"{campaign} of {places[0][0]} is of older numerics, which can be read but not merged; leave it out"
        )
    if faults:
        raise UserError(*faults)
    seeds = max(compared(plan["ablation"])["plan"]["seeds"] for plan in plans)
    asked = first["ablation"] | {"plan": first["ablation"]["plan"] | {"seeds": seeds}}
    whole = first | {"ablation": asked}
    looked = {n for plan in plans for n in _looked(plan)}
    if not asked.get("smoke"):
        seen = (_seen(folder, plan, whole) for (_, folder), plan in zip(places, plans, strict=True))
        looked |= {n for n in seen if n}
    return whole | ({"unplanned_looks": sorted(looked)} if looked else {})


def _counts_seeds(plan: dict[str, Any]) -> bool:
    """Whether more seeds are the same seeds and some more: in studies each has a range of its own."""
    asked = compared(plan["ablation"])["plan"]
    return asked["studies"] == 1 and not asked["looks"]


def _looked(plan: dict[str, Any]) -> tuple[int, ...]:
    """The numbers of seeds at which a result was seen before seeds were added."""
    return tuple(n for n in plan.get("unplanned_looks") or () if type(n) is int)


def _seen(folder: Path, before: dict[str, Any], plan: dict[str, Any]) -> int | None:
    """The seeds of a result that was there to be seen, where this plan adds seeds to it; None where it adds none."""
    then, now = compared(before.get("ablation")), compared(plan["ablation"])
    if (
        then is None
        or then["plan"]["looks"]
        or then["plan"]["seeds"] >= max(now["plan"]["looks"] or [now["plan"]["seeds"]])
    ):
        return None
    try:
        seen = max((line["n"] for line in files.read_json(folder / layout.VERDICT)["comparisons"]), default=0)
    except (ValueError, KeyError, TypeError):
        return None
    return seen if seen >= 3 else None  # with less there is no interval
