"""A trial that another ablation in the same results folder has done is taken over, and nothing else is."""

import pytest
from conftest import TINY, tiny_ablation

from alexctl.ablation.model import Ablation
from alexctl.ablation.parse import parse
from alexctl.campaign.scheduler import Options
from alexctl.cli.progress import Screen
from alexctl.run import run
from alexctl.store import files, records
from alexctl.trials.lanes import Lanes


def other_ablation(overrides=None, **document) -> Ablation:
    """The tiny comparison under another name, its arms named and ordered otherwise."""
    table = TINY | {
        "control": "squashed",
        "arms": {"squashed": {"activation": "tanh"}, "rectified": {"activation": "relu"}},
    }
    ablation, faults = parse(table | document, name="other", overrides=overrides or {"epochs": 1}, smoke=False)
    assert not faults, faults
    return ablation


@pytest.fixture
def options(tmp_path, tiny_root) -> Options:
    return Options(results=tmp_path / "results", root=tiny_root, device="cpu", workers=1)


@pytest.fixture
def began(monkeypatch) -> list[str]:
    """The folders' names of the trials that are trained from here on."""
    names, add = [], Lanes.add
    monkeypatch.setattr(
        Lanes, "add", lambda self, folder, until: (names.append(folder.name), add(self, folder, until))[1]
    )
    return names


def states(folder) -> dict[str, str]:
    return {record.folder.name: record.state for record in records.trials_of(folder)}


def test_what_is_done_is_taken(options, began):
    first = run(tiny_ablation(epochs=1, seeds=1), options, Screen(quiet=True))
    began.clear()
    second = run(other_ablation(), options, Screen(quiet=True))
    assert sorted(name.rsplit("-", 1)[0] for name in began) == ["rectified-s1", "squashed-s1"]  # seed 0 was there
    taken = {name: state for name, state in states(options.results / "other").items() if "-s0-" in name}
    assert set(taken.values()) == {"done"}
    heads = [files.read_json(options.results / "other" / "trials" / name / "setting.json") for name in taken]
    assert {(head["ablation"], head["arm"], head["from"]) for head in heads} == {
        ("other", "rectified", "tiny"), ("other", "squashed", "tiny"),
    }  # fmt: skip
    rows = [
        {record.arm: [row["train_loss"] for row in record.rows] for record in evidence.counted if record.seed == 0}
        for evidence in (first, second)
    ]
    assert rows[0] == {"relu": rows[1]["rectified"], "tanh": rows[1]["squashed"]}


def test_what_is_not_done_changed_or_about_seconds_is_not(options, began):
    run(tiny_ablation(epochs=1, seeds=1), options, Screen(quiet=True))
    relu, tanh = sorted((options.results / "tiny" / "trials").iterdir())
    (relu / "status.json").unlink()
    (tanh / "rows.csv").write_text((tanh / "rows.csv").read_text().replace("0.", "0.1", 1))
    began.clear()
    run(other_ablation(), options, Screen(quiet=True))
    assert len(began) == 4
    began.clear()
    (options.results / "other").rename(options.results / "gone")
    run(other_ablation(measure="seconds_per_epoch"), options, Screen(quiet=True))
    assert len(began) == 4


class Plans(Screen):
    """What a person is told before anything runs."""

    def planned(self, campaign, seconds, workers, notes):
        self.done = {r.folder.name for r in campaign.counted() if r.state == "done" and r.phase == "final"}
        self.seconds = seconds


@pytest.mark.slow
def test_a_whole_search_is_taken_before_the_plan_is_told(options, began):
    """Two of four rates are dropped on the way: what they came to is taken too, so that the plan knows the rest."""
    search = {
        "lr": "search", "lr_grid": [0.001, 0.003, 0.01, 0.03], "lr_widenings": 0, "epochs": 2, "seeds": 1,
        "target": {"metric": "train_error", "at_most": 0.01},
    }  # fmt: skip
    first = run(tiny_ablation(**search), options, Screen(quiet=True))
    assert "paused" in states(options.results / "tiny").values()
    began.clear()
    screen = Plans(quiet=True)
    second = run(other_ablation(search), options, screen)
    assert began == []
    assert len(screen.done) == 2
    assert screen.seconds == {}  # no step was timed for nothing
    assert [second.rates["squashed"], second.rates["rectified"]] == [first.rates["tanh"], first.rates["relu"]]
    (options.results / "tiny").rename(options.results.parent / "elsewhere")
    run(other_ablation({**search, "seeds": 2}), options, screen)
    assert len(began) == 2  # the second seed of each; what was taken stands by itself
