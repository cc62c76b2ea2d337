"""`python -m tools.scale`: how far one shared folder goes: 10,000 trials over 200 workers, the trials faked.

Nothing is trained (tools/faked_trials.py): a trial is a real folder with real locks, rows and status, and lasts so many
seconds of a made-up clock. Every process of the campaign is a real `Scheduler` of its own, and all of them take turns in
this one process (tools/simulation.py). What they cost is measured: processor seconds, and operations on files. A smaller
run is truly concurrent. Writes results/reference/bench/scale.csv in the checkout this package runs from, of which
`make readme` makes the table in docs/clusters.md.
"""

import argparse
import csv
import functools
import multiprocessing
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alexctl.ablation.model import Ablation
from alexctl.api import Silent
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.crew import Crew
from alexctl.campaign.reuse import FinishedElsewhere
from alexctl.campaign.scheduler import Options, Scheduler
from alexctl.cli.console import note
from alexctl.report.rebuild import rebuild
from alexctl.store import files, layout, records, rows_csv
from tools.faked_trials import STUDIES, FakedTrial, ShortPool, ablation, campaign, checked, laid_down
from tools.simulation import Line, Operations, Simulation

COLUMNS = ("part", "what", "hands", "workers", "trials", "value", "unit")
WORKERS = 200


def upkeep_lines(folder: Path, of: Ablation) -> Iterator[Line]:
    """Operations a second of a trial that trains."""
    one = campaign(folder, of)
    job = one.ready()[0]
    home = layout.trial(files.make_folder(folder / of.name), job.name)
    records.create(home, ablation=of.name, arm=job.arm, phase=job.phase, seed=job.seed, setting=job.setting)
    trial, operations, known = FakedTrial(home, None), Operations(folder), 0.0
    total, every, steps = 0.0, 0.0, trial.upkeep()
    while True:
        with operations.of("upkeep"):
            step = next(steps, None)
        now = operations.total("upkeep")
        total, known = total + ((now - known) / every if every else 0.0), now
        if step is None:
            break
        every = step[1]
    trial.lock.release()
    about = {"hands": 1, "workers": 1, "trials": 1}
    yield about | {"what": "operations while it trains", "value": total, "unit": "a second"}


def together(results: Path, of: Ablation, *, hands: int, seconds: float) -> Line:
    """Real processes side by side, trials of milliseconds; the line says how many reads beside them found all whole.

    Raises AssertionError where a trial ran twice, or a file was ever torn.
    """
    home = files.make_folder(results / of.name / layout.TRIALS).parent
    campaign(results, of).write_plan({})
    journal = results / "journal.txt"
    journal.touch()
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_hand, args=(results, of, seconds, journal)) for _ in range(hands)]
    for process in processes:
        process.start()
    reads, draw = 0, random.Random(1)
    while any(process.is_alive() for process in processes):
        names = records.trial_names(home)
        for name in draw.sample(names, min(len(names), 20)):
            folder = layout.trial(home, name)
            for file, read in ((layout.STATUS, files.read_json), (layout.SETTING, files.read_json)):
                if (folder / file).exists():
                    read(folder / file)
                    reads += 1
            if (folder / layout.ROWS).exists():
                rows_csv.read(folder)
                reads += 1
        time.sleep(0.01)
    assert [process.exitcode for process in processes] == [0] * hands
    begun = Counter(line.split()[0] for line in journal.read_text().splitlines())
    assert set(begun.values()) == {1}, begun.most_common(3)
    checked(home, begun)
    took_part = len({line.split()[1] for line in journal.read_text().splitlines()})
    return {
        "what": "files read beside real processes, all whole", "hands": hands, "workers": took_part, "trials": len(begun),
        "value": reads, "unit": "reads",
    }  # fmt: skip


def _hand(results: Path, of: Ablation, seconds: float, journal: Path) -> None:
    one = campaign(results, of, lean=True)
    pool = ShortPool(seconds, journal)
    options, crew = Options(results=results, workers=1), Crew(devices=("cpu",))
    Scheduler(one, FinishedElsewhere(one, weights=False), options, results, crew, Silent(), pool).go()


def memory_lines(home: Path) -> Iterator[Line]:
    """What it takes a new process to know of all trials, and to make their tables: seconds, and bytes more than before."""
    about = {"hands": 1, "workers": 1, "trials": len(records.trial_names(home))}
    context = multiprocessing.get_context("spawn")  # a fork would begin with room that this process has used and left
    for what in ("resume", "tables"):
        ours, theirs = context.Pipe()
        process = context.Process(target=_measured, args=(what, home, theirs))
        process.start()
        seconds, held, peak = ours.recv()
        process.join()
        yield about | {"what": what, "value": seconds, "unit": "processor seconds"}
        yield about | {"what": f"memory held after {what}", "value": held, "unit": "bytes"}
        yield about | {"what": f"memory at most in {what}", "value": peak, "unit": "bytes"}


def _measured(what: str, home: Path, told: Any) -> None:
    """Does one or the other and tells (processor seconds, bytes that are held after it, bytes at most)."""
    held, began, kept = _resident(), time.process_time(), None
    if what == "resume":
        kept = campaign(home.parent, ablation(), lean=True)
        kept.ready()
    else:
        rebuild(Campaign.open(home).evidence())
    took = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    told.send((took, _resident() - held, peak - held))
    del kept


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def upkeep_part(place: Path) -> Iterator[Line]:
    """What a trial costs the disk while it trains."""
    yield from upkeep_lines(place, ablation(studies=1))


def together_part(place: Path) -> Iterator[Line]:
    """300 trials of 20 ms, 16 real processes."""
    yield together(place, ablation(arms=5, studies=4, seeds=9, rates=3), hands=16, seconds=0.02)


def simulation_part(place: Path, *, hands: int, studies: int = STUDIES) -> Iterator[Line]:
    """The workers shared among so many processes."""
    simulation = Simulation(place, ablation(studies=studies), hands=hands, workers=WORKERS // hands).run()
    simulation.check()
    yield from simulation.lines()


def tables_part(place: Path) -> Iterator[Line]:
    """Memory of a process that knows all trials, and the tables of all of them."""
    yield from memory_lines(laid_down(place, ablation()))


PARTS = {
    "upkeep": upkeep_part, "together": together_part, "tables": tables_part,
    "few processes": functools.partial(simulation_part, hands=25),
    "many processes": functools.partial(simulation_part, hands=WORKERS, studies=4),
}  # fmt: skip


def main() -> None:
    """Measures the parts that are asked for, by default all, and keeps the lines of the others."""
    parser = argparse.ArgumentParser(prog="python -m tools.scale", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--studies", type=int, help=f"of the simulated campaigns, 250 trials each; default: {STUDIES}")
    options = parser.parse_args()
    asked, more = options.parts or list(PARTS), {} if options.studies is None else {"studies": options.studies}
    if unknown := [part for part in asked if part not in PARTS]:
        parser.error(f"no part '{unknown[0]}'; choose among {', '.join(PARTS)}")
    path = files.make_folder(Path(__file__).parents[1] / layout.REFERENCE / layout.BENCH) / layout.SCALE_CSV
    for part in asked:
        with tempfile.TemporaryDirectory() as place:
            lines = [
                {"part": part, **line}
                for line in PARTS[part](Path(place), **(more if part.endswith("processes") else {}))
            ]
        kept = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []
        lines += [line for line in kept if line["part"] != part]
        lines.sort(key=lambda line: list(PARTS).index(line["part"]))
        files.write_atomic(path, files.csv_text(COLUMNS, lines))
        note(f"{part}: measured", stderr=True)


if __name__ == "__main__":
    main()
