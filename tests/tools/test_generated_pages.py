"""Pages that are written from the code or from measurements: nothing is missing on them, and their numbers are worked out anew."""

import csv
import statistics
from pathlib import Path

import typer.main

from alexctl.cli import commands
from alexctl.store import layout
from tools import cli_page, students_page, teaching_page

REFERENCE = Path(__file__).parents[2] / layout.REFERENCE
MARKS = "<!-- {0}: x -->\n<!-- end of {0} -->\n"


def every(command, path):
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from every(below, (*path, name))


def test_every_command_and_option_is_told():
    page = cli_page.page()
    for path, command in every(typer.main.get_command(commands.app), ("alexctl",)):
        section = page.partition(f"\n## `{' '.join(path)}`\n")[2].partition("\n## ")[0]
        assert command.help.split("\n")[0] in section
        for param in command.params:
            assert all(f"`{name}" in section or f", {name}" in section for name in param.opts if name.startswith("--"))
            assert (param.help or "").replace("|", "\\|") in section
    assert "`20.0`" in page  # a default: --checkpoint-every


def test_every_claim_on_other_data_than_ours_is_one_to_take():
    with (REFERENCE / layout.BENCH / layout.COSTS_CSV).open(encoding="utf-8") as file:
        names = [row["ablation"] for row in csv.DictReader(file) if row["data"] != "shapes"]
    page = teaching_page.written(MARKS.format("claims"), REFERENCE / layout.BENCH)
    assert sorted(line.split("`")[1] for line in page.splitlines() if "](../ablations/" in line) == sorted(names)


def test_the_spread_of_runs_that_differ_in_nothing():
    with (REFERENCE / layout.CALIBRATION / "errors-relu.csv").open(encoding="utf-8") as file:
        found = [100 * float(row["test_error"]) for row in csv.DictReader(file) if float(row["lr"]) == 0.004]
    names = ("one run", "interval", "pairing", "margin", "censoring", "looks", "search")
    page = students_page.written("".join(map(MARKS.format, names)), REFERENCE / layout.CALIBRATION)
    assert f"between {min(found):.1f}% and {max(found):.1f}%" in page
    assert f"deviation of {statistics.stdev(found):.2f} points" in page
    gaps = [abs(one - two) for i, one in enumerate(found) for two in found[:i]]
    assert f"differ by more than {statistics.median(gaps):.1f} points" in page
