"""A trial killed before and after each of its file operations: gone on with, it has the rows of an undisturbed one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY

from chaos import tally
from chaos.harness import environment, numbers, torn

FAULT = "SIGKILL before and after each file operation of a trial"
KEPT = {"correct.bits", "env.json", "rows.csv", "setting.json", "status.json"}


@pytest.fixture(scope="module")
def killed(tiny_root, tmp_path_factory):
    """(folder, what `killpoints.py` found in it)."""
    folder = tmp_path_factory.mktemp("killpoints")
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    script = str(Path(__file__).with_name("killpoints.py"))
    path = [Path(__file__).parents[1], *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, script, str(folder), str(tiny_root), json.dumps(TINY)],
        env=environment() | one_thread | {"PYTHONPATH": os.pathsep.join(map(str, path))}, capture_output=True, text=True, timeout=480,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "found.json").read_text())
    tally.tried(FAULT, len(found))
    return folder, found


def test_no_row_is_lost(killed):
    folder, found = killed
    (undisturbed,) = (folder / "undisturbed").iterdir()
    assert {what for kill in found for what in ("replace", "fsync", "unlink") if what in kill["operation"]} == {
        "replace", "fsync", "unlink",
    }  # fmt: skip
    lost = []
    for kill in found:
        home = Path(kill["home"])
        same = numbers(home / "rows.csv") == numbers(undisturbed / "rows.csv")
        if kill["problem"] or kill["state"] != "done" or not same or torn(home):
            lost.append(kill)
    tally.survived(FAULT, len(found) - len(lost))
    assert lost == []
    assert len(found) > 20


def test_nothing_is_left_lying_about(killed):
    left = {kill["operation"]: sorted({*kill["left"]} - KEPT) for kill in killed[1]}
    strays = {operation: names for operation, names in left.items() if any("tmp" in n or "check" in n for n in names)}
    assert strays == {}


def test_every_file_is_whole_at_every_instant(killed):
    """After a kill and before anything is mended, a file has its old content or its new."""
    allowed = KEPT | {"checkpoint.pt"}
    for kill in killed[1]:
        visible = {name for name in kill["after_kill"] if not name.startswith(".")}
        assert visible <= allowed, kill
