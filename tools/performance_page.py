"""The measured tables of docs/performance.md, from results/reference/bench."""

import csv
from pathlib import Path
from typing import Any

from alexctl.errors import UserError
from alexctl.store import layout
from alexctl.timing.crowding import latest
from tools import two_ranks
from tools.marked_blocks import rewritten

BENCH = layout.REFERENCE / layout.BENCH


def block(bench: dict[str, Any]) -> str:
    """The targets and what was measured, from the table of a bench."""
    medians, ratios, env = bench["medians"], bench["ratios"], bench["environment"]
    machine = f"{env['device']} ({env['cpu']}), {bench['workers']} workers, torch {env['packages']['torch']}"

    def times(name: str) -> str:
        return f"{ratios[name]:.2f} times" if name in ratios else "not measured"

    def share(name: str) -> str:
        return f"{ratios[name]:.0%}" if name in ratios else "not measured"

    lines = [
        f"{machine}; {bench['net']}, batch {bench['batch_size']}, {bench.get('precision', 'float32')}, on {bench['data']}. Medians of the rounds in "
        f"[`{layout.BENCH_CSV}`](../{BENCH}/{layout.BENCH_CSV}).",
        "",
        "| what | wanted | measured |",
        "|---|---|---|",
        f"| images a second of all workers, to the tutorial loop | 2.5 times | {times('workers_to_tutorial')} |",
        f"| of one process with one thread, to the tutorial loop | – | {times('alone_to_tutorial')} |",
        f"| all workers, of the speed of the net's convolutions alone | 60% | {share('workers_to_convolutions')} |",
        f"| one process, of the speed of the net's convolutions alone | 60% | {share('alone_to_convolutions')} |",
        f"| response normalisation, forward and backward, to torch's layer | 5 times | {times('norm_to_torch')} |",
        f"| a step of alexnet32 with it, to one without | at most 1.10 times | {times('norm_step')} |",
        "",
        f"In images a second: the tutorial loop {medians['tutorial']:,.0f} (with {bench['tutorial_workers']} DataLoader "
        f"workers, its best here), one process {medians['alone']:,.0f}"
        + (f", all workers {medians['workers']:,.0f}" if "workers" in medians else "")
        + f". Peaks: {medians.get('gemm_workers', medians['gemm_alone']) / 1e9:,.0f} GFLOP/s of matrix products, "
        f"{medians['memory'] / 1e9:,.1f} GB/s of copies.",
        "",
        "A step of one process goes to: "
        + ", ".join(f"{part} {medians[part]:.0%}" for part in ("data", "forward", "backward", "optimiser"))
        + f"; an evaluation takes {medians['evaluation']:.0%} of an epoch that has one"
        + (f"; the workers were idle {medians['idle']:.0%} of the time" if "idle" in medians else "")
        + ".",
    ]
    return "\n".join(lines) + "\n"


def upkeep_block(lines: list[dict[str, str]]) -> str:
    """Start-up, memory, reports and resumes, from the lines of upkeep.csv."""
    value = {(line["what"], int(line["count"])): float(line["value"]) for line in lines}
    counts = sorted(count for what, count in value if what == "report")
    most = counts[-1]

    def of(what: str) -> tuple[int, float]:
        return next((count, each) for (name, count), each in value.items() if name == what)

    workers, times = of("images_in_memory")
    campaigns, report = of("reference_report")
    rows = [
        ("`alexctl --help`", "0.3 s", f"{of('help')[1]:.2f} s"),
        ("`alexctl list`", "0.5 s", f"{of('list')[1]:.2f} s"),
        (
            "`alexctl show relu-vs-tanh`, until the comparison is on the screen",
            "0.5 s",
            f"{of('show_comparison')[1]:.2f} s",
        ),
        (f"report of the {campaigns} reference campaigns, figures drawn anew", "10 s", f"{report:.1f} s"),
        ("`alexctl report --reference`", "5 s", f"{of('reference_page')[1]:.1f} s"),
        (f"images in the memory of {workers} workers, to their size", "1.1 times", f"{times:.2f} times"),
        (f"resume with {most:,} trials done", "20 s", f"{value['resume', most]:.1f} s"),
        (f"report of {most:,} trials, figures drawn anew", "20 s", f"{value['report', most]:.1f} s"),
    ]
    table = ["| what | wanted | measured |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    growth = ["| trials | resume, s | report, s |", "|---|---|---|"]
    growth += [f"| {count:,} | {value['resume', count]:.2f} | {value['report', count]:.2f} |" for count in counts]
    held = f"A worker holds {of('worker_memory')[1] / 2**20:,.0f} MiB of its own, most of it torch."
    return "\n".join([*table, "", held, "", *growth]) + "\n"


def written(text: str, folder: Path) -> str:
    """The page with its tables made anew; UserError where the marks or the measurements are missing."""
    bench = latest(folder)
    if bench is None:
        raise UserError(f"no bench in {folder}; `alexctl bench --results` makes one")
    try:
        upkeep = list(csv.DictReader((folder / layout.UPKEEP_CSV).read_text(encoding="utf-8").splitlines()))
    except OSError:
        raise UserError(f"no {layout.UPKEEP_CSV} in {folder}; `python -m tools.upkeep` makes it") from None
    intro = f"Beside training, in processor seconds ([`{layout.UPKEEP_CSV}`](../{BENCH}/{layout.UPKEEP_CSV})):\n"
    measured = f"{block(bench)}\n{intro}\n{upkeep_block(upkeep)}\n{two_ranks.block(two_ranks.read(folder))}"
    return rewritten(text, "measured", measured, file="docs/performance.md")
