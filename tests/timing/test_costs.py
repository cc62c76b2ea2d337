"""What an ablation costs, from a step's time that is known."""

from pathlib import Path

import pytest
from conftest import tiny_ablation

from alexctl.nets.activations import ACTIVATIONS
from alexctl.timing import costs as module
from alexctl.timing.costs import costs, whole_seconds
from alexctl.timing.probe import ImageSeconds

HERE = Path("nowhere")


@pytest.fixture(autouse=True)
def _two_seconds_a_step(monkeypatch):
    monkeypatch.setattr(module, "image_seconds", lambda *_, **__: ImageSeconds(train=0.125, evaluate=0.0))
    monkeypatch.setattr(module, "default_workers", lambda _: 4)


def test_counts_and_time():
    relu, tanh = costs(tiny_ablation(num_train=160), HERE)
    assert (relu.arm, tanh.arm, relu.workers) == ("relu", "tanh", 4)
    assert (relu.num_parameters, relu.num_macs, relu.problem) == (89_578, 12_298_240, None)
    assert relu.training_bytes > 3 * 4 * 89_578
    assert (relu.num_search_trials, relu.num_reported_trials) == (0, 2)
    assert relu.seconds == 20 * 2, "seconds an epoch, 2 seeds of 2 epochs beside each other on 4 workers"
    assert whole_seconds([relu, tanh]) == 20 * 2, "so are both arms"
    assert not relu.at_most, "without epochs_after_target every epoch is trained"


def test_a_search_and_a_target_that_ends_trials():
    plan = {"lr": "search", "lr_grid": [0.01, 0.02, 0.04], "search_seeds": 2}
    relu, _ = costs(tiny_ablation(num_train=160, epochs=10, **plan), HERE)
    assert relu.num_search_trials == 6
    assert relu.at_most
    assert relu.planned.total == 2 * 3 * 10 + 2 * 10
    # six search trials of ten epochs on four workers; then two reported seeds of ten epochs beside each other
    assert relu.seconds == 20 * (2 * 10 + 10)
    assert costs(tiny_ablation(epochs_after_target=0.5), HERE)[0].at_most


def test_a_larger_net_is_timed_on_a_part_of_its_batch(monkeypatch):
    seen = {}
    monkeypatch.setattr(module, "STEP_MACS", 8 * 12_298_240)
    slow = ImageSeconds(train=0.25, evaluate=0.0)
    monkeypatch.setattr(
        module, "image_seconds", lambda _, data, *__, **___: seen.update(n=len(data.train_images)) or slow
    )
    assert costs(tiny_ablation(num_train=160), HERE)[0].seconds == 0.25 * 160 * 2
    assert seen["n"] == 8


def test_steps_are_really_timed(monkeypatch):
    monkeypatch.undo()
    assert costs(tiny_ablation(), HERE)[0].seconds > 0


@pytest.mark.parametrize(
    ("base", "problem"),
    [
        ({"data": "imagefolder:nowhere"}, "there is no folder nowhere"),
        ({"num_train": 20_000}, "num_train: 20000 images asked for, the data has 10000"),
        ({"crop": 4}, "convnet4 takes images of 8 x 8 pixels or more"),
    ],
)
def test_what_can_t_be_found_out_is_said(base, problem):
    relu, _ = costs(tiny_ablation(**base), HERE)
    assert relu.problem.startswith(problem)
    assert relu.seconds is None
    assert relu.num_reported_trials == 2


def test_a_net_that_breaks_is_one_line(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "relu", lambda x: x.no_such_thing)
    relu, tanh = costs(tiny_ablation(), HERE)
    assert relu.problem.startswith("can't train a single step: AttributeError: ")
    assert tanh.problem is None
