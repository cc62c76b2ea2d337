"""Verdicts as CI services read them: JUnit's XML, and GitHub's summary of a job with its annotations."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from alexctl.errors import printable
from alexctl.verdicts.gate import EMPTY

Verdict = Mapping[str, Any]
Line = Mapping[str, Any]
UNSETTLED = ("undecided", *EMPTY)
"""Verdicts that say neither that a claim holds nor that it does not: JUnit's skipped tests."""


def junit(verdicts: Sequence[Verdict], fails: Callable[[Line], bool]) -> str:
    """A test suite an ablation, a test case a comparison; `fails` says of a comparison whether it is a failure."""
    root = ElementTree.Element("testsuites", name="alexctl")
    for verdict in verdicts:
        suite = ElementTree.SubElement(root, "testsuite", name=_text(verdict["ablation"]))
        for line in verdict["comparisons"]:
            name = f"{_sides(line, verdict)}: {verdict['claim']['says']}"
            case = ElementTree.SubElement(suite, "testcase", classname=_text(verdict["ablation"]), name=_text(name))
            words = _text(line.get("words") or line["verdict"])
            if fails(line):
                ElementTree.SubElement(case, "failure", message=words).text = _text(line["sentence"])
            elif _word(line) in UNSETTLED:
                ElementTree.SubElement(case, "skipped", message=words)
            ElementTree.SubElement(case, "system-out").text = _text(line["sentence"])
        _count(suite)
    _count(root)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def annotations(verdicts: Sequence[Verdict], fails: Callable[[Line], bool]) -> str:
    """A workflow command of GitHub Actions for each comparison: an error where it fails, else a notice."""
    return "".join(
        f"::{'error' if fails(line) else 'notice'} title={_property(verdict['title'])}::"
        f"{_data(_sides(line, verdict) + ': ' + line['sentence'])}\n"
        for verdict in verdicts
        for line in verdict["comparisons"]
    )


def _sides(line: Line, verdict: Verdict) -> str:
    control = line.get("control", verdict["control"])
    return f"{line['arm']} against {control}" if control else line["arm"]


def _word(line: Line) -> str:
    return line["verdict"].partition(",")[0]


def _count(suite: ElementTree.Element) -> None:
    for attribute, path in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(1 for _ in suite.iter(path))))


def _text(value: str) -> str:
    """What XML can hold of it."""
    return printable(value)


def _data(text: str) -> str:
    """Escaped as GitHub's workflow commands want it."""
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
