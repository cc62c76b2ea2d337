"""Before the first trial: what would fail everywhere fails now, and an epoch's time is known."""

import gc
import weakref

import pytest
import torch
from conftest import tiny_ablation

from alexctl.campaign.campaign import Campaign
from alexctl.errors import UserError
from alexctl.nets.activations import ACTIVATIONS
from alexctl.timing import timer
from alexctl.timing.probe import ImageSeconds, probe
from alexctl.timing.throughput import Alone
from alexctl.training.evaluation import Evaluator

CPU = torch.device("cpu")


@pytest.fixture
def campaign(tiny_data, tmp_path):
    about = {"data_name": tiny_data.name, "data_digest": tiny_data.digest, "num_classes": 10}
    return Campaign(tiny_ablation(), **about, folder=tmp_path)


def test_every_arm_is_timed_without_an_evaluation(campaign, tiny_data, monkeypatch):
    monkeypatch.setattr(Evaluator, "errors_on", lambda *_: pytest.fail("an evaluation"))
    seconds = probe(campaign, tiny_data, CPU, threads=1).seconds
    assert sorted(seconds) == ["relu", "tanh"]
    assert all(value > 0 for value in seconds.values())


def test_a_slow_step_is_not_timed_over_and_over(campaign, tiny_data, monkeypatch):
    """Where a step takes ten seconds, by a clock of its own: the first, which warms up, and one more of each arm."""
    step, steps = Alone.step, []

    def slow(alone):
        steps.append(10.0)
        step(alone)

    monkeypatch.setattr(Alone, "step", slow)
    monkeypatch.setattr(timer.time, "perf_counter", lambda: sum(steps))
    per_image = 10 / Alone(campaign.setting("relu", "final", None), tiny_data, CPU).batch_size
    seconds = probe(campaign, tiny_data, CPU, threads=1).seconds
    assert len(steps) == 4
    assert seconds["relu"] == pytest.approx(per_image * len(tiny_data.train_images))


def test_an_arm_that_cannot_train_is_named(campaign, tiny_data, monkeypatch, tmp_path):
    def broken(*_):
        raise RuntimeError("no such kernel\nand a long story")

    monkeypatch.chdir(tmp_path)  # else this file would be code of the user's own
    monkeypatch.setitem(ACTIVATIONS, "tanh", broken)
    with pytest.raises(UserError) as caught:
        probe(campaign, tiny_data, CPU, threads=1)
    assert caught.value.faults == ("arm tanh can't train a single step: RuntimeError: no such kernel",)
    assert caught.value.exit_code == 1


def test_an_epoch_counts_its_evaluations():
    """10 images to learn from and 4 to be tested on, at 2 s and 1 s each, by hand."""
    seconds_of_image = ImageSeconds(train=2.0, evaluate=1.0)
    knobs = tiny_ablation().setting("relu", "shapes", "0" * 16, lr=0.01).training

    def seconds(**changes) -> float:
        return seconds_of_image.epoch(knobs.model_copy(update=changes), 10, 4)

    assert seconds(evaluate_every=0) == 20
    assert seconds(evaluate_every=1) == 24
    assert seconds(evaluate_every=4) == 21
    assert seconds(evaluate_every=1, test_views=10) == 60
    assert seconds(evaluate_every=0, train_error_from="pass", rows_per_epoch=2) == 40


def test_a_net_that_was_timed_is_freed_at_once(campaign, tiny_data):
    """Arm after arm of AlexNet would fill the memory, if each net waited for the garbage collector."""
    alone = Alone(campaign.setting("relu", "final", None), tiny_data, CPU)
    alone.step()
    net = weakref.ref(alone.training.net)
    gc.disable()
    try:
        del alone
        assert net() is None
    finally:
        gc.enable()
