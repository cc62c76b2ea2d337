"""The README's links and targets exist, and the tests in docs/reliability.md; numbers are checked in tests/tools/test_derived.py."""

import re
from pathlib import Path

TOP = Path(__file__).parents[1]
TEXT = (TOP / "README.md").read_text(encoding="utf-8")


def test_its_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#:]+)(?:#\w+)?\)", TEXT)
    assert links
    assert [link for link in links if not (TOP / link).exists()] == []


def test_each_line_of_what_survives_what_is_a_test():
    section = (TOP / "docs" / "reliability.md").read_text(encoding="utf-8")
    lines = section.partition("|---|---|\n")[2].partition("\n\n")[0].splitlines()
    assert len(lines) > 10
    for line in lines:
        named = re.findall(r"\]\(([^)#]+)#(\w+)\)", line)
        assert named, line
        for path, test in named:
            assert f"\ndef {test}(" in (TOP / "docs" / path).read_text(encoding="utf-8"), line


def test_its_make_targets_exist():
    makefile = (TOP / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^make ([a-z-]+)", TEXT, re.MULTILINE))
    assert targets >= {"demo", "test", "lint"}
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
