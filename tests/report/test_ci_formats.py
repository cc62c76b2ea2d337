"""What CI services are told: JUnit's XML, GitHub's annotations and summary, and the action that brings them about."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from alexctl.report.ci_formats import annotations, junit

ACTION = Path(__file__).parents[2] / ".github" / "actions" / "ablation"


def verdict(*words: str, says: str = "errs less", title: str = "Wide, against narrow: which?") -> dict:
    lines = [
        {
            "arm": f"arm{number}",
            "control": "base",
            "verdict": word,
            "words": word,
            "sentence": f"{word} by 3% & more <b>\n",
        }
        for number, word in enumerate(words)
    ]
    return {"ablation": "wide", "title": title, "control": "base", "claim": {"says": says}, "comparisons": lines}


def contradicts(line: dict) -> bool:
    return line["verdict"] == "contradicted"


def test_junit_has_a_case_for_each_comparison():
    found = [verdict("supported", "contradicted", "undecided", "not judged", "no difference"), verdict("supported")]
    root = ElementTree.fromstring(junit(found, contradicts))
    assert (root.tag, root.get("tests"), root.get("failures"), root.get("skipped")) == ("testsuites", "6", "1", "2")
    first = root[0]
    assert (first.get("name"), first.get("tests"), first.get("failures")) == ("wide", "5", "1")
    assert [[part.tag for part in case] for case in first] == [
        ["system-out"], ["failure", "system-out"], ["skipped", "system-out"], ["skipped", "system-out"], ["system-out"],
    ]  # fmt: skip
    assert first[1].get("name") == "arm1 against base: errs less"
    assert first[1][0].text == "contradicted by 3% & more <b>\\n"


def test_names_that_xml_and_github_would_misread_are_text():
    odd = verdict("supported", says='\x1b[31m"]]>&\ud800', title="a%,:\n::error::b")
    root = ElementTree.fromstring(junit([odd], contradicts).encode())
    assert root[0][0].get("name") == 'arm0 against base: \\x1b[31m"]]>&\\ud800'
    (line,) = annotations([odd], contradicts).splitlines()
    assert line == (
        "::notice title=a%25%2C%3A\\n%3A%3Aerror%3A%3Ab::arm0 against base: supported by 3%25 & more <b>\\n"
    )
    assert annotations([verdict("contradicted")], contradicts).startswith("::error title=")


@pytest.fixture
def github(tmp_path, monkeypatch):
    """A step of GitHub Actions in an empty folder, `alexctl` on its path: runs a script, gives what it ended with."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "alexctl"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m alexctl "$@"\n')
    command.chmod(0o755)
    names = {"GITHUB_STEP_SUMMARY": tmp_path / "summary.md", "GITHUB_OUTPUT": tmp_path / "output"}
    repository = str(ACTION.parents[2])
    path = os.pathsep.join(filter(None, (repository, os.environ.get("PYTHONPATH"))))

    def run(script: Path, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["bash", str(script)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
            env=os.environ | {key: str(value) for key, value in names.items()} | environment
            | {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": path},
        )  # fmt: skip

    return run


@pytest.mark.slow
def test_the_action_reports_and_asks_the_gate(github, tmp_path):
    """Starts real processes; buys that the copied workflow works, also in a folder with a blank in its name."""
    results = tmp_path / "my results"
    ended = github(
        ACTION / "run.sh", ABLATION="relu-vs-tanh-demo", GATE="--require supported", ALEXCTL_RESULTS=str(results),
        ARGUMENTS="--data shapes --epochs 1 --seeds 2 --workers 1 --set num_train=64 --set lr=0.01",
    )  # fmt: skip
    assert ended.returncode == 3, ended.stderr
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith("| claim | on | arm |")
    assert (tmp_path / "output").read_text() == f"junit={results / 'junit.xml'}\n"
    root = ElementTree.parse(results / "junit.xml").getroot()
    assert (root.get("tests"), root.get("failures")) == ("1", "1")
    assert "::error title=" in ended.stdout


def test_the_action_names_what_there_is():
    """Its inputs are those that its script reads."""
    action, script = (ACTION / "action.yml").read_text(), (ACTION / "run.sh").read_text()
    for name in ("ABLATION", "ARGUMENTS", "GATE", "ALEXCTL_RESULTS"):
        assert f"{name}: ${{{{ inputs." in action
        assert f"${name}" in script
