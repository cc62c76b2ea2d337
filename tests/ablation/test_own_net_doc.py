"""docs/own-net.md does what it says: its two files, in a folder of their own, run to the end."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOC = (Path(__file__).parents[2] / "docs" / "own-net.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)


@pytest.fixture
def alexctl(tmp_path):
    """Runs a command as it stands in the document, in a folder that is not on Python's path by itself."""
    for name, language in {"mynet.py": "python", "mine.toml": "toml"}.items():
        assert f"`{name}`:" in DOC
        (text,) = blocks(language)
        (tmp_path / name).write_text(text)

    def run(command: str, *more: str) -> subprocess.CompletedProcess:
        name, *words = command.split()
        assert name == "alexctl"
        words = [sys.executable, "-P", "-c", "from alexctl.cli.main import main; main()", *words, *more]
        environment = {**os.environ, "ALEXCTL_DATA": str(tmp_path / "data"), "PYTHONSAFEPATH": "1"}
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8")

    return run


@pytest.mark.slow
def test_the_example_runs_to_its_end_in_worker_processes(alexctl, tmp_path):
    """Half a minute, which a newcomer would lose with an example that does not run."""
    show, smoke, whole = blocks("sh")[0].splitlines()
    done = alexctl(show)
    assert done.returncode == 0, done.stderr
    assert "net = 'mynet:make' is code of your own (mynet.py)" in done.stdout
    assert smoke == f"{whole} --smoke"
    done = alexctl(smoke, "--workers", "2", "--device", "cpu", "--json")
    assert done.returncode == 0, done.stderr
    (line,) = json.loads(done.stdout)["comparisons"]
    assert line["n"] == 2
    folder = tmp_path / "results" / "mine@smoke"
    assert {json.loads(path.read_text())["state"] for path in folder.glob("trials/*/status.json")} <= {"done", "paused"}
    before = (folder / "trials.csv").read_bytes()
    (tmp_path / "mynet.py").unlink()
    assert alexctl("alexctl report").returncode == 0
    assert (folder / "trials.csv").read_bytes() == before


def test_what_it_says_of_names_is_true():
    from alexctl.ablation.own_net import GIVEN
    from alexctl.nets.contract import DEFAULTS, SCALINGS

    said = DOC.partition("## What alexctl expects")[2]
    assert all(f"`{name}`" in said for name in (*GIVEN, *DEFAULTS))
    assert all(f'"{scaling}"' in said for scaling in SCALINGS)
    (module,) = re.findall(r"`from (\S+) import normal_`", DOC)
    assert callable(importlib.import_module(module).normal_)
