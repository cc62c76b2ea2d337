"""Update rules beside torch's own, schedules by hand, and going on with both bit for bit."""

import contextlib
import math
from dataclasses import asdict

import pytest
import torch
from conftest import tiny_ablation
from torch import nn
from training.recorded import Recorded, Stream

from alexctl.training.graphs import Capturing
from alexctl.training.loop import Training
from alexctl.training.optimiser import OPTIMISERS
from alexctl.training.schedule import Schedule

CPU = torch.device("cpu")
SLOPES = ((1.0, -3.0), (-2.0, 0.1), (0.5, 0.0), (4.0, 2.0))  # of a weight and a bias, step by step
ORACLES = {
    "sgd": lambda groups: torch.optim.SGD(groups, momentum=0.9),
    "nesterov": lambda groups: torch.optim.SGD(groups, momentum=0.9, nesterov=True),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def layer():
    made = nn.Linear(1, 1)
    with torch.no_grad():
        made.weight.fill_(2.0)
        made.bias.fill_(3.0)
    return made


def stepped(net, step, slopes=SLOPES):
    """(weight, bias) after each step on these slopes."""
    found = []
    for g, h in slopes:
        net.weight.grad, net.bias.grad = torch.full((1, 1), g), torch.full((1,), h)
        step()
        found.append((net.weight.item(), net.bias.item()))
    return found


def ours(name, net, *, lr=0.01, decay=0.1, schedule=None):
    steps = torch.zeros((), dtype=torch.int64)
    optimiser = OPTIMISERS[name](
        net, lr=lr, momentum=0.9, weight_decay=decay, bias_rate=2.0, schedule=schedule, steps=steps
    )

    def step():
        optimiser.step()
        steps.add_(1)

    return step


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
def test_at_one_rate_it_is_torch_s_rule(name):
    """Four steps; the bias at twice the rate and without weight decay."""
    net, other = layer(), layer()
    oracle = ORACLES[name](
        [
            {"params": [other.weight], "lr": 0.01, "weight_decay": 0.1},
            {"params": [other.bias], "lr": 0.02, "weight_decay": 0.0},
        ]
    )
    expected = stepped(other, oracle.step)
    for found, wanted in zip(stepped(net, ours(name, net)), expected, strict=True):
        assert found == pytest.approx(wanted, rel=2e-6)


def test_a_step_of_nesterov_by_hand():
    """v = -lr (g + wd w) = -0.1 (1 + 0.5 * 2) = -0.2; w = 2 + 0.9 v - 0.2 = 1.62. With momentum alone it would be 1.8."""
    net = layer()
    assert stepped(net, ours("nesterov", net, lr=0.1, decay=0.5), [(1.0, 0.0)])[0][0] == pytest.approx(1.62)
    net = layer()
    assert stepped(net, ours("sgd", net, lr=0.1, decay=0.5), [(1.0, 0.0)])[0][0] == pytest.approx(1.8)


def test_a_first_step_of_adam_is_the_rate_whatever_the_slope():
    """Weight decay is a part of the slope in adam, and a step of its own, lr wd w = 0.01 * 0.1 * 2, in adamw."""
    for slope in (1e-3, 1.0, 1e4):
        net = layer()
        assert stepped(net, ours("adam", net), [(slope, -slope)])[0] == pytest.approx((1.99, 3.02), rel=1e-5)
        net = layer()
        assert stepped(net, ours("adamw", net), [(slope, -slope)])[0] == pytest.approx((1.988, 3.02), rel=1e-5)


def scales(schedule):
    return [float(schedule.scales(torch.tensor(step))[1]) for step in range(schedule.num_steps)]


def test_schedules_by_hand():
    assert scales(Schedule(curve="linear", num_steps=4)) == [1.0, 0.75, 0.5, 0.25]
    assert scales(Schedule(curve="cosine", num_steps=4)) == pytest.approx(
        [1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2], abs=1e-7
    )
    assert scales(Schedule(num_steps=6, warm_up_steps=4)) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert scales(Schedule(curve="linear", num_steps=6, warm_up_steps=2)) == [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    assert Schedule(drops=(3,)).scales(None) == (1.0, 1.0)  # numbers: they are what they were


def test_biases_may_keep_their_rate_but_for_the_warm_up():
    schedule = Schedule(curve="linear", num_steps=4, warm_up_steps=2, bias_drops=False)
    of_biases = [float(schedule.scales(torch.tensor(step))[0]) for step in range(4)]
    assert of_biases == [0.5, 1.0, 1.0, 1.0]
    net = layer()
    moved = stepped(net, ours("adam", net, lr=0.01, decay=0.0, schedule=schedule), [(1.0, 1.0)] * 4)
    assert moved[-1] == pytest.approx((2 - 0.01 * (0.5 + 1 + 1 + 0.5), 3 - 0.02 * 3.5), rel=1e-5)


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
def test_a_rate_of_the_schedule_is_that_rate(name):
    """In the middle of a line, where the rate is half: as with half the rate from the start, in a first step."""
    halved, half = layer(), layer()
    steps = torch.ones((), dtype=torch.int64)
    one = OPTIMISERS[name](
        halved, lr=0.02, momentum=0.0, weight_decay=0.1, steps=steps, schedule=Schedule(curve="linear", num_steps=2)
    )
    other = OPTIMISERS[name](half, lr=0.01, momentum=0.0, weight_decay=0.1, steps=steps)
    assert stepped(halved, one.step, SLOPES[:1])[0] == pytest.approx(stepped(half, other.step, SLOPES[:1])[0])


def knobs(data, **changes):
    never = {"metric": "train_error", "at_most": 0.001}
    return tiny_ablation(target=never, epochs=4, **changes).setting("relu", data.name, data.digest, lr=0.002)


def rows_of(training):
    return [asdict(row) | {"train_seconds": 0, "eval_seconds": 0} for row in training]


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
@pytest.mark.parametrize("curve", ["steps", "cosine", "linear"])
def test_captured_and_resumed_it_is_the_same(tiny_data, name, curve):
    """A rate that changes with each step is no new capture: it is worked out where the step is."""
    setting = knobs(tiny_data, optimizer=name, lr_schedule=curve, warmup_epochs=1.5, weight_decay=0.01)
    whole = rows_of(Training(setting, 0, tiny_data, device=CPU))
    launcher = Capturing(Stream(), graph=Recorded, turn=lambda stream: contextlib.nullcontext())
    training, rows = Training(setting, 0, tiny_data, device=CPU, launcher=launcher), []
    for piece in training.work():
        if piece is None and training.step == 13:
            break
        rows += [piece] if piece is not None else []
    assert launcher.captures
    assert launcher._graphs
    rest = Training(setting, 0, tiny_data, device=CPU, state=training.state())
    assert rows_of(rows) + rows_of(rest) == whole


def test_a_cosine_ends_with_the_trial(tiny_data):
    """Over all its epochs, whatever the number of steps in each; a warm-up is in epochs, too."""
    training = Training(knobs(tiny_data, lr_schedule="cosine", warmup_epochs=1.5), 0, tiny_data, device=CPU)
    list(training)
    schedule = training.optimiser.schedule
    assert (schedule.num_steps, schedule.warm_up_steps) == (training.step, round(1.5 * training.step / 4))
    assert schedule.scales(training.step_on_device)[1] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"pad_crop": 4, "flips": True},
        {"cutout": 8, "label_smoothing": 0.1},
        {"mixup": 0.4},
        {"pad_crop": 2, "cutout": 8, "mixup": 1.0, "label_smoothing": 0.1},
    ],
)
def test_what_is_done_to_images_and_labels_is_captured_too(tiny_data, changes):
    setting = knobs(tiny_data, **changes)
    launcher = Capturing(Stream(), graph=Recorded, turn=lambda stream: contextlib.nullcontext())
    captured = rows_of(Training(setting, 0, tiny_data, device=CPU, launcher=launcher))
    assert captured == rows_of(Training(setting, 0, tiny_data, device=CPU))
    assert launcher.captures
    assert launcher._graphs
