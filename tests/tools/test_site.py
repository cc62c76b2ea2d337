"""The site of docs/: what links lead to is on it, and a link that leads nowhere is named. `make docs` checks the rest."""

import re
import tomllib
from pathlib import Path

import pytest

from alexctl.errors import UserError
from tools import site
from tools.python_markdown import indented

TOP = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A small one, with a page that links to each kind of thing."""
    top = tmp_path / "top"
    for folder in ("docs/pictures", "tests", "results/deep"):
        (top / folder).mkdir(parents=True)
    (top / "docs" / "zensical.toml").write_text("")
    (top / "docs" / "pictures" / "one.svg").write_text("<svg/>")
    (top / "docs" / "other.md").write_text("# Other\n")
    (top / "tests" / "test_it.py").write_text("import os\n\n\ndef test_it():\n    pass\n")
    (top / "results" / "deep" / "a.csv").write_text("a\n1\n")
    (top / "NOTES.md").write_text("[back](docs/other.md)\n")
    return top


def staged(top: Path, text: str) -> str:
    (top / "docs" / "index.md").write_text(text)
    site.stage(top, top / "build")
    return (top / "build" / "pages" / "index.md").read_text()


@pytest.mark.parametrize(
    ("link", "there"),
    [
        ("[x](other.md#other)", "[x](other.md#other)"),
        ("![x](pictures/one.svg)", "![x](pictures/one.svg)"),
        ("[x](../tests/test_it.py#test_it)", "[x](files/tests/test_it.py.md#__codelineno-0-4)"),
        ("[x](../results/deep/a.csv)", "[x](files/results/deep/a.csv)"),
        ("[x](../NOTES.md)", "[x](files/NOTES.md)"),
        ("[x](../results), [y](other.md)", "x, [y](other.md)"),
        ("```\n[x](nowhere.md)\n```", "```\n[x](nowhere.md)\n```"),
    ],
)
def test_a_link_leads_to_where_its_target_is_on_the_site(checkout, link, there):
    assert staged(checkout, link) == there
    for target in re.findall(r"\]\(([^)#]+)", there.partition("```")[0]):
        assert (checkout / "build" / "pages" / target).exists()


def test_pages_outside_of_docs_link_back(checkout):
    staged(checkout, "[x](../NOTES.md)")
    assert (checkout / "build" / "pages" / "files" / "NOTES.md").read_text() == "[back](../other.md)\n"


def test_every_link_that_leads_nowhere_is_named(checkout):
    with pytest.raises(UserError) as caught:
        staged(checkout, "[a](gone.md) [b](../tests/test_it.py#test_that) ![c](pictures/no.svg) [d](../../outside)")
    assert caught.value.faults == (
        "docs/index.md: ../../outside is not there",
        "docs/index.md: ../tests/test_it.py has no test_that",
        "docs/index.md: gone.md is not there",
        "docs/index.md: pictures/no.svg is not there",
    )


def test_lists_as_python_markdown_wants_them():
    given = "Before:\n- one\n  more of it\n\n  ```\n  code\n    deeper\n  ```\n- two\n\n1. first\n\n   | a |\n   - below\n\nAfter\n"
    assert indented(given) == (
        "Before:\n\n- one\n    more of it\n\n    ```\n    code\n      deeper\n    ```\n- two\n\n"
        "1. first\n\n    | a |\n    - below\n\nAfter\n"
    )


def test_every_page_of_docs_is_found_in_the_navigation():
    def pages(entry) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        parts = entry.values() if isinstance(entry, dict) else entry
        return [page for part in parts for page in pages(part)]

    listed = pages(tomllib.loads((TOP / "docs" / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"])
    assert sorted(listed) == sorted(path.name for path in (TOP / "docs").glob("*.md"))


def test_every_link_of_ours_leads_somewhere(tmp_path):
    site.stage(TOP, tmp_path / "build")
    assert (tmp_path / "build" / "pages" / "paper.md").exists()
