"""Submits a campaign to Slurm: an array of jobs, each of which is one more process at work on the campaign's folder."""

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alexctl import numbers
from alexctl.ablation.model import Ablation
from alexctl.data.prepared import Progress
from alexctl.data.sources import prepare
from alexctl.errors import UserError, short
from alexctl.slurm import cluster
from alexctl.slurm.hand import Hand
from alexctl.store import files, layout, plan, slurm_jobs
from alexctl.store.lock import FolderLock, Locked, wait_for_lock
from alexctl.store.slurm_jobs import Submission

DEFAULT_JOBS = 8
DEFAULT_MINUTES = 60
SIGNAL_SECONDS = (
    90  # before the end of its time that a job hears of it, if it has so many; Slurm may be half a minute early
)
PATIENCE = 60.0  # seconds for another process that submits
MOST_REQUEUES = 1000  # of a job by its time limit; each goes on where the one before stopped


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of the cluster, as the command line has it; `extra` are options of sbatch."""

    partition: str | None = None
    time: str | None = None
    jobs: int | None = None
    gpus: int = 0
    workers: int | None = None
    threads: int = 1
    lanes: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def at_once(self) -> int:
        """Trials that a job trains at the same time, as far as that is known before."""
        return (self.workers or max(1, self.gpus)) * (self.lanes or 1)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What is in the queue for a campaign now, and what of that was submitted just now, if anything was."""

    folder: Path
    submission: Submission | None
    notes: tuple[str, ...] = ()


def submit(
    ablation: Ablation, words: tuple[str, ...], request: Request, *,
    results: Path, folder_name: str | None, root: Path, share: range | None = None,
    progress: Progress | None = None,
) -> Sent:  # fmt: skip
    """Prepares the data here, then submits jobs that run `alexctl` with these words; the words name the same campaign.

    Jobs of the campaign that are in the queue count: only what lacks is submitted, so the same command again submits
    nothing while they are there. Raises UserError for what the cluster doesn't have or doesn't allow.
    """
    cluster.require()
    partition = cluster.chosen(request.partition)
    minutes = _minutes(request.time, partition)
    jobs, notes = _jobs(request, ablation, share)
    known, others = _options(request, partition.name, minutes)
    data = prepare(ablation.base["data"], root, image_size=ablation.image_size, progress=progress)
    folder = results / (folder_name or layout.campaign_name(ablation, data.name))
    slurm_jobs.refuse_name(folder)
    plan.refuse_older(folder)
    files.make_inner(files.make_inner(folder) / layout.SLURM)
    with _locked(slurm_jobs.folder(folder), progress):
        there = _in_the_queue(folder, words)
        are_there = f"{numbers.counted(there, 'job')} of this campaign in the queue already"
        if there >= jobs:
            return Sent(folder=folder, submission=None, notes=(*notes, f"{are_there}; nothing was submitted"))
        notes += [f"{are_there}, and these come on top"] if there else []
        job_id = _submit(folder, words, known, others, jobs - there)
        submission = Submission(
            job_id=job_id, num_jobs=jobs - there, words=words, partition=partition.name, minutes=minutes
        )
        slurm_jobs.add(folder, submission)
    return Sent(folder=folder, submission=submission, notes=tuple(notes))


def _locked(folder: Path, progress: Progress | None) -> FolderLock:
    """The folder of the list of jobs, which a second command must not read while a first one is submitting."""
    try:
        return wait_for_lock(folder, progress or (lambda *_: None), patience=PATIENCE)
    except Locked as locked:
        raise UserError(
            f"another alexctl has been submitting {folder.parent.name} for {numbers.duration(PATIENCE)}, {locked}; end it "
            "if it hangs, then run the same command again", exit_code=1,
        ) from None  # fmt: skip


def job_name(folder: Path) -> str:
    """What a campaign's jobs are called in the queue: the name of a data set may have characters that Slurm takes apart."""
    return f"alexctl-{folder.name.split('@')[0]}"


def queued(folder: Path) -> list[cluster.QueuedJob]:
    """The campaign's jobs in the queue; empty, and Slurm not asked, where nothing was submitted."""
    submissions = slurm_jobs.read(folder)
    return cluster.queue(job_name(folder), [each.job_id for each in submissions]) if submissions else []


def cancel(folder: Path) -> int:
    """Cancels the campaign's jobs, and says how many there were."""
    there = queued(folder)
    if there:
        cluster.cancel([job.job_id for job in there])
    return len(there)


def cancel_campaign(results: Path, name: str) -> tuple[Path, int]:
    """(the campaign's folder, how many jobs were cancelled); UserError where none is in the queue, or of several."""
    cluster.require()
    found = [folder for folder in slurm_jobs.submitted(results, name) if queued(folder)]
    if not found:
        raise UserError(
            f"--cancel: no jobs of {name} in {results} are in the queue; `alexctl status {name}` shows its trials"
        )
    if len(found) > 1:
        names = ", ".join(folder.name for folder in found)
        raise UserError(f"--cancel: jobs of several campaigns are in the queue; say which with --name: {names}")
    return found[0], cancel(found[0])


def _minutes(time: str | None, partition: cluster.Partition) -> int:
    """What a job may run, in minutes; UserError where the partition does not allow it."""
    most = partition.minutes
    if time is None:
        return min(DEFAULT_MINUTES, most or DEFAULT_MINUTES)
    try:
        minutes = cluster.minutes_of(time)
    except ValueError:
        minutes = 0
    if not minutes:
        raise UserError(f"--time {short(time)}: should be minutes, H:MM:SS or D-HH:MM:SS, such as 8:00:00")
    if most is not None and minutes > most:
        raise UserError(
            f"--time {short(time)}: partition {partition.name} allows {numbers.counted(most, 'minute')} at most; a job "
            f"that runs out of time goes on in the next, so --time {most} will do"
        )
    return minutes


def _jobs(request: Request, ablation: Ablation, share: range | None) -> tuple[int, list[str]]:
    """How many jobs, and notes; UserError for more than can be."""
    if ablation.measure.one_machine:
        if (request.jobs or 1) > 1:
            raise UserError(
                f"--jobs {request.jobs}: {ablation.measure.name} is compared within one run on one machine, which is one "
                "job; leave out --jobs"
            )
        return 1, []
    seeds = ablation.plan.studies * max(ablation.plan.looks or (ablation.plan.seeds,)) if share is None else len(share)
    trials = len(ablation.arms) * len(ablation.plan.budgets or (None,)) * seeds
    enough = max(1, -(-trials // request.at_once))
    jobs = request.jobs or min(DEFAULT_JOBS, enough)
    most = cluster.most_in_an_array()
    if jobs > most:
        raise UserError(
            f"--jobs {jobs}: this cluster takes {most} jobs in an array at most; give --jobs {min(most, enough)}"
        )
    if jobs > enough:
        return enough, [f"{numbers.counted(enough, 'job')} instead of {jobs}: there are {trials} trials to report"]
    return jobs, []


def _in_the_queue(folder: Path, words: tuple[str, ...]) -> int:
    """How many of the campaign's jobs are there; UserError where they run another command than these words."""
    every = queued(folder)
    there = {job.job_id.partition("_")[0] for job in every}
    for submission in slurm_jobs.read(folder):
        if submission.job_id in there and submission.words != words:
            raise UserError(
                f"{folder.name}: jobs {submission.job_id} are in the queue for another command, `alexctl "
                f"{short(' '.join(submission.words), 200)}`; give the same options, wait, or cancel them with --on slurm --cancel"
            )
    return len(every)


def _options(request: Request, partition: str, minutes: int) -> tuple[dict, dict]:
    """(options of sbatch that submitit has names for, the others); UserError where sbatch would refuse them."""
    known = {
        "partition": partition, "time": minutes, "nodes": 1, "ntasks_per_node": 1,
        "cpus_per_task": (request.workers or max(1, request.gpus)) * request.threads,
    }  # fmt: skip
    known |= {"gpus_per_node": request.gpus} if request.gpus else {}
    others = {key.replace("-", "_"): value or True for key, value in request.extra.items()}
    if why := cluster.refusal(known | others):
        raise UserError(_refused(why))
    return known, others


def _submit(folder: Path, words: tuple[str, ...], known: dict, others: dict, jobs: int) -> str:
    """The id of the job, or of the array, that sbatch has made of it."""
    import submitit

    notice = min(SIGNAL_SECONDS, 60 * known["time"] // 4)
    executor = submitit.SlurmExecutor(folder=slurm_jobs.folder(folder).resolve(), max_num_timeout=MOST_REQUEUES)
    executor.update_parameters(
        **known,
        job_name=job_name(folder),
        signal_delay_s=notice,
        array_parallelism=jobs,
        additional_parameters={"requeue": True} | others,
    )
    hand = Hand(str(folder.resolve()), words, 0.8 * notice)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # where submitit prints what it then raises
            sent = executor.map_array(hand, range(jobs))
    except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
        raise UserError(_refused(cluster.complaint(str(error)))) from None
    return sent[0].job_id.partition("_")[0]


def _refused(why: str) -> str:
    return (
        f"sbatch refused the jobs: {why}; ask for less with --jobs, --workers, --gpus-per-job or --time, choose another "
        "--partition, or give what it lacks with --sbatch KEY=VALUE"
    )
