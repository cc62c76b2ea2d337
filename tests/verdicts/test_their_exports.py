"""`alexctl stats` on tables as W&B's page of runs and MLflow's command line write them, by the commands in the docs."""

import re
import shlex
from pathlib import Path

import pytest

from alexctl import stats

TOP = Path(__file__).parents[2]
DOC = (TOP / "docs" / "statistics.md").read_text(encoding="utf-8")


def words_of(file: str) -> dict:
    """The options of the command in the docs that reads this file."""
    (line,) = re.findall(rf"^alexctl stats {file} (.*)$", DOC, re.MULTILINE)
    words = shlex.split(line)
    options = dict(zip(words[::2], words[1::2], strict=True))
    return {key.removeprefix("--"): value for key, value in options.items()}


@pytest.mark.parametrize("file", ["wandb.csv", "mlflow.csv"])
def test_the_commands_of_the_docs(file):
    words = words_of(file)
    where = [words.pop("where")]
    (line,), notes = stats(TOP / "tests" / "fixtures" / "exports" / file, **words, where=where)
    assert (line["arm"], line["control"], line["n"]) == ("relu", "tanh", 3)
    assert line["values"] == pytest.approx([5.0, 4.6, 4.9])
    assert line["direction_from"] == "name", "lower is better, as its name tells"
    assert any("left out" in note and "(tanh 1 of 4)" in note for note in notes), "the run that crashed is named"
