"""What was submitted to Slurm for a campaign: in its folder `slurm`, beside the logs, one file lists it."""

from dataclasses import asdict, dataclass
from pathlib import Path

from alexctl.errors import UserError, short
from alexctl.regular_files import is_regular, odd_kind
from alexctl.store import files, layout

LONGEST_LINE = 300  # characters of a log's last line
OF_SLURM = ("srun:", "slurmstepd", "submitit ")  # what begins a line of theirs


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One array of jobs, or one job; `words` is the command that each of them runs, after `alexctl`."""

    job_id: str
    num_jobs: int
    words: tuple[str, ...]
    partition: str
    minutes: int  # that each may run before it is requeued

    @property
    def ids(self) -> list[str]:
        """Each job as Slurm calls it: 17, or 17_0, 17_1, ..."""
        return [self.job_id] if self.num_jobs == 1 else [f"{self.job_id}_{i}" for i in range(self.num_jobs)]


def folder(campaign: Path) -> Path:
    """Where a campaign's logs of Slurm lie."""
    return campaign / layout.SLURM


def read(campaign: Path) -> list[Submission]:
    """All that was submitted, oldest first; empty where nothing was. UserError where the file is damaged."""
    path = folder(campaign) / layout.SLURM_JOBS
    if odd_kind(path.parent) != "folder" or not is_regular(path):
        return []
    try:
        table = files.read_json(path)
    except ValueError as error:
        remedy = f"remove {path}, and end its jobs with scancel"
        raise files.unusable(campaign.name, error, remedy) from None
    return [Submission(**{**each, "words": tuple(each["words"])}) for each in table["submissions"]]


def add(campaign: Path, submission: Submission) -> None:
    """Writes down one more."""
    every = [asdict(each) for each in (*read(campaign), submission)]
    files.write_json(folder(campaign) / layout.SLURM_JOBS, {"schema": files.SCHEMA, "submissions": every})


def submitted(results: Path, name: str | None) -> list[Path]:
    """The campaign folders for which something was submitted, all or those of one name or ablation."""
    try:
        found = [path for path in sorted(results.iterdir()) if name in (None, path.name) or layout.is_of(path, name)]
    except OSError:
        return []
    return [path for path in found if is_regular(folder(path) / layout.SLURM_JOBS)]


def begin(campaign: Path, job_id: str) -> None:
    """Written by a job on its node: it sees the results folder."""
    files.write_atomic(folder(campaign) / f"{layout.BEGUN}{job_id}", "")


def has_begun(campaign: Path, job_id: str) -> bool:
    """Whether a job was seen at work."""
    return is_regular(folder(campaign) / f"{layout.BEGUN}{job_id}")


def last_words(campaign: Path, job_id: str) -> str | None:
    """What a job's log says went wrong: the last message of its alexctl, else the end of a traceback, else, of one that
    never came to work, the first error of Slurm's; None where it says nothing."""
    for path in sorted(folder(campaign).glob(f"{job_id}_*_log.err")):
        try:
            every = files.read_text(path).splitlines()
        except ValueError:
            continue
        lines = [line.strip() for line in every if line.strip() and not line.startswith(OF_SLURM)]
        found = [line.removeprefix("alexctl: ") for line in lines if line.startswith("alexctl: ")]
        if not found and "Traceback (most recent call last):" in lines:
            found = lines
        if not found and not has_begun(campaign, job_id):
            found = [line for line in every if " error: " in line][:1] or lines
        if found:
            return short(found[-1], LONGEST_LINE).rstrip(".")
    return None


def refuse_name(campaign: Path) -> None:
    """UserError where Slurm or submitit would take a part of the folder's path for a pattern."""
    if "%" in str(campaign):
        raise UserError(f"{campaign}: Slurm takes the % in it for a pattern; choose another place with --results PATH")
