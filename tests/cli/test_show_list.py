"""`alexctl list`: what ships, files of one's own and their campaigns, on a terminal and in a pipe."""

import io
import json
import shutil

import pytest
from rich.console import Console

from alexctl.cli import show_list
from alexctl.store.reference import reference as campaigns


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(show_list, "unfinished", lambda home: [])
    shipped = show_list.shipped()
    text = shipped["relu-vs-tanh-demo"].read_text("utf-8")
    (tmp_path / "mine.toml").write_text(text, "utf-8")
    (tmp_path / "faulty.toml").write_text(text.replace("margin  = 1.25", "margin  = 1"), "utf-8")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n", "utf-8")
    (tmp_path / "broken.toml").write_text("[arms", "utf-8")
    (reference,) = [path for path in campaigns() if path.name.startswith("relu-vs-tanh@")]
    for name in ("mine", "gone"):
        (tmp_path / "results" / name / "trials").mkdir(parents=True)
        for file in ("plan.json", "verdict.json"):
            shutil.copy(reference / file, tmp_path / "results" / name / file)
    return tmp_path / "results"


def listed(folder, monkeypatch, width: int) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system=None, highlight=False, emoji=False)
    monkeypatch.setattr(show_list, "new_console", lambda: console)
    monkeypatch.setattr(show_list, "say", lambda *lines: None)
    show_list.ablations(folder, as_json=False)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_a_terminal_of_80_columns(folder, monkeypatch):
    monkeypatch.setattr(show_list, "shipped", lambda: {"relu-vs-tanh": None})
    assert listed(folder, monkeypatch, 80) == [
        "relu-vs-tanh  section 3.1, Figure 1",
        "  ReLU reaches 25% training error six times faster than tanh",
        "",
        "Files of your own in this folder",
        "./faulty.toml",
        "  1 fault; `alexctl check ./faulty.toml` names them",
        "./mine.toml  section 3.1",
        "  networks with ReLUs consistently learn several times faster than equivalents",
        "  with saturating neurons",
        "  holds on cifar10-jpeg (older numerics)",
        "",
        "Other campaigns in results",
        "gone",
        "  ReLU vs tanh",
        "  holds on cifar10-jpeg (older numerics)",
    ]


def test_json_has_them_all(folder, capsys):
    show_list.ablations(folder, as_json=True)
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["./mine.toml"]["results"] == rows["gone"]["results"] == "holds on cifar10-jpeg (older numerics)"
    assert rows["relu-vs-tanh"]["results"] == "-"
    assert not {"./pyproject.toml", "./broken.toml"} & rows.keys()
