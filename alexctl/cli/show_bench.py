"""Prints what `alexctl bench` measured."""

from pathlib import Path
from typing import TYPE_CHECKING

from alexctl.cli.console import new_console, print_json, say, shown, table

if TYPE_CHECKING:
    from alexctl.timing.bench import Bench

RATES = {
    "tutorial": "PyTorch's CIFAR-10 tutorial loop, {tutorial_workers} DataLoader workers",
    "alone": "alexctl, one process, one thread",
    "workers": "alexctl, {workers} workers, as `alexctl ablate` trains",
    "convolutions_alone": "only the net's convolutions, one thread",
    "convolutions_workers": "only the net's convolutions, {workers} workers",
}


def progress(done: int, total: int) -> None:
    """A line on a terminal, while it measures."""
    console = new_console(stderr=True)
    if console.is_terminal:
        console.print(f"round {min(done + 1, total)} of {total}", end="\n" if done >= total else "\r")


def bench(bench: "Bench", folder: Path | None, *, as_json: bool) -> None:
    """`alexctl bench`: rates, ratios, peaks, and where a step's time goes."""
    if as_json:
        print_json(bench.table())
        return
    medians, ratios = bench.medians(), bench.ratios()
    env = bench.environment
    say(
        f"{bench.net}, batch {bench.batch_size}, {bench.precision}, on {bench.data}; {env['device']} ({env['cpu']}), torch {env['packages']['torch']}; "
        f"medians of {len([m for m in bench.measured if m.what == 'alone'])} rounds",
        "",
    )
    about = {"workers": bench.workers, "tutorial_workers": bench.tutorial_workers}
    table([
        {
            "what": words.format(**about), "images a second": f"{medians[what]:,.0f}",
            "times the tutorial": f"{medians[what] / medians['tutorial']:.2f}",
        }
        for what, words in RATES.items() if what in medians
    ], numbers=("images a second", "times the tutorial"))  # fmt: skip
    lines = [""]
    for name, words in (
        ("workers_to_tutorial", "All workers to the tutorial loop, round by round: {:.2f} times."),
        ("alone_to_tutorial", "One process to the tutorial loop: {:.2f} times."),
        ("workers_to_convolutions", "Of the convolutions' own speed all workers reach {:.0%}."),
        ("alone_to_convolutions", "Of the convolutions' own speed one process reaches {:.0%}."),
    ):
        lines += [words.format(ratios[name])] if name in ratios else []
    gemm = medians.get("gemm_workers", medians["gemm_alone"])
    lines.append(
        f"Peaks: {gemm / 1e9:,.0f} GFLOP/s of matrix products, {medians['memory'] / 1e9:,.1f} GB/s copying memory."
    )
    if "norm_to_torch" in ratios:
        lines.append(
            f"Response normalisation: {ratios['norm_to_torch']:.1f} times torch's layer; "
            f"the net with it takes {ratios['norm_step']:.2f} times as long as without."
        )
    shares = ", ".join(f"{part} {medians[part]:.0%}" for part in ("data", "forward", "backward", "optimiser"))
    lines.append(f"A step is: {shares}. An evaluation is {medians['evaluation']:.0%} of an epoch that has one.")
    if "idle" in medians:
        lines.append(f"Workers that compute nothing, waiting: {medians['idle']:.0%} of the time.")
    if bench.lanes:
        say(*lines, "")
        lines = []
        _lanes(bench)
    if folder is not None:
        lines += ["", f"Files: {shown(folder)}/ (bench.csv, bench.json)"]
    say(*lines)


def _lanes(bench: "Bench") -> None:
    """Trainings side by side on a GPU."""
    table([
        {
            "net": line["net"], "precision": line["precision"], "lanes": line["lanes"],
            "images a second": f"{line['training']:,.0f}", "of the convolutions alone": f"{line['to_convolutions']:.0%}",
            "times the tutorial": "-" if line["to_tutorial"] is None else f"{line['to_tutorial']:.1f}",
        }
        for line in bench.table()["lanes"]
    ], numbers=("lanes", "images a second", "of the convolutions alone", "times the tutorial"))  # fmt: skip
