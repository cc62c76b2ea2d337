"""`python -m tools.two_ranks [NET...]`: a training step of a net in two towers on two CPU ranks, against one rank.

One thread a rank. Whole steps of alexctl's training loop, dropout and update included, interleaved in rounds: the net in
two towers on one rank and on two, and the net in one tower with half of the kernels (section 3.2's "one-GPU net"). Writes
results/reference/bench/ranks.csv; a step is timed from both ranks at hand to both done.
"""

import csv
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from alexctl.ablation.setting import Setting, resolve
from alexctl.data.sources import DataSet
from alexctl.errors import UserError
from alexctl.machine import worker_environment
from alexctl.store import files, layout
from alexctl.training import ranks
from alexctl.training.loop import Training

TOP = Path(__file__).parents[1]
COLUMNS = ("net", "what", "round", "seconds", "cpu_seconds", "load", "waiting_share", "bytes_per_step", "device")
NETS = {"alexnet32": (32, 10, 12, 4), "alexnet": (224, 1000, 2, 1)}  # side in pixels, classes, rounds, steps in each
BATCH = 128
CPU = torch.device("cpu")
ONE_TOWER = {"towers": 1, "kernels": "halved"}
MATCHED = {"alexnet32": {"fc_units": "matched"}, "alexnet": {}}  # as one-vs-two-gpus has them, and the paper
PATIENCE = 900.0  # seconds: one rank waits while the other one is measured alone
RANK_1 = "--rank-1"
WANTED = 0.62
BUSY = 3.0  # load at which two ranks and one no longer have their cores for themselves

Line = dict[str, Any]


def images(side: int, num_classes: int) -> DataSet:
    """As many as a batch has, without meaning."""
    draws = np.random.default_rng(0)
    parts = {}
    for part, count in (("train", BATCH), ("test", 8)):
        parts[f"{part}_images"] = draws.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
        parts[f"{part}_labels"] = draws.integers(0, num_classes, count)
    return DataSet(
        name="shapes", digest="0" * 16, classes=tuple(map(str, range(num_classes))), notes=(), **parts
    )  # fmt: skip


def setting(net: str, **knobs: Any) -> Setting:
    """The net with the paper's update."""
    table = {
        "data": "shapes", "net": net, "lr": 1e-4, "batch_size": BATCH, "weight_decay": 0.0005, "flips": True, **knobs,
    }  # fmt: skip
    training, own, faults = resolve(table)
    if faults:
        raise UserError(*map(str, faults))
    return Setting(training=training, net=own, data_name="shapes", data_digest="0" * 16)


@dataclass
class Steps:
    """A training of which single steps are taken."""

    training: Training

    def take(self, count: int) -> None:
        for _ in range(count):
            self.training.epochs.begin(self.training.step)
            self.training.launch_step(BATCH, 0)


def meet(crossing: ranks.Crossing) -> None:
    """Returns when both ranks have come so far."""
    crossing.swap(torch.zeros(1), torch.zeros(1)).wait()


def measure(nets: Sequence[str], crossing: ranks.Crossing) -> Iterator[Line]:
    """On rank 0 a line for each thing and round; rank 1 does its part of the same, and yields nothing."""
    leads = crossing.rank == 0
    for net in nets:
        side, num_classes, rounds, count = NETS[net]
        data = images(side, num_classes)
        shared = ranks.RankedTraining(setting(net), 0, data, device=CPU, crossing=crossing)
        works: dict[str, Callable[[int], None]] = {"two ranks": Steps(shared).take}
        if leads:
            whole = Training(setting(net), 0, data, device=CPU)
            half = Training(setting(net, **ONE_TOWER, **MATCHED[net]), 0, data, device=CPU)
            works |= {"one rank": Steps(whole).take, "half of the kernels": Steps(half).take}
        for number in range(-1, rounds):  # the first is a warm-up
            for what in ("one rank", "two ranks", "half of the kernels"):
                waited, stepping = shared.waited, shared.stepping
                if what == "two ranks":
                    meet(crossing)
                began, computed = time.perf_counter(), time.process_time()
                if what in works:
                    works[what](count)
                if what == "two ranks":
                    meet(crossing)
                took, computed = (time.perf_counter() - began) / count, (time.process_time() - computed) / count
                if leads and number >= 0:
                    yield {
                        "net": net, "what": what, "round": number, "seconds": took, "cpu_seconds": computed, "load": os.getloadavg()[0],
                        "device": f"cpu ({torch.backends.cpu.get_cpu_capability()})",
                        **({"waiting_share": (shared.waited - waited) / (shared.stepping - stepping),
                            "bytes_per_step": shared.bytes_per_step} if what == "two ranks" else {}),
                    }  # fmt: skip


def _median(lines: Sequence[dict[str, str]], what: str) -> float:
    return median(float(line["seconds"]) for line in lines if line["what"] == what)


def _ratio(lines: Sequence[dict[str, str]], other: str, column: str) -> float:
    """The median over rounds of two ranks' time to that of something else."""
    times = {(line["what"], line["round"]): float(line[column]) for line in lines}
    return median(times["two ranks", number] / times[other, number] for what, number in times if what == other)


def block(lines: Sequence[dict[str, str]]) -> str:
    """The table for docs/performance.md, from the lines of ranks.csv."""
    rows = []
    for net in dict.fromkeys(line["net"] for line in lines):
        mine = [line for line in lines if line["net"] == net]
        two = [line for line in mine if line["what"] == "two ranks"]
        rows.append(
            f"| `{net}` | {_median(mine, 'one rank'):.3f} s | {_median(mine, 'two ranks'):.3f} s | "
            f"{_ratio(mine, 'one rank', 'seconds'):.2f} | {_ratio(mine, 'one rank', 'cpu_seconds'):.2f} | "
            f"{_ratio(mine, 'half of the kernels', 'seconds'):.2f} | {int(two[0]['bytes_per_step']) / 1e6:.1f} MB | "
            f"{median(float(line['waiting_share']) for line in two):.0%} |"
        )
    loads = sorted(float(line["load"]) for line in lines)
    head = [
        f"A training step of {BATCH} images, one thread a rank, {lines[0]['device']}: the net in two towers on one rank and on "
        "two, and against the net in one tower with half of the kernels in conv1-4, on one rank (section 3.2's \"one-GPU "
        "net\"; below 1, two GPUs take less time, as the paper says). Medians of interleaved rounds and of their ratios; "
        f"wanted: at most {WANTED} of one rank. Processor time is rank 0's own, which a busy machine lengthens less; the load "
        f"was {loads[0]:.1f} to {loads[-1]:.1f}"
        f" ([`{layout.RANKS_CSV}`](../{layout.REFERENCE}/{layout.BENCH}/{layout.RANKS_CSV})).",
        "",
        "| net | one rank | two ranks | to one rank | the same in processor time | to half of the kernels | crosses in a step | rank 0 waits |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    busy = ["", "The machine was busy with other work: only the processor time says something."] * (loads[0] > BUSY)
    return "\n".join([*head, *rows, *busy]) + "\n"


def read(folder: Path) -> list[dict[str, str]]:
    """The lines of ranks.csv; UserError where there are none."""
    try:
        return list(csv.DictReader((folder / layout.RANKS_CSV).read_text(encoding="utf-8").splitlines()))
    except OSError:
        raise UserError(f"no {layout.RANKS_CSV} in {folder}; `python -m tools.two_ranks` makes it") from None


def main(words: Sequence[str]) -> None:
    """What the module's head says."""
    torch.set_num_threads(1)
    ranks.PATIENCE = PATIENCE
    if words[:1] == [RANK_1]:
        store = torch.distributed.TCPStore("127.0.0.1", int(words[1]), 2, timeout=timedelta(seconds=120))
        list(measure(words[2:], ranks.Crossing(store, 1, CPU)))
        return
    nets = list(words) or list(NETS)
    store = torch.distributed.TCPStore("127.0.0.1", 0, 2, is_master=True, wait_for_workers=False)
    other = subprocess.Popen(
        [sys.executable, "-m", "tools.two_ranks", RANK_1, str(store.port), *nets],
        env=os.environ | worker_environment(1),
    )
    try:
        found = list(measure(nets, ranks.Crossing(store, 0, CPU)))
    finally:
        other.kill()
        other.wait()
    table = TOP / layout.REFERENCE / layout.BENCH / layout.RANKS_CSV
    kept = [line for line in read(table.parent) if line["net"] not in nets] if words and table.exists() else []
    files.write_atomic(table, files.csv_text(COLUMNS, [*kept, *found]))
    sys.stdout.write(block(read(table.parent)))


if __name__ == "__main__":
    if sys.argv[1:2] != [RANK_1] and "GLIBC_TUNABLES" not in os.environ:  # as a worker has it
        os.execve(
            sys.executable, [sys.executable, "-m", "tools.two_ranks", *sys.argv[1:]], os.environ | worker_environment(1)
        )
    main(sys.argv[1:])
