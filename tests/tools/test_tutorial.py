"""docs/tutorial.md: its commands are commands, what it changes in the file is there, and the file is then right. No training."""

import shlex

import pytest
import typer.main

from alexctl.ablation.load import load
from alexctl.ablation.template import new_file
from alexctl.cli import commands
from alexctl.errors import UserError
from tools import pictures

STEPS = list(pictures.steps(pictures.TUTORIAL.read_text(encoding="utf-8")))


def test_its_commands_are_commands():
    said = [shlex.split(step.text) for step in STEPS if step.kind == "run"]
    assert len(said) > 4
    for program, *words in said:
        known = {
            option for param in typer.main.get_command(commands.app).commands[words[0]].params for option in param.opts
        }
        assert program == "alexctl"
        assert {word for word in words if word.startswith("--")} <= known


def test_the_file_it_makes(tmp_path):
    """It has the fault that the page shows, and then none."""
    mine = tmp_path / "mine.toml"
    mine.write_text(new_file("mine", tmp_path)[1])
    first, second = (step.text for step in STEPS if step.kind == "change")
    mine.write_text(pictures.changed(mine.read_text(), first))
    with pytest.raises(UserError, match=r"\[arms\.half\] widht: .*did you mean 'width'\?"):
        load(str(mine))
    mine.write_text(pictures.changed(mine.read_text(), second))
    assert load(str(mine)).arms == {"full": {"width": 1.0}, "half": {"width": 0.5}}


def test_what_is_not_there_just_once_is_not_changed():
    assert pictures.changed("a\nb\n", "-a\n+c\n") == "c\nb\n"
    for given in ("b\n", "a\na\n"):
        with pytest.raises(UserError, match="not just once: a"):
            pictures.changed(given, "-a\n+c\n")


def test_a_screen_as_a_picture_fetches_nothing():
    drawn = pictures.svg("\x1b[1mbold\x1b[0m ⠑⠢", "one")
    assert "bold" in drawn
    assert "⠑⠢" in drawn
    assert "@font-face" not in drawn
    assert "url(http" not in drawn
    assert drawn == pictures.svg("\x1b[1mbold\x1b[0m ⠑⠢", "one")


def test_the_pictures_are_small():
    named = [pictures.TUTORIAL.parent / step.text for step in STEPS if step.kind == "picture"]
    assert len(named) > 3
    assert [path.name for path in named if path.stat().st_size > pictures.LARGEST] == []
    assert sorted((pictures.TUTORIAL.parent / "pictures").iterdir()) == sorted(named)
