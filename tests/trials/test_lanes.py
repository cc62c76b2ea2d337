"""Trials in lanes: each gives the rows it gives alone, to the bit, whatever befalls its neighbours."""

import random

import one_trial
import pytest
import torch
from conftest import tiny_ablation

from alexctl.ablation.load import load
from alexctl.api import Result
from alexctl.campaign.scheduler import Options
from alexctl.cli.progress import Screen
from alexctl.errors import UserError
from alexctl.run import run
from alexctl.store import files, layout, records
from alexctl.store.lock import FolderLock, Locked
from alexctl.timing.probe import NOTHING
from alexctl.training.graphs import Eager
from alexctl.training.loop import Training
from alexctl.trials import trial
from alexctl.trials.lanes import CROWDED, Lanes, Poisoned

CPU = torch.device("cpu")
SECONDS = ("train_seconds", "eval_seconds")


def lay(folder, data, seed, lr=0.01, **changes):
    setting = tiny_ablation(**changes).setting("relu", data.name, data.digest, lr=lr)
    home = folder / layout.trial_name("relu", seed, setting.hash8)
    records.create(home, ablation="tiny", arm="relu", phase="final", seed=seed, setting=setting)
    return home


def train(orders, root, *, most=8, should_stop=lambda: False):
    """The state that each trial is left in, by its folder's name."""
    ends = {}

    def tell(event):
        if event["event"] == "end":
            ends[event["folder"]] = event["state"]
        assert event["event"] != "error", event

    lanes = Lanes(
        root=root, device=CPU, keeping=trial.ROWS_ONLY, tell=tell, should_stop=should_stop, most=most
    )  # fmt: skip
    for folder, until in orders:
        lanes.add(folder, until)
    while lanes.lanes:
        lanes.advance()
    return ends


def rows_of(folder):
    record = records.read_trial(folder)
    assert record.problem is None
    return record.state, [{k: v for k, v in row.items() if k not in SECONDS} for row in record.rows]


def test_each_gives_the_rows_it_gives_alone(tiny_root, tiny_data, tmp_path):
    """Another rate, a pause, a divergence, another batch size, an arm of other knobs: side by side."""
    orders, singles = [], []
    for seed, lr, until, changes in (
        (0, 0.01, None, {}), (1, 0.02, 1.0, {}), (2, 1e3, None, {}), (3, 0.01, None, {"batch_size": 8}),
        (4, 0.01, None, {"crop": 24, "flips": True}),
    ):  # fmt: skip
        orders.append((lay(tmp_path / "together", tiny_data, seed, lr, **changes), until))
        singles.append(lay(tmp_path / "alone", tiny_data, seed, lr, **changes))
        one_trial.run(singles[-1], root=tiny_root, device=CPU, until=until)
    ends = train(orders, tiny_root)
    assert [ends[folder.name] for folder, _ in orders] == ["done", "paused", "diverged", "done", "done"]
    for (folder, _), single in zip(orders, singles, strict=True):
        assert rows_of(folder) == rows_of(single)
        assert {p.name for p in folder.iterdir()} == {p.name for p in single.iterdir()}
    assert files.read_json(orders[0][0] / "env.json")["lanes"] == 8
    assert "lanes" not in files.read_json(singles[0] / "env.json")
    paused = orders[1][0]
    assert train([(paused, None)], tiny_root) == {paused.name: "done"}  # it goes on


def test_they_are_stopped_and_gone_on_with(tiny_root, tiny_data, tmp_path):
    draw = random.Random(0)
    singles = [lay(tmp_path / "alone", tiny_data, seed, epochs=1) for seed in range(3)]
    for folder in singles:
        one_trial.run(folder, root=tiny_root, device=CPU)
    for number in range(3):
        folders = [lay(tmp_path / str(number), tiny_data, seed, epochs=1) for seed in range(3)]
        for _ in range(100):
            left = iter([False] * draw.randint(0, 12) + [True] * 1000)
            ends = train([(f, None) for f in folders], tiny_root, should_stop=lambda left=left: next(left))
            assert set(ends.values()) <= {"interrupted", "done"}
            if set(ends.values()) == {"done"}:
                break
        assert [rows_of(folder) for folder in folders] == [rows_of(single) for single in singles]


def test_one_that_another_machine_took_over_holds_up_none(tiny_root, tiny_data, tmp_path, monkeypatch):
    folders = [lay(tmp_path, tiny_data, seed) for seed in range(2)]
    check = FolderLock.check

    def lost(claim):
        if claim.folder == folders[0]:
            raise Locked
        check(claim)

    with monkeypatch.context() as patch:
        patch.setattr(FolderLock, "check", lost)
        ends = train([(folder, None) for folder in folders], tiny_root)
    assert ends == {folders[0].name: "locked", folders[1].name: "done"}
    held = FolderLock(folders[0])
    assert train([(folders[0], None)], tiny_root) == {folders[0].name: "locked"}
    held.release()
    assert train([(folders[0], None)], tiny_root) == {folders[0].name: "done"}


@pytest.fixture
def breaks(monkeypatch):
    """Has the steps of one seed raise what `breaks` is told, once there are others beside it or always."""

    def told(error, *, seed=0):
        learn = Training.learn

        def broken(self, *args):
            if self.seed == seed:
                raise error
            learn(self, *args)

        monkeypatch.setattr(Training, "learn", broken)

    return told


def test_one_that_fails_fails_alone(tiny_root, tiny_data, tmp_path, breaks):
    breaks(RuntimeError("no such kernel"))
    folders = [lay(tmp_path, tiny_data, seed) for seed in range(2)]
    ends = train([(folder, None) for folder in folders], tiny_root)
    assert ends == {folders[0].name: "failed", folders[1].name: "done"}
    assert "no such kernel" in records.read_trial(folders[0]).status["error"]


NO_MEMORY = (
    torch.OutOfMemoryError("out of memory"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA error: out of memory"),
)


@pytest.mark.parametrize("error", NO_MEMORY)
def test_a_want_of_memory_is_no_fault_of_the_trial_until_it_is_alone(tiny_root, tiny_data, tmp_path, breaks, error):
    breaks(error)
    folders = [lay(tmp_path, tiny_data, seed) for seed in range(2)]
    ends = train([(folder, None) for folder in folders], tiny_root)
    assert ends == {folders[0].name: CROWDED, folders[1].name: "done"}
    assert records.read_trial(folders[0]).state == "pending"
    assert train([(folders[0], None)], tiny_root) == {folders[0].name: "failed"}


@pytest.mark.parametrize("broken", [False, True])
def test_no_trial_ends_while_the_device_works_for_it(tiny_root, tiny_data, tmp_path, breaks, monkeypatch, broken):
    """Its memory would be given to others."""
    given, ends = [], []

    class Busy(Eager):
        def launch(self, *work):
            given.append(True)
            super().launch(*work)

    monkeypatch.setattr("alexctl.training.loop.launcher_on", lambda *_, **__: Busy(given.clear))
    if broken:
        breaks(RuntimeError("no such kernel"))
    lanes = Lanes(
        root=tiny_root, device=CPU, keeping=trial.ROWS_ONLY, should_stop=lambda: False,
        tell=lambda event: ends.append(list(given)) if event["event"] == "end" else None,
    )  # fmt: skip
    lanes.add(lay(tmp_path, tiny_data, 0), None)
    while lanes.lanes:
        lanes.advance()
    assert ends == [[]]


def test_an_error_that_poisons_the_device_is_blamed_on_none_of_several(tiny_root, tiny_data, tmp_path, breaks):
    breaks(RuntimeError("CUDA error: an illegal memory access was encountered"))
    folders = [lay(tmp_path, tiny_data, seed) for seed in range(2)]
    with pytest.raises(Poisoned):
        train([(folder, None) for folder in folders], tiny_root)
    assert {records.read_trial(folder).state for folder in folders} == {"pending"}


def test_a_device_without_memory_for_all_gets_fewer(tiny_root, tmp_path, monkeypatch, capsys):
    """The campaign comes to its end, says so, and no trial is called failed."""
    learn, beside = Training.learn, []

    def crowded(self, *args):
        if self.seed == 1 and not beside:
            beside.append(self)
            raise torch.OutOfMemoryError("out of memory")
        learn(self, *args)

    monkeypatch.setattr(Training, "learn", crowded)
    options = Options(results=tmp_path, root=tiny_root, device="cpu", workers=1, lanes=4)
    ablation = tiny_ablation(seeds=3, epochs=1)
    evidence = run(ablation, options, Screen(quiet=True))
    assert {record.state for record in evidence.counted} == {"done"}
    assert "found too little memory beside the others; from now on 3 trials at once" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.mark.slow
def test_a_campaign_in_lanes_comes_to_the_same(tiny_root, tmp_path):
    """The search and the reported seeds: the same winners, the same rows, the same verdict."""
    ablation = tiny_ablation(lr="search", lr_grid=[0.01, 0.02], seeds=2, epochs=1)
    made = []
    for workers, lanes in ((1, 1), (2, 3)):
        options = Options(results=tmp_path / str(lanes), root=tiny_root, device="cpu", workers=workers, lanes=lanes)
        made.append(Result.of(run(ablation, options, Screen(quiet=True))))
    alone, together = made
    assert alone.evidence.rates == together.evidence.rates
    assert alone.verdict["comparisons"] == together.verdict["comparisons"]
    for one, other in zip(alone.evidence.counted, together.evidence.counted, strict=True):
        assert one.folder.name == other.folder.name
        assert rows_of(one.folder) == rows_of(other.folder)


POISONOUS = """
from torch import nn

class Net(nn.Sequential):
    def forward(self, x):
        if self.training and self.seed == 1:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return super().forward(x)

def make(*, image_shape, num_classes: int, seed: int, wide: bool = False) -> nn.Module:
    height, breadth, channels = image_shape
    net = Net(nn.Flatten(), nn.Linear(height * breadth * channels, num_classes))
    net.seed = seed
    return net
"""
COMPARISON = """
title = "Wide against narrow"
control = "narrow"
varies = ["wide"]
measure = "test_error"
[claim]
source = "nobody"
says = "errs less"
data = "shapes"
[base]
data = "shapes"
net = "poisonous:make"
num_train = 64
batch_size = 16
lr = 0.001
epochs = 1
seeds = 3
[arms.narrow]
[arms.broad]
wide = true
"""


@pytest.fixture
def poisonous(own_code):
    (own_code / "poisonous.py").write_text(POISONOUS)
    (own_code / "wide.toml").write_text(COMPARISON)
    return lambda: load("./wide.toml", run_code=True)


@pytest.mark.slow
def test_a_process_whose_device_is_poisoned_is_started_anew(poisonous, tiny_root, tmp_path, monkeypatch):
    """Starts real processes, again and again; buys that only the culprits fail, each alone in its process."""
    monkeypatch.setattr("alexctl.run.probe", lambda *_: NOTHING)
    monkeypatch.setattr("alexctl.run.seed_notes", lambda *_: [])
    options = Options(results=tmp_path, root=tiny_root, device="cpu", workers=2, lanes=3)
    evidence = run(poisonous(), options, Screen(quiet=True))
    states = {(record.arm, record.seed): record.state for record in evidence.counted}
    assert states == {
        (arm, seed): "failed" if seed == 1 else "done" for arm in ("narrow", "broad") for seed in range(3)
    }
    assert all("illegal memory access" in r.status["error"] for r in evidence.counted if r.failed)


def test_a_poisoned_device_ends_an_inline_run_with_a_line(poisonous, tiny_root, tmp_path, monkeypatch):
    monkeypatch.setattr("alexctl.run.probe", lambda *_: NOTHING)
    monkeypatch.setattr("alexctl.run.seed_notes", lambda *_: [])
    options = Options(results=tmp_path, root=tiny_root, device="cpu", workers=1, lanes=6)
    with pytest.raises(UserError, match=r"illegal memory access.*run the same command again, without --workers 1"):
        run(poisonous(), options, Screen(quiet=True))
