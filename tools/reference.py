"""`python -m tools.reference`: runs what results/reference lacks, in order, and writes anew what is made of it.

Says first how long each run takes on this machine. Stopped at any moment, the same command goes on; so it does with
trials that another machine has begun. Campaigns multiply in float32, or as their plan says.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from alexctl import api, numbers, process
from alexctl.ablation.load import load
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.reference_runs import RUNS, ReferenceRun, campaign_of, is_finished
from alexctl.cli import show_results
from alexctl.cli.console import new_console, plain, table
from alexctl.cli.progress import Screen
from alexctl.errors import UserError, nearest
from alexctl.store import layout
from alexctl.store.environment import device_name
from alexctl.timing.costs import costs
from alexctl.timing.estimates import remaining_work, wall_seconds
from alexctl.training.device import choose_device
from tools import derived
from tools.published_files import refused

REFERENCE = derived.TOP / layout.REFERENCE


@dataclass(frozen=True, kw_only=True)
class Line:
    """What is known of a run before it starts; `epochs` and `seconds` are what is left of it, None where nobody knows."""

    run: ReferenceRun
    state: str  # done, begun, not run, or what hinders it
    epochs: float | None = None
    seconds: float | None = None
    at_most: bool = False


def look_at(run: ReferenceRun, results: Path) -> Line:
    """How far a run is, and what is left of it here, for which a few steps of each arm are timed."""
    if is_finished(run, results):
        return Line(run=run, state="done")
    try:
        campaign = campaign_of(run, results)
    except UserError as error:
        return Line(run=run, state=error.faults[0])
    found = costs(load(run.name, overrides=run.knobs), results)
    if problems := [cost.problem for cost in found if cost.problem]:
        return Line(run=run, state=problems[0])
    pace = {cost.arm: cost.work.total / cost.planned.total for cost in found}  # seconds an epoch
    works = {cost.arm: cost.work for cost in found}
    if campaign is not None:
        works = dict(zip(campaign.ablation.arms, remaining_work(campaign, pace), strict=True))
    return Line(
        run=run, state="not run" if campaign is None else begun(campaign), at_most=any(cost.at_most for cost in found),
        epochs=sum(work.total / pace[arm] for arm, work in works.items()), seconds=wall_seconds(works.values(), found[0].workers),
    )  # fmt: skip


def begun(campaign: Campaign) -> str:
    """'3 of 12 reported trials', and how many failed."""
    done = sum(record.finished for record in campaign.counted() if record.phase == "final")
    failed = len(campaign.failed())
    return f"{done} of {campaign.num_reported} reported trials" + f", {failed} failed" * bool(failed)


def show(lines: list[Line], device: str) -> None:
    """The plan: every run in order, what is left of it, and how long that takes here."""
    table([
        {
            "run": line.run.campaign, "state": line.state,
            "epochs": "-" if line.epochs is None else f"{line.epochs:,.0f}",
            "time here": "-" if line.seconds is None else "at most " * line.at_most + numbers.duration(line.seconds),
            "what for": line.run.why + "; too slow here, left out unless named" * (line.state != "done" and device not in line.run.devices),
        }
        for line in lines
    ], numbers=("epochs",))  # fmt: skip


def chosen(names: list[str]) -> list[ReferenceRun]:
    """The runs of these names, in order; all where none is given. UserError names one that there is not."""
    known = {run.campaign: run for run in RUNS}
    if unknown := [name for name in names if name not in known]:
        raise UserError(*(f"no reference run '{name}', {nearest(name, known)}" for name in unknown))
    return [run for run in RUNS if not names or run.campaign in names]


def go(run: ReferenceRun, options: argparse.Namespace) -> bool:
    """Runs one to its end, and says whether every trial came to its own."""
    planned = (options.results / run.campaign / layout.PLAN).is_file()  # then it keeps to its plan's precision
    screen = Screen()
    try:
        result = api.ablate(
            run.name, knobs=run.knobs, folder_name=run.folder or None, precision=None if planned else run.precision,
            results=options.results, data_root=options.data_root, device=options.device, workers=options.workers,
            lanes=options.lanes, retry_failed=options.retry_failed, watcher=screen,
        )  # fmt: skip
    finally:
        screen.close()
    show_results.result(result)
    return not result.failed


def parsed(words: list[str] | None) -> argparse.Namespace:
    """The options; `make reference ARGS=...` passes them on."""
    parser = argparse.ArgumentParser(prog="python -m tools.reference", description=(__doc__ or "").partition(": ")[2])
    add = parser.add_argument
    add("names", nargs="*", metavar="RUN", help="only these, also where they are too slow to be run unasked")
    add("--dry-run", action="store_true", help="say how long each takes and run nothing")
    add("--data-root", type=Path, help="folder of the data sets (else $ALEXCTL_DATA, else the user's cache)")
    add(
        "--results",
        type=Path,
        default=REFERENCE,
        help="another folder than results/reference, of which no docs are made",
    )
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("--workers", type=int, help="processes that train")
    add("--lanes", type=int, help="trials that each trains side by side")
    add("--retry-failed", action="store_true", help="run failed trials again")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """What the module's head says; returns the exit code: 0 done, 1 something failed, 2 bad usage, 130 stopped."""
    options, console = parsed(words), new_console(stderr=True)
    try:
        runs, device = chosen(options.names), choose_device(options.device)
        console.print(f"timing a few steps of each arm on {plain(device_name(device))}")
        lines = [look_at(run, options.results) for run in runs]
        show(lines, device.type)
    except UserError as error:
        console.print(plain(error))
        return error.exit_code
    if options.dry_run:
        return 0
    faults = []
    for line in lines:
        if line.state == "done" or not (options.names or device.type in line.run.devices):
            continue
        console.print(f"\n[bold]{plain(line.run.campaign)}[/]: {plain(line.run.why)}")
        try:
            if not go(line.run, options):
                faults.append(f"{line.run.campaign}: trials failed; --retry-failed runs them again")
        except api.Stopped as stopped:
            show_results.stopped(stopped.campaign)
            process.end(130)
        except UserError as error:  # the others go on
            faults += [f"{line.run.campaign}: {fault}" for fault in error.faults]
    faults += [f"{path}: weights and predictions are not published; remove it" for path in refused(options.results)]
    if options.results == REFERENCE:
        derived.main()
    for fault in faults:
        console.print(f"[red]{plain(fault)}[/]")
    return 1 if faults else 0


if __name__ == "__main__":
    process.open_streams()
    process.on_stop(process.raise_interrupt)
    try:
        code = main()
    except KeyboardInterrupt:
        code = 130
    raise SystemExit(code)
