"""The command that makes a campaign's results again, worked out from its plan; where it can't be, that is said."""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from alexctl.ablation.knobs import spec_of
from alexctl.ablation.load import load, shipped
from alexctl.ablation.model import Ablation, Plan
from alexctl.ablation.setting import NUMERICS
from alexctl.ablation.toml import to_toml
from alexctl.errors import UserError
from alexctl.store.plan_changes import FIRST_NUMERICS

FOLDER = "imagefolder:PATH"


@dataclass(frozen=True, kw_only=True)
class Remake:
    """The command's words, quoted for a shell, and what it can't promise, a sentence each."""

    words: tuple[str, ...]
    notes: tuple[str, ...] = ()


def remake(plan: dict[str, Any]) -> Remake:
    """What to type to run the campaign of this `plan.json` again: the file's name, and what differs from the file."""
    planned = plan["ablation"]
    name, smoke = planned["name"], bool(planned.get("smoke"))
    data, notes = spec_of(plan["data_name"]), []
    if plan.get("numerics", FIRST_NUMERICS) < NUMERICS:
        notes.append("These results are of older numerics; the command chooses the rates, and trains, by today's.")
    if data.startswith("imagefolder:"):
        data = FOLDER
        notes.append("PATH is the folder of images; only its name and digest are kept.")
    words = ["alexctl", "ablate", name if name in shipped() else f"./{name}.toml"] + ["--smoke"] * smoke
    try:
        of_file = load(name, smoke=smoke) if name in shipped() else None
    except UserError:
        of_file = None
    if of_file is None:
        notes.append("The file is the user's own; what it asked for is kept in plan.json.")
        words += [] if smoke or planned["data_of_file"] == plan["data_name"] else ["--data", data]
        return Remake(words=tuple(map(shlex.quote, words)), notes=tuple(notes))
    changed = _changed(planned, of_file)
    words += [] if data == of_file.base["data"] else ["--data", data]
    for key in ("seeds", "studies", "epochs"):
        if key in changed:
            words += [f"--{key}", str(changed.pop(key))]
    for key, value in changed.items():
        if value is None:
            notes.append(f"The file now sets {key}, which this run did not have.")
        else:
            words += ["--set", f"{key}={to_toml(value)}"]
    if parts := _otherwise(planned, of_file):
        notes.append(f"The file has changed since this run: {', '.join(parts)}.")
    return Remake(words=tuple(map(shlex.quote, words)), notes=tuple(notes))


def _changed(planned: dict[str, Any], of_file: Ablation) -> dict[str, Any]:
    """The knobs of the base and of the plan that this run had otherwise than the file; None: it had none."""
    then = {**Plan().model_dump(mode="json"), **planned.get("plan", {}), **planned["base"]}
    now = json.loads(json.dumps({**of_file.plan.model_dump(mode="json"), **of_file.base}))
    keys = [key for key in (*now, *then) if key not in ("data", "search_epochs")]  # the latter of an older search
    return {key: then.get(key) for key in dict.fromkeys(keys) if then.get(key) != now.get(key)}


def _otherwise(planned: dict[str, Any], of_file: Ablation) -> list[str]:
    """The parts of the file that no option changes and that were others when this run was planned."""
    now = of_file.model_dump(mode="json")
    parts = ("arms", "control", "varies", "measure", "compares", "margin")
    return [part for part in parts if part in planned and planned[part] != now[part]]
