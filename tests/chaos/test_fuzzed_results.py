"""A results folder as a stranger, a bad disk or an editor may leave it: it is read, or the fault is one line.

Nothing raises anything but UserError, hangs, writes or reads outside the folder, or makes a page that runs something.
"""

import contextlib
import io
import json
import os
import random
import shutil
import time

import pytest
from report.made_up import falling, lay, small

from alexctl import api
from alexctl.campaign.campaign import Campaign
from alexctl.cli import show_ablation
from alexctl.errors import UserError
from alexctl.report.page import page
from chaos import tally

CASES, SEEDS = 350, (1, 2, 3, 4)
MUTATED = "mutations of a results folder"
SECRET = "nobody else's business"
VALUES = (
    None, True, 0, -1, 1e300, float("nan"), 10**30, "", "x" * 5000, "\x1b]52;c;aGk=\x07", "<script>alert(1)</script>", "[red]",
    "../../precious/file", "\ud800", [], {}, [[]], ["a"] * 10_000,
)  # fmt: skip
CELLS = ("", "nan", "inf", "-1", "1e300", "0", "1_0", "x", '"', "=1+1", "\0", "9" * 400)
SVG = (
    "<svg><script>alert(1)</script></svg>", "<svg><textarea/></svg>", "<body style='display:none'>", "<svg" * 50_000,
    "<svg viewBox='x'/>", "", "<!DOCTYPE svg [<!ENTITY a 'aaaaaaaa'>]><svg>&a;</svg>",
    "<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'><image href='file:///etc/passwd'/></svg>",
)  # fmt: skip


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """Three seeds an arm, with everything that is made of them."""
    folder = tmp_path_factory.mktemp("clean") / "results"
    lay(folder, small("epochs_to_target"), lambda job: falling(0.05, 12, speed=1.2 if job.arm == "relu" else 0.5))
    return folder


def places(table, at=()):
    """Every place in a JSON table, as a path of keys."""
    inner = table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
    for key, value in inner:
        yield (*at, key)
        yield from places(value, (*at, key))


def value_changed(rng, path):
    table = json.loads(path.read_bytes())
    *way, last = rng.choice(list(places(table)))
    inner = table
    for key in way:
        inner = inner[key]
    change = rng.choice(["set", "set", "drop", "add", "deep"])
    if change == "set":
        inner[last] = rng.choice(VALUES)
    elif change == "drop":
        del inner[last]
    elif change == "add" and isinstance(inner, dict):
        inner[rng.choice(["__class__", "\x1b[2J", "a" * 3000, "schema "])] = rng.choice(VALUES)
    path.write_text(json.dumps(table, ensure_ascii=True), "utf-8")
    if change == "deep":
        path.write_text('{"schema": 1, "a": ' + "[" * 100_000 + "]" * 100_000 + "}", "utf-8")


def cell_changed(rng, path):
    lines = path.read_text("utf-8").split("\n")
    number = rng.randrange(len(lines))
    cells = lines[number].split(",")
    change = rng.choice(["cell", "cell", "twice", "gone", "swapped"])
    if change == "cell":
        cells[rng.randrange(len(cells))] = rng.choice(CELLS)
        lines[number] = ",".join(cells)
    elif change == "twice":
        lines.insert(number, lines[number])
    elif change == "gone":
        del lines[number]
    else:
        rng.shuffle(lines)
    path.write_text("\n".join(lines), "utf-8")


def bytes_changed(rng, path):
    content = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 8)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path.write_bytes(content)


def cut_or_grown(rng, path):
    os.truncate(path, rng.choice([0, rng.randrange(path.stat().st_size), 10**9, 10**12]))


def drawing_changed(rng, path):
    path.write_text(rng.choice(SVG), "utf-8")


def replaced(rng, path, precious):
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    kind = rng.choice(["pipe", "folder", "nothing", precious, precious / "file", "/dev/zero", path, path / "nowhere"])
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind != "nothing":
        path.symlink_to(kind)


def change(rng, path, precious) -> str:
    """Changes a file or folder somehow; says how."""
    own = {".json": value_changed, ".csv": cell_changed, ".svg": drawing_changed}.get(path.suffix, bytes_changed)
    how = rng.choice([own, own, own, bytes_changed, cut_or_grown, replaced]) if path.is_file() else replaced
    how(rng, path, *([precious] if how is replaced else []))
    return how.__name__


def refusal(look) -> str:
    """What the user is told where it does not work out; anything but a UserError is ours."""
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            html = look() or ""
    except UserError as error:
        return str(error)
    assert "\x1b]52" not in printed.getvalue()
    assert SECRET not in str(html)
    assert "<script" not in str(html)
    assert "file:///" not in str(html)
    return ""


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_lies_there(clean, tmp_path, seed):
    results, precious = tmp_path / "results", tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text(SECRET)
    names = sorted(str(path.relative_to(clean)) for path in clean.rglob("*") if path.name != ".lock")
    rng = random.Random(seed)
    for number in range(CASES):
        tally.tried(MUTATED)
        shutil.rmtree(results, ignore_errors=True)
        shutil.copytree(clean, results)
        name = rng.choice(names)
        what = f"seed {seed}, case {number}: {change(rng, results / name, precious)} {name}"
        campaign = results / "tiny"
        looks = [
            lambda: api.load_results(results),
            lambda: page([campaign]),  # noqa: B023
            lambda: Campaign.open(campaign).ready() and None,  # noqa: B023
        ]
        if number % 10 == 0:
            looks += [
                lambda: api.write_report(results) and None,
                lambda: show_ablation.ablations(results, as_json=True),
            ]
        for look in looks:
            began = time.monotonic()
            try:
                told = refusal(look)
            except BaseException as error:
                raise AssertionError(f"{what}: {type(error).__name__}: {error}"[:2000]) from error
            assert len(told) < 3000, what
            assert time.monotonic() - began < 20, what
        assert [(path.name, path.read_text()) for path in precious.iterdir()] == [("file", SECRET)], what
        tally.survived(MUTATED)
