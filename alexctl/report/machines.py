"""What a campaign's trials ran on, from their env.json: whether seconds of one may be set beside seconds of another."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from alexctl import results
from alexctl.errors import UserError
from alexctl.report.traced import Folder

CLOCK = ("platform", "cpu", "device", "threads")  # what, with the version of torch, a second depends on

MIXED = "Not judged: seconds are compared only within one machine, and these trials ran on several."


def clock(env: dict[str, Any]) -> tuple:
    """What a trial's seconds depend on, of its env.json."""
    return *(env.get(part) for part in CLOCK), env.get("packages", {}).get("torch")


def mixed(trials: Iterable[Path]) -> bool:
    """Whether the trials in these folders ran on several machines, so that their seconds can't be compared."""
    files = [folder / "env.json" for folder in trials]
    try:
        return len({clock(results.read_json(file)) for file in files if file.is_file()}) > 1
    except ValueError as error:
        raise UserError(f"{error}; put it back as it was, or delete that trial's folder and run it anew") from None


def machines(folder: Folder) -> list[dict[str, Any]]:
    """The different machines and versions, in the order of their trials, every word traced to the first trial there.

    `clock` is the same for two whose seconds may be compared; `commits` are (commit, whether changed since) of the code.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in folder.trials:
        name = f"trials/{row['trial']}/env.json"
        if not folder.has(name):
            continue
        env = folder.json(name)
        packages, commit = env.get("packages", {}), folder.at(name, "git_commit", form=lambda commit: commit[:8])
        alike = {key: value for key, value in env.items() if key not in ("schema", "git_commit", "git_dirty")}
        one = found.setdefault(repr(sorted(alike.items())), {
            "clock": clock(env),
            **{part: folder.at(name, part) for part in (*CLOCK, "precision", "alexctl", "python")},
            "packages": [(package, folder.at(name, "packages", package)) for package in packages],
            "commits": {},
        })  # fmt: skip
        if commit:
            one["commits"].setdefault((commit.text, bool(env.get("git_dirty"))), commit)
    for one in found.values():
        one["commits"] = [(commit, changed) for (_, changed), commit in one["commits"].items()]
    return list(found.values())
