"""Curves in a terminal: what is drawn where."""

import io

import pytest
from rich.console import Console

from alexctl.cli import curves


def text_of(*arguments, **more) -> list[str]:
    return [line.plain for line in curves.figure(*arguments, **more)]


def test_a_line_from_corner_to_corner():
    """Two characters wide and one high: 4 x 4 dots, of which a straight line down takes the diagonal."""
    first, axis, legend = text_of({"relu": [(0.0, 1.0), (3.0, 0.0)]}, 2, rows=1)
    left, right = ord(first[-2]) - 0x2800, ord(first[-1]) - 0x2800
    assert (left, right) == (0x01 | 0x10, 0x04 | 0x80)
    assert axis == "     └──"
    assert legend.split() == ["training", "error:", "━", "relu", "epoch", "3"]


def test_an_axis_as_high_as_it_has_to_be_and_the_target_on_it():
    lines = text_of({"relu": [(0.0, 0.5), (10.0, 0.1)], "tanh": [(0.0, 0.49), (10.0, 0.4)]}, 60, target=0.25)
    assert lines[0].startswith(" 50% │")
    assert lines[curves.ROWS - 1].startswith("  0% │")
    assert max(map(len, lines)) <= 60 + curves.MARGIN + 20
    assert "━ tanh  ┄ target 25%" in lines[-1]
    middle = lines[curves.ROWS // 2]  # halfway to the top
    assert sum(character == "⠁" for character in middle) > 15


@pytest.mark.parametrize(("terminal", "width"), [(False, 100), (True, 40)])
def test_nothing_in_a_pipe_or_where_there_is_no_room(terminal, width):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width)
    curves.draw(None, console)
    assert console.file.getvalue() == ""
