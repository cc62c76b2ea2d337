"""Help pages: panels, nothing cut, no colour where none is wanted, examples that are commands."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from alexctl.cli import commands


def pages(app=None, path=()):
    """Every command's words and the command itself."""
    import typer.main

    group = app or typer.main.get_command(commands.app)
    yield path, group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from pages(command, (*path, name))
        else:
            yield (*path, name), command


PAGES = dict(pages())


def help_of(path, **env) -> str:
    result = CliRunner().invoke(commands.app, [*path, "--help"], prog_name="alexctl", env={"COLUMNS": "80", **env})
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("path", PAGES, ids=" ".join)
def test_every_word_of_it_is_there_in_80_columns(path):
    page = help_of(path)
    assert max(map(len, page.splitlines())) == 80
    assert "…" not in page
    words = re.sub(r"[│\s]+", " ", page)
    for param in PAGES[path].params:
        assert all(option in words for option in (*param.opts, *param.secondary_opts) if option.startswith("-"))
    assert "\x1b" not in page


def test_colour_on_a_terminal_and_not_with_no_color():
    wanted = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    words = [sys.executable, "-c", "from alexctl.cli.help import *; from alexctl.cli.commands import app; import typer.main as m\n"
             "c = m.get_command(app); print(page(c, c.make_context('alexctl', ['list'])))"]  # fmt: skip
    env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")} | wanted
    coloured = subprocess.run(words, capture_output=True, text=True, check=True, env=env).stdout
    plain = subprocess.run(words, capture_output=True, text=True, check=True, env=env | {"NO_COLOR": "1"}).stdout
    assert "\x1b[36m" in coloured
    assert "\x1b[36m" not in plain


def test_the_panels_of_ablate():
    titles = re.findall(r"╭─ ([\w ]+) ─", help_of(("ablate",)))
    assert titles == ["Arguments", "What is asked", "How fast", "On a cluster", "Results", "CI", "Also", "Examples"]


@pytest.mark.parametrize("path", [path for path in PAGES if PAGES[path].epilog], ids=" ".join)
def test_examples_are_commands(path):
    """Each begins with a command that is there, and has options that it knows."""
    for line in PAGES[path].epilog.split("\n"):
        program, *words = shlex.split(line.partition("\t")[0])
        command = PAGES[tuple(words[:2]) if tuple(words[:2]) in PAGES else (words[0],)]
        known = {option for param in command.params for option in param.opts}
        assert program == "alexctl"
        assert {word for word in words if word.startswith("--")} <= known
