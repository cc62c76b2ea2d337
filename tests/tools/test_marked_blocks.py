"""Documents that a command writes a part of."""

import re
from pathlib import Path

import pytest

from alexctl.ablation.load import shipped
from alexctl.errors import UserError
from tools import costs_table
from tools.marked_blocks import rewritten

TOP = Path(__file__).parents[2]
TEXT = "before\n<!-- sums: written by `make sums` -->\nold\n<!-- end of sums -->\nafter\n"


def test_only_the_part_between_the_marks_is_made_anew():
    made = rewritten(TEXT, "sums", "\n1 + 1 = 2\n", file="x.md")
    assert made == TEXT.replace("old", "\n1 + 1 = 2\n")
    assert rewritten(made, "sums", "1 + 1 = 2", file="x.md") == made


@pytest.mark.parametrize(
    "text", ["", TEXT.replace("end of sums", "end"), TEXT + TEXT, TEXT.replace("sums:", "products:")]
)
def test_marks_that_are_not_there_once(text):
    message = "x.md should have the marks <!-- sums: ... --> and <!-- end of sums --> once, a line each"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        rewritten(text, "sums", "", file="x.md")


def test_what_every_file_costs_is_in_the_docs(tmp_path):
    text = (TOP / "docs" / "ablations.md").read_text(encoding="utf-8")
    assert costs_table.written(text, TOP / "results" / "reference" / "bench") == text, "run `make performance`"
    assert [name for name in shipped() if f"| `{name}` |" not in text] == []
    with pytest.raises(UserError, match=r"no bench and costs\.csv in"):
        costs_table.written(text, tmp_path)
