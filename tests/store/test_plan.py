"""A plan that somebody else wrote holds only what an ablation's file could have asked for."""

import json

import pytest
from conftest import tiny_ablation

from alexctl.ablation.load import load, shipped
from alexctl.campaign.campaign import Campaign
from alexctl.errors import UserError
from alexctl.store import plan

ABOUT = {"data_name": "shapes", "data_digest": "0" * 16, "num_classes": 10}


@pytest.fixture
def folder(tmp_path):
    plan.write(tmp_path, tiny_ablation(lr="search", lr_grid=[0.01, 0.02]), ABOUT, {"git_commit": None}, begun=False)
    assert plan.read(tmp_path)["ablation"].control == "tanh"
    return tmp_path


def changed(folder, **changes):
    """The plan with some of its ablation's values replaced, KEY__INNER of tables in it."""
    table = json.loads((folder / "plan.json").read_text())
    for key, value in changes.items():
        place, *inner = key.split("__")
        if inner:
            table["ablation"][place][inner[0]] = value
        else:
            table["ablation"][place] = value
    (folder / "plan.json").write_text(json.dumps(table))


@pytest.mark.parametrize(
    "changes",
    [
        {"claim__effect": 0.0},
        {"claim__effect": -6.0},
        {"claim__effect": {"relu": 6.0, "nobody": 2.0}},
        {"claim__says": ""},
        {"claim__says": "x" * 30_000},
        {"margin": 0.5},
        {"margin": 1},
        {"varies": ["activation", "activation"]},
        {"varies": []},
        {"control": "nobody"},
        {"measure": "luck"},
        {"compares": "interaction"},
        {"plan__lr_grid": None},
        {"plan__lr_grid": [0.001 * (i + 1) for i in range(100_000)]},
        {"plan__seeds": 0},
        {"arms": {"relu": {}}},
        {"arms": {f"a{i}": {"activation": "relu"} for i in range(10_000)}},
        {"arms": {"x" * 5000: {"activation": "relu"}, "tanh": {"activation": "tanh"}}},
        {"arms": {"\ud800": {"activation": "relu"}, "tanh": {"activation": "tanh"}}},
        {"base__net": []},
        {"base__epochs": 10**9},
    ],
)  # fmt: skip
def test_what_no_file_asks_for_is_refused_at_once(folder, changes):
    changed(folder, **changes)
    with pytest.raises(UserError) as caught:
        plan.read(folder)
    assert "plan.json is damaged" in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_plan_of_every_file_that_ships_is_read_as_it_was_written(tmp_path, name):
    ablation = load(name)
    campaign = Campaign(ablation, data_name="cifar10", data_digest="0" * 16, num_classes=10, folder=tmp_path)
    campaign.write_plan({"git_commit": "3" * 40, "git_dirty": False})
    assert Campaign.open(tmp_path).ablation.claim == ablation.claim
