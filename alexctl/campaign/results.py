"""The campaigns of a results folder, opened to be read."""

from pathlib import Path

from alexctl.campaign.campaign import Campaign
from alexctl.errors import UserError, nearest
from alexctl.store import layout, records, reference
from alexctl.verdicts.evidence import Evidence


def open_results(folder: Path, name: str | None = None, *, problems: list[str] | None = None) -> list[Evidence]:
    """The campaigns in a results folder, or those of one ablation; `folder` may also be a single campaign's.

    UserError where there are none, or one is damaged. With a list of `problems` a damaged one is left out, and what is
    wrong with it is added there; UserError only where none can be read.
    """
    found, faults = [], []
    for path in [folder] if (folder / layout.PLAN).is_file() else reference.campaigns(folder, name):
        try:
            found.append(Campaign.open(path).evidence())
        except UserError as error:
            faults += error.faults
    if faults and (problems is None or not found):
        raise UserError(*faults)
    if problems is not None:
        problems += faults
    return found


def open_place(place: str | Path, *, problems: list[str]) -> list[Evidence]:
    """The campaigns of a place: a results folder, a campaign's, or one of either with `:NAME` behind it.

    `reference` are the results that come with alexctl, where no folder is called so. What is damaged is left out, as
    `open_results` does; UserError where there is nothing.
    """
    folder, name = Path(place), None
    if not folder.exists() and ":" in str(place):
        before, _, name = str(place).rpartition(":")
        folder = Path(before)
    if not folder.exists() and str(folder) == "reference":
        folder = reference.home()
    if not folder.is_dir():
        raise UserError(
            f"there is no folder {folder}; name a results folder, a campaign's folder in one, or FOLDER:NAME"
        )
    if not (folder / layout.PLAN).is_file():
        names = [path.name for path in records.campaigns(folder)]
        if not names:
            raise UserError(f"no results in {folder}; name a results folder, or a campaign's folder in one")
        if name is not None and not any(name == each or layout.is_of(folder / each, name) for each in names):
            raise UserError(f"no results of {name} in {folder}, {nearest(name, names)}")
    return open_results(folder, name, problems=problems)


def open_one(folder: Path, name: str) -> Evidence:
    """The campaign of that name in a results folder; UserError where there is none, or where it could be several."""
    found = open_place(f"{folder}:{name}" if not (folder / layout.PLAN).is_file() else folder, problems=[])
    named = [each for each in found if each.folder.name == name] or found
    if len(named) > 1:
        raise UserError(
            f"there are several results of {name}: {', '.join(each.folder.name for each in named)}; name one"
        )
    return named[0]
