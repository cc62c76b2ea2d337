"""`alexctl ablate --on slurm`: what is submitted, what a person sees of it, and what Ctrl-C does."""

import sys
import time
from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from alexctl import numbers, process
from alexctl.cli.options import CLUSTER, On
from alexctl.errors import UserError, short

if TYPE_CHECKING:
    from alexctl.api import Result
    from alexctl.slurm.submit import Sent
    from alexctl.slurm.watch import View
    from alexctl.store.records import TrialRecord

OF_THE_LOGIN = {
    "name", "results", "data_root", "data", "device", "workers", "json_", "quiet", "require", "tier", "fail_on", "dry_run", "no_wait",
}  # fmt: skip
"""Parameters of `ablate` that a job is not given, or not as they were typed."""


def refuse_without(on: On | None, given: Mapping[str, Any]) -> None:
    """UserError where an option of the panel is given, and not what it is for."""
    if on is None and (options := [option for option, value in given.items() if value]):
        raise UserError(f"{options[0]}: is for jobs on a cluster; give --on slurm too")
    if given["--detach"] and given["--cancel"]:
        raise UserError("--cancel: can't be combined with --detach; give one of the two")


def sbatch_options(pairs: list[str] | None) -> dict[str, str]:
    """`["account=vision", "exclusive"]` as options of sbatch; UserError for one that alexctl gives itself."""
    found = {}
    for pair in pairs or ():
        key, _, value = pair.removeprefix("--").partition("=")
        if not key.replace("-", "").replace("_", "").isalnum():
            raise UserError(f"--sbatch {short(pair)}: write KEY=VALUE, such as --sbatch account=vision")
        if own := OWN_OPTIONS.get(key.replace("_", "-")):
            raise UserError(f"--sbatch {short(pair)}: {own}")
        found[key] = value
    return found


OWN_OPTIONS = {
    "partition": "give it as --partition", "time": "give it as --time", "array": "give the number of jobs as --jobs",
    "signal": "alexctl needs the signal for its checkpoints; leave it out",
    "job-name": "alexctl finds its jobs by their name; leave it out",
    "requeue": "jobs are requeued anyway; leave it out", "no-requeue": "jobs have to be requeued to go on; leave it out",
    "gpus-per-node": "give it as --gpus-per-job",
}  # fmt: skip


def words_of(ctx: typer.Context, results: Path, root: Path, *, gpus: int) -> tuple[str, ...]:
    """The command of a job, after `alexctl`: what was asked here, with paths that hold on every node."""
    given = ctx.params
    name = str(given["name"])
    words = ["ablate", _absolute_file(name), f"--results={results.absolute()}", f"--data-root={root.absolute()}"]
    if data := given["data"]:
        kind, colon, path = data.partition(":")
        words.append(f"--data={kind}:{Path(path).expanduser().absolute()}" if colon else f"--data={data}")
    device = given["device"] if given["device"] != "auto" else ("cuda" if gpus else "cpu")
    words.append(f"--device={device}")
    if workers := given["workers"] or (None if gpus else 1):
        words.append(f"--workers={workers}")
    for param in ctx.command.params:
        value = given.get(param.name)
        if param.name in OF_THE_LOGIN or getattr(param, "rich_help_panel", None) == CLUSTER:
            continue
        if value in (None, False, []) or value == param.default:
            continue
        option = max(param.opts, key=len)
        values = value if isinstance(value, Collection) and not isinstance(value, str) else [value]
        words += [option if each is True else f"{option}={_text(each)}" for each in values]
    return (*words, "--no-wait")  # a job that waits for another holds what nobody uses


def _absolute_file(name: str) -> str:
    from alexctl.ablation.load import shipped
    from alexctl.ablation.model import current_name

    return name if current_name(name) in shipped() else str(Path(name).absolute())


def _text(value: Any) -> str:
    return str(value.value) if isinstance(value, Enum) else str(value)


class Screen:
    """What is shown of jobs under way: a live view on a terminal, a line an event elsewhere. All of it on stderr."""

    def __init__(self, *, quiet: bool):
        from alexctl.cli.console import new_console

        self.console = new_console(stderr=True, quiet=quiet)
        self.live: Any = None
        self.jobs = ""
        self.began = time.monotonic()

    def look(self, view: "View") -> None:
        """The campaign as it stands."""
        from rich.console import Group
        from rich.live import Live
        from rich.text import Text

        from alexctl.cli.show_status import group_of

        if self.console.is_terminal:
            if self.live is None:
                self.live = Live(console=self.console, refresh_per_second=1, transient=True)
                self.live.start()
            foot = Text("Ctrl-C stops watching, and asks what becomes of the jobs", style="dim")
            self.live.update(Group(group_of(view, self.console, watched=True), foot))
        elif (words := view.jobs_words()) != self.jobs:
            self.jobs = words
            self._event(f"jobs: {words}")

    def ended(self, record: "TrialRecord") -> None:
        """A trial came to an end."""
        from alexctl.cli.console import plain

        if self.console.is_terminal and not record.failed and record.state != "diverged":
            return
        what = f"search lr {record.setting['lr']:g}" if record.phase == "search" else f"seed {record.seed}"
        state = "compared" if record.state == "stopped" else record.state
        why = f": {record.status['error']}" if record.status.get("error") else ""
        row = record.rows[-1] if record.rows else None
        where = f" at epoch {row['epoch']:.2f}, training error {row['train_error']:.1%}" if row else ""
        self._event(plain(f"{record.arm} {what}  {state}{where}{why}"))

    def _event(self, line: str) -> None:
        self.console.print(f"{numbers.elapsed(time.monotonic() - self.began)}  {line}")

    def close(self) -> None:
        """Ends the live view."""
        if self.live is not None:
            self.live.stop()
            self.live = None


def tell_sent(sent: "Sent", *, quiet: bool) -> None:
    """What was submitted, on stderr."""
    from alexctl.cli.console import new_console, note, plain, shown

    for line in sent.notes:
        note(line, stderr=True)
    if sent.submission is not None:
        submission = sent.submission
        jobs = f"{numbers.counted(submission.num_jobs, 'job')} submitted to partition {submission.partition}"
        new_console(stderr=True, quiet=quiet).print(
            plain(
                f"{jobs}, as {submission.job_id}, {numbers.elapsed(60 * submission.minutes)} each; "
                f"logs: {shown(sent.folder)}/slurm/"
            )
        )


def again(sent: "Sent") -> str:
    """The command that shows how far it is."""
    import shlex

    from alexctl.cli.console import shown

    elsewhere = f" --results {shlex.quote(shown(sent.folder.parent))}" * (sent.folder.parent != Path("results"))
    return f"alexctl status {shlex.quote(sent.folder.name)}{elsewhere}"


def watched(sent: "Sent", *, quiet: bool) -> None:
    """Watches until all is over; ends the process with 130 where that was interrupted, which asks about the jobs."""
    from alexctl.cli.console import say
    from alexctl.slurm import submit, watch

    screen = Screen(quiet=quiet)
    try:
        watch.watch(sent.folder, screen)
    except process.Interrupt:
        screen.close()
        if _wants_to_cancel():
            count = submit.cancel(sent.folder)
            say(
                f"{numbers.counted(count, 'job')} cancelled; what is done stays, and the same command goes on from there."
            )
        else:
            say(f"The jobs go on. To see how far they are: {again(sent)}")
        sys.stdout.flush()
        process.end(130)
    finally:
        screen.close()


def _wants_to_cancel() -> bool:
    """What the person at the terminal says; without one, or with no answer, the jobs go on."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    try:
        answer = typer.prompt(
            "Leave the jobs running, or cancel them? [leave/cancel]", default="leave", show_default=False, err=True
        )
    except (KeyboardInterrupt, typer.Abort):
        return False
    return answer.strip().lower().startswith("c")


def run(ctx: typer.Context, question: dict[str, Any], *, detach: bool, cancel: bool) -> "Result | None":
    """Submits what lacks and watches it to its end; None where the jobs are left, or cancelled, at once."""
    from alexctl import api
    from alexctl.ablation.load import share_wanted
    from alexctl.cli import progress
    from alexctl.cli.console import print_json, say
    from alexctl.slurm import submit

    given = ctx.params
    results, name, quiet = given["results"], str(given["name"]), given["quiet"]
    if cancel:
        folder, count = submit.cancel_campaign(results, given["folder_name"] or Path(name).stem)
        say(f"{numbers.counted(count, 'job')} of {folder.name} cancelled; what is done stays.")
        return None
    request = submit.Request(
        partition=given["partition"], time=given["time"], jobs=given["jobs"], gpus=given["gpus_per_job"] or 0,
        workers=given["workers"], threads=given["threads"], lanes=given["lanes"], extra=sbatch_options(given["sbatch"]),
    )  # fmt: skip
    ablation = api.asked(name, **question, run_code=True)
    share = share_wanted(given["seed_range"], ablation.plan) if given["seed_range"] else None
    from alexctl.data.sources import data_root

    root = data_root(given["data_root"])
    sent = submit.submit(
        ablation, words_of(ctx, results, root, gpus=request.gpus), request,
        results=results, folder_name=given["folder_name"], root=root, share=share,
        progress=progress.Screen(quiet=quiet).preparing,
    )  # fmt: skip
    tell_sent(sent, quiet=quiet)
    if detach:
        if given["json_"]:
            print_json({"folder": str(sent.folder), "job": sent.submission and sent.submission.job_id})
        else:
            say(f"To see how far they are: {again(sent)}")
        return None
    watched(sent, quiet=quiet)
    from alexctl.report.rebuild import rebuild_all

    rebuild_all(sent.folder, sent.folder.name, problems=[])  # where the last job was ended before it had written all
    return api.load_results(sent.folder)[sent.folder.name]
