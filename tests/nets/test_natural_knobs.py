"""Activations, widths, kernels, poolings and norms that nets may have beside those of 2012."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from alexctl.ablation.knobs import NETS
from alexctl.nets import build
from alexctl.nets.activations import ACTIVATIONS, GAIN, INCREASING
from alexctl.nets.cuda_convnet import average_pool, max_pool, pooled_activation
from alexctl.nets.layer_table import layer_table, totals
from alexctl.nets.layers import Dropout, set_step

POINTS = torch.tensor([-2.0, -0.5, 0.0, 1.0], dtype=torch.float64)


def made(name, **knobs):
    return build(name, NETS[name](**knobs), image_shape=(32, 32, 3), num_classes=10, seed=0)


def by_hand(name, x):
    return {
        "gelu": x * (1 + math.erf(x / math.sqrt(2))) / 2,
        "silu": x / (1 + math.exp(-x)),
        "leaky-relu": x if x > 0 else 0.01 * x,
        "elu": x if x > 0 else math.exp(x) - 1,
        "sigmoid": 1 / (1 + math.exp(-x)),
    }[name]


@pytest.mark.parametrize("name", ["gelu", "silu", "leaky-relu", "elu", "sigmoid"])
def test_activations_by_hand(name):
    assert ACTIVATIONS[name](POINTS).tolist() == pytest.approx([by_hand(name, x) for x in POINTS.tolist()])


@pytest.mark.parametrize("name", sorted(GAIN.keys() - {"tanh", "scaled-tanh"}))
def test_a_gain_keeps_the_mean_square_from_layer_to_layer(name):
    z = torch.linspace(-10, 10, 200_001, dtype=torch.float64)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    assert GAIN[name] == pytest.approx(1 / torch.trapezoid(ACTIVATIONS[name](z).square() * density, z).item(), rel=1e-5)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_what_is_pooled_is_what_was_activated(name):
    """The two are exchanged only where that gives the same."""
    x = 3 * torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    assert torch.equal(pooled_activation(x, name, "max"), max_pool(ACTIVATIONS[name](x)))
    assert torch.equal(pooled_activation(x, name, "average"), average_pool(ACTIVATIONS[name](x)))
    line = torch.linspace(-5, 5, 1001)
    assert (name in INCREASING) == bool((ACTIVATIONS[name](line).diff() >= 0).all())


def convolutions(net):
    return [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]


def test_the_width_and_kernel_of_convnet4():
    net = made("convnet4", width=1.5, kernel=3)
    assert [conv.out_channels for conv in convolutions(net)] == [48, 48, 96]
    assert {conv.kernel_size for conv in convolutions(net)} == {(3, 3)}
    rows = layer_table(net, (32, 32, 3))
    by_hand = 27 * 48 * 32 * 32 + 9 * 48 * 48 * 16 * 16 + 9 * 48 * 96 * 8 * 8 + 96 * 4 * 4 * 10
    assert totals(rows).num_macs == by_hand
    assert totals(rows).num_parameters == 28 * 48 + (9 * 48 + 1) * 48 + (9 * 48 + 1) * 96 + (96 * 16 + 1) * 10


@pytest.mark.parametrize("towers", [1, 2])
def test_the_width_of_alexnet32(towers):
    net = made("alexnet32", width=0.5, towers=towers)
    assert [conv.out_channels for conv in convolutions(net)] == [12, 32, 48, 48, 32]
    assert [net.fc6.bias.numel(), net.fc7.bias.numel(), net.fc8.bias.numel()] == [256, 256, 10]


@pytest.mark.parametrize("pool", ["mixed", "max", "average"])
def test_the_poolings_of_convnet4(pool):
    """Redone step by step, for an activation that no maximum may go before."""
    net = made("convnet4", pool=pool, activation="gelu", init="fan-in").double()
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    images = x
    for conv, usual in ((net.conv1, max_pool), (net.conv2, average_pool), (net.conv3, average_pool)):
        x = {"mixed": usual, "max": max_pool, "average": average_pool}[pool](F.gelu(conv(x)))
    assert torch.allclose(net(images), net.fc(x.flatten(1)))


@pytest.mark.parametrize(
    ("knobs", "names"),
    [
        ({}, "conv1 relu1 norm1 pool1"),
        ({"norm": "none"}, "conv1 pool1 relu1"),
        ({"norm": "none", "activation": "gelu"}, "conv1 gelu1 pool1"),
        ({"norm": "none", "pool": "average"}, "conv1 relu1 pool1"),
        ({"norm": "none", "activation": "leaky-relu"}, "conv1 pool1 leaky-relu1"),
    ],
)
def test_the_order_of_alexnet32(knobs, names):
    """A maximum comes before an activation that increases; nothing else does."""
    net = made("alexnet32", **knobs)
    assert [name for name, _ in net.named_children()][:4][: len(names.split())] == names.split()
    pools = {row.pools for row in layer_table(net, (32, 32, 3)) if row.kind == "pool"}
    assert pools == {knobs.get("pool", "max")}


@pytest.mark.parametrize(
    ("name", "norm"), [("convnet4", "group"), ("convnet4", "layer"), ("alexnet32", "group"), ("alexnet32", "layer")]
)
def test_group_and_layer_norms(name, norm):
    """Eight groups of maps; or one of all, but for towers, which see nothing of each other."""
    net = made(name, norm=norm)
    x = torch.randn(2, net.norm1.num_channels, 5, 5, generator=torch.Generator().manual_seed(0))
    groups = 8 if norm == "group" else 2 if name == "alexnet32" else 1
    parts = x.view(2, groups, -1)
    expected = (parts - parts.mean(2, keepdim=True)) / (parts.var(2, keepdim=True, unbiased=False) + 1e-5).sqrt()
    assert torch.allclose(net.norm1(x), expected.view_as(x), atol=1e-5)
    sees = {row.sees for row in layer_table(net, (32, 32, 3)) if row.name == "norm1"}
    maps = x.shape[1] // groups
    assert sees == ({"all"} if groups == 1 else {f"{maps} maps"})


def test_the_dropout_of_convnet4():
    """A quarter of what fc sees, and all of it, times three quarters, in tests."""
    net = made("convnet4", dropout=0.25)
    assert isinstance(net.dropout, Dropout)
    seen = []
    net.fc.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    x = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 100
    set_step(net, 0, 0)
    net(x)
    net.eval()(x)
    whole = seen[1] / 0.75
    kept = seen[0] != 0
    assert (kept.sum() / (whole != 0).sum()).item() == pytest.approx(0.75, abs=0.02)
    assert torch.allclose(seen[0][kept], whole[kept])
