"""No number moves: the tables made today of the committed trials are, byte for byte, those committed with them."""

import pytest

from alexctl.campaign.campaign import Campaign
from alexctl.report.rebuild import write, write_overview
from alexctl.store import files, layout
from alexctl.store.reference import reference
from alexctl.verdicts.tables import derive

FILES = (
    layout.TRIALS_CSV, layout.CURVES_CSV, layout.SUMMARY_CSV, layout.SURVIVAL_CSV, layout.BUDGETS_CSV, layout.IMAGES_CSV,
    layout.BY_CLASS_CSV, layout.ENSEMBLES_CSV, layout.KERNELS_CSV, layout.VERDICT,
)  # fmt: skip


@pytest.mark.parametrize("committed", reference(), ids=lambda path: path.name)
def test_the_tables_of_the_reference_trials_are_those_committed(committed, tmp_path):
    write(derive(Campaign.open(committed).evidence()), tmp_path)
    expected = {name: (committed / name).read_bytes() for name in FILES if (committed / name).exists()}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == expected


def test_the_overview_of_the_reference_results_is_the_one_committed(tmp_path):
    found = reference()
    write_overview(tmp_path, ((path.name, files.read_json(path / "verdict.json")) for path in found))
    assert (tmp_path / layout.OVERVIEW).read_bytes() == (found[0].parent / layout.OVERVIEW).read_bytes()
