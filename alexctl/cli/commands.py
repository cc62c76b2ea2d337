"""The face: parse, one library call, print. No logic, and nothing heavy imported before it is needed."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from alexctl import process
from alexctl.cli.data import data_app
from alexctl.cli.options import (
    DEFAULT_RESULTS,
    FailOn,
    FailOnOption,
    Format,
    JsonOption,
    NameArgument,
    NameOption,
    Precision,
    PresetOption,
    Require,
    RequireOption,
    ResultsOption,
    Retry,
    RootOption,
    Scale,
    SvgOption,
    Tier,
    TierOption,
    complete_ablation,
    complete_net,
)
from alexctl.cli.usage import Commands, tell
from alexctl.errors import UserError, printable

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich's own would take half a second to import
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Puts architectural claims to the test: trains every arm fairly, with several seeds, "
    "and says with an interval whether the claim holds.",
)
app.add_typer(data_app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        from alexctl.cli.packages import versions

        typer.echo(versions())
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print versions.")
    ] = False,
) -> None:
    pass


@app.command()
def ablate(
    name: NameArgument,
    data: Annotated[str | None, typer.Option(help="cifar10, mnist, shapes, shapes-grey or imagefolder:PATH.")] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="Smoke test: seconds on embedded data, to see that it runs.")] = False,
    seeds: Annotated[int | None, typer.Option(help="Reported seeds per arm.")] = None,
    studies: Annotated[int | None, typer.Option(min=1, max=100, help="Repeat search and trials so often, each with seeds of its own; the interval then covers the search.")] = None,
    until_decided: Annotated[bool, typer.Option("--until-decided", help="Analyse after 4, 6, 10, 16, 24 seeds and stop once decided; intervals are widened for it.")] = False,
    max_seeds: Annotated[int | None, typer.Option(min=4, max=100, help="With --until-decided: seeds at the last analysis. Default: 24.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs per trial, at most.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of all arms, such as batch_size=64.")] = None,
    preset: PresetOption = None,
    workers: Annotated[int | None, typer.Option(min=1, max=1024, help="Processes that train; 1 trains in this process. Default: one per core, or per GPU.")] = None,
    threads: Annotated[int, typer.Option(min=1, max=1024, help="Threads per worker.")] = 1,
    precision: Annotated[Precision, typer.Option(help="Of products: float32 is IEEE, tf32 needs a GPU. auto: bfloat16 if the hardware has it and the reference results found no difference on such a device, else float32.")] = Precision.auto,
    lanes: Annotated[int | None, typer.Option(min=1, max=1024, help="Trials each worker trains side by side. Default: as many as fit into a GPU's memory, up to 16; 1 on a CPU.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps. auto and cuda use all GPUs.")] = "auto",
    retry: Annotated[Retry | None, typer.Option(help="Run failed trials again.")] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first trial that fails.")] = False,
    checkpoint_every: Annotated[float, typer.Option(min=0.1, max=3600, metavar="SECONDS", help="Time between checkpoints: what a killed trial may lose.")] = 20.0,
    keep_weights: Annotated[bool, typer.Option("--keep-weights", help="Keep each trial's final weights, as safetensors.")] = False,
    keep_predictions: Annotated[bool, typer.Option("--keep-predictions", help="Keep each trial's class probabilities for the test images, from which ensembles.csv is made.")] = False,
    require: RequireOption = None,
    tier: TierOption = None,
    fail_on: FailOnOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    folder_name: NameOption = None,
    data_root: RootOption = None,
    json_: JsonOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; notes on the results are still printed.")] = False,
) -> None:  # fmt: skip
    """Run an ablation. Run the same command again to resume it."""
    from alexctl import api
    from alexctl.ablation.load import override
    from alexctl.cli import show_results
    from alexctl.cli.console import print_json, shown
    from alexctl.cli.progress import Screen

    if tier is not None and require is None:
        raise UserError("--tier: says what --require supported asks for; give both")
    _refuse_gate_on_smoke(require, fail_on, smoke, "leave out --smoke")
    screen = Screen(quiet=quiet)
    try:
        result = api.ablate(
            name, data=data, smoke=smoke, seeds=seeds, studies=studies, until_decided=until_decided, max_seeds=max_seeds,
            epochs=epochs, precision=None if precision is Precision.auto else precision.value, preset=preset, knobs=override(set_ or []),
            results=results, folder_name=folder_name, data_root=data_root, device=device, workers=workers,
            threads=threads, lanes=lanes, retry_failed=retry is not None, fail_fast=fail_fast,
            checkpoint_seconds=checkpoint_every, keep_weights=keep_weights, keep_predictions=keep_predictions, watcher=screen,
        )  # fmt: skip
    except api.Stopped as stopped:
        screen.close()
        show_results.stopped(stopped.campaign)
        sys.stderr.flush()
        process.end(130)  # everything is written; Python would take a second to put torch away
    finally:
        screen.close()
    if json_:
        print_json(result.verdict)
    else:
        show_results.result(result)
    if lost := process.lost_output():  # no fault of the campaign's
        tell(f"can't write to standard output: {lost.strerror}; the verdict is in {shown(result.folder)}")
    if result.failed:
        raise typer.Exit(1)
    _gate(require, fail_on, [result.verdict], tier)


@app.command("list")
def list_(results: ResultsOption = DEFAULT_RESULTS, json_: JsonOption = False) -> None:
    """List all ablations, their claims, and their state in results/."""
    from alexctl.cli import show_ablation

    show_ablation.ablations(results, as_json=json_)


@app.command("show")
def show_(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="An ablation's name, or the path of a .toml file.", autocompletion=complete_ablation)] = None,
    net: Annotated[str | None, typer.Option(metavar="NET", help="A net instead of an ablation: its layers.", autocompletion=complete_net)] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a knob of the base, or of the net.")] = None,
    preset: PresetOption = None,
    image: Annotated[int | None, typer.Option(min=1, max=4096, metavar="SIZE", help="With --net: side of the images in pixels.")] = None,
    svg: SvgOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    json_: JsonOption = False,
) -> None:  # fmt: skip
    """Show what an ablation compares and costs; with --net, the layers of a net."""
    from alexctl.ablation.load import load, load_net, override
    from alexctl.cli import show_ablation

    if (name is None) == (net is None):
        raise UserError(
            "show one thing: an ablation, `alexctl show relu-vs-tanh`, or a net, `alexctl show --net alexnet`"
        )
    if net is None:
        if image or svg:
            raise UserError(f"--{'image' if image else 'svg'} is about a net; give it with --net NET")
        show_ablation.ablation(load(name, overrides=override(set_ or []), preset=preset), results, as_json=json_)
        return
    knobs = load_net(net, override(set_ or []), preset)
    from alexctl.cli import show_net
    from alexctl.cli.show_net import draw
    from alexctl.nets.description import describe

    to_stdout = str(svg) == "-"
    if to_stdout and json_:
        raise UserError("--svg - and --json both print to standard output; give --svg a file")
    described = describe(net, knobs, image)
    if svg:
        draw(described, svg)
    if to_stdout:
        return
    show_net.net(described, svg, as_json=json_)


@app.command()
def report(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this ablation.")] = None,
    require: RequireOption = None,
    tier: TierOption = None,
    fail_on: FailOnOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    format_: Annotated[Format | None, typer.Option("--format", help="html writes the page; md, tex and json print a table.")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    reference: Annotated[bool, typer.Option("--reference", help="Show the results that come with alexctl.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:  # fmt: skip
    """Rebuild CSVs and figures, print a table of verdicts, and write the report page."""
    from alexctl import api
    from alexctl.cli import show_ablation, show_results
    from alexctl.cli.console import note

    kind = format_ or (Format.json if json_ else Format.html)
    if open_ and kind != "html":
        raise UserError(f"--open is for the page, and --format {kind} writes none; leave one of the two out")
    problems: list[str] = []
    if reference:
        verdicts = api.reference_verdicts(name)
    else:
        show_ablation.left_out(results)
        found = api.load_results(results, name, problems=problems)
        verdicts = [result.verdict for result in found.values()]
        smoke = any(result.ablation.smoke for result in found.values())
        _refuse_gate_on_smoke(require, fail_on, smoke, "name the ablation, or remove its folder")
    if kind != "html":
        show_results.verdicts(verdicts, kind)
    else:
        if not reference:
            show_results.overview(found.values())
        page, notes = api.write_report(results, name, reference=reference)
        for line in notes:
            if line not in problems:
                note(line, stderr=True)
        show_results.page(page, open_=open_)
    if problems:  # the rest has been shown
        raise UserError(*problems, exit_code=1)
    _gate(require, fail_on, verdicts, tier)


def _gate(
    require: Require | None, fail_on: list[FailOn] | None, verdicts: list[dict], tier: Tier | None = None
) -> None:
    """Exit code 3 where a gate was asked for and is not passed."""
    if require is None and not fail_on:
        return
    from alexctl.verdicts.gate import gate_failures

    comparisons = [line for verdict in verdicts for line in verdict["comparisons"]]
    if failures := gate_failures(comparisons, require=require, tier=tier, fail_on=fail_on or ()):
        typer.echo(f"alexctl: the gate is not passed: {printable('; '.join(failures))}", err=True)
        raise typer.Exit(3)


def _refuse_gate_on_smoke(require: Require | None, fail_on: list[FailOn] | None, smoke: bool, remedy: str) -> None:
    if smoke and (require is not None or fail_on):
        option = "--fail-on" if require is None else "--require"
        raise UserError(f"{option}: a smoke run shows only that everything runs, so no gate can pass on it; {remedy}")


@app.command()
def stats(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="A tidy CSV, such as a W&B or MLflow export: one run per row.")],
    arm: Annotated[str, typer.Option(metavar="COLUMN", help="The column that names a run's arm.")],
    measure: Annotated[str, typer.Option(metavar="COLUMN", help="The column that is compared.")],
    pair: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column that pairs runs across arms, such as the seed.")] = None,
    unpaired: Annotated[bool, typer.Option("--unpaired", help="Instead of --pair: runs share nothing, and are compared by Welch's t.")] = False,
    control: Annotated[str | None, typer.Option(metavar="NAME", help="The arm that the others are compared with. Default: the first in the file; --claim needs it.")] = None,
    where: Annotated[list[str] | None, typer.Option(metavar="COLUMN=VALUE", help="Only rows in which the column has this value; may be repeated.")] = None,
    scale: Annotated[Scale, typer.Option(help="difference: control - arm in the column's own unit. points: the column holds fractions of 1, the difference is in percentage points. ratio: control / arm. Where higher is better, arm - control and arm / control.")] = Scale.difference,
    better: Annotated[bool | None, typer.Option("--higher-is-better/--lower-is-better", help="Which way is better. Default: as the column's name says, such as accuracy or error.")] = None,
    claim: Annotated[float | None, typer.Option(metavar="X", help="The effect that is claimed, in the effect's unit: above 0 (a ratio: above 1) the arm is better.")] = None,
    margin: Annotated[float | None, typer.Option(metavar="M", help="An effect smaller than this does not matter. Default: a quarter of the claim.")] = None,
    require: RequireOption = None,
    fail_on: FailOnOption = None,
    json_: JsonOption = False,
) -> None:  # fmt: skip
    """Compare runs in any CSV file: effect, interval, second opinions and verdict."""
    from alexctl import api
    from alexctl.cli import show_results

    if claim is None and (require is not None or "contradicted" in (fail_on or ())):
        option = "--fail-on contradicted" if require is None else "--require"
        raise UserError(f"{option}: judges what a claim says of the arms; add --claim X")
    lines, notes = api.stats(
        file, arm=arm, pair=pair, measure=measure, unpaired=unpaired, control=control, where=where or (),
        scale=scale.value, higher_is_better=better, claim=claim, margin=margin,
    )  # fmt: skip
    show_results.statistics(lines, notes, as_json=json_)
    _gate(require, fail_on, [{"comparisons": lines}])


@app.command()
def bench(
    data: Annotated[str, typer.Option(help="Images of 32 x 32: cifar10, shapes or imagefolder:PATH.")] = "shapes",
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often each measurement is repeated.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="Smoke test: do not quote these numbers.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, max=1024, help="Worker processes. Default: one per core.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[Precision, typer.Option(help="Of products, of everything measured; a GPU's lanes are measured in all. auto: float32.")] = Precision.auto,
    results: ResultsOption = DEFAULT_RESULTS,
    data_root: RootOption = None,
    json_: JsonOption = False,
) -> None:  # fmt: skip
    """Measure training speed on this machine, against PyTorch's tutorial loop and the hardware's limits. About a minute."""
    from alexctl.cli import show_bench
    from alexctl.data import sources
    from alexctl.store import files, layout
    from alexctl.timing import bench as measured

    if not quick:
        files.refuse_link(results / layout.BENCH)  # before a minute goes into it
    found = measured.bench(
        data=data, root=sources.data_root(data_root), device_name=device, workers=workers,
        precision="float32" if precision is Precision.auto else precision.value,
        rounds=1 if quick else rounds, seconds=0.2 if quick else 2.0, progress=show_bench.progress,
    )  # fmt: skip
    if not quick:
        found.write(results / layout.BENCH)
    show_bench.bench(found, None if quick else results / layout.BENCH, as_json=json_)


@app.command()
def doctor(results: ResultsOption = DEFAULT_RESULTS, data_root: RootOption = None, json_: JsonOption = False) -> None:
    """Check this machine: packages, device, threads, folders, data."""
    from alexctl.cli.doctor import checks, shown

    if not shown(checks(results, data_root), as_json=json_):
        raise typer.Exit(1)
