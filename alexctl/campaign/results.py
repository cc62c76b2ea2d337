"""The campaigns of a results folder, opened to be read."""

from pathlib import Path

from alexctl.campaign.campaign import Campaign
from alexctl.errors import UserError
from alexctl.store import layout, reference
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
