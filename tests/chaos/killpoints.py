"""Kills a tiny trial at every file operation it makes, each time in a fork of its own; run by test_every_operation.py.

`python killpoints.py FOLDER DATA_ROOT` writes FOLDER/found.json: a table for each kill. It is a process apart because
forks of a process with threads may hang; this one has none.
"""

import builtins
import io
import json
import os
import signal
import sys
import traceback
from pathlib import Path

import one_trial
import torch

from alexctl.ablation.parse import parse
from alexctl.campaign.campaign import Campaign
from alexctl.data.sources import open_prepared
from alexctl.store import layout, records

OPERATIONS = ("mkdir", "replace", "rename", "fsync", "unlink", "remove", "open")
MOST = 400


def main(folder: Path, root: Path, document: dict) -> list[dict]:
    torch.set_num_threads(1)
    ablation, faults = parse(document, name="tiny", overrides={}, smoke=False)
    assert not faults, faults
    (digest,) = [path.name.rpartition("-")[2] for path in root.glob("prepared/shapes-*")]
    setting = ablation.setting("relu", "shapes", digest)
    name = layout.trial_name("relu", 0, setting.hash8)
    datasets = {digest: open_prepared("shapes", digest, root)}

    def whole(home: Path) -> None:
        """The trial from nothing to its end, with a pause and so a checkpoint in between."""
        lay_down(home)
        run(home, until=1.0)
        run(home)

    def lay_down(home: Path) -> None:
        records.create(home, ablation="tiny", arm="relu", phase="final", seed=0, setting=setting)

    def run(home: Path, **options) -> None:
        one_trial.run(home, root=root, device=torch.device("cpu"), datasets=datasets, **options)

    def gone_on_with(home: Path) -> None:
        """What the same command does: what is done stays as it is, all else is run, and in the end it is tidied up."""
        if not (home / "setting.json").exists():
            lay_down(home)
        if records.read_trial(home).state != "done":
            run(home)
        about = {"data_name": "shapes", "data_digest": digest, "num_classes": 10}
        Campaign(ablation, **about, folder=home.parent.parent).tidy()

    undisturbed = folder / "undisturbed" / name
    in_fork(lambda: whole(undisturbed))
    found = []
    for at in range(1, MOST):
        home = folder / str(at) / "trials" / name
        log = folder / f"{at}.txt"
        if not in_fork(lambda home=home, at=at, log=log: (kill_at(at, log), whole(home))):
            return found
        after = {"at": at, "operation": log.read_text(), "after_kill": listing(home)}
        assert not in_fork(lambda home=home: gone_on_with(home))
        record = records.read_trial(home)
        found.append({**after, "home": str(home), "state": record.state, "problem": record.problem,
                      "left": listing(home)})  # fmt: skip
    raise AssertionError(f"not over after {MOST} operations")


def in_fork(work) -> bool:
    """Whether the work, done in a child, ended in SIGKILL; anything else than that or success ends us."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), code
    return code == -signal.SIGKILL


def kill_at(at: int, log: Path) -> None:
    """From now on this process counts the moments before and after each file operation, and dies at the `at`-th."""
    count, write_log = 0, os.open(log, os.O_WRONLY | os.O_CREAT)

    def tick(when: str, name: str, arguments: tuple) -> None:
        nonlocal count
        count += 1
        if count == at:
            told = [Path(a).name if isinstance(a, str | Path) else str(a) for a in arguments]
            os.write(write_log, f"{when} {name}({', '.join(told)})".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(name: str, real):
        def operation(*arguments, **options):
            if name == "open" and not writes(arguments, options):
                return real(*arguments, **options)
            tick("before", name, arguments)
            result = real(*arguments, **options)
            tick("after", name, arguments)
            return result

        return operation

    for name in OPERATIONS:
        setattr(os, name, counted(name, getattr(os, name)))
    io.open = builtins.open = counted("open", io.open)


def writes(arguments: tuple, options: dict) -> bool:
    """Whether an `os.open` or an `open` may change its file."""
    how = arguments[1] if len(arguments) > 1 else options.get("mode", options.get("flags", "r"))
    return bool(how & (os.O_WRONLY | os.O_RDWR)) if isinstance(how, int) else not set(how).isdisjoint("wax+")


def listing(folder: Path) -> list[str]:
    """The names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


if __name__ == "__main__":
    here = Path(sys.argv[1])
    (here / "found.json").write_text(json.dumps(main(here, Path(sys.argv[2]), json.loads(sys.argv[3])), indent=1))
