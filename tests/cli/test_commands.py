"""Every command as a person types it: what it prints, where, and its exit code."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import TINY
from typer.testing import CliRunner

from alexctl.cli import commands, progress
from alexctl.cli.main import main
from alexctl.data import shapes
from alexctl.store.lock import FolderLock
from alexctl.verdicts import compare

COMMANDS = [
    "ablate",
    "list",
    "show",
    "report",
    "compare",
    "export",
    "merge",
    "stats",
    "data fetch",
    "data verify",
    "data list",
    "doctor",
]


@pytest.fixture(autouse=True)
def _home(tmp_path, tiny_root, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALEXCTL_DATA", str(tiny_root))
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(shapes, "NUM_TRAIN", 70)
    monkeypatch.setattr(shapes, "NUM_TEST", 20)


def alexctl(*words, capsys):
    """(exit code, stdout, stderr) of `alexctl words`."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["alexctl", *words])
        main()
    return ended.value.code or 0, *capsys.readouterr()


def mine(folder: Path, **base) -> str:
    """A small ablation of one's own, as a file."""
    lines = [f"{key} = {json.dumps(TINY[key])}" for key in ("title", "control", "varies", "measure", "margin")]
    lines += ["[claim]", *(f"{k} = {json.dumps(v)}" for k, v in TINY["claim"].items()), "[base]"]
    table = {k: v for k, v in {**TINY["base"], **base}.items() if k != "target"} | {"epochs_after_target": 99}
    lines += [f"{k} = {json.dumps(v)}" for k, v in table.items()]
    lines += [
        "target = { at_most = 0.25 }",
        "[arms.relu]",
        'activation = "relu"',
        "[arms.tanh]",
        'activation = "tanh"',
        "[smoke]",
        "epochs = 1",
    ]
    (folder / "mine.toml").write_text("\n".join(lines) + "\n")
    return "./mine.toml"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command):
    result = CliRunner().invoke(commands.app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_the_readme_names_every_command():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert [command for command in COMMANDS if f"alexctl {command}" not in readme] == []


def test_a_whole_run_and_again(tmp_path, capsys):
    words = ["ablate", mine(tmp_path), "--workers", "1"]
    code, out, err = alexctl(*words, capsys=capsys)
    assert code == 0
    assert "tanh (control)" in out
    assert "(on convnet4, shapes instead of cifar10, 2 epochs)" in out
    assert "4 trials to report" in err
    folder = tmp_path / "results" / "mine"
    assert {p.name for p in folder.iterdir()} >= {
        "trials.csv", "curves.csv", "summary.csv", "verdict.json", "figure.svg", "figure.png", "plan.json", "trials",
    }  # fmt: skip
    before = {p: p.stat().st_mtime_ns for p in folder.glob("trials/*/*") if p.suffix in (".csv", ".json")}
    code, again, err = alexctl(*words, capsys=capsys)
    assert (code, again) == (0, out)
    assert "4 of them done already" in err
    assert "nothing left to run" in err
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_results_that_moved(tmp_path, capsys):
    alexctl("ablate", mine(tmp_path), "--workers", "1", "-q", capsys=capsys)
    csvs = {p.name: p.read_bytes() for p in (tmp_path / "results" / "mine").glob("*.*")}
    (tmp_path / "results").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "mine" / "trials.csv").unlink()
    code, out, _ = alexctl("report", "--results", "elsewhere", capsys=capsys)
    assert code == 0
    assert "mine" in out
    assert {p.name: p.read_bytes() for p in (tmp_path / "elsewhere" / "mine").glob("*.*")} == csvs
    code, out, _ = alexctl("report", "--results", "elsewhere", "--json", capsys=capsys)
    assert json.loads(out)[0]["comparisons"][0]["n"] == 2
    assert str(tmp_path) not in "".join(p.read_text() for p in (tmp_path / "elsewhere").rglob("*.json"))


def test_a_search_ends_with_a_rate_of_each_arms_own(tmp_path, capsys):
    path = mine(tmp_path, lr="search", lr_grid=[0.01, 0.02], lr_widenings=0, epochs=1, seeds=1)
    code, _, _ = alexctl("ablate", path, "--workers", "1", capsys=capsys)
    assert code == 0
    trials = (tmp_path / "results/mine/trials.csv").read_text().splitlines()
    assert sum(",search,10000," in line for line in trials) == 4
    assert sum(",final,0," in line for line in trials) == 2
    assert (tmp_path / "results/mine/search.svg").exists()


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["ablate", "relu-vs-tan"], "unknown ablation 'relu-vs-tan', did you mean 'relu-vs-tanh'?", 2),
        (
            ["ablate", "relu-vs-tanh", "--data", "cifer10"],
            "--data: unknown data set 'cifer10', did you mean 'cifar10'? choose from:",
            2,
        ),
        (["ablate", "relu-vs-tanh"], "alexctl data fetch cifar10", 2),
        (["ablate", "relu-vs-tanh", "--seeds", "-1"], "--seeds: should be 1 or more, not -1", 2),
        (["ablate", "relu-vs-tanh", "--set", "momentun=1"], "did you mean 'momentum'?", 2),
        (
            ["ablate", "relu-vs-tanh", "--data", "shapes", "--device", "cuda:9"],
            "--device cuda:9: not on this machine",
            2,
        ),
        (["ablate", "relu-vs-tanh", "--data", "imagefolder:nowhere"], "nowhere", 2),
        (["ablate", "relu-vs-tanh", "--seeds", "zero"], '--seeds: should be a whole number, not "zero"', 2),
        (["ablate", "relu-vs-tanh", "--workers", "0"], "--workers: should be 1 or more, not 0", 2),
        (["ablate", "relu-vs-tanh", "--threads", "1.5"], "--threads: should be a whole number, not 1.5", 2),
        (["ablate", "relu-vs-tanh", "--seed", "3"], "no such option: --seed, did you mean '--seeds'?", 2),
        (["ablate", "relu-vs-tanh", "--zzz"], "no such option: --zzz; `alexctl ablate --help` names them all", 2),
        (["ablate", "relu-vs-tanh", "--seeds"], "option '--seeds' requires an argument", 2),
        (["ablate", "relu-vs-tanh", "--smoke=1"], "option '--smoke' does not take a value", 2),
        (["ablate", "relu-vs-tanh", "--retry", "all"], "--retry: 'all' is not one of 'failed'", 2),
        (
            ["ablate", "relu", "vs\x1b", "tanh"],
            r"got unexpected extra argument(s) (vs\x1b tanh); see `alexctl ablate --help`",
            2,
        ),
        (
            ["show"],
            "show one thing: an ablation, `alexctl show relu-vs-tanh`, or a net, `alexctl show --net alexnet`",
            2,
        ),
        (["show", "relu-vs-tanh", "--net", "alexnet"], "show one thing", 2),
        (["show", "relu-vs-tanh", "--svg", "x.svg"], "--svg is about a net; give it with --net NET", 2),
        (["show", "--net", "alexnte"], "--net: unknown net 'alexnte', did you mean 'alexnet'?", 2),
        (["show", "--net", "alexnet", "--set", "tower=1"], "--set tower=1: unknown key, did you mean 'towers'?", 2),
        (["show", "--net", "alexnet", "--set", "towers=3"], "--set towers=3: should be 1 or 2, not 3", 2),
        (["show", "--net", "convnet4", "--set", "lr=1"], "--set lr=1: belongs to the training, not to the net", 2),
        (["show", "--net", "alexnet", "--image", "40"], "this net takes 52x52 px or more", 2),
        (["show", "--net", "lenet5", "--image", "28"], "lenet5 needs images of 32x32 pixels, not 28x28", 2),
        (["show", "--net", "lenet5", "--svg", "x.svg"], "--svg draws alexnet and alexnet32, the nets of Figure 2", 2),
        (["show", "--net", "alexnet32", "--svg", "no/x.svg"], "can't write no/x.svg: No such file or directory", 1),
        (["ablate"], "missing argument 'NAME'; see `alexctl ablate --help`", 2),
        (["ablat"], "no such command: ablat, did you mean 'ablate'?", 2),
        (["data", "fetc"], "no such command: fetc, did you mean 'fetch'?", 2),
        (["frob'"], "no such command: frob'; `alexctl --help` names them all", 2),
        (["relu-vs-tanh"], "did you mean 'alexctl ablate relu-vs-tanh'?", 2),
        (["report"], "no results in results; `alexctl ablate relu-vs-tanh` makes some", 2),
        (["data", "fetch", "imagenet"], "imagenet", 2),
        (["data", "verify", "cifar10"], "alexctl data fetch cifar10", 2),
        (
            ["ablate", "relu-vs-tanh", "--until-decided", "--seeds", "6"],
            "--seeds: can't be combined with --until-decided",
            2,
        ),
        (["ablate", "relu-vs-tanh", "--max-seeds", "6"], "--max-seeds: needs --until-decided", 2),
        (
            ["ablate", "relu-vs-tanh", "--until-decided", "--max-seeds", "3"],
            "--max-seeds: should be 4 or more, not 3",
            2,
        ),
        (
            ["ablate", "relu-vs-tanh", "--until-decided", "--set", "seeds=5"],
            "--until-decided: can't be combined with seeds",
            2,
        ),
        (
            ["ablate", "relu-vs-tanh", "--seed-range", "6-11"],
            "--seed-range 6-11: the plan has 6 seeds, 0 to 5, of which this is to be a part; plan more with --seeds 12",
            2,
        ),
        (["ablate", "relu-vs-tanh", "--seed-range", "4-2"], "--seed-range 4-2: should be FIRST-LAST, such as 6-11", 2),
        (
            ["ablate", "relu-vs-tanh", "--until-decided", "--seed-range", "0-1"],
            "--seed-range 0-1: can't be combined with --until-decided",
            2,
        ),
        (
            ["ablate", "relu-vs-tanh", "--seed-range", "0-1", "--require", "supported"],
            "--seed-range: a gate judges all seeds; ask `alexctl report` for it, once all are there",
            2,
        ),
        (["report", "--fail-on", "supported"], "--fail-on: 'supported' is not one of 'contradicted'", 2),
        (["stats", "x.csv", "--arm", "a", "--pair", "b", "--measure", "c"], "x.csv: can't be read: No such file", 2),
        (["stats", "x.csv", "--arm", "a"], "missing option '--measure'; see `alexctl stats --help`", 2),
    ],
)
def test_bad_input_is_one_line(words, message, code, capsys):
    got, out, err = alexctl(*words, capsys=capsys)
    line = err.strip().splitlines()[-1]
    assert (got, out, len(err.splitlines())) == (code, "", 1)
    assert line.startswith("alexctl: ")
    assert message in line
    assert "Traceback" not in err


@pytest.fixture
def undecided(monkeypatch):
    """Trials of one epoch never reach the target, so no size can be given; as if they had learned something."""
    monkeypatch.setattr(compare, "_learned", lambda evidence, arms: True)


@pytest.mark.usefixtures("undecided")
def test_a_verdict_can_fail_a_build(tmp_path, capsys):
    """Exit code 3 where that is asked for, and the same output."""
    words = ["ablate", mine(tmp_path, epochs=1), "--workers", "1"]
    code, out, _ = alexctl(*words, "--fail-on", "contradicted", capsys=capsys)
    assert code == 0
    code, again, _ = alexctl(*words, "--fail-on", "contradicted", "--fail-on", "undecided", capsys=capsys)
    assert (code, again) == (3, out)
    code, out, _ = alexctl("report", "--fail-on", "undecided", "--json", capsys=capsys)
    assert (code, json.loads(out)[0]["comparisons"][0]["verdict"]) == (3, "undecided")
    code, out, _ = alexctl("report", "--fail-on", "contradicted", capsys=capsys)
    assert code == 0
    assert "survives correction" in out


@pytest.mark.parametrize("gate", [("--fail-on", "contradicted"), ("--require", "supported")])
def test_a_gate_does_not_pass_on_nothing(tmp_path, capsys, gate):
    """Two trials of one epoch learn nothing; a smoke run can't be asked at all."""
    words = ["ablate", mine(tmp_path, epochs=1), "--workers", "1"]
    code, _, err = alexctl(*words, *gate, capsys=capsys)
    assert code == 3
    assert "alexctl: the gate is not passed: relu: nothing learned" in err
    code, _, err = alexctl(*words, "--smoke", *gate, capsys=capsys)
    assert code == 2
    assert (
        err
        == f"alexctl: {gate[0]}: a smoke run shows only that everything runs, so no gate can pass on it; leave out --smoke\n"
    )
    alexctl(*words, "--smoke", capsys=capsys)
    code, _, err = alexctl("report", *gate, capsys=capsys)
    assert (code, "smoke run" in err) == (2, True)


def test_a_refused_command_leaves_no_trace(tmp_path, capsys):
    """Neither a plan nor an empty folder, be it the first command or one on finished results, a torn trial among them."""
    mine_ = mine(tmp_path)
    code, _, err = alexctl("ablate", mine_, "--set", "crop=64", capsys=capsys)
    assert (code, "crop: 64 does not fit" in err) == (2, True)
    assert not (tmp_path / "results" / "mine").exists()
    alexctl("ablate", mine_, "--workers", "1", capsys=capsys)
    rows = next((tmp_path / "results" / "mine" / "trials").glob("relu-s0-*/rows.csv"))
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:-1]))
    files = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    for change in ("crop=64", "num_train=999999"):
        code, _, _ = alexctl("ablate", mine_, "--set", change, capsys=capsys)
        assert code == 2
    assert {path: path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()} == before
    code, _, err = alexctl("ablate", mine_, "--workers", "1", capsys=capsys)
    assert (code, f"{rows.parent.name} starts again: rows.csv has " in err) == (0, True)


def test_another_question_needs_another_name(tmp_path, capsys):
    words = ["ablate", mine(tmp_path), "--workers", "1"]
    alexctl(*words, capsys=capsys)
    code, _, err = alexctl(*words, "--set", "batch_size=8", capsys=capsys)
    assert code == 2
    assert err.endswith(
        "alexctl: mine holds trials of another question (batch_size was 16, not 8); "
        "give this one a name of its own with --name NAME, or another place with --results PATH\n"
    )
    code, out, _ = alexctl(*words, "--set", "batch_size=8", "--name", "mine-8", capsys=capsys)
    assert (code, "results/mine-8/" in out) == (0, True)
    code, _, err = alexctl(*words, "--name", "../mine", capsys=capsys)
    assert (code, err.startswith("alexctl: --name: ")) == (2, True)
    code, _, _ = alexctl(*words, "--seeds", "3", capsys=capsys)
    assert code == 0, "more seeds ask the same"


def test_a_tilde_is_the_home_folder(tmp_path, capsys, monkeypatch):
    """Also where no shell has seen it: in `--results=~/x` and in a quoted variable."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    mine_ = mine(tmp_path)
    alexctl("ablate", mine_, "--smoke", "--workers", "1", "--results=~/new", capsys=capsys)
    assert (tmp_path / "home" / "new" / "mine@smoke" / "verdict.json").exists()
    monkeypatch.setenv("ALEXCTL_RESULTS", "~/new")
    code, out, _ = alexctl("report", "--format", "json", capsys=capsys)
    assert (code, len(json.loads(out))) == (0, 1)
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("lanes", ["1", "4"])
def test_one_worker_says_how_far_it_is(lanes, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.0)
    _, _, err = alexctl("ablate", mine(tmp_path), "--workers", "1", "--lanes", lanes, capsys=capsys)
    before, _, _ = err.partition(" done at ")
    assert re.search(r"running: (relu|tanh) seed 0 epoch [0-9.]+ at \d", before)


@pytest.mark.usefixtures("undecided")
def test_until_decided(tmp_path, capsys):
    """Every look is undecided; the seeds of a look run together, and the same command again runs nothing."""
    words = ["ablate", mine(tmp_path, epochs=1), "--workers", "1", "--until-decided"]
    code, out, err = alexctl(*words, "--max-seeds", "5", capsys=capsys)
    assert code == 0
    assert "8 trials to report by the look at n = 4" in err
    assert "undecided at n = 4; on to the look at n = 5" in err
    verdict = json.loads((tmp_path / "results/mine/verdict.json").read_text())
    assert (verdict["interval"], verdict["comparisons"][0]["n"]) == ("for 2 looks at n = 4, 5", 5)
    code, again, err = alexctl(*words, "--max-seeds", "5", capsys=capsys)
    assert (code, again) == (0, out)
    assert "10 of them done already" in err
    code, _, err = alexctl(*words[:-1], capsys=capsys)  # the two seeds of the file
    assert "this campaign was looked at until decided (n = 4, 5) and now has a fixed number of seeds" in err


def test_a_results_folder_that_is_a_file(tmp_path, capsys):
    (tmp_path / "results").write_text("")
    code, _, err = alexctl("ablate", mine(tmp_path), "--workers", "1", capsys=capsys)
    assert code == 2
    assert "choose another place with --results" in err


def test_an_edited_trial_is_named_not_averaged_in(tmp_path, capsys):
    alexctl("ablate", mine(tmp_path), "--workers", "1", "-q", capsys=capsys)
    rows = next((tmp_path / "results/mine/trials").glob("relu-s0-*")) / "rows.csv"
    rows.write_text(rows.read_text().replace("0.", "0.1", 1))
    code, _, err = alexctl("report", capsys=capsys)
    assert code == 2
    assert rows.parent.name in err


def test_a_lock_that_is_never_let_go(tmp_path, capsys, monkeypatch):
    """Whoever plans or writes tables holds it for seconds; a campaign of seconds is one process's for as long as it runs."""
    monkeypatch.setattr("alexctl.run.PATIENCE", 0.1)
    folder = tmp_path / "results" / "mine"
    folder.mkdir(parents=True)
    with FolderLock(folder):
        code, _, err = alexctl("ablate", mine(tmp_path), "--workers", "1", capsys=capsys)
        assert code == 1
        assert "another alexctl has been writing in mine in results for 0 s, on this machine; end it if it hangs" in err
        file = tmp_path / "mine.toml"
        file.write_text(file.read_text().replace("epochs_to_target", "seconds_per_epoch"))
        code, _, err = alexctl("ablate", "./mine.toml", capsys=capsys)
        assert code == 2
        assert "running mine in results on this machine, and seconds count within one run only; wait for it" in err
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "trials"]


def test_weights_come_too_when_asked_for(tmp_path, capsys):
    assert alexctl("ablate", mine(tmp_path), capsys=capsys)[0] == 0
    assert not list(tmp_path.glob("results/mine/trials/*/weights.safetensors"))
    _, _, err = alexctl("ablate", mine(tmp_path), "--keep-weights", capsys=capsys)
    assert "4 finished trials kept no weights" in err
    _, _, err = alexctl("ablate", mine(tmp_path), "--keep-predictions", capsys=capsys)
    assert "4 finished trials kept no probabilities" in err


def test_list_by_paper(capsys):
    """Under a title each, AlexNet's first and what is nobody's last; each file once."""
    lines = alexctl("list", "--paper", capsys=capsys)[1].splitlines()
    titles = [
        "Krizhevsky et al. 2012",
        "DeVries and Taylor 2017",
        "He et al. 2015",
        "He et al. 2016",
        "Other sources, and questions of ours",
    ]
    places = [lines.index(title) for title in titles]
    assert places == sorted(places)
    assert any(line.startswith("he-or-glorot") for line in lines[places[2] : places[3]])
    assert sum(line.startswith("he-or-glorot") for line in lines) == 1
    papers = {row["name"]: row["paper"] for row in json.loads(alexctl("list", "--json", capsys=capsys)[1])}
    assert papers["he-or-glorot"] == "He et al. 2015"
    assert papers["lrn"] == "Krizhevsky et al. 2012"


def test_list_show_and_data(capsys):
    assert "relu-vs-tanh-fan-in" in alexctl("list", capsys=capsys)[1]
    assert json.loads(alexctl("list", "--json", capsys=capsys)[1])[0]["section"]
    out = alexctl("show", "relu-vs-tanh", capsys=capsys)[1]
    assert "activation" in out
    assert "tanh (control)" in out
    assert "Keep in mind: What the arm scale gains" in " ".join(alexctl("show", "lrn", capsys=capsys)[1].split())
    assert json.loads(alexctl("show", "relu-vs-tanh", "--json", capsys=capsys)[1])["control"] == "tanh"
    assert "shapes" in alexctl("data", "list", capsys=capsys)[1]
    assert "whole" in alexctl("data", "verify", "shapes", capsys=capsys)[1]


def test_what_an_ablation_costs(tmp_path, capsys):
    path = mine(tmp_path)
    out = alexctl("show", path, capsys=capsys)[1]
    assert re.search(r"^relu +89,578 +12\.3 M +\d+ MB +2 +\d+ +about .*[hs]", out, re.MULTILINE)
    assert out.index("tanh (control)") < out.index("parameters"), "what costs no time comes first"
    found = json.loads(alexctl("show", path, "--json", "--set", "seeds=3", capsys=capsys)[1])
    assert [(cost["arm"], cost["num_reported_trials"]) for cost in found["costs"]] == [("relu", 3), ("tanh", 3)]


def test_costs_of_images_that_are_not_there(tmp_path, capsys):
    code, out, _ = alexctl("show", mine(tmp_path), "--set", "data=imagefolder:nowhere", capsys=capsys)
    assert code == 0
    assert "there is no folder nowhere" in out


def test_the_comparison_is_said_before_torch_is_there(tmp_path):
    code = (
        "import sys; from pathlib import Path; from alexctl.cli import show_ablation as show; from alexctl.ablation.load import load\n"
        "sys.modules['torch'] = None\n"
        "try: show.ablation(load('relu-vs-tanh'), Path('results'), as_json=False)\nexcept ImportError: print('torch')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "2 arms x 6 seeds" in done.stdout.splitlines()[-2]
    assert done.stdout.splitlines()[-1] == "torch"


def test_a_net_layer_by_layer(tmp_path, capsys):
    out = alexctl("show", "--net", "alexnet32", "--set", "towers=1", capsys=capsys)[1].splitlines()
    assert out[0] == "alexnet32, towers = 1, for images of 32x32x3 and 10 classes"
    assert out[2].split() == ["conv1", "4x4x3", "1", "1", "24x31x31", "1,176", "1.11", "M", "23,064", "image"]
    assert "conv2  5x5x24" in out[5]
    assert out[-2].endswith("a training step on 128 images holds about 90 MB")
    assert out[-1] == "`--svg alexnet32.svg` draws it as Figure 2 of the paper"
    assert list(tmp_path.iterdir()) == []
    out = alexctl("show", "--net", "lenet5", capsys=capsys)[1]
    assert "subsampling" in out
    assert "--svg" not in out
    found = json.loads(alexctl("show", "--net", "alexnet32", "--image", "48", "--json", capsys=capsys)[1])
    assert found["image_shape"] == [48, 48, 3]
    assert found["totals"]["num_macs"] == sum(layer["num_macs"] for layer in found["layers"])


def test_a_net_drawn(tmp_path, capsys):
    out = alexctl("show", "--net", "alexnet32", "--svg", "net.svg", capsys=capsys)[1]
    assert out.splitlines()[-1] == "Figure 2 of this net: net.svg"
    assert [path.name for path in tmp_path.iterdir()] == ["net.svg"]
    assert (tmp_path / "net.svg").read_text("utf-8").count(">256</text>") == 4


def test_a_drawing_goes_to_standard_output(capsys, tmp_path, monkeypatch):
    code, out, _ = alexctl("show", "--net", "alexnet32", "--svg", "-", capsys=capsys)
    assert code == 0
    assert out.startswith("<?xml")
    assert out.endswith("</svg>\n")
    code, out, err = alexctl("show", "--net", "alexnet32", "--svg", "-", "--json", capsys=capsys)
    assert (code, out) == (2, "")
    assert "--svg - and --json both print to standard output" in err
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    assert alexctl("show", "--net", "alexnet32", "--svg=~/net.svg", capsys=capsys)[0] == 0
    assert [path.name for path in tmp_path.rglob("*")] == ["home", "net.svg"]


@pytest.mark.parametrize("kind", ["link", "link to nothing", "pipe", "folder", "device"])
def test_a_drawing_takes_the_place_of_a_file_and_of_nothing_else(capsys, tmp_path, kind):
    """As root, a device would be replaced like any name; a pipe would be waited for, a link lose what it stands for."""
    (tmp_path / "precious").write_text("mine")
    path = tmp_path / "net.svg"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = Path(os.devnull)
    else:
        path.symlink_to(tmp_path / ("precious" if kind == "link" else "nothing"))
    before = path.lstat()
    code, out, err = alexctl("show", "--net", "alexnet32", "--svg", str(path), capsys=capsys)
    assert (code, out) == (2, "")
    assert (
        err
        == f"alexctl: --svg {path}: a {kind.split()[0]} is there, not a file; give --svg another path, or - for stdout\n"
    )
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "old.svg").write_text("old")
    assert alexctl("show", "--net", "alexnet32", "--svg", "old.svg", capsys=capsys)[0] == 0
    assert (tmp_path / "old.svg").read_text("utf-8").startswith("<?xml")


def test_doctor_and_version(capsys):
    checks = json.loads(alexctl("doctor", "--json", capsys=capsys)[1])
    assert {check["check"] for check in checks} >= {"torch", "device", "results folder"}
    assert "torch" in alexctl("--version", capsys=capsys)[1]


@pytest.mark.slow
def test_ctrl_c_stops_and_the_same_command_goes_on(tmp_path, capsys):
    """A real process with two workers, interrupted in the middle: exit 130, a checkpoint, and then the same rows."""
    path = mine(tmp_path, epochs=12, seeds=1, evaluate_every=4)
    words = ["ablate", path, "--workers", "2"]
    command = [sys.executable, "-c", "from alexctl.cli.main import main; main()", *words]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    folder = tmp_path / "results" / "mine"
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 120
    while not list(folder.glob("trials/*/rows.csv")) and time.monotonic() < deadline:
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, err = first.communicate(timeout=60)
    assert first.returncode == 130, err
    assert time.monotonic() - began < 5
    assert "un the same command again to resume" in err
    assert list(folder.glob("trials/*/checkpoint.pt"))
    assert alexctl(*words, capsys=capsys)[0] == 0
    assert alexctl("ablate", path, "--workers", "1", "--results", "undisturbed", capsys=capsys)[0] == 0
    seconds = ("train_seconds",)

    def curves(name):
        import pandas as pd

        return pd.read_csv(tmp_path / name / "mine" / "curves.csv").drop(columns=list(seconds))

    assert curves("results").equals(curves("undisturbed"))
