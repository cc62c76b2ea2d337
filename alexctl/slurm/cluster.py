"""What Slurm's own commands say of a cluster and its queue, and how jobs are cancelled."""

import re
import shutil
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from alexctl.errors import UserError, nearest, short

COMMANDS = ("sbatch", "srun", "squeue", "sinfo", "scontrol", "scancel")
SECONDS = 60  # that a command of Slurm's may take
TRIES = 3  # of a question to a controller that is busy


@dataclass(frozen=True, kw_only=True)
class Partition:
    """What jobs may be sent to."""

    name: str
    minutes: int | None  # that a job may run; None: any number
    is_default: bool
    is_up: bool


@dataclass(frozen=True, kw_only=True)
class QueuedJob:
    """A job as `squeue` shows it; `state` is PENDING, RUNNING, COMPLETING and so on, `reason` why it waits."""

    job_id: str
    state: str
    reason: str


def require() -> None:
    """UserError where submitit or Slurm's commands are missing."""
    if find_spec("submitit") is None:
        raise UserError("--on slurm: needs submitit, which is not installed; pip install 'alexctl[slurm]'")
    for command in COMMANDS:
        if shutil.which(command) is None:
            raise UserError(
                f"--on slurm: no `{command}` on the path; run this on a login node of the cluster, or leave out --on to run here"
            )


def ask(*words: str) -> str:
    """What a command of Slurm's prints; UserError with its last words where it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise UserError(
            f"`{words[0]}` gave no answer in {SECONDS} s; is the cluster up? Try again", exit_code=1
        ) from None
    except OSError as error:
        raise UserError(f"`{words[0]}` can't be run: {error.strerror}; is this a login node of the cluster?") from None
    if done.returncode:
        raise UserError(f"`{words[0]}` failed: {complaint(done.stderr)}; is the cluster up? Try again", exit_code=1)
    return done.stdout


def complaint(text: str) -> str:
    """The last line of what a command of Slurm's says went wrong, without its own name."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("Try ")]
    last = (
        re.sub(r"^(\w+: )?(error: )?((allocation failure|Batch job submission failed): )?", "", lines[-1].strip())
        if lines
        else ""
    )
    return short(last or "it does not say why", 200)


def partitions() -> dict[str, Partition]:
    """All that this user is shown, by name."""
    found = {}
    for line in ask("sinfo", "-h", "-o", "%R|%l|%a|%P").splitlines():
        name, limit, available, marked = line.split("|")
        found[name] = Partition(
            name=name, minutes=minutes_of(limit), is_default=marked.endswith("*"), is_up=available == "up"
        )
    return found


def chosen(name: str | None) -> Partition:
    """The partition of that name, or the default one; UserError where there is none, or it takes no jobs."""
    known = partitions()
    if name is None:
        default = next((each for each in known.values() if each.is_default), None)
        if default is None:
            raise UserError(f"--partition: this cluster has no default partition, {nearest('', known)}")
        return default
    if name not in known:
        raise UserError(f"--partition {short(name)}: no such partition, {nearest(name, known)}")
    if not known[name].is_up:
        up = nearest("", [each.name for each in known.values() if each.is_up])
        raise UserError(f"--partition {name}: it is down and takes no jobs, {up}")
    return known[name]


def most_in_an_array() -> int:
    """How many jobs an array may have here."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", ask("scontrol", "show", "config"), re.MULTILINE)
    return int(found[1]) if found else 1001  # Slurm's default


def refusal(options: Mapping[str, str | int | bool]) -> str | None:
    """Why sbatch would not take a job with these options, in its own words; None where it would."""
    words = [f"--{key.replace('_', '-')}" + ("" if value is True else f"={value}") for key, value in options.items()]
    try:
        done = subprocess.run(
            ["sbatch", "--test-only", *words, "--wrap", "true"], capture_output=True, text=True, errors="replace", timeout=SECONDS
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None  # the submission itself will say
    return complaint(done.stderr) if done.returncode else None


def minutes_of(text: str) -> int | None:
    """Minutes of a time as Slurm writes it (30, 30:00, 1:30:00, 2-12, 2-12:00, 2-12:00:00), rounded up; None: no limit.

    ValueError where it is no such time.
    """
    if text.lower() in ("infinite", "unlimited", "n/a"):
        return None
    days, dash, clock = text.rpartition("-")
    parts = clock.split(":")
    if not all(re.fullmatch(r"[0-9]{1,7}", part) for part in (*parts, *([days] if dash else ()))) or len(parts) > 3:
        raise ValueError(text)
    numbers = [int(part) for part in parts]
    if dash:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, (minutes, seconds) = 0, (*numbers, 0)[:2]
    return (int(days) * 24 * 60 if dash else 0) + hours * 60 + minutes + -(-seconds // 60)


def queue(name: str, ids: Collection[str]) -> list[QueuedJob]:
    """Which jobs of that name, of these arrays, are in the queue, whoever submitted them: waiting, running or ending."""
    mine, found = set(ids), []
    words = ("squeue", "-h", "-r", "-n", name, "-o", "%i|%T|%r")
    for line in _asked_again(*words).splitlines():
        job_id, state, reason = line.strip().split("|", 2)
        if job_id.partition("_")[0] in mine:
            found.append(QueuedJob(job_id=job_id, state=state, reason=reason))
    return found


def _asked_again(*words: str) -> str:
    """As `ask`, once more where a busy controller did not answer."""
    for _ in range(TRIES - 1):
        try:
            return ask(*words)
        except UserError:
            continue
    return ask(*words)


def state_of(job_id: str) -> str | None:
    """RUNNING, COMPLETING, ...: the state of one job; None where Slurm knows it no more."""
    try:
        said = ask("squeue", "-h", "-j", job_id, "-o", "%T").split()
    except UserError:
        return None
    return said[0] if said else None


def requeue(job_id: str) -> None:
    """Has Slurm end a running job and queue it again."""
    ask("scontrol", "requeue", job_id)


def cancel(ids: Collection[str]) -> None:
    """Ends jobs, and takes those that wait out of the queue."""
    ask("scancel", *ids)
