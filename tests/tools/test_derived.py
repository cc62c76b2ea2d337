"""What is committed is what the reference results make: one command writes all of it."""

import re
import shutil
from pathlib import Path

import pytest

from alexctl.errors import UserError
from alexctl.store import layout
from tools import derived, readme_table, statistics_example
from tools.paper_page import anchor

TOP = Path(__file__).parents[2]
DOCUMENTS = derived.documents(TOP, TOP / layout.REFERENCE)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_documents_are_what_the_results_say(path):
    assert DOCUMENTS[path] == path.read_text(encoding="utf-8"), "run `make readme`"


@pytest.mark.parametrize("name", ["paper.md", "statistics.md"])
def test_links_lead_somewhere(name):
    text = (TOP / "docs" / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if not (TOP / "docs" / link).exists()] == []
    headings = {anchor(heading) for heading in re.findall(r"^## (.+)$", text, re.MULTILINE)}
    assert [mark for mark in re.findall(r"\]\(#([^)]+)\)", text) if mark not in headings] == []


def test_without_any_results_the_documents_say_so(tmp_path):
    """As they are before the first run: nothing depends on the results that happen to lie there."""
    for folder in (layout.BENCH, layout.CALIBRATION):  # neither is a campaign's
        shutil.copytree(TOP / layout.REFERENCE / folder, tmp_path / folder)
    made = derived.documents(TOP, tmp_path)
    readme = made[TOP / "README.md"]
    assert "No reference run has been made yet." in readme
    assert re.search(r"Not run yet: at most [\d.]+ \w+ on \d+ CPU cores?, `alexctl ablate relu-vs-tanh`\.", readme)
    assert "cifar10-jpeg" not in readme
    assert "`relu-vs-tanh` shows this, once it has run." in made[TOP / "docs" / "statistics.md"]


def test_results_of_older_numerics_are_told_but_do_not_count_as_figure_1(tmp_path):
    """As the JPEG references are: the table has them, with what to know of them; the opening stands in with other data."""
    shutil.copytree(TOP / "tests" / "fixtures" / "results-0.1.0", tmp_path, dirs_exist_ok=True)
    folder = tmp_path / "relu-vs-tanh-fan-in@cifar10-jpeg"
    table = readme_table.results(tmp_path)
    assert "convnet4, cifar10-jpeg instead of cifar10" in table
    assert "older numerics" in table
    assert "one pass of JPEG compression" in table
    (folder / "figure.png").write_bytes(b"")
    opening = readme_table.figure_1(tmp_path)
    assert "start fan-in](results/reference/relu-vs-tanh-fan-in@cifar10-jpeg/figure.png)" in opening
    assert re.search(
        r"On `cifar10-jpeg`: .*ratio .* On cifar10: Not run yet: `alexctl ablate relu-vs-tanh-fan-in`", opening
    )
    folder.rename(tmp_path / "relu-vs-tanh-fan-in")
    opening = readme_table.figure_1(tmp_path)
    assert "Not run yet: `alexctl ablate relu-vs-tanh`." in opening
    assert "Run only under older numerics: `alexctl ablate relu-vs-tanh-fan-in`." in opening
    assert "figure.png" not in opening


def test_marks_that_are_gone_are_named(tmp_path):
    with pytest.raises(UserError, match=r"README\.md should have the marks <!-- figure-1"):
        readme_table.written("nothing", tmp_path)
    with pytest.raises(UserError, match=r"docs/statistics\.md should have the marks <!-- example"):
        statistics_example.written("nothing", tmp_path)
