"""`python -m tools.upkeep`: what alexctl costs beside training: start-up, memory, reports and resumes of many trials.

Writes results/reference/bench/upkeep.csv in the checkout this package runs from. Seconds are processor seconds, so that
a busy machine counts less; memory is asked of Linux.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from alexctl.ablation.load import load
from alexctl.campaign.campaign import Campaign
from alexctl.data.sources import data_root, prepare
from alexctl.report import page
from alexctl.report.rebuild import rebuild_all
from alexctl.store import files, layout, records
from alexctl.store.reference import reference
from alexctl.timing.throughput import Workers

COLUMNS = ("what", "count", "value", "unit")
TRIALS = (2, 20, 200, 2000)
WORKERS = 8
COMMANDS = {"help": ["--help"], "list": ["list"], "reference_page": ["report", "--reference"]}
COMPARISON = """# the first half of `alexctl show`; the second times training steps, for which it imports torch
import sys; from pathlib import Path; from alexctl.cli import show_ablation as show; from alexctl.ablation.load import load
sys.modules["torch"] = None
try: show.ablation(load("relu-vs-tanh"), Path("results"), as_json=False)
except ImportError: pass"""
PATTERN = "relu-vs-tanh-fan-in"  # the reference campaign whose rows many trials are made of

Line = dict[str, Any]


def measure() -> Iterator[Line]:
    """Everything, a line each as COLUMNS has them."""
    with tempfile.TemporaryDirectory() as place:
        for what, words in COMMANDS.items():
            seconds = min(command_seconds(words, Path(place, "results")) for _ in range(3))
            yield {"what": what, "count": 1, "value": seconds, "unit": "s"}
        seconds = min(_child_seconds(COMPARISON)[0] for _ in range(3))
        yield {"what": "show_comparison", "count": 1, "value": seconds, "unit": "s"}
        found = reference()
        copied = Path(place, "reference")
        for campaign in found:
            shutil.copytree(campaign, copied / campaign.name)
        yield {
            "what": "reference_report", "count": len(found), "unit": "s",
            "value": command_seconds(["report"], copied),
        }  # fmt: skip
        for count in TRIALS:
            home = many(Path(place, str(count)), count)
            for what, work in (("resume", resume), ("report", report)):
                yield {"what": what, "count": count, "value": seconds_of(work, home), "unit": "s"}
    if Path("/proc/self/smaps").exists():
        yield from memory(WORKERS, data_root())


def command_seconds(words: list[str], folder: Path) -> float:
    """Processor seconds of one `alexctl` command with this results folder."""
    words = words if words == ["--help"] else [*words, "--results", str(folder)]
    seconds, status = _child_seconds("from alexctl.cli.main import main; main()", *words)
    if status != 0:
        raise RuntimeError(f"alexctl {' '.join(words)} ended with {status}")
    return seconds


def _child_seconds(code: str, *words: str) -> tuple[float, int]:
    """(processor seconds, exit status) of a Python process."""
    child = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, child.returncode


def seconds_of(work: Callable[[Path], object], home: Path) -> float:
    """Processor seconds of this process for some work on a campaign's folder."""
    before = time.process_time()
    work(home)
    return time.process_time() - before


def resume(home: Path) -> None:
    """What `alexctl ablate` does where everything is done: it reads all trials and finds that none is left to run."""
    campaign = Campaign.open(home)
    assert not campaign.is_older, "an older plan asks for nothing, so that nothing would be measured"
    assert campaign.ready() == []


def report(home: Path) -> None:
    """`alexctl report` of one campaign's folder, figures and page included."""
    rebuild_all(home.parent)
    page.write_page(home.parent)


def many(folder: Path, count: int) -> Path:
    """A campaign of today with so many finished trials: the rows of the reported ones of a reference campaign, again and
    again with new seeds. Its learning rate is fixed, so that it has no search.
    """
    (pattern,) = reference(PATTERN)
    planned = _json(pattern / layout.PLAN)
    reported: dict[str, list[Path]] = {}
    for trial in sorted((pattern / layout.TRIALS).iterdir()):
        head = _json(trial / layout.SETTING)
        if head["phase"] == "final":
            reported.setdefault(head["arm"], []).append(trial)
    ablation = load(PATTERN, overrides={"lr": 0.01, "seeds": count // len(reported)})
    home = files.make_folder(folder / pattern.name)
    campaign = Campaign(
        ablation, data_name=planned["data_name"], data_digest=planned["data_digest"], num_classes=planned["num_classes"],
        folder=home,
    )  # fmt: skip
    campaign.write_plan({"git_commit": planned["git_commit"], "git_dirty": planned["git_dirty"]})
    for job in campaign.ready():
        trial = reported[job.arm][job.seed % len(reported[job.arm])]
        copy = layout.trial(home, job.name)
        shutil.copytree(trial, copy, ignore=shutil.ignore_patterns(layout.SETTING))  # which `create` leaves as it is
        records.create(copy, ablation=PATTERN, arm=job.arm, phase=job.phase, seed=job.seed, setting=job.setting)
    return home


def _json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))


def memory(workers: int, root: Path) -> Iterator[Line]:
    """Bytes of the images once for each worker, as Linux shares them out, and of everything else a worker holds."""
    data = prepare("shapes", root)
    setting = load(PATTERN, overrides={"lr": 0.001}).setting("relu", data.name, data.digest, lr=0.001)
    with Workers(setting, data, root, workers=workers, threads=1) as crew:
        crew.ask("train", 1.0)
        found = [held(process.pid, root) for process in crew.processes]
    images = sum(of_images for of_images, _ in found)
    whole = data.train_images.nbytes + data.test_images.nbytes
    yield {"what": "images_in_memory", "count": workers, "value": images / whole, "unit": "times their size"}
    yield {
        "what": "worker_memory",
        "count": workers,
        "value": sum(rest for _, rest in found) / workers,
        "unit": "bytes",
    }


def held(pid: int, root: Path) -> tuple[int, int]:
    """(bytes of files under `root`, bytes of all else) in a process's memory, shared pages divided by those who share them."""
    found, here = [0, 0], False
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            here = str(root) in line
        elif line.startswith("Pss:"):
            found[0 if here else 1] += int(line.split()[1]) * 1024
    return found[0], found[1]


def main() -> None:
    """What the module's head says."""
    folder = files.make_folder(Path(__file__).parents[1] / layout.REFERENCE / layout.BENCH)
    files.write_atomic(folder / layout.UPKEEP_CSV, files.csv_text(COLUMNS, list(measure())))


if __name__ == "__main__":
    main()
