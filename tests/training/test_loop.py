"""The loop: the paper's update, rows, the clock, and going on bit for bit."""

import dataclasses

import pytest
import torch
from conftest import tiny_ablation
from one_epoch import epoch_of
from torch import nn

from alexctl.training.clock import Clock
from alexctl.training.graphs import finished
from alexctl.training.loop import Diverged, Training
from alexctl.training.optimiser import Momentum
from alexctl.training.schedule import Schedule

CPU = torch.device("cpu")


def setting(arm="relu", **overrides):
    return tiny_ablation(**overrides).setting(arm, "shapes", "0" * 16)


def without_seconds(rows):
    return [{k: v for k, v in dataclasses.asdict(row).items() if not k.endswith("seconds")} for row in rows]


def test_the_papers_update():
    """v <- 0.9 v - 0.0005 lr w - lr g; w <- w + v, with twice the rate and no decay for biases; three steps by hand."""
    layer = nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(2.0)
        layer.bias.fill_(3.0)
    optimiser = Momentum(layer, lr=0.1, momentum=0.9, weight_decay=0.0005, bias_rate=2.0)
    w, b, v, u = 2.0, 3.0, 0.0, 0.0
    for g in (1.0, -2.0, 0.5):
        layer.weight.grad, layer.bias.grad = torch.full((1, 1), g), torch.full((1,), g)
        optimiser.step()
        v = 0.9 * v - 0.0005 * 0.1 * w - 0.1 * g
        u = 0.9 * u - 0.2 * g
        w, b = w + v, b + u
    assert layer.weight.item() == pytest.approx(w, rel=1e-6)
    assert layer.bias.item() == pytest.approx(b, rel=1e-6)
    assert layer.weight.grad is None


def test_each_layer_its_own_weight_cost_and_a_rate_that_drops():
    """Two layers, one of them with a cost; the schedule lowers the weights' rate and leaves the biases' alone, unless told otherwise."""
    net = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    for parameter in net.parameters():
        nn.init.constant_(parameter, 2.0)
    lowered = Schedule(drops=(1,), bias_drops=False)
    optimiser = Momentum(net, lr=0.1, momentum=0.0, weight_decay={"1.weight": 3.0}, bias_rate=2.0, schedule=lowered)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step(epoch=1)
    moved = {name: parameter.item() for name, parameter in net.named_parameters()}
    assert moved == pytest.approx({
        "0.weight": 2 - 0.01, "0.bias": 2 - 0.2, "1.weight": 2 - 0.01 - 0.01 * 3 * 2, "1.bias": 2 - 0.2,
    })  # fmt: skip
    lowered = Schedule(drops=(1,))
    optimiser = Momentum(net, lr=0.1, momentum=0.0, weight_decay=0.0, bias_rate=2.0, schedule=lowered)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step(epoch=1)
    assert net[1].bias.item() == pytest.approx(2 - 0.2 - 0.02)


def test_the_rate_drops_after_the_epochs_that_are_named(tiny_data):
    epochs = []
    training = Training(setting(epochs=3, lr_drops=[1, 2], evaluate_every=0), 0, tiny_data, device=CPU)
    step = training.optimiser.step
    training.optimiser.step = lambda *, epoch: (epochs.append(epoch), step(epoch=epoch))
    list(training)
    assert epochs == [0] * 5 + [1] * 5 + [2] * 5
    (alike, *_) = training.optimiser.alike
    factors = [alike.factor(training.optimiser.schedule, epoch) for epoch in range(3)]
    assert factors == pytest.approx([1.0, 0.1, 0.01])


LATE = {"epochs": 4, "evaluate_every": 0, "colour_noise": 0.1, "bias_drops": False}
LATE |= {"colour_noise_until": 2, "first_layer_drops": [1], "first_layer_until": 3}


def test_float32_is_no_tf32(tiny_data):
    """torch lets convolutions on a GPU round to TF32 unless told otherwise; what is set here says what they would do there."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    Training(setting(), 0, tiny_data, device=CPU)
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


def rows_until(stop, training, path):
    """The rows up to a step, and after the next batch a checkpoint."""
    rows = []
    for piece in training.work():
        if piece is None and training.step == stop:
            torch.save(training.state(), path)
            return rows
        rows += [piece] if piece is not None else []
    raise AssertionError(f"no step {stop}")


def ends_of_epochs(tiny_data, **knobs):
    """(conv1's weight and bias, fc's weight) at the end of each epoch."""
    ends = []

    def look(training):
        if training.step % 5 == 0:
            net = training.net
            ends.append([p.detach().clone() for p in (net.conv1.weight, net.conv1.bias, net.fc.weight)])

    training = Training(setting(**knobs), 0, tiny_data, device=CPU)
    for piece in training.work():
        if piece is None:
            look(training)
    return ends


def test_the_first_layer_slows_down_and_stops_at_its_epochs(tiny_data):
    """As conv1 of run 145: its weights' rate a tenth after epoch 1, nothing of it moves after epoch 3, all else goes on."""
    ends = ends_of_epochs(tiny_data, **LATE)
    undisturbed = ends_of_epochs(tiny_data, **LATE | {"first_layer_drops": [], "first_layer_until": None})
    assert all(torch.equal(a, b) for a, b in zip(ends[0], undisturbed[0], strict=True))
    assert not torch.equal(ends[1][0], undisturbed[1][0])
    assert not torch.equal(ends[1][0], ends[2][0])
    assert [torch.equal(a, b) for a, b in zip(ends[2], ends[3], strict=True)] == [True, True, False]


def test_the_first_layer_s_rate_by_the_rule():
    net = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    schedule = Schedule(drops=(1,), bias_drops=False, first_drops=(2,), first_until=3)
    optimiser = Momentum(net, lr=0.1, momentum=0.9, weight_decay=0.0, bias_rate=2.0, schedule=schedule)
    factors = {
        name: [alike.rate * alike.factor(schedule, epoch) for epoch in range(4)]
        for alike, names in optimiser.alike.items()
        for name in names
    }
    assert factors == {
        "0.weight": pytest.approx([1, 0.1, 0.01, 0]), "0.bias": [2, 2, 2, 0],
        "1.weight": pytest.approx([1, 0.1, 0.1, 0.1]), "1.bias": [2, 2, 2, 2],
    }  # fmt: skip


def test_colour_noise_ends_at_its_epoch(tiny_data):
    noisy = Training(setting(**LATE), 0, tiny_data, device=CPU).batches
    plain = Training(setting(**LATE | {"colour_noise": 0.0}), 0, tiny_data, device=CPU).batches
    for epoch in range(4):
        pairs = zip(epoch_of(noisy, 0, epoch), epoch_of(plain, 0, epoch), strict=True)
        assert all(torch.equal(a, b) == (epoch >= 2) for (a, _), (b, _) in pairs), epoch


@pytest.mark.parametrize("stop", [4, 8, 12, 15, 17])
def test_late_changes_survive_a_resume_bit_for_bit(tiny_data, tmp_path, stop):
    """A checkpoint before, at and after each of the epochs that change something; weights and rows to the bit."""

    whole = Training(setting(**LATE), 0, tiny_data, device=CPU)
    rows = list(whole)
    taken = rows_until(stop, Training(setting(**LATE), 0, tiny_data, device=CPU), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    rest = Training(setting(**LATE), 0, tiny_data, device=CPU, state=state)
    assert without_seconds(taken + list(rest)) == without_seconds(rows)
    for one, other in zip(whole.net.parameters(), rest.net.parameters(), strict=True):
        assert torch.equal(one, other)


def test_ten_views_average_probabilities(tiny_data):
    training = Training(setting(crop=24, test_views=10), 0, tiny_data, device=CPU)
    views, labels = next(training.batches.in_order("test", batch_size=20, views=10))
    with torch.no_grad():
        mean = torch.stack([training.net(view).softmax(1) for view in views]).mean(0)
    assert finished(training.errors_on("test"))[0] == pytest.approx((mean.argmax(1) != labels).double().mean().item())


def test_the_top_5_error_counts_what_is_not_among_five(tiny_data):
    training = Training(setting(), 0, tiny_data, device=CPU)
    (images,), labels = next(training.batches.in_order("test", batch_size=20))
    with torch.no_grad():
        scores = training.net.eval()(images)
    better = (scores > scores.gather(1, labels[:, None])).sum(1)  # classes more probable than the right one
    assert finished(training.errors_on("test")) == pytest.approx(
        ((better >= 1).double().mean().item(), (better >= 5).double().mean().item())
    )
    assert [row.top5_error is None for row in training] == [True, True, True, False] * 2


def test_rows(tiny_data):
    """70 images in batches of 16: five steps an epoch, rows after 1, 2, 4 and 5 of them."""
    rows = list(Training(setting(evaluate_every=2), 0, tiny_data, device=CPU))
    assert [row.step for row in rows] == [1, 2, 4, 5, 6, 7, 9, 10]
    assert [row.epoch for row in rows][:5] == pytest.approx([16 / 70, 32 / 70, 64 / 70, 1, 1 + 16 / 70])
    assert [row.test_error is not None for row in rows] == [False] * 7 + [True]
    assert all(round(row.train_error * count, 6) % 1 == 0 for row, count in zip(rows, [16, 16, 32, 6] * 2, strict=True))


def test_the_training_error_is_that_before_the_update(tiny_data):
    training = Training(setting(), 0, tiny_data, device=CPU)
    images, labels = next(epoch_of(training.batches, 0, 0))
    with torch.no_grad():
        expected = (training.net(images).argmax(1) != labels).float().mean().item()
    assert next(iter(training)).train_error == pytest.approx(expected)


def test_the_error_of_a_full_pass(tiny_data):
    training = Training(setting(train_error_from="pass"), 0, tiny_data, device=CPU)
    assert next(iter(training)).train_error == finished(training.errors_on("train"))[0]


def test_both_arms_see_the_same_images(tiny_data):
    seen = {}
    for arm in ("relu", "tanh"):
        training = Training(setting(arm), 5, tiny_data, device=CPU)
        seen[arm] = [labels for epoch in (0, 1) for _, labels in epoch_of(training.batches, 5, epoch)]
    assert all(torch.equal(a, b) for a, b in zip(*seen.values(), strict=True))


def test_not_a_number_is_a_result(tiny_data, monkeypatch):
    monkeypatch.setattr(
        "alexctl.training.loop.F.cross_entropy", lambda logits, labels, **_: logits.sum() * float("nan")
    )
    with pytest.raises(Diverged, match="the training loss is nan at epoch"):
        list(Training(setting(), 0, tiny_data, device=CPU))


def test_training_is_the_formula_on_the_gradients(tiny_data):
    """Six steps of the whole net against the paper's formula in float64, one weight after another."""
    knobs = setting(
        momentum=0.8,
        weight_decay=0.05,
        evaluate_every=0,
        lr=0.02,
        init="2012",
        input_scaling="mean-image",
        bias_rate=2.0,
    )
    training = Training(knobs, 0, tiny_data, device=CPU)
    weights = {name: p.detach().double().flatten().tolist() for name, p in training.net.named_parameters()}
    speeds = {name: [0.0] * len(values) for name, values in weights.items()}
    twin = Training(knobs, 0, tiny_data, device=CPU).net.double()
    for images, labels in [*epoch_of(training.batches, 0, 0), next(epoch_of(training.batches, 0, 1))]:
        named = dict(twin.named_parameters())
        with torch.no_grad():
            for name, p in named.items():
                p.copy_(torch.tensor(weights[name], dtype=torch.float64).reshape(p.shape))
        loss = nn.functional.cross_entropy(twin(images.double()), labels)
        for (name, w), g in zip(weights.items(), torch.autograd.grad(loss, list(named.values())), strict=True):
            bias, v = name.endswith("bias"), speeds[name]
            lr, decay = (2 * 0.02, 0.0) if bias else (0.02, 0.05)
            for i, slope in enumerate(g.flatten().tolist()):
                v[i] = 0.8 * v[i] - decay * lr * w[i] - lr * slope
                w[i] = w[i] + v[i]
    steps = iter(training)
    while training.step < 6:
        next(steps)
    for name, p in training.net.named_parameters():
        assert p.flatten().tolist() == pytest.approx(weights[name], rel=1e-3, abs=1e-5), name


def test_the_parts_of_a_training_add_up_to_the_wall(tiny_data):
    """A wall clock that moves one second each time it is read; whoever takes a row keeps it for 100 seconds more."""
    wall = [0.0]

    def now():
        wall[0] += 1
        return wall[0]

    rows = []
    for row in Training(setting(), 0, tiny_data, device=CPU, clock=Clock(now=now)):
        between = 101 * len(rows)  # from the reading that stopped the clock to the one that started it again
        assert row.train_seconds + row.eval_seconds == wall[0] - 1 - between
        rows.append(row)
        wall[0] += 100
    assert [row.eval_seconds for row in rows] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


def test_the_clock_adds_up():
    time = iter([0.0, 3.0, 10.0, 14.0, 15.0])
    clock = Clock(now=lambda: next(time))
    for part in ("train", "eval", None, "train", None):
        clock.switch(part)
    assert clock.seconds == {"train": 3.0 + 1.0, "eval": 7.0}


@pytest.mark.parametrize("stop", [1, 3, 5, 7])
def test_going_on_is_bit_for_bit(tiny_data, tmp_path, stop):
    whole = list(Training(setting(), 0, tiny_data, device=CPU))
    taken = rows_until(stop, Training(setting(), 0, tiny_data, device=CPU), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    rest = list(Training(setting(), 0, tiny_data, device=CPU, state=state))
    assert without_seconds(taken + rest) == without_seconds(whole)


@pytest.mark.slow
@pytest.mark.real_data
def test_one_epoch_of_real_images(cifar10_jpeg, tmp_path):
    """A minute that buys the certainty that the net learns CIFAR-10: well under 50% training error in one epoch."""
    from alexctl.data.sources import prepare

    data = prepare(f"imagefolder:{cifar10_jpeg}", tmp_path)
    assert (len(data.train_labels), len(data.test_labels), data.name) == (50_000, 10_000, "cifar10-jpeg")
    rows = list(Training(setting(lr=0.01, batch_size=128, epochs=1), 0, data, device=CPU))
    assert rows[-1].train_error < 0.48
    assert rows[-1].test_error < 0.50


def test_an_offset_is_another_seed_and_nothing_else(tiny_data):
    """What ablations/a-a.toml rests on: seed 2 with offset 1000 is seed 1002."""
    runs = {}
    for seed, offset in ((1002, 0), (2, 1000), (2, 0)):
        training = Training(setting(epochs=1, seed_offset=offset), seed, tiny_data, device=CPU)
        runs[seed, offset] = without_seconds(training)
    assert runs[1002, 0] == runs[2, 1000] != runs[2, 0]


def test_a_trial_with_images_held_out_never_sees_the_test_data(tiny_data):
    """It is evaluated on the images held out wherever it would be on the test data, which may as well not be there."""
    blind = dataclasses.replace(tiny_data, test_images=tiny_data.test_images[:0], test_labels=tiny_data.test_labels[:0])
    full = setting()
    held = full.model_copy(update={"training": full.training.model_copy(update={"held_out": 0.1})})
    rows = list(Training(held, 0, blind, device=CPU))
    assert [row.test_error for row in rows] == [None] * len(rows)
    assert [row.validation_error is not None for row in rows] == [row.epoch % 1 == 0 for row in rows]
    assert 0 <= rows[-1].validation_error <= 1


def first_row(tiny_data, **knobs):
    """(a training before its first step, the row after it)."""
    changes = {"num_train": 16, "batch_size": 16, "epochs": 1, "evaluate_every": 0} | knobs
    before = Training(setting(**changes), 0, tiny_data, device=CPU)
    (*_, row) = Training(setting(**changes), 0, tiny_data, device=CPU)
    return before, row


def test_a_smoothed_loss_by_hand(tiny_data):
    """Of Szegedy et al. 2016: 0.9 of the right class's, and 0.1 of the mean over all ten, it among them."""
    before, row = first_row(tiny_data, label_smoothing=0.1)
    before.epochs.begin(0)
    images, labels = before.epochs.take(16)
    with torch.no_grad():
        costs = -before.net(images).double().log_softmax(1)
    expected = 0.9 * costs[torch.arange(16), labels].mean() + 0.1 * costs.mean()
    assert row.train_loss == pytest.approx(expected.item(), rel=1e-6)


def test_the_loss_and_error_of_mixtures_by_hand(tiny_data):
    """Of Zhang et al. 2018: those of both images' classes, each by its share."""
    before, row = first_row(tiny_data, mixup=1.0)
    plain, _ = first_row(tiny_data)
    for training in (before, plain):
        training.epochs.begin(0)
    (images, _), (_, labels) = before.epochs.take(16), plain.epochs.take(16)
    share = before.epochs.shares[0].item()
    with torch.no_grad():
        costs = -before.net(images).double().log_softmax(1)
    found, loss, error = costs.argmin(1), 0.0, 0.0
    for part, classes in ((share, labels), (1 - share, labels.roll(1))):
        loss += part * costs[torch.arange(16), classes].mean().item()
        error += part * (found != classes).double().mean().item()
    assert row.train_loss == pytest.approx(loss, rel=1e-6)
    assert row.train_error == pytest.approx(error, rel=1e-6)
