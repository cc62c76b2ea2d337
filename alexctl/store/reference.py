"""The campaigns in a results folder by name, and the reference results that come with alexctl."""

from pathlib import Path
from typing import Any

from alexctl.errors import UserError
from alexctl.store import layout, records
from alexctl.store.files import read_json


def campaigns(folder: Path, name: str | None = None) -> list[Path]:
    """The campaign folders in a results folder, or those of that name; UserError when there are none."""
    found = records.campaigns(folder)
    if name is not None:
        found = [path for path in found if path.name == name or layout.is_of(path, name)]
    if not found:
        what = f"no results of {name}" if name else "no results"
        raise UserError(
            f"{what} in {folder}; `alexctl ablate relu-vs-tanh` makes some, --results PATH reads others, "
            "--reference shows those that come with alexctl"
        )
    return found


def _homes() -> tuple[Path, Path]:
    """Beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parents[1]
    return package.parent / layout.REFERENCE, package / "_shipped" / "reference"


def home() -> Path:
    """The folder of the reference results that come with alexctl, and of the bench beside them; it may not be there."""
    return next((folder for folder in _homes() if folder.is_dir()), _homes()[0])


def reference(name: str | None = None) -> list[Path]:
    """The reference campaigns that come with alexctl."""
    for folder in _homes():
        if found := [path for path in records.campaigns(folder) if (path / layout.VERDICT).is_file()]:
            return campaigns(folder, name) if name else found
    raise UserError("no reference results come with this alexctl; reinstall it, or use a checkout")


def reference_verdicts(name: str | None = None) -> list[dict[str, Any]]:
    """What the reference results say, as their verdict.json have it."""
    return [read_json(path / layout.VERDICT) for path in reference(name)]


def found_no_difference(name: str, device_type: str) -> bool:
    """Whether there are reference results of an ablation, from this kind of device, under today's numerics, and all of
    their comparisons say so."""
    try:
        found = [read_json(path / layout.VERDICT) for path in reference(name) if _ran_on(path) == {device_type}]
    except UserError:
        return False
    lines = [line for verdict in found for line in verdict["comparisons"]]
    return (
        bool(lines)
        and not any(verdict.get("older") for verdict in found)
        and all(line["verdict"] == "no difference" for line in lines)
    )


def _ran_on(campaign: Path) -> set[str]:
    """The kinds of device that a campaign's trials ran on: cpu, mps or cuda."""
    names = {read_json(file)["device"] for file in campaign.glob(f"{layout.TRIALS}/*/{layout.ENV}")}
    return {name if name in ("cpu", "mps") else "cuda" for name in names}
