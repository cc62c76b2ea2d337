"""The measured table of docs/clusters.md, from results/reference/bench/scale.csv, which `make scale` writes."""

import csv
from pathlib import Path
from textwrap import fill

from alexctl.errors import UserError
from alexctl.numbers import duration
from alexctl.store import layout
from tools.marked_blocks import rewritten
from tools.simulation import TRIAL_SECONDS

WIDTH = 120  # characters of a line
LENGTHS = (10.0, 60.0, 600.0)  # seconds of a trial


class Scale:
    """The lines of scale.csv by their part and what they are of."""

    def __init__(self, lines: list[dict[str, str]]):
        self.values = {(line["part"], line["what"]): float(line["value"]) for line in lines}
        self.counts = {line["part"]: {key: int(line[key]) for key in ("hands", "workers", "trials")} for line in lines}

    def a_second(self, part: str, length: float) -> float:
        """Operations a second of all workers with trials that last so many seconds."""
        a_trial = self.values[part, "operations of scheduling"] + self.values[part, "operations of trial"]
        while_it_trains = self.values["upkeep", "operations while it trains"]
        return self.counts[part]["workers"] * (a_trial / length + while_it_trains)


def block(lines: list[dict[str, str]]) -> str:
    """The tables and what to know of them."""
    scale = Scale(lines)
    parts = ("few processes", "many processes")
    seconds = [scale.values[part, "scheduling"] for part in parts]
    heads = [f"{scale.counts[part]['hands']} processes of {_each(scale, part)}" for part in parts]
    rows = [
        ("trials, none of which ran twice, and every file whole", *(f"{scale.counts[part]['trials']:,}" for part in parts)),
        ("processor time of scheduling, a trial", *(f"{1000 * value:.0f} ms" for value in seconds)),
        (f"of a trial of {TRIAL_SECONDS:.0f} s (wanted: under 1%)", *(f"{value / TRIAL_SECONDS:.2%}" for value in seconds)),
        *(
            (f"operations on files, {what}", *(f"{scale.values[part, f'operations of {of}']:,.0f}" for part in parts))
            for what, of in (("scheduling of a trial", "scheduling"), ("its own begin and end", "trial"))
        ),
        *(
            (
                f"operations a second on the shared folder, trials of {duration(length)}",
                *(f"{scale.a_second(part, length):,.0f}" for part in parts),
            )
            for length in LENGTHS
        ),
    ]  # fmt: skip
    together, tables = scale.counts["together"], scale.counts["tables"]
    value = {what: value for (part, what), value in scale.values.items() if part == "tables"}
    return "\n".join([
        f"| | {' | '.join(heads)} |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        fill(_memory(tables["trials"], value), WIDTH),
        "",
        fill(f"{together['hands']} real processes at once, on {together['trials']:,} trials of milliseconds: no trial ran twice, "
        f"and {scale.values['together', 'files read beside real processes, all whole']:,.0f} reads of files beside them "
        "found each whole.", WIDTH),
    ])  # fmt: skip


def _memory(trials: int, value: dict[str, float]) -> str:
    held, peak = value.get("memory held after resume"), value.get("memory at most in tables")
    words = f"A process has read {trials:,} finished trials in {value['resume']:.0f} s of processor time"
    words += "" if held is None else f" and holds {held / 2**20:,.0f} MiB for them"
    words += f". Tables and figures of {trials:,} trials take {value['tables']:.0f} s (wanted: under a minute)"
    return words + ("." if peak is None else f" and at most {peak / 2**20:,.0f} MiB.")


def _each(scale: Scale, part: str) -> str:
    each = scale.counts[part]["workers"] // scale.counts[part]["hands"]
    return "1 worker" if each == 1 else f"{each} workers"


def written(text: str, folder: Path) -> str:
    """The page with its table made anew; UserError where the marks or the measurements are missing."""
    try:
        lines = list(csv.DictReader((folder / layout.SCALE_CSV).read_text(encoding="utf-8").splitlines()))
    except OSError:
        raise UserError(f"no {layout.SCALE_CSV} in {folder}; `make scale` makes it") from None
    return rewritten(text, "scale", block(lines), file="docs/clusters.md")
