"""What a person sees of a running campaign: a live view on a terminal, a line an event elsewhere. All of it on stderr."""

import time
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from alexctl import numbers
from alexctl.ablation.toml import key_values
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.crew import Crew
from alexctl.campaign.job import Job
from alexctl.cli.console import new_console, plain, rich_table
from alexctl.cli.show_ablation import seeds_words
from alexctl.timing.estimates import is_known, remaining_work, wall_seconds

HEARTBEAT_SECONDS = 60.0
WOBBLE = 0.1  # an estimate of the whole that grows by less than this is noise, and the one before stands


class Screen:
    """Hears what `run.run` tells and shows it; `close()` leaves the terminal as it was."""

    def __init__(self, *, quiet: bool = False):
        self.console = new_console(stderr=True, quiet=quiet)
        self.told = new_console(stderr=True)  # what changes how results are to be read is no progress
        self.live: Live | None = None
        self.rows: dict[str, dict[str, Any]] = {}
        self.first: dict[str, tuple[float, float]] = {}  # when a running trial's first row came, and its epoch
        self.began = self.spoke = time.monotonic()
        self.end: float | None = None  # when it was last expected to be over
        self.last_shown = 0.0
        self.seconds: dict[str, float] = {}
        self.workers = 1
        self.shown_preparing = ""
        self.look = 0

    def preparing(self, what: str, done: int, total: int) -> None:
        """Data being decoded or drawn."""
        if self.console.is_terminal:
            end = "\n" if done >= total else "\r"
            self.console.print(f"{plain(what)}: {done:,} of {total:,}", end=end)
        elif what != self.shown_preparing:
            self.shown_preparing = what
            self.console.print(f"{plain(what)} ({total:,})")

    def planned(self, campaign: Campaign, seconds: dict[str, float], crew: Crew, notes: list[str]) -> None:
        """The plan, before anything runs."""
        self.seconds, self.workers = seconds, crew.at_once
        ablation = campaign.ablation
        for line in (f"[bold]{plain(ablation.title)}[/] on {plain(campaign.data_name)}", plain(ablation.claim)):
            self.console.print(line)
        rows = []
        for arm, knobs in ablation.arms.items():
            rows.append({
                "arm": arm + (" (control)" if arm in ablation.controls.values() else ""),
                "differs in": key_values(knobs),
                "learning rate": "searched" if arm in ablation.searched else f"{campaign.rate(arm):g}",
                "seeds": seeds_words(ablation.plan),
                "one epoch takes": numbers.duration(seconds[arm], ".1f") if seconds else "-",
            })  # fmt: skip
        self.console.print(rich_table(rows, self.console))
        done = sum(record.finished for record in campaign.counted() if record.phase == "final")
        total = campaign.num_reported
        self.look = campaign.num_seeds
        already = f", {done} of them done already" if done else ""
        first = f" by the look at n = {self.look}" * bool(ablation.plan.looks)
        whose = f", of which {numbers.seeds(campaign.share)} here" if campaign.share else ""
        self.console.print(f"{total} trials to report{first}{whose}{already}, on {crew}: {self.estimate(campaign)}")
        for note in notes:
            self.noted(note)
        if self.console.is_terminal:
            self.live = Live(console=self.console, refresh_per_second=4, transient=True)
            self.live.start()

    def noted(self, line: str) -> None:
        """What a person should know of the results."""
        self.told.print(f"[yellow]note:[/] {plain(line)}")

    def estimate(self, campaign: Campaign) -> str:
        """How long what is left will take; it grows only where the machine, or the trials, have become a tenth slower."""
        if not self.seconds:
            return "nothing left to run"
        now = time.monotonic()
        end = now + wall_seconds(remaining_work(campaign, self.seconds), self.workers)
        later = None if self.end is None else end - self.end
        if later is None or later <= 0 or later > WOBBLE * (end - self.began):
            self.end = end
        left = numbers.duration(max(1.0, self.end - now))
        if all(is_known(campaign, arm) for arm in campaign.ablation.arms):
            return f"about {left}"
        return f"at most {left}; a trial ends when it meets its target"

    def _clock(self) -> str:
        return numbers.elapsed(time.monotonic() - self.began)

    def started(self, job: Job) -> None:
        """A worker took a trial."""

    def row(self, job: Job, row: dict[str, Any]) -> None:
        """A running trial measured something; from the second epoch on its speed replaces the probe's."""
        self.rows[job.name] = row
        now = time.monotonic()
        since, epoch = self.first.setdefault(job.name, (now, row["epoch"]))
        if row["epoch"] - epoch >= 1 and job.arm in self.seconds:
            self.seconds[job.arm] = (now - since) / (row["epoch"] - epoch)

    def silent(self, job: Job, pid: int) -> None:
        """A worker has given no sign of life for a while, as one that was stopped."""
        self._event(f"{_label(job)}  no sign of life from its worker, process {pid}; is it stopped?")

    def given_up(self, job: Job, why: str) -> None:
        """A silent worker was killed for its trial to go on."""
        self._event(f"{_label(job)}  {why}; the trial goes on in another")

    def taken(self, job: Job, source: str) -> None:
        """A trial that another ablation has done was copied."""
        self._event(f"{_label(job)}  taken from {plain(source)}, which has done it")

    def waiting(self, num_trials: int) -> None:
        """All that is left, other processes are at."""
        what = "1 trial is" if num_trials == 1 else f"{num_trials:,} trials are"
        self._event(
            f"{what} left for now, with other processes on this folder; waiting, and taking over any whose process dies"
        )

    def ended(self, job: Job, state: str, error: str | None) -> None:
        """A trial came to an end, or to the rung where the search paused it."""
        row = self.rows.pop(job.name, None)
        self.first.pop(job.name, None)
        where = f"epoch {row['epoch']:.2f}, training error {row['train_error']:.1%}" if row else "epoch 0"
        mark = {
            "failed": "[red]failed[/]",
            "diverged": "[yellow]diverged[/]",
            "paused": "[dim]compared[/]",
            "done": "[green]done[/]",
        }.get(state, state)
        why = f": {plain(error)}" if error else ""
        if not self.console.is_terminal or state in ("failed", "diverged"):
            self._event(f"{_label(job)}  {mark} at {where}{why}")

    def _event(self, line: str) -> None:
        self.spoke = time.monotonic()
        self.console.print(f"{self._clock()}  {line}")

    def tick(self, campaign: Campaign, running: list[Job]) -> None:
        """A moment passed."""
        now = time.monotonic()
        if campaign.num_seeds != self.look:
            self._event(f"undecided at n = {self.look}; on to the look at n = {campaign.num_seeds}")
            self.look = campaign.num_seeds
        if self.live is not None:
            if now - self.last_shown > 0.5:
                self.last_shown = now
                self.live.update(self._view(campaign, running))
        elif now - self.spoke > HEARTBEAT_SECONDS:
            places = "; ".join(
                f"{_label(job)} epoch {self.rows[job.name]['epoch']:.1f} at {self.rows[job.name]['train_error']:.1%}"
                for job in running
                if job.name in self.rows
            )
            self._event(f"running: {places or 'starting'}" if running else "waiting for other processes")

    def close(self) -> None:
        """Ends the live view."""
        if self.live is not None:
            self.live.stop()
            self.live = None

    def _view(self, campaign: Campaign, running: list[Job]) -> Group:
        table = Table.grid(padding=(0, 2, 0, 0))
        for job in running:
            row = self.rows.get(job.name)
            total = job.until or job.setting.training.epochs
            at = row["epoch"] if row else 0.0
            error = f"training error {row['train_error']:.1%}" if row else "starting"
            table.add_row(_label(job), ProgressBar(total=total, completed=at, width=24), f"epoch {at:.2f}", error)
        if not running:
            table.add_row("waiting for other processes on this folder")
        final = [r for r in campaign.counted() if r.phase == "final" and r.finished]
        searching = [arm for arm in campaign.ablation.searched if campaign.rate(arm) is None]
        parts = [f"{len(final)} of {campaign.num_reported} reported trials done"]
        if searching:
            parts.append("searching the learning rate of " + " and ".join(searching))
        parts.append(f"{self._clock()} gone, to go: {self.estimate(campaign)}")
        return Group(
            table,
            Text(" · ".join(parts), style="dim"),
            Text("Ctrl-C stops; run the same command again to resume", style="dim"),
        )


def _label(job: Job) -> str:
    beside = f", {plain(job.beside)}" if job.beside else ""
    what = f"search lr {job.setting.training.lr:g}{beside}" if job.phase == "search" else f"seed {job.seed}"
    return plain(f"{job.arm} {what}")
