"""A trial that another ablation has already done is copied, not run again: the paper's net is an arm of most of them."""

import shutil
from pathlib import Path

from alexctl import results
from alexctl.campaign import Campaign, Job
from alexctl.errors import UserError

ABOUT_A_TRIAL = ("env.json", "rows.csv", "status.json")  # in this order: without a status it is still to run


class Shared:
    """The finished trials of the other campaigns in a results folder, by seed and hash of their setting.

    The arm's name is no part of a setting's identity, so `lrn` in one file may be `whole` in another. Where seconds are
    compared nothing is shared: they count within one run only.
    """

    def __init__(self, campaign: Campaign, *, weights: bool):
        self.campaign, self.weights = campaign, weights
        self.folders: dict[str, Path] = {}
        if campaign.ablation.measure == "seconds_per_epoch":
            return
        for other in results.campaigns(campaign.folder.parent):
            if other.name != campaign.folder.name and (other / "trials").is_dir():
                self.folders |= {_identity(path.name): path for path in sorted((other / "trials").iterdir())}

    def take(self, job: Job) -> str | None:
        """Copies the job's trial into the campaign and names the one that has done it; None if it is still to run."""
        source = self.folders.get(_identity(job.name))
        record = results.read_trial(source) if source else None
        if record is None or record.problem or record.state not in ("done", "diverged"):
            return None
        if self.weights and not (source / results.WEIGHTS).exists():
            return None
        folder = self.campaign.folder / "trials" / job.name
        results.make_folder(folder)
        head = results.read_json(source / "setting.json")
        head |= {"ablation": self.campaign.ablation.name, "arm": job.arm, "from": source.parent.parent.name}
        results.write_json(folder / "setting.json", head)
        try:
            if self.weights:
                shutil.copyfile(source / results.WEIGHTS, folder / results.WEIGHTS)
            for name in ABOUT_A_TRIAL:
                results.write_atomic(folder / name, (source / name).read_bytes())
        except OSError as error:
            raise results.storage_error(folder, error) from None
        except FileNotFoundError:  # the other campaign was deleted meanwhile
            return None
        if self.campaign.reload(job.name).problem:
            raise UserError(f"{folder} could not be copied from {source}; delete it and give the same command again")
        return source.parent.parent.name


def _identity(name: str) -> str:
    """`-sSEED-HASH8`, the end of a trial's folder name."""
    return name[name.rindex("-s", 0, -9) :] if "-s" in name[:-9] else name
