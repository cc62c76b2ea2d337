"""convnet4 against the numbers of cuda-convnet's layers-19pct, -18pct and -80sec and against loops."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from alexctl.ablation.knobs import PUBLISHED, ConvNet4Knobs
from alexctl.errors import UserError
from alexctl.nets.convnet4 import ConvNet4
from alexctl.nets.cuda_convnet import pooled


def net(side=32, channels=3, seed=0, **knobs):
    return ConvNet4(ConvNet4Knobs(**knobs), image_shape=(side, side, channels), num_classes=10, seed=seed)


def test_parameters_and_shapes():
    for published, count in (("80sec", 145_578), ("19pct", 89_578), ("18pct", 89_578)):
        name, knobs = PUBLISHED[published]
        assert name == "convnet4"
        assert sum(p.numel() for p in net(**knobs).parameters()) == count
    for knobs in ({"norm": "same-map"}, {"norm": "cross-map"}, {"norm": "batch"}, {"hidden": 64}):
        assert net(**knobs)(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert net()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert net(side=28, channels=1)(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert [pooled(32), pooled(16), pooled(8)] == [16, 8, 4]
    assert [pooled(24), pooled(12), pooled(7), pooled(5)] == [12, 6, 3, 2]


def by_windows(x, reduce):
    out = pooled(x.shape[-1])
    cells = [[reduce(x[..., 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]) for j in range(out)] for i in range(out)]
    return torch.stack([torch.stack(row, -1) for row in cells], -2)


def by_offsets(layer, x):
    x = F.pad(x, (2, 2, 2, 2))
    size = x.shape[-1] - 4
    result = torch.zeros(x.shape[0], layer.out_channels, size, size, dtype=torch.float64)
    for i in range(5):
        for j in range(5):
            result += torch.einsum("bchw,oc->bohw", x[..., i : i + size, j : j + size], layer.weight[:, :, i, j])
    return result + layer.bias[:, None, None]


def squares_within(x):
    """The sum of squares over the 3x3 pixels around each, those outside the map left out."""
    side = x.shape[-1]
    cells = [
        [x[..., max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].square().sum((-1, -2)) for j in range(side)]
        for i in range(side)
    ]
    return torch.stack([torch.stack(row, -1) for row in cells], -2)


def squares_across(x):
    return torch.stack([x[:, max(0, i - 4) : i + 5].square().sum(1) for i in range(x.shape[1])], 1)


NORMS = {
    "none": lambda x: x,
    "same-map": lambda x: x / (1 + 5e-5 / 9 * squares_within(x)) ** 0.75,
    "cross-map": lambda x: x / (1 + 0.001 / 9 * squares_across(x)) ** 0.75,
    "batch": lambda x: (
        (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    ),
}


@pytest.mark.parametrize("hidden", [None, 64])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_forward_as_the_files_order_it(activation, norm, hidden):
    """Convolution, activation, pooling, norm in float64, by hand; our net pools before the first activation."""
    model = net(side=9, activation=activation, init="fan-in", norm=norm, hidden=hidden).double()
    images = 30 * torch.randn(2, 3, 9, 9, dtype=torch.float64)  # so that the norms have something to do
    act = torch.relu if activation == "relu" else torch.tanh
    x = NORMS[norm](by_windows(act(by_offsets(model.conv1, images)), lambda w: w.amax((-1, -2))))
    x = NORMS[norm](by_windows(act(by_offsets(model.conv2, x)), lambda w: w.mean((-1, -2))))
    x = by_windows(act(by_offsets(model.conv3, x)), lambda w: w.mean((-1, -2))).flatten(1)
    if hidden:
        x = act(x @ model.hidden.weight.T + model.hidden.bias)
    assert torch.allclose(model(images), x @ model.fc.weight.T + model.fc.bias, atol=1e-11)


def test_initial_draws():
    relu, tanh = net(activation="relu"), net(activation="tanh")
    assert all(torch.equal(a, b) for a, b in zip(relu.parameters(), tanh.parameters(), strict=True))
    for name, std in {"conv1": 1e-4, "conv2": 0.01, "conv3": 0.01, "fc": 0.01}.items():
        layer = getattr(relu, name)
        assert layer.weight.std().item() == pytest.approx(std, rel=0.05)
        assert not layer.bias.any()
    fan_in = net(activation="relu", init="fan-in")
    assert fan_in.conv2.weight.std().item() == pytest.approx(math.sqrt(2 / 800), rel=0.05)
    halved = net(activation="tanh", init="fan-in")
    assert torch.allclose(fan_in.conv2.weight, halved.conv2.weight * math.sqrt(2))
    assert not torch.equal(net(seed=1).fc.weight, net(seed=2).fc.weight)
    normed, deeper = net(norm="same-map"), net(**PUBLISHED["80sec"][1])
    assert all(torch.equal(a, b) for a, b in zip(relu.parameters(), normed.parameters(), strict=True))
    assert torch.equal(deeper.conv3.weight, relu.conv3.weight)
    for layer in (deeper.hidden, deeper.fc):
        assert layer.weight.std().item() == pytest.approx(0.1, rel=0.05)
        assert not layer.bias.any()
    assert net(hidden=64, init="fan-in").hidden.weight.std().item() == pytest.approx(math.sqrt(2 / 1024), rel=0.05)


def test_what_a_checkpoint_of_the_plain_net_holds():
    """These names stand in weights that people kept."""
    names = [f"{layer}.{part}" for layer in ("conv1", "conv2", "conv3", "fc") for part in ("weight", "bias")]
    assert list(net().state_dict()) == list(net(norm="same-map").state_dict()) == names


def test_weight_costs_are_those_of_the_files():
    convs = {"conv1.weight": 0.004, "conv2.weight": 0.004, "conv3.weight": 0.004}
    assert net().weight_costs == convs | {"fc.weight": 3.0}
    assert net(norm="same-map", fc_cost=1.0).weight_costs == convs | {"fc.weight": 1.0}
    assert net(norm="same-map").weight_costs == net(norm="batch").weight_costs == net().weight_costs
    assert net(hidden=64, fc_cost=0.03).weight_costs == convs | {"hidden.weight": 0.03, "fc.weight": 0.03}
    for model in (net(), net(hidden=64, norm="batch")):
        assert set(model.weight_costs) <= {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("shape", [(7, 32, 3), (32, 7, 3)])
def test_images_too_small(shape):
    message = f"convnet4 takes images of 8 x 8 pixels or more, not {shape[0]} x {shape[1]}"
    with pytest.raises(UserError, match=message):
        ConvNet4(ConvNet4Knobs(), image_shape=shape, num_classes=10, seed=0)
    assert net(side=8)(torch.zeros(2, 3, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize("knobs", [{"norm": "lrn"}, {"hidden": 0}, {"hidden": 64.0}])
def test_knobs_it_lacks(knobs):
    with pytest.raises(ValidationError, match=next(iter(knobs))):
        ConvNet4Knobs(**knobs)
