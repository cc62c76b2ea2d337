"""`alexctl bench` and `alexctl doctor`."""

from typing import Annotated

import typer

from alexctl.cli.options import DEFAULT_RESULTS, JsonOption, Precision, ResultsOption, RootOption, asked, speed

BENCH_EXAMPLES = (
    ("alexctl bench", "a minute; estimates are better afterwards"),
    ("alexctl bench --quick", "does it run at all?"),
)
DOCTOR_EXAMPLES = (("alexctl doctor", "also says how to mend what is missing"),)


def bench(
    data: Annotated[str, asked(metavar="NAME", help="Images of 32 x 32: cifar10, shapes or imagefolder:PATH.")] = "shapes",
    rounds: Annotated[int, asked(metavar="N", min=1, max=100, help="How often each measurement is repeated.")] = 5,
    quick: Annotated[bool, asked("--quick", help="Smoke test: do not quote these numbers.")] = False,
    workers: Annotated[int | None, speed(metavar="N", min=1, max=1024, help="Worker processes. Default: one per core.")] = None,
    device: Annotated[str, speed(metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[Precision, asked(metavar="NAME", help="Of products, of everything measured; a GPU's lanes are measured in all. auto: float32.")] = Precision.auto,
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


def doctor(results: ResultsOption = DEFAULT_RESULTS, data_root: RootOption = None, json_: JsonOption = False) -> None:
    """Check this machine: packages, device, threads, folders, data."""
    from alexctl.cli.doctor import checks, shown

    if not shown(checks(results, data_root), as_json=json_):
        raise typer.Exit(1)
