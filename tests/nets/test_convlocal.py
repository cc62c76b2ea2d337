"""convlocal against the numbers of cuda-convnet's conv-local-13pct and -11pct and against loops."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from alexctl.ablation.knobs import PUBLISHED, ConvLocalKnobs
from alexctl.errors import UserError
from alexctl.nets.convlocal import ConvLocal

PCT_11 = PUBLISHED["conv-local-11pct"][1]


def net(side=24, channels=3, seed=0, **knobs):
    return ConvLocal(ConvLocalKnobs(**knobs), image_shape=(side, side, channels), num_classes=10, seed=seed)


def test_parameters_and_shapes():
    for published, count in (("conv-local-13pct", 1_116_490), ("conv-local-11pct", 2_112_970)):
        name, knobs = PUBLISHED[published]
        assert name == "convlocal"
        assert sum(p.numel() for p in net(**knobs).parameters()) == count
    assert net(**PCT_11)(torch.zeros(2, 3, 24, 24)).shape == (2, 10)
    assert net(side=32)(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert net(side=28, channels=1)(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert net().local3.out_side == 6  # 24 -> 12 -> 6
    assert net(side=32).local4.out_side == 8


@pytest.mark.parametrize("norm", ["none", "cross-map"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_forward_as_the_file_orders_it(activation, norm):
    """conv1, act, max, norm; conv2, act, norm, max; local3, act; local4, act; fc: in float64, windows by hand."""
    model = net(side=9, activation=activation, norm=norm, init="fan-in").double()
    with torch.no_grad():
        model.local3.bias.normal_()
        model.local4.bias.normal_()
        model.conv1.weight *= 10  # so that the norms have something to do
    images = torch.randn(2, 3, 9, 9, dtype=torch.float64)
    act = torch.relu if activation == "relu" else torch.tanh

    def pool(x):
        out = math.ceil((x.shape[-1] - 3) / 2) + 1
        cells = [[x[..., 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].amax((-1, -2)) for j in range(out)] for i in range(out)]
        return torch.stack([torch.stack(row, -1) for row in cells], -2)

    def normalised(x):
        if norm == "none":
            return x
        sums = [x[:, max(0, i - 4) : i + 5].square().sum(1) for i in range(64)]
        return x / (1 + 0.001 / 9 * torch.stack(sums, 1)) ** 0.75

    def local(layer, x, out_maps):
        x = F.pad(x, (1, 1, 1, 1))
        side = x.shape[-1] - 2
        weight = layer.weight.view(side, side, 3, 3, -1, out_maps)
        rows = [
            [torch.einsum("bcij,ijco->bo", x[..., i : i + 3, j : j + 3], weight[i, j]) for j in range(side)]
            for i in range(side)
        ]
        x = torch.stack([torch.stack(row, -1) for row in rows], -2)
        return x + layer.bias.view(side, side, out_maps).permute(2, 0, 1)

    x = normalised(pool(act(model.conv1(images))))
    x = pool(normalised(act(model.conv2(x))))
    x = act(local(model.local4, act(local(model.local3, x, 32)), 32))
    assert torch.allclose(model(images), model.fc(x.flatten(1)), atol=1e-12)


def test_initial_draws():
    relu, tanh = net(activation="relu"), net(activation="tanh")
    assert all(torch.equal(a, b) for a, b in zip(relu.parameters(), tanh.parameters(), strict=True))
    stds = {"conv1": 1e-4, "conv2": 0.01, "local3": 0.04, "local4": 0.04, "fc": 0.01}
    for name, std in stds.items():
        layer = getattr(relu, name)
        assert layer.weight.std().item() == pytest.approx(std, rel=0.05)
        assert not layer.bias.any()
    fan_in = net(init="fan-in")
    assert fan_in.local3.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.02)
    assert net(init="fan-in", activation="tanh").fc.weight.std().item() == pytest.approx(math.sqrt(1 / 1152), rel=0.05)
    wide = net(**PCT_11)
    assert torch.equal(wide.conv2.weight, relu.conv2.weight)
    assert torch.equal(wide.fc.weight, relu.fc.weight)
    assert not torch.equal(net(seed=1).local3.weight, relu.local3.weight)


def test_weight_costs_are_those_of_the_files():
    shared = {"conv1.weight": 0.0, "conv2.weight": 0.0, "local3.weight": 0.004, "local4.weight": 0.004}
    assert net().weight_costs == net(norm="cross-map").weight_costs == shared | {"fc.weight": 0.004}
    assert net(local3_maps=64).weight_costs == net().weight_costs
    assert net(**PCT_11).weight_costs == shared | {"fc.weight": 0.01}
    for model in (net(), net(**PCT_11)):
        assert set(model.weight_costs) == {name for name, _ in model.named_parameters() if name.endswith("weight")}
    assert (net().input_scaling, net().bias_rate) == ("mean-image", 2.0)


@pytest.mark.parametrize("shape", [(24, 32, 3), (3, 3, 3)])
def test_images_it_cannot_take(shape):
    message = f"convlocal takes square images of 4 x 4 pixels or more, not {shape[0]} x {shape[1]}"
    with pytest.raises(UserError, match=message):
        ConvLocal(ConvLocalKnobs(), image_shape=shape, num_classes=10, seed=0)


def test_the_smallest_images_it_takes():
    assert net(side=4)(torch.zeros(2, 3, 4, 4)).shape == (2, 10)


@pytest.mark.parametrize("knobs", [{"local3_maps": 48}, {"norm": "same-map"}, {"hidden": 64}])
def test_knobs_it_lacks(knobs):
    with pytest.raises(ValidationError, match=next(iter(knobs))):
        ConvLocalKnobs(**knobs)
