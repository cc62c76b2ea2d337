"""`alexctl ablate`: parse, one call of the front door, print."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alexctl import process
from alexctl.cli.gates import gate, refuse_on_smoke
from alexctl.cli.options import (
    DEFAULT_RESULTS,
    FailOnOption,
    JsonOption,
    NameArgument,
    NameOption,
    On,
    Precision,
    PresetOption,
    RequireOption,
    ResultsOption,
    Retry,
    RootOption,
    TierOption,
    asked,
    in_ci,
    in_results,
    on_cluster,
    speed,
)
from alexctl.cli.usage import tell
from alexctl.errors import UserError

if TYPE_CHECKING:
    from alexctl.api import Result
    from alexctl.cli.progress import Screen

EXAMPLES = (
    ("alexctl ablate relu-vs-tanh-demo", "the demo"),
    ("alexctl ablate relu-vs-tanh --until-decided", "as many seeds as it takes"),
    ("alexctl ablate relu-vs-tanh --data shapes", "on images that alexctl draws"),
    ("alexctl ablate ./mine.toml --dry-run", "what would run, and how long"),
    ("alexctl ablate ./mine.toml --smoke", "does it run at all?"),
    ("alexctl ablate lrn --on slurm --gpus-per-job 1 --detach", "on a cluster"),
    ("alexctl ablate lrn --set batch_size=64 --name lrn-64", ""),
)


def ablate(
    ctx: typer.Context,
    name: NameArgument,
    data: Annotated[str | None, asked(metavar="DATA", help="cifar10, mnist, shapes, shapes-grey or imagefolder:PATH.")] = None,
    seeds: Annotated[int | None, asked(metavar="N", help="Reported seeds per arm.")] = None,
    until_decided: Annotated[bool, asked("--until-decided", help="Analyse after 4, 6, 10, 16, 24 seeds and stop once decided; intervals are widened for it.")] = False,
    max_seeds: Annotated[int | None, asked(metavar="N", min=4, max=100, help="With --until-decided: seeds at the last analysis. Default: 24.")] = None,
    studies: Annotated[int | None, asked(metavar="N", min=1, max=100, help="Repeat search and trials so often, each with seeds of its own; the interval then covers the search.")] = None,
    epochs: Annotated[int | None, asked(metavar="N", help="Epochs per trial, at most.")] = None,
    set_: Annotated[list[str] | None, asked("--set", metavar="KEY=VALUE", help="Change a setting of all arms, such as batch_size=64.")] = None,
    preset: PresetOption = None,
    precision: Annotated[Precision, asked(metavar="NAME", help="Of products: float32 is IEEE, tf32 needs a GPU, or bfloat16. auto: bfloat16 if the hardware has it and the reference results found no difference on such a device, else float32.")] = Precision.auto,
    smoke: Annotated[bool, asked("--smoke", help="Smoke test: seconds on embedded data, to see that it runs.")] = False,
    dry_run: Annotated[bool, asked("--dry-run", help="Check it, show what would run and how long it takes here; train nothing.")] = False,
    workers: Annotated[int | None, speed(metavar="N", min=1, max=1024, help="Processes that train; 1 trains in this process. Default: one per core, or per GPU.")] = None,
    threads: Annotated[int, speed(metavar="N", min=1, max=1024, help="Threads per worker.")] = 1,
    lanes: Annotated[int | None, speed(metavar="N", min=1, max=1024, help="Trials each worker trains side by side. Default: as many as fit into a GPU's memory, up to 16; 1 on a CPU.")] = None,
    device: Annotated[str, speed(metavar="NAME", help="auto, cpu, cuda, cuda:N or mps. auto and cuda use all GPUs.")] = "auto",
    devices: Annotated[str | None, speed(metavar="A,B", help="Two devices for each trial: a network in two towers runs as two ranks, one on each. cuda:0,cuda:1 or cpu,cpu.")] = None,
    seed_range: Annotated[str | None, speed("--seed-range", metavar="A-B", help="Run only these of the planned seeds, such as 6-11; others run the rest.")] = None,
    no_wait: Annotated[bool, speed("--no-wait", help="End when other processes on the same folder train all that is left, instead of waiting for them.")] = False,
    on: Annotated[On | None, on_cluster("--on", metavar="slurm", help="Train in jobs of Slurm, which share the trials; needs alexctl[slurm]. Give the same command again to watch them.")] = None,
    partition: Annotated[str | None, on_cluster(metavar="NAME", help="Where the jobs run. Default: the cluster's own.")] = None,
    jobs: Annotated[int | None, on_cluster(metavar="N", min=1, max=100_000, help="Jobs at once; each trains one trial after the other. Default: as many as have work, up to 8.")] = None,
    time: Annotated[str | None, on_cluster(metavar="H:MM:SS", help="Time limit of a job, at which it makes its checkpoints and goes back into the queue. Default: 1:00:00, or the partition's limit.")] = None,
    gpus_per_job: Annotated[int | None, on_cluster("--gpus-per-job", metavar="N", min=1, max=64, help="GPUs of each job, each with as many lanes as fit. Default: none.")] = None,
    sbatch: Annotated[list[str] | None, on_cluster("--sbatch", metavar="KEY=VALUE", help="Another option of sbatch, such as account=vision; may be given again.")] = None,
    detach: Annotated[bool, on_cluster("--detach", help="Submit and return; `alexctl status` shows how far they are.")] = False,
    cancel: Annotated[bool, on_cluster("--cancel", help="Cancel the campaign's jobs; what is done stays.")] = False,
    results: ResultsOption = DEFAULT_RESULTS,
    folder_name: NameOption = None,
    data_root: RootOption = None,
    retry: Annotated[Retry | None, in_results(metavar="failed", help="Run failed trials again.")] = None,
    checkpoint_every: Annotated[float, in_results(min=0.1, max=3600, metavar="SECONDS", help="Time between checkpoints: what a killed trial may lose.")] = 20.0,
    keep_weights: Annotated[bool, in_results("--keep-weights", help="Keep each trial's final weights, as safetensors.")] = False,
    keep_predictions: Annotated[bool, in_results("--keep-predictions", help="Keep each trial's class probabilities for the test images, from which ensembles.csv is made.")] = False,
    json_: JsonOption = False,
    quiet: Annotated[bool, in_results("--quiet", "-q", help="No progress; notes on the results are still printed.")] = False,
    require: RequireOption = None,
    tier: TierOption = None,
    fail_on: FailOnOption = None,
    fail_fast: Annotated[bool, in_ci("--fail-fast", help="Stop at the first trial that fails.")] = False,
) -> None:  # fmt: skip
    """Run an ablation. Run the same command again to resume it."""
    from alexctl import api
    from alexctl.ablation.load import override
    from alexctl.cli import decide, on_slurm, show_ablation, show_results
    from alexctl.cli.console import print_json, say, shown
    from alexctl.cli.progress import Screen

    if tier is not None and require is None:
        raise UserError("--tier: says what --require supported asks for; give both")
    on_slurm.refuse_without(on, {
        "--partition": partition, "--jobs": jobs, "--time": time, "--gpus-per-job": gpus_per_job, "--sbatch": sbatch, "--detach": detach,
        "--cancel": cancel,
    })  # fmt: skip
    refuse_on_smoke(require, fail_on, smoke, "leave out --smoke")
    if seed_range is not None and (require is not None or fail_on):
        raise UserError("--seed-range: a gate judges all seeds; ask `alexctl report` for it, once all are there")
    if no_wait and (require is not None or fail_on):
        raise UserError("--no-wait: a gate judges all trials; leave one of the two out")
    question = {
        "data": data, "smoke": smoke, "seeds": seeds, "studies": studies, "until_decided": until_decided, "max_seeds": max_seeds,
        "epochs": epochs, "precision": None if precision is Precision.auto else precision.value, "preset": preset,
        "knobs": override(set_ or []),
    }  # fmt: skip
    if dry_run:
        show_ablation.ablation(api.asked(name, **question), results, as_json=json_, beside=Path(name).parent)
        if not json_:
            say("Nothing was run. The same command without --dry-run runs it.")
        return
    if on is not None:
        result = on_slurm.run(ctx, question, detach=detach, cancel=cancel)
        if result is None:
            return
    else:
        how = {
            "name": name, "seed_range": seed_range, "results": results, "folder_name": folder_name, "data_root": data_root, "device": device, "devices": devices,
            "workers": workers, "threads": threads, "lanes": lanes, "retry_failed": retry is not None, "fail_fast": fail_fast, "wait": not no_wait,
            "checkpoint_seconds": checkpoint_every, "keep_weights": keep_weights, "keep_predictions": keep_predictions,
        }  # fmt: skip
        result = _here(Screen(quiet=quiet), question | how)
    if json_:
        print_json(result.verdict)
    else:
        show_results.result(result, None if seed_range else decide.command(result, sys.argv[1:]))
    if lost := process.lost_output():  # no fault of the campaign's
        tell(f"can't write to standard output: {lost.strerror}; the verdict is in {shown(result.folder)}")
    if result.failed:
        raise typer.Exit(1)
    gate(require, fail_on, [result.verdict], tier)


def _here(screen: "Screen", how: dict[str, Any]) -> "Result":
    """The campaign run by this process; ends it with 130 where it was stopped, and the second one of torchrun's with 0."""
    from alexctl import api
    from alexctl.cli import show_results

    if os.environ.get("RANK") == "1":
        from alexctl.trials import second_rank

        if second_rank.serve_torchrun(how["data_root"]):
            screen.close()
            process.end(0)
    try:
        return api.ablate(**how, watcher=screen)
    except api.Stopped as stopped:
        screen.close()
        show_results.stopped(stopped.campaign)
        sys.stderr.flush()
        process.end(130)  # everything is written; Python would take a second to put torch away
    finally:
        screen.close()
