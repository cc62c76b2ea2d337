"""No number moves: the tables made today of the committed trials are, byte for byte, those committed with them."""

import pytest

from alexctl.campaign.campaign import Campaign
from alexctl.report.rebuild import write, write_overview
from alexctl.store import files, layout
from alexctl.store.reference import reference
from alexctl.verdicts.tables import derive

FILES = ("trials.csv", "curves.csv", "summary.csv", "survival.csv", "verdict.json")


@pytest.mark.parametrize("committed", reference(), ids=lambda path: path.name)
def test_the_tables_of_the_reference_trials_are_those_committed(committed, tmp_path):
    write(derive(Campaign.open(committed).evidence()), tmp_path)
    expected = {name: (committed / name).read_bytes() for name in FILES if (committed / name).exists()}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == expected


def test_the_overview_of_the_reference_results_is_the_one_committed(tmp_path):
    found = reference()
    write_overview(tmp_path, ((path.name, files.read_json(path / "verdict.json")) for path in found))
    assert (tmp_path / layout.OVERVIEW).read_bytes() == (found[0].parent / layout.OVERVIEW).read_bytes()
