"""Names and words from a file or a folder of somebody's: shown as text, whatever they hold, by every command."""

import json
import os
import shutil
import sys

import pytest
from conftest import TINY

from alexctl.cli import console, main
from alexctl.cli.progress import Screen
from alexctl.store import files

COPY = "\x1b]52;c;bWluZQ==\x07"  # would put words on the clipboard
NOT_HERE = ("target", "init", "epochs_after_target")
EVIL = f"{COPY}\x1b[2J\x9b31m\u202eab\u2066 [bold]x[/] [/red] :warning:\r\nnext\\"
FORBIDDEN = set("\x1b\x07\x9b\u202e\u2066\r")


@pytest.fixture
def alexctl(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        """(exit code, what was printed to both), once it is sure that it drives no terminal."""
        monkeypatch.setattr(sys, "argv", ["alexctl", *words])
        with pytest.raises(SystemExit) as ended:
            main.main()
        out, err = capsys.readouterr()
        assert not FORBIDDEN & {*out, *err}
        assert "\nnext" not in out + err
        assert "⚠" not in out + err
        assert "Traceback" not in err
        return ended.value.code or 0, out, err

    return run


@pytest.fixture
def evil(everything, tmp_path):
    """A campaign of others whose every word is hostile, as far as a plan may hold it."""
    folder = shutil.copytree(everything / "one-seed", tmp_path / "results" / "one-seed")
    plan = json.loads((folder / "plan.json").read_text())
    plan["ablation"] |= {"title": EVIL, "note": EVIL}
    plan["ablation"]["claim"] |= {"says": EVIL, "section": EVIL, "source": EVIL}
    files.write_json(folder / "plan.json", plan)
    trial = next(folder.glob("trials/relu-s0-*"))
    status = json.loads((trial / "status.json").read_text())
    files.write_json(trial / "status.json", status | {"state": "failed", "error": EVIL})
    return folder


def test_results_of_somebody(alexctl, evil):
    for kind in ("md", "json", "tex"):
        code, out, _ = alexctl("report", "--format", kind)
        assert code == 0
        assert "bold" in out, "it is shown, as text"
    assert json.loads(alexctl("report", "--format", "json")[1])[0]["title"] == EVIL
    code, out, _ = alexctl("report")
    assert code == 0
    assert "[bold]x[/]" in out
    assert ":warning:" in out
    assert alexctl("list")[0] == 0


def test_names_of_folders(alexctl, evil):
    """Campaigns, and entries that are left out."""
    moved = evil.rename(evil.with_name(f"one-seed@{EVIL.replace('/', '_')}"))
    (evil.parent / f"{COPY}[red]\nnext").symlink_to(moved)
    for words in (["report"], ["report", "--format", "json"], ["list"], ["list", "--json"]):
        code, _, err = alexctl(*words)
        assert code == 0
        assert "[red]\\nnext is left out: it is a link" in err


def test_knobs_of_a_net_of_somebodys_own(alexctl, tmp_path):
    """Their names are not checked before the code is imported, which `show` never does."""
    table = {**{k: v for k, v in TINY["base"].items() if k not in NOT_HERE}, "net": "mynet:make", "epochs": 1}
    lines = [f"{key} = {json.dumps(TINY[key])}" for key in ("title", "control", "margin")]
    lines += ['varies = ["activation"]', 'measure = "test_error"', "[claim]"]
    lines += [f"{k} = {json.dumps(v)}" for k, v in TINY["claim"].items()] + ["[base]"]
    lines += [f"{json.dumps(k)} = {json.dumps(v)}" for k, v in {**table, EVIL: 1}.items()]
    lines += ["[arms.relu]", f"activation = {json.dumps(EVIL)}", "[arms.tanh]", 'activation = "tanh"']
    (tmp_path / "mine.toml").write_text("\n".join(lines) + "\n")
    code, out, err = alexctl("show", "./mine.toml")
    assert code == 0, err
    assert "52;c;bWluZQ==" in out
    assert EVIL in json.loads(alexctl("show", "./mine.toml", "--json")[1])["base"]


def test_what_progress_says(capsys):
    screen = Screen()
    screen.preparing(EVIL, 1, 2)
    screen.noted(EVIL)
    err = capsys.readouterr().err
    assert not FORBIDDEN & {*err}
    assert err.count("\n") == 2
    assert err.count("[bold]x[/] [/red] :warning:") == 2


def test_json_is_the_same_json(capsys):
    console.print_json({EVIL: [EVIL, "ä – 漢 😀", "\U000e0001"]})
    out = capsys.readouterr().out
    assert json.loads(out) == {EVIL: [EVIL, "ä – 漢 😀", "\U000e0001"]}
    assert "ä – 漢 😀" in out
    assert not FORBIDDEN & {*out}


@pytest.mark.parametrize("words", [["list"], ["report"], ["report", "--format", "md"]])
def test_what_is_left_out_of_a_results_folder_is_said_in_one_line(alexctl, everything, tmp_path, words):
    results = shutil.copytree(everything, tmp_path / "results")
    (results / "linked").symlink_to(results / "one-seed")
    (results / "piped").mkdir()
    os.mkfifo(results / "piped" / "plan.json")
    code, out, err = alexctl(*words)
    assert code == 0
    assert err == (
        "note: linked is left out: it is a link, which alexctl does not follow; "
        "piped is left out: plan.json is a pipe, not a file\n"
    )
    assert out
    for number in range(50):
        (results / f"l{number}").symlink_to(results / "one-seed")
    (line,) = alexctl(*words)[2].splitlines()
    assert line.count("is left out") == 5
    assert line.endswith("; and 47 more")
