"""A results folder as a stranger, a bad disk or an editor may leave it: it is read or refused in a line, from within."""

import json
import os
import random
import shutil
import time
from functools import partial

import numpy as np
import pytest
import safetensors.numpy
from conftest import TINY
from report.made_up import falling, lay, small, wobble

from alexctl.campaign.campaign import Campaign
from alexctl.campaign.reuse import FinishedElsewhere
from alexctl.cli import show_list
from alexctl.errors import UserError
from alexctl.regular_files import is_regular
from alexctl.report.page import write_page
from alexctl.report.rebuild import rebuild_all
from alexctl.store import files, layout
from chaos import tally

CASES, SEEDS = 250, (1, 2, 3, 4)
MUTATED = "mutations of a results folder"
VALUES = (
    None, True, 0, -1, 0.5, 1e308, -1e308, 10**30, 10**400, "", "x" * 5000, "\ud800", "\x1b]52;c;bWluZQ==\x07", "[red]", "../../x",
    [], {}, [[]], [None], ["a", "a"], {"a": 1}, list(range(30_000)), {str(i): {} for i in range(3000)}, "final", "done",
)  # fmt: skip
CELLS = ("", "nan", "-1", "0", "1e300", "x", "1e999", "0.1", "'", '"', "\0", ",", "9" * 400)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A race with a search and a smaller campaign beside it, with all that a report reads."""
    folder = tmp_path_factory.mktemp("clean")
    race = small("epochs_to_target", base={"lr": "search", "lr_grid": [0.01, 0.02], "lr_widenings": 0, "epochs": 8, "seeds": 2},
                 claim={**TINY["claim"], "landmarks": {"relu": 6.0, "tanh": 36.0}})  # fmt: skip
    labels = np.arange(20) % 10
    lay(
        folder,
        race.model_copy(update={"name": "relu-vs-tanh"}),
        lambda job: falling(0.05, 8, speed=(1.2 if job.arm == "relu" else 0.6) + 0.1 * wobble(job.seed)),
        scores=lambda job: np.eye(10)[np.where(np.arange(20) < 3 + job.seed + len(job.arm), labels - 1, labels)],
        labels=labels,
        kernels=[{"num_kernels": 4, "num_coloured": 2, "colour_share": 0.5}] * 2,
    )
    one = small(base={"seeds": 1}).model_copy(update={"name": "lrn"})
    kept = lay(folder, one, lambda job: [0.5, 0.3])
    for record in kept.counted():
        give_images(record.folder)
    report(folder)
    return folder


def give_images(trial):
    tensors = {"kernels": np.zeros((4, 5, 5, 3), np.float32), "towers": np.array([1]),
               "images": np.zeros((2, 8, 8, 3), np.uint8), "near": np.zeros((2, 3, 8, 8, 3), np.uint8)}  # fmt: skip
    (trial / layout.GALLERY).write_bytes(safetensors.numpy.save(tensors))
    ranks = [{"image": i, "truth": "cat", "rank": r + 1} for i in range(2) for r in range(3)]
    for name, more in ((layout.PREDICTIONS_CSV, {"class": "dog", "probability": 0.25}),
                       (layout.NEIGHBOURS_CSV, {"neighbour": 3, "class": "dog", "distance": 0.5})):  # fmt: skip
        rows = [{**row, **more} for row in ranks]
        (trial / name).write_text(files.csv_text(tuple(rows[0]), rows))


def report(folder):
    """`alexctl report`."""
    rebuild_all(folder)
    write_page(folder)


def listed(folder):
    """`alexctl list`."""
    show_list.ablations(folder, as_json=True)


def gone_on_with(ablation, folder):
    """What `alexctl ablate` reads before it trains anything."""
    campaign = Campaign(
        ablation, data_name="shapes", data_digest="c211c25063117f08", num_classes=10, folder=folder / "lrn"
    )
    campaign.trials.restart_torn()
    campaign.ready()
    FinishedElsewhere(campaign, weights=True).take_ready()


def bytes_changed(rng, path):
    content = bytearray(path.read_bytes() or b"0")
    for _ in range(rng.randint(1, 8)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path.write_bytes(content)


def cut_or_grown(rng, path):
    os.truncate(path, rng.choice([0, rng.randrange(path.stat().st_size + 1), 10**9, 10**12]))


def value_changed(rng, path):
    """Any value of a JSON file, a cell of a CSV or a piece of an SVG."""
    if path.suffix == ".json":
        table = json.loads(path.read_bytes())
        place = table
        while isinstance(inner := place[key := rng.choice(list(place) if isinstance(place, dict) else range(len(place)))],
                         dict | list) and inner and rng.random() < 0.8:  # fmt: skip
            place = inner
        if isinstance(place, dict) and rng.random() < 0.2:
            del place[key]
        else:
            place[key] = rng.choice(VALUES)
        path.write_text(json.dumps(table), "utf-8")
    elif path.suffix == ".csv":
        lines = path.read_text("utf-8").splitlines()
        at = rng.randrange(len(lines))
        cells = lines[at].split(",")
        cells[rng.randrange(len(cells))] = rng.choice(CELLS)
        lines[at] = ",".join(cells)
        path.write_text("\n".join(lines) + "\n", "utf-8")
    elif path.suffix == ".safetensors":
        tensors = safetensors.numpy.load(path.read_bytes())
        key = rng.choice(list(tensors))
        odd = [None, np.zeros(3), np.full((4, 5, 5, 3), np.nan, np.float32), np.zeros((0, 8, 8, 3), np.uint8),
               np.zeros((20, 10), np.float16), np.full((20, 10), np.nan, np.float16), np.zeros((2, 8, 8, 7), np.uint8), np.zeros((2, 8, 0, 3), np.uint8), np.zeros((1, 1, 8, 8, 3), np.uint8)]  # fmt: skip
        tensors[key] = rng.choice(odd)
        path.write_bytes(safetensors.numpy.save({k: v for k, v in tensors.items() if v is not None}))
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
def test_whatever_lies_there(clean, tmp_path, capsys, seed):
    results, precious = tmp_path / "results", tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine and nobody else's")
    paths = sorted(str(path.relative_to(clean)) for path in clean.rglob("*"))
    names = [name for name in paths if not (clean / name).is_dir()]
    more = [f"lrn/{name}" for name in (layout.LOCK, layout.HEARTBEAT)] + [layout.BENCH, layout.REPORT]
    one = small(base={"seeds": 1}).model_copy(update={"name": "lrn"})
    rng = random.Random(seed)
    for number in range(CASES):
        tally.tried(MUTATED)
        shutil.rmtree(results, ignore_errors=True)
        shutil.copytree(clean, results)
        change = rng.choice([bytes_changed, cut_or_grown, value_changed, value_changed, replaced])
        name = rng.choice([*paths, *more] if change is replaced else names)
        change(rng, results / name, *([precious] if change is replaced else []))
        what = f"seed {seed}, case {number}: {change.__name__} {name}"
        began = time.monotonic()
        try:
            for look in (listed, partial(gone_on_with, one), write_page, report):
                said = refusal(look, results)
                assert len(said) < 3000
                assert said.isprintable()
        except Exception as error:
            raise AssertionError(what) from error
        assert [(path.name, path.read_text()) for path in precious.iterdir()] == [("file", "mine and nobody else's")], (
            what
        )
        page = results / layout.REPORT
        assert not is_regular(page) or "nobody else" not in page.read_text("utf-8"), what
        assert time.monotonic() - began < 20, what
        tally.survived(MUTATED)
    capsys.readouterr()
