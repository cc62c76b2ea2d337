"""Runs alexctl as a person does, in processes of its own, and looks at what they leave behind."""

import csv
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from conftest import TINY

CHECKPOINT_EVERY = ("--checkpoint-every", "0.2")  # so short that most kills fall between a checkpoint and a row
SABOTAGE = Path(__file__).with_name("sabotage")
PROC = Path("/proc")
FINAL_TRIALS = 4
BASE = {
    "lr": "search",
    "lr_grid": [0.003, 0.01, 0.03],
    "search_seeds": 1,
    "lr_widenings": 0,
    "batch_size": 8,
    "epochs": 8,
    "target": {"at_most": 0.25},
    "epochs_after_target": 8.0,  # all of them, so that it is known of each test image whether it was right
}
_numbers = itertools.count()


class Started(NamedTuple):
    """A process under way; its words go to files, which nobody has to read for it to go on."""

    process: subprocess.Popen
    out: Path
    err: Path
    began: float


class Ended(NamedTuple):
    """How a process ended."""

    code: int
    out: str
    err: str


def write_ablation(path: Path, **changes) -> Path:
    """The campaign that is broken in all these ways: two arms, three rates each to search, two seeds to report.

    `changes` go to the base; `claim` and `title` replace those of the file.
    """
    document = {key: TINY[key] for key in ("title", "control", "varies", "measure", "margin")}
    document |= {key: changes.pop(key) for key in ("title",) if key in changes}
    claim = {**TINY["claim"], **changes.pop("claim", {})}
    lines = [f"{key} = {_toml(value)}" for key, value in document.items()]
    for name, part in (("claim", claim), ("base", {**TINY["base"], **BASE, **changes})):
        lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in part.items() if value is not None)]
    for arm, knobs in TINY["arms"].items():
        lines += [f"[arms.{arm}]", *(f"{key} = {_toml(value)}" for key, value in knobs.items())]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _toml(value) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def words(root: Path, *more: str, workers: int = 2, results: str = "results") -> list[str]:
    """`alexctl ablate` of the campaign above."""
    return [
        "ablate", "./small.toml", "--workers", str(workers), "--data-root", str(root), "--results", results,
        *CHECKPOINT_EVERY, *more,
    ]  # fmt: skip


def command(*said: str) -> list[str]:
    """The command line `alexctl ...` of the Python that runs the tests."""
    return [sys.executable, "-c", "from alexctl.cli.main import main; main()", *said]


def environment(*, sabotage: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of what is started; with `sabotage` its variables, and the module that reads them."""
    table = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    table |= {"TERM": "dumb", "PYTHONUNBUFFERED": "1"}
    if sabotage is not None:
        table |= {"PYTHONPATH": os.pathsep.join([str(SABOTAGE), *filter(None, [table.get("PYTHONPATH")])]), **sabotage}
    return table


def start(folder: Path, *said: str, within: tuple[str, ...] = (), sabotage=None, **options) -> Started:
    """Starts `alexctl ...` in a folder; `within` is put before the command."""
    number = next(_numbers)
    out, err = folder / f"{number}.out", folder / f"{number}.err"
    with out.open("wb") as out_file, err.open("wb") as err_file:
        process = subprocess.Popen(
            [*within, *command(*said)], cwd=folder, stdin=subprocess.DEVNULL, stdout=out_file, stderr=err_file,
            env=environment(sabotage=sabotage), **options,
        )  # fmt: skip
    return Started(process, out, err, time.time())


def finish(started: Started, *, seconds: float = 240) -> Ended:
    """Waits for its end; one that does not come ends the process and the test."""
    try:
        code = started.process.wait(seconds)
    except subprocess.TimeoutExpired:
        started.process.kill()
        raise AssertionError(f"not over after {seconds} s: {started.err.read_text()}") from None
    return Ended(code, started.out.read_text(errors="replace"), started.err.read_text(errors="replace"))


def alexctl(folder: Path, *said: str, **options) -> Ended:
    """`alexctl ...` from its start to its end."""
    return finish(start(folder, *said, **options))


def wait_for(condition: Callable[[], object], started: Started, *, seconds: float = 120) -> bool:
    """Whether the condition came true while the process ran."""
    deadline = time.monotonic() + seconds
    while not condition():
        if started.process.poll() is not None:
            return False
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {started.err.read_text()}"
        time.sleep(0.01)
    return True


SEARCH, FINAL = "10000", "[01]"


def at_work(campaign: Path, since: float, *, seeds: str = "*") -> bool:
    """Whether a trial (of SEARCH or FINAL seeds, or any) was begun or gone on with since then."""
    return any(_changed(path) >= since for path in campaign.glob(f"trials/*-s{seeds}-*/env.json"))


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def states(campaign: Path) -> dict[str, str]:
    """What the status.json of each trial says."""
    found = {}
    for path in sorted(campaign.glob("trials/*/status.json")):
        try:
            found[path.parent.name] = json.loads(path.read_text())["state"]
        except FileNotFoundError:
            continue
    return found


def finals_done(campaign: Path) -> bool:
    """Whether every reported trial is done."""
    return sum(state == "done" for name, state in states(campaign).items() if "-s1000" not in name) == FINAL_TRIALS


def workers_of(pid: int) -> list[int]:
    """The Python processes a process has started and that still run."""
    found = []
    for path in PROC.glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            program = (path.parent / "exe").readlink()
        except OSError:  # it has just ended
            continue
        if int(parent) == pid and state != "Z" and program == Path(sys.executable).resolve():
            found.append(int(path.parent.name))
    return sorted(found)


def at_home_in(folder: Path) -> list[int]:
    """The processes that work in a folder: alexctl itself, and workers that outlived it."""
    found = []
    for path in PROC.glob("[0-9]*/cwd"):
        try:
            if path.readlink() == folder:
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def wait_until_left(folder: Path, *, seconds: float = 15) -> None:
    """Waits until no process works in the folder any more; one that stays fails the test."""
    deadline = time.monotonic() + seconds
    while left := at_home_in(folder):
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"processes that nobody ended: {left}")
        time.sleep(0.05)


def one_line(ended: Ended) -> str:
    """The one line that says what is wrong; no traceback, and an exit code for a person's or a trial's fault."""
    assert "Traceback" not in ended.err + ended.out, ended.err
    assert ended.code in (1, 2), (ended.code, ended.err)
    said = [line for line in ended.err.splitlines() if line.startswith("alexctl: ")]
    assert len(said) == 1, ended.err
    return said[0]


def torn(folder: Path) -> list[str]:
    """Every CSV and JSON file below a folder that is not whole."""
    faults = []
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".csv", ".json") or path.name.startswith("."):
            continue
        try:
            text = path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            continue  # replaced or removed by a worker that is still at it
        except UnicodeDecodeError:
            text = ""
        if not (_whole_json(text) if path.suffix == ".json" else _whole_csv(text)):
            faults.append(f"{path.relative_to(folder)}: {text[-60:]!r}")
    return faults


def _whole_json(text: str) -> bool:
    try:
        return text.endswith("}\n") and "schema" in json.loads(text)
    except ValueError:
        return False


def _whole_csv(text: str) -> bool:
    widths = {len(row) for row in csv.reader(text.splitlines())}
    return text.endswith("\n") and len(widths) == 1


def strays(folder: Path) -> list[str]:
    """Temporary files and checkpoints below a folder: a finished campaign has neither."""
    found = (path for path in folder.rglob("*") if path.suffix == ".tmp" or "checkpoint" in path.name)
    return sorted(str(path.relative_to(folder)) for path in found)


def numbers(path: Path) -> str:
    """A CSV file as it is, but for its columns of seconds."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    kept = [i for i, name in enumerate(header) if not name.endswith("_seconds")]
    assert len(kept) >= 5, header
    return "\n".join(",".join(row[i] for i in kept) for row in (header, *rows))


def assert_same(campaign: Path, undisturbed: Path) -> None:
    """A finished campaign is whole, holds nothing it should not, and has the numbers of the undisturbed one."""
    assert torn(campaign) == []
    assert strays(campaign) == []
    for name in ("curves.csv", "trials.csv"):
        assert numbers(campaign / name) == numbers(undisturbed / name), name
    for name in ("summary.csv", "verdict.json"):
        assert (campaign / name).read_bytes() == (undisturbed / name).read_bytes(), name


def copy(campaign: Path, target: Path) -> Path:
    """A campaign's folder, copied with its times."""
    return Path(shutil.copytree(campaign, target))


def change_json(path: Path, **changes) -> None:
    """Edits a JSON file as a person would; NAME__KEY is a key of the table NAME."""
    table = json.loads(path.read_text())
    for key, value in changes.items():
        place, _, inner = key.rpartition("__")
        (table[place] if place else table)[inner] = value
    path.write_text(json.dumps(table, indent=1) + "\n")
