"""Steps that are captured once and replayed give the numbers of steps that Python takes one by one, to the bit."""

import contextlib
import gc
import weakref

import pytest
import torch
from conftest import tiny_ablation
from training.recorded import Recorded, Stream

from alexctl.ablation.load import load, shipped
from alexctl.data import shapes
from alexctl.data.sources import prepare
from alexctl.training.graphs import WARM_UPS, Capturing
from alexctl.training.loop import Training

CPU = torch.device("cpu")
SMALL = {"epochs": 3, "num_train": 100, "batch_size": 16, "rows_per_epoch": 2, "evaluate_every": 1}


def capturing(**options) -> Capturing:
    return Capturing(Stream(), graph=Recorded, turn=lambda stream: contextlib.nullcontext(), **options)


def rows_of(training):
    return [{**vars(row), "train_seconds": 0, "eval_seconds": 0} for row in training]


def different_arms() -> list[tuple[str, str]]:
    """(ablation, arm) of those that ship; of arms with one setting, which most files share, the first."""
    found = {}
    for name in sorted(shipped()):
        ablation = load(name, smoke=True)
        for arm in ablation.arms:
            found.setdefault(ablation.setting(arm, ablation.base["data"], "", lr=0.001, **SMALL).hash8, (name, arm))
    return list(found.values())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def small(monkeypatch, root):
    """Few images of a data set by its name."""
    monkeypatch.setattr(shapes, "NUM_TRAIN", 100)
    monkeypatch.setattr(shapes, "NUM_TEST", 20)
    return lambda name: prepare(name, root)


FEW = [
    ("adam-or-sgd", "adam"), ("crops-and-flips", "random"), ("lenet5-forms", "as-in-1998"), ("lrn-by-dropout", "lrn"),
    ("mixup", "mixed"), ("relu-vs-tanh-demo", "tanh"),
]  # fmt: skip
"""Most of what a step can do; the others differ from one of these in a knob or two, and run with the slow tests."""


def settings_that_ship():
    arms = different_arms()
    assert set(FEW) < set(arms)
    return [pytest.param(*arm, marks=() if arm in FEW else pytest.mark.slow) for arm in arms]


@pytest.mark.parametrize(("name", "arm"), settings_that_ship())
def test_every_setting_that_ships_can_be_captured(name, arm, small):
    """Orders, crops, masks, schedules, a last batch that is not whole: nothing of a step needs Python."""
    ablation = load(name, smoke=True)
    data = small(ablation.base["data"])
    setting = ablation.setting(arm, data.name, data.digest, lr=0.001, **SMALL)
    captured = Training(setting, 0, data, device=CPU, launcher=capturing())
    assert rows_of(captured) == rows_of(Training(setting, 0, data, device=CPU))
    assert captured.launcher.captures
    assert captured.launcher._graphs


def tiny(data, **changes):
    never = {"metric": "train_error", "at_most": 0.001}
    knobs = {"target": never, "epochs": 5, **changes}
    return tiny_ablation(**knobs).setting("relu", data.name, data.digest, lr=0.005)


def test_a_new_rate_is_captured_anew(tiny_data):
    """The rate's factor is part of the graph, and so is whether colours are shifted."""
    setting = tiny(tiny_data, lr_drops=[2, 4], colour_noise=0.1, colour_noise_until=3)
    captured = Training(setting, 0, tiny_data, device=CPU, launcher=capturing())
    assert rows_of(captured) == rows_of(Training(setting, 0, tiny_data, device=CPU))
    (factors, shifts), _ = captured.launcher._graphs[16]
    assert (min(factors), shifts) == (pytest.approx(0.01), False)


@pytest.mark.parametrize("stop", [3, 6, 13])
def test_captured_and_eager_go_on_from_each_other(tiny_data, stop):
    setting = tiny(tiny_data)
    whole = rows_of(Training(setting, 0, tiny_data, device=CPU))
    for first, second in ((capturing(), None), (None, capturing())):
        training, rows = Training(setting, 0, tiny_data, device=CPU, launcher=first), []
        for piece in training.work():
            if piece is None and training.step == stop:
                break
            rows += [piece] if piece is not None else []
        rest = Training(setting, 0, tiny_data, device=CPU, state=training.state(), launcher=second)
        assert rows_of(rows) + rows_of(rest) == whole


@pytest.mark.parametrize("own", [False, True])
def test_a_net_of_the_users_own_is_not_captured(tiny_data, monkeypatch, own):
    """What it does in Python at each step would be done once."""
    asked = []
    monkeypatch.setattr("alexctl.training.loop.is_own", lambda net: own)
    monkeypatch.setattr(
        "alexctl.training.loop.launcher_on", lambda device, captures: asked.append(captures) or capturing()
    )
    Training(tiny(tiny_data), 0, tiny_data, device=CPU)
    assert asked == [not own]


def test_what_waits_for_the_device_is_not_captured():
    launcher, total, done = capturing(), torch.zeros(()), []

    def work():
        total.add_(1)
        done.append(total.item())

    for _ in range(WARM_UPS + 3):
        launcher.launch("step", None, work)
    assert not launcher.captures
    assert total == WARM_UPS + 3


def test_the_graphs_of_a_training_keep_their_memory_until_there_is_another():
    """CUDA gives up the memory they share with the last graph, and refuses to capture into it afterwards."""
    alive, begun = weakref.WeakSet(), []

    class Counted(Recorded):
        def capture_begin(self, **options):
            begun.append((len(alive), options))
            alive.add(self)
            super().capture_begin(**options)

        def pool(self):
            return "pool"

    launcher = Capturing(Stream(), graph=Counted, turn=lambda stream: contextlib.nullcontext())
    for step in range(WARM_UPS + 6):
        launcher.launch("step", step // 5, lambda: None)
    gc.collect()
    mode = {"capture_error_mode": "thread_local"}
    assert begun == [(0, mode), (1, mode | {"pool": "pool"})]
    assert len(alive) == 1


NO_MEMORY = (torch.OutOfMemoryError("out of memory"), RuntimeError("CUDNN_STATUS_ALLOC_FAILED"))


@pytest.mark.parametrize("error", NO_MEMORY)
@pytest.mark.parametrize("suffices", [True, False])
def test_where_memory_is_wanting_at_the_capture_what_is_left_of_others_is_given_back(error, suffices):
    released, total = [], torch.zeros(())
    launcher = capturing(release=lambda: released.append(True))
    for _ in range(WARM_UPS):
        launcher.launch("step", None, lambda: total.add_(1))

    def work():
        if not (released and suffices):
            raise error
        total.add_(1)

    if suffices:
        launcher.launch("step", None, work)
        launcher.launch("step", None, work)
        assert (launcher.captures, total) == (True, WARM_UPS + 2)
    else:
        with pytest.raises(type(error)):
            launcher.launch("step", None, work)
    assert released == [True]


def test_the_stand_in_stands_still_where_python_counts():
    """Else the tests above could not fail."""
    launcher, total, count = capturing(), torch.zeros(()), iter(range(100))
    for _ in range(WARM_UPS + 3):
        launcher.launch("step", None, lambda: total.add_(next(count)))
    assert total == sum(range(WARM_UPS)) + 3 * WARM_UPS
