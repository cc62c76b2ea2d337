"""Whatever stands under a name that alexctl knows, in a results folder from a stranger: every command goes on or refuses
in a line; it reads nothing and writes nothing outside that folder, and waits for nothing."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from conftest import TINY

from alexctl.cli import main
from alexctl.data import shapes
from alexctl.store import layout
from chaos import tally

QUICK = ("list", "report", "json", "ablate")  # `show` times steps
PLANTED = "links, pipes, folders and devices in a results folder"
SECRET = "nobody else's"
STEMS = (layout.FIGURE, layout.SEARCH, layout.SURVIVAL, layout.BUDGETS, layout.NET, layout.KERNELS, layout.PREDICTIONS,
         layout.NEIGHBOURS)  # fmt: skip
OF_RESULTS = (
    layout.REPORT, layout.REFERENCE_REPORT, layout.OVERVIEW, layout.BENCH, f"{layout.BENCH}/{layout.BENCH_CSV}",
    f"{layout.BENCH}/{layout.BENCH_JSON}", f"mine-{layout.REPORT}",
)  # fmt: skip
OF_A_CAMPAIGN = (
    layout.PLAN, layout.VERDICT, layout.TRIALS, layout.TRIALS_CSV, layout.CURVES_CSV, layout.SUMMARY_CSV, layout.SURVIVAL_CSV,
    layout.BUDGETS_CSV, layout.TEST_LABELS, layout.IMAGES_CSV, layout.BY_CLASS_CSV, layout.ENSEMBLES_CSV, layout.KERNELS_CSV, layout.PREDICTIONS_CSV, layout.NEIGHBOURS_CSV, layout.DRAWN_FROM, layout.LOCK, layout.HEARTBEAT,
    *(f"{stem}.{kind}" for stem in STEMS for kind in ("svg", "png")),
)  # fmt: skip
ELSEWHERE = {  # what the makers of alexctl measure, in a checkout
    str(layout.REFERENCE), layout.LANES_CSV, layout.RANKS_CSV, layout.SCALE_CSV, layout.COSTS_CSV, layout.UPKEEP_CSV, layout.CALIBRATION, layout.CALIBRATION_CSV,
}  # fmt: skip
OF_JOBS = {layout.SLURM, layout.SLURM_JOBS, layout.BEGUN}  # see tests/slurm
TEMPORARY = (".report.html.0123456789abcdef.tmp", "mine/.plan.json.0123456789abcdef.tmp", "mine/.old.tmp",
             f"TRIAL/.{layout.STATUS}.0123456789abcdef.tmp")  # fmt: skip
SINGLY = ("mine", *(f"mine/{name}" for name in (layout.PLAN, layout.TRIALS, layout.LOCK, layout.HEARTBEAT)), layout.BENCH,
          *(name for name in OF_RESULTS if "/" in name), *TEMPORARY, "TRIAL", *(f"TRIAL/{name}" for name in sorted(layout.OF_A_TRIAL)),
          "TRIAL/anything")  # fmt: skip
FOLDERS = {layout.BENCH, layout.TRIALS}
KINDS = ("link", "link to a folder", "link to nothing", "pipe", "folder", "device")
WORDS = {
    "list": ["list"], "show": ["show", "./mine.toml"], "report": ["report"], "md": ["report", "--format", "md"],
    "json": ["report", "--format", "json"], "ablate": ["ablate", "./mine.toml", "--workers", "1", "--keep-weights", "--keep-predictions"],
}  # fmt: skip


def test_these_are_all_names_that_there_are():
    stated = {value for key, value in vars(layout).items() if key.isupper() and isinstance(value, str)}
    tried = {name.split("/")[-1] for name in (*OF_RESULTS, *OF_A_CAMPAIGN)} | {*STEMS} | layout.OF_A_TRIAL
    assert stated - tried - ELSEWHERE - OF_JOBS == set()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_root):
    """A campaign done in full, its page, and a bench, as `alexctl` made them; and the file that asks for it."""
    home = tmp_path_factory.mktemp("finished")
    lines = [f"{key} = {json.dumps(TINY[key])}" for key in ("title", "control", "varies", "margin")]
    lines += [
        'measure = "test_error"',
        "[claim]",
        *(f"{k} = {json.dumps(v)}" for k, v in TINY["claim"].items()),
        "[base]",
    ]
    left_out = ("target", "epochs_after_target")
    base = {k: v for k, v in TINY["base"].items() if k not in left_out} | {"epochs": 1, "seeds": 1}
    lines += [f"{k} = {json.dumps(v)}" for k, v in base.items()]
    lines += ["[arms.relu]", 'activation = "relu"', "[arms.tanh]", 'activation = "tanh"']
    (home / "mine.toml").write_text("\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        settle_in(patch, home, tiny_root)
        assert [run(words) for words in (WORDS["ablate"], WORDS["report"])] == [0, 0]
    bench = home / "results" / layout.BENCH
    bench.mkdir()
    (bench / layout.BENCH_JSON).write_text("{}")
    return home


def settle_in(patch, home, tiny_root):
    patch.chdir(home)
    patch.setenv("ALEXCTL_DATA", str(tiny_root))
    patch.setattr(shapes, "NUM_TRAIN", 70)
    patch.setattr(shapes, "NUM_TEST", 20)


def run(words) -> int:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["alexctl", *words])
        main.main()
    return ended.value.code or 0


@pytest.fixture
def home(finished, tmp_path, tiny_root, monkeypatch):
    place = shutil.copytree(finished, tmp_path / "home")
    settle_in(monkeypatch, place, tiny_root)
    precious = tmp_path / "precious"
    precious.mkdir()
    for name in {*layout.OF_A_TRIAL, *OF_A_CAMPAIGN, "bench.json", "bench.csv"} - FOLDERS:
        (precious / name).write_text(f"mine and {SECRET}")
    return place


def plant(path: Path, kind: str, precious: Path) -> None:
    """Puts something that is not what it should be in a place."""
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to(precious / path.name if (precious / path.name).exists() else precious / layout.ROWS)
    elif kind == "link to a folder":
        path.symlink_to(precious)
    elif kind == "link to nothing":
        path.symlink_to(precious / "new")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        (path / "inner").mkdir(parents=True)
    else:
        try:
            os.mknod(path, 0o20666, os.makedev(1, 5))  # /dev/zero, which never ends
        except OSError:
            pytest.skip("this user makes no devices")


def everything(folder: Path) -> dict[str, bytes | str]:
    """All files below a folder by name, links as where they lead."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_symlink():
            found[str(path)] = str(path.readlink())
        elif path.is_file():
            found[str(path)] = path.read_bytes()
    return found


def look(home: Path, capsys, commands=tuple(WORDS)) -> dict[str, str]:
    """Runs the commands; what each printed, once it is sure that nothing was read or written outside."""
    precious = home.parent / "precious"
    before, said = everything(precious), {}
    for what in commands:
        signal.alarm(120)  # hanging ends the tests
        code = run(WORDS[what])
        signal.alarm(0)
        out, err = capsys.readouterr()
        said[what] = out + err
        assert code in (0, 1, 2), (what, code)
        assert "Traceback" not in err, what
        assert SECRET not in out + err, what
        assert everything(precious) == before, what
        inside = everything(home / "results")
        assert not [name for name, data in inside.items() if isinstance(data, bytes) and SECRET.encode() in data], what
    return said


@pytest.mark.parametrize("kind", KINDS)
def test_under_every_name_that_is_made_again(home, capsys, kind):
    """Tables, figures and pages, all at once."""
    tally.tried(PLANTED)
    for name in OF_RESULTS:
        if "/" not in name and name != layout.BENCH:
            plant(home / "results" / name, kind, home.parent / "precious")
    for name in set(OF_A_CAMPAIGN) - {layout.PLAN, layout.TRIALS, layout.LOCK, layout.HEARTBEAT}:
        plant(home / "results" / "mine" / name, kind, home.parent / "precious")
    look(home, capsys)
    tally.survived(PLANTED)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SINGLY)
def test_under_every_name_that_the_rest_is_made_of(home, capsys, name, kind):
    trial = next((home / "results" / "mine" / layout.TRIALS).glob("relu-s0-*"))
    path = home / "results" / name.replace("TRIAL", f"mine/{layout.TRIALS}/{trial.name}")
    tally.tried(PLANTED)
    plant(path, kind, home.parent / "precious")
    look(home, capsys, tuple(WORDS) if name in ("mine", layout.BENCH) else QUICK)
    tally.survived(PLANTED)
