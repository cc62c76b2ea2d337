"""`python -m alexctl.bench.doc`: writes the measured table of docs/performance.md from results/reference/bench."""

from pathlib import Path
from typing import Any

from alexctl import results
from alexctl.bench.kept import latest
from alexctl.errors import UserError

BEGIN = "<!-- measured: written by `python -m alexctl.bench.doc` from results/reference/bench -->\n"
END = "<!-- end of measured -->\n"


def block(made: dict[str, Any]) -> str:
    """The targets and what was measured, from the table of a bench."""
    medians, ratios, env = made["medians"], made["ratios"], made["environment"]
    machine = f"{env['device']} ({env['cpu']}), {made['workers']} workers, torch {env['packages']['torch']}"

    def times(name: str) -> str:
        return f"{ratios[name]:.2f} times" if name in ratios else "not measured"

    def share(name: str) -> str:
        return f"{ratios[name]:.0%}" if name in ratios else "not measured"

    lines = [
        f"{machine}; {made['net']}, batch {made['batch_size']}, float32, on {made['data']}. Medians of the rounds in "
        "[`bench.csv`](../results/reference/bench/bench.csv).",
        "",
        "| what | wanted | measured |",
        "|---|---|---|",
        f"| pictures a second of all workers, to the tutorial loop | 2.5 times | {times('workers_to_tutorial')} |",
        f"| of one process with one thread, to the tutorial loop | – | {times('alone_to_tutorial')} |",
        f"| all workers, of the speed of the net's convolutions alone | 60% | {share('workers_to_convolutions')} |",
        f"| one process, of the speed of the net's convolutions alone | 60% | {share('alone_to_convolutions')} |",
        f"| response normalisation, forward and backward, to torch's layer | 5 times | {times('norm_to_torch')} |",
        f"| a step of alexnet32 with it, to one without | at most 1.10 times | {times('norm_step')} |",
        "",
        f"In pictures a second: the tutorial loop {medians['tutorial']:,.0f} (with {made['tutorial_workers']} DataLoader "
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


def written(text: str, folder: Path) -> str:
    """The page with its table made anew; UserError where the marks or the bench are missing."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    made = latest(folder)
    if not (begin and end):
        raise UserError(f"docs/performance.md lacks the marks {BEGIN.strip()} and {END.strip()}")
    if made is None:
        raise UserError(f"no bench in {folder}; `alexctl bench --results` makes one")
    return head + BEGIN + "\n" + block(made) + "\n" + END + tail


def main() -> None:
    """Rewrites docs/performance.md in the checkout this package runs from."""
    top = Path(__file__).parents[2]
    page = top / "docs" / "performance.md"
    folder = top / "results" / "reference" / "bench"
    results.write_atomic(page, written(page.read_text(encoding="utf-8"), folder))


if __name__ == "__main__":
    main()
