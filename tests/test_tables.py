"""From trials laid down by hand to the comparisons of verdict.json."""

import pytest
from conftest import TINY

from alexctl import results, trial
from alexctl.ablation import parse
from alexctl.campaign import Campaign
from alexctl.report.rebuild import overview
from alexctl.report.tables import derive

FOUR = {
    "old": {"activation": "tanh", "init": "2012"}, "old-relu": {"activation": "relu", "init": "2012"},
    "new": {"activation": "tanh", "init": "fan-in"}, "new-relu": {"activation": "relu", "init": "fan-in"},
}  # fmt: skip


def campaign(folder, **document) -> Campaign:
    ablation, faults = parse(TINY | document, name="tiny", overrides={"epochs": 100, "seeds": 3}, smoke=False)
    assert not faults, faults
    return Campaign(ablation, data_name="shapes", data_digest="0" * 16, num_classes=10, folder=folder)


def finish(made: Campaign, arm: str, crossings=(), errors=()):
    """Trials that cross 25% training error at these epochs (None: never), or end with these test errors."""
    for job, end in zip(made.final_jobs(arm, 0.01), crossings or errors, strict=True):
        folder = made.folder / "trials" / job.name
        trial.create(folder, ablation="tiny", arm=arm, phase="final", seed=job.seed, setting=job.setting)
        row = {"step": 1, "train_loss": 1.0, "train_error": 0.3, "train_seconds": 1.0, "eval_seconds": 0.0,
               "epoch": 0.5, "test_error": None, "top5_error": None}  # fmt: skip
        last = row | {"step": 2, "epoch": float(end or 100) if crossings else 1.0}
        last |= {"train_error": 0.25} if end is not None else {}
        last |= {"test_error": end, "top5_error": end / 2} if errors else {}
        results.write_rows(folder, [row, last])
        status = {"schema": 1, "state": "done", "num_rows": 2, "epochs_run": last["epoch"], "error": None}
        results.write_json(folder / "status.json", status)
        made.reload(job.name)


def test_an_interaction_is_one_comparison(tmp_path):
    made = campaign(tmp_path, compares="interaction", varies=["activation", "init"], control="old", arms=FOUR,
                    claim=TINY["claim"] | {"effect": None, "direction": "negative"}, margin=1.5)  # fmt: skip
    finish(made, "old", [40, 42, 44])
    finish(made, "old-relu", [5, 5.25, 5.5])  # 8 times
    finish(made, "new", [6, 8, 10])
    assert derive(made).verdict["comparisons"][0]["verdict"] == "not run yet"
    finish(made, "new-relu", [3, 4, 5])  # twice
    (line,) = derive(made).verdict["comparisons"]
    assert (line["arm"], line["control"], line["n"]) == ("activation x init", None, 3)
    assert line["effect"] == pytest.approx(2 / 8)
    assert line["verdict"] == "supported"
    assert "activation x init ratio 0.250" in line["sentence"]
    assert "init = 2012: ratio 8.00" in line["sentence"]
    assert "init = fan-in: ratio 2.00" in line["sentence"]
    assert overview([derive(made)])["arm"].tolist() == ["activation x init"]


def test_an_interaction_counts_the_trials_that_never_crossed(tmp_path):
    made = campaign(tmp_path, compares="interaction", varies=["activation", "init"], control="old", arms=FOUR,
                    claim=TINY["claim"] | {"effect": None}, margin=1.5)  # fmt: skip
    finish(made, "old", [None, None, 44])
    finish(made, "old-relu", [5, 5.25, 5.5])
    finish(made, "new", [6, 8, 10])
    finish(made, "new-relu", [3, 4, 5])
    (line,) = derive(made).verdict["comparisons"]
    assert line["bound"] == "at_most"  # the first effect is larger than it looks, so the second falls further short
    assert "2 of 6 init = 2012 trials censored" in line["sentence"]


def test_a_size_for_each_arm(tmp_path):
    arms = {"whole": {"activation": "tanh"}, "a": {"activation": "relu"}, "b": {"activation": "relu", "init": "2012"}}
    claim = {
        "section": "7",
        "says": "costs about 2 points",
        "effect": {"a": -2.0},
        "direction": "negative",
        "data": "x",
    }
    made = campaign(tmp_path, control="whole", varies=["activation", "init"], arms=arms, claim=claim,
                    measure="test_error", margin=0.5)  # fmt: skip
    finish(made, "whole", errors=[0.20, 0.21, 0.22])
    finish(made, "a", errors=[0.22, 0.2305, 0.2395])
    finish(made, "b", errors=[0.24, 0.25, 0.26])
    first, second = derive(made).verdict["comparisons"]
    assert (first["claimed"], second["claimed"]) == (-2.0, None)
    assert (first["verdict"], second["verdict"]) == ("supported", "supported")
    assert first["effect"] == pytest.approx(-2)
    assert derive(made).trials["top5_error"].tolist()[:3] == pytest.approx([0.11, 0.11525, 0.11975])
