"""Prepared data as a stranger, a bad disk or a sync tool may leave it: whatever lies there, the same images come of it."""

import json
import os
import random
import shutil
import time
from functools import partial

import pytest

from alexctl.data import shapes
from alexctl.data.sources import list_sources, open_prepared, prepare, verify
from alexctl.errors import UserError
from chaos import tally

CASES, SEEDS = 200, (1, 2, 3)
MUTATED = "mutations of prepared data"
VALUES = (None, True, 0, -1, 1e308, 10**30, "", "x" * 5000, [], {}, [[]], "\ud800", "../../x", ["a"] * 11)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """(data root, digest) of 20 + 10 drawn images."""
    root = tmp_path_factory.mktemp("clean")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "NUM_TRAIN", 20)
        patch.setattr(shapes, "NUM_TEST", 10)
        yield root, prepare("shapes", root).digest


def bytes_changed(rng, path):
    content = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 8)):
        content[rng.randrange(min(len(content), rng.choice([130, 10**9])))] = rng.randrange(256)
    path.write_bytes(content)


def cut_or_grown(rng, path):
    os.truncate(path, rng.choice([0, rng.randrange(path.stat().st_size), 10**9, 10**12]))


def value_changed(rng, path):
    if path.suffix == ".json":
        table = json.loads(path.read_bytes())
        table[rng.choice(list(table))] = rng.choice(VALUES)
        path.write_text(json.dumps(table), "utf-8")
    else:
        bytes_changed(rng, path)


def replaced(rng, path, precious):
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    kind = rng.choice(["pipe", "folder", "nothing", precious, precious / "file", "/dev/zero", path, path / "nowhere"])
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind != "nothing":
        path.symlink_to(kind)


def refusal(look, *given) -> str:
    """What the user is told where it does not work out; anything but a UserError is ours."""
    try:
        look(*given)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_lies_there(clean, tmp_path, seed):
    root, precious, digest = tmp_path / "root", tmp_path / "precious", clean[1]
    precious.mkdir()
    (precious / "file").write_text("mine")
    store = clean[0] / "prepared"
    inside = f"shapes-{digest}"
    files = sorted(str(path.relative_to(store)) for place in (inside, "sources") for path in (store / place).iterdir())
    names = [*files, inside, "sources", ".shapes.lock", ".shapes.tmp"]
    rng = random.Random(seed)
    for number in range(CASES):
        tally.tried(MUTATED)
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(clean[0], root)
        change = rng.choice([bytes_changed, cut_or_grown, value_changed, replaced])
        name = rng.choice(names if change is replaced else files)
        change(rng, root / "prepared" / name, *([precious] if change is replaced else []))
        what = f"seed {seed}, case {number}: {change.__name__} {name}"
        began = time.monotonic()
        for look in (list_sources, partial(open_prepared, "shapes", digest), partial(verify, "shapes")):
            assert len(refusal(look, root)) < 3000, what
        said = refusal(prepare, "shapes", root)
        if not said:
            assert prepare("shapes", root).digest == digest, what
        else:  # a folder in place of a file may be the user's, and is not removed
            assert "mend that, or choose another folder" in said, what
        assert [(path.name, path.read_text()) for path in precious.iterdir()] == [("file", "mine")], what
        assert time.monotonic() - began < 20, what
        tally.survived(MUTATED)
