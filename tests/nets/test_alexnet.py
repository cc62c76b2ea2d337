"""AlexNet against two towers written out with their copies; its knobs, its initial numbers, what it refuses."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from alexctl.ablation.knobs import AlexNet32Knobs, AlexNetKnobs
from alexctl.ablation.load import load, load_net
from alexctl.nets.alexnet import AlexNet, TowerLinear
from alexctl.nets.alexnet32 import AlexNet32
from alexctl.nets.description import describe
from alexctl.nets.layers import set_step
from alexctl.nets.response_norm import ResponseNorm


def small(side=32, seed=0, **knobs):
    return AlexNet32(AlexNet32Knobs(**knobs), image_shape=(side, side, 3), num_classes=10, seed=seed)


# Two towers


def apart(net, images):
    """Both towers written out, the copies between them explicit: (a, b) are the maps on each GPU."""
    knobs, half = net.knobs, {}

    def halves(tensor):
        return tensor[: len(tensor) // 2], tensor[len(tensor) // 2 :]

    for name, layer in net.named_children():
        if isinstance(layer, torch.nn.Conv2d | TowerLinear):
            half[name] = tuple(zip(halves(layer.weight), halves(layer.bias), strict=True))

    def both(function, towers):
        return tuple(function(tower) for tower in towers)

    def copied(number, towers):
        """What each tower's next layer is given: with a link, its own maps and a copy of the other's."""
        if number not in knobs.links:
            return towers
        return torch.cat(towers, 1), torch.cat(towers, 1).clone()

    def normed(x):
        squares = F.pad(x**2, (0, 0, 0, 0, 2, 2))
        near = sum(squares[:, i : i + x.shape[1]] for i in range(5))
        return x / (2 + 1e-4 * near) ** 0.75

    def pool(x):
        return F.max_pool2d(x, 3, 2)

    towers = (images, images.clone())
    for number, conv in enumerate((net.conv1, net.conv2, net.conv3, net.conv4, net.conv5), 1):
        towers = copied(number, towers) if number > 1 else towers
        towers = tuple(
            F.relu(F.conv2d(x, weight, bias, conv.stride, conv.padding))
            for x, (weight, bias) in zip(towers, half[f"conv{number}"], strict=True)
        )
        if number < 3:
            towers = both(normed, towers)
        if number in (1, 2, 5):
            towers = both(pool, towers)
    towers = both(lambda x: x.flatten(1), towers)
    for number in (6, 7, 8):
        towers = copied(number, towers)
        towers = tuple(F.linear(x, *own) for x, own in zip(towers, half[f"fc{number}"], strict=True))
        towers = both(F.relu, towers) if number < 8 else towers
    return torch.cat(towers, 1)


def compare(net, images, tolerance):
    """Logits and every gradient agree to `tolerance` times the largest of their kind."""
    found = []
    for forward in (net, lambda x: apart(net, x)):
        logits = forward(images)
        (logits * torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).view_as(logits)).sum().backward()
        found.append({"logits": logits.detach()} | {name: p.grad.clone() for name, p in net.named_parameters()})
        net.zero_grad()
    for name, ours in found[0].items():
        assert ours.abs().max() > 0, name
        assert (ours - found[1][name]).abs().max() <= tolerance * ours.abs().max(), name


@pytest.mark.parametrize("links", [(3, 6, 7, 8), (8,), (6, 7, 8), (4, 6, 7, 8), (2, 3, 4, 5, 6, 7, 8)])
def test_grouped_towers_equal_two_towers(links):
    torch.manual_seed(0)
    net = small(links=links, init="fan-in", dropout=0.0).double().to(memory_format=torch.channels_last)
    images = 30 * torch.randn(3, 3, 32, 32, dtype=torch.float64)  # large enough for the normalisation to matter
    compare(net, images.to(memory_format=torch.channels_last), 1e-11)


def test_grouped_towers_equal_two_towers_at_the_paper_s_width():
    """67 px leave one place after pool5, and no window hangs over."""
    torch.manual_seed(0)
    knobs = AlexNetKnobs(init="fan-in", dropout=0.0)
    net = AlexNet(knobs, image_shape=(67, 67, 3), num_classes=10, seed=0).to(memory_format=torch.channels_last)
    compare(net, (30 * torch.randn(2, 3, 67, 67)).to(memory_format=torch.channels_last), 1e-5)


# Normalisation, activation, dropout


def kinds(net):
    return [name for name, _ in net.named_children() if name[-1] in "12"]


def test_where_the_normalisation_stands():
    assert kinds(small()) == ["conv1", "relu1", "norm1", "pool1", "conv2", "relu2", "norm2", "pool2"]
    assert kinds(small(norm_place="before-relu"))[:4] == ["conv1", "norm1", "pool1", "relu1"]
    assert "norm2" not in kinds(small(norm_layers="first"))
    assert "norm1" not in kinds(small(norm_layers="second"))
    assert not [name for name in kinds(small(norm="none")) if "norm" in name]
    assert isinstance(small(norm="batch").norm1, torch.nn.BatchNorm2d)


def test_response_normalisation_is_each_tower_s_own():
    x = torch.randn(2, 8, 3, 3) * 100
    one, two = (
        ResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0, maps="across", divided=False, groups=groups) for groups in (1, 2)
    )
    assert torch.allclose(two(x), torch.cat([one(x[:, :4]), one(x[:, 4:])], 1))
    assert not torch.allclose(two(x), one(x))
    assert (small().norm1.groups, small(towers=1).norm1.groups) == (2, 1)
    printed, divided = small().norm1, small(lrn_alpha="divided").norm2
    assert (printed.size, printed.alpha, printed.beta, printed.k, printed.maps) == (5, 1e-4, 0.75, 2.0, "across")
    assert (printed.divided, divided.divided) == (False, True)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_pooling_before_an_increasing_function_changes_nothing(activation):
    """Written in the paper's order, for the layers without normalisation."""
    net = small(norm="none", activation=activation, init="fan-in", dropout=0.0).double()
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    x, act = images, getattr(torch, activation)
    for number in range(1, 6):
        x = act(getattr(net, f"conv{number}")(x))
        if number in (1, 2, 5):
            x = F.max_pool2d(x, 3, 2)
    x = act(net.fc7(act(net.fc6(x.flatten(1)))))
    assert torch.allclose(net(images), net.fc8(x), atol=1e-12)


def test_dropout_of_the_first_two_fully_connected_layers():
    net, plain = small(init="fan-in"), small(init="fan-in", dropout=0.0)
    assert [name for name, _ in net.named_children() if "dropout" in name] == ["dropout6", "dropout7"]
    assert not [name for name, _ in plain.named_children() if "dropout" in name]
    images = torch.randn(2, 3, 32, 32)
    set_step(net, 0, 1)
    first = net(images)
    set_step(net, 0, 2)
    assert not torch.allclose(first, net(images))
    assert torch.equal(plain.fc6.weight, net.fc6.weight)


# Initial numbers


def drawn(net):
    return {name: layer for name, layer in net.named_children() if isinstance(layer, torch.nn.Conv2d | TowerLinear)}


@pytest.mark.parametrize("init", ["paper", "code", "fan-in"])
def test_initial_draws(init):
    net = small(init=init, norm="batch")
    wide = {"conv1": 2.75, "fc6": 4, "fc7": 8**0.5, "fc8": 8**0.5}  # roots of how many times more inputs the paper has
    for name, layer in drawn(net).items():
        std = (0.03 if init == "code" and name in ("conv3", "conv4", "conv5") else 0.01) * wide.get(name, 2)
        if init == "fan-in":
            std = math.sqrt(2 / layer.weight[0].numel())
        assert layer.weight.std().item() == pytest.approx(std, rel=0.06), name
        assert (layer.bias == (name in ("conv2", "conv4", "conv5", "fc6", "fc7"))).all(), name
    assert set(net.weight_costs.values()) == {0.0005}
    assert sorted(net.weight_costs) == sorted(
        [f"conv{n}.weight" for n in range(1, 6)] + [f"fc{n}.weight" for n in (6, 7, 8)]
    )


def test_the_proxy_s_larger_weights_are_the_paper_s_fewer_inputs():
    with torch.device("meta"):
        paper = drawn(AlexNet(AlexNetKnobs(), image_shape=(224, 224, 3), num_classes=1000, seed=0))
    for name, layer in drawn(small()).items():
        assert AlexNet32.FEWER_INPUTS[name] == paper[name].weight[0].numel() / layer.weight[0].numel()


@pytest.mark.parametrize(("init", "std"), [("paper", 0.01), ("code", 0.03)])
def test_initial_draws_of_the_paper_s_net(init, std, monkeypatch):
    monkeypatch.setattr(AlexNet, "HIDDEN", 64)  # 256 times fewer numbers to draw
    net = AlexNet(AlexNetKnobs(init=init), image_shape=(52, 52, 3), num_classes=10, seed=0)
    stds = [layer.weight.std().item() for layer in (net.conv2, net.conv3, net.fc6)]
    assert stds == pytest.approx([0.01, std, 0.01], rel=0.02)


def test_draws_that_arms_share():
    two, one = small(), small(towers=1)
    assert torch.equal(two.conv1.weight, one.conv1.weight)
    assert torch.equal(two.conv3.weight, one.conv3.weight)
    assert torch.equal(two.fc7.weight, small(pooling="2/2", norm="none", biases=0).fc7.weight)
    assert not torch.equal(two.conv1.weight, small(seed=1).conv1.weight)
    assert not any(layer.bias.any() for layer in small(biases=0).children() if hasattr(layer, "bias"))


@pytest.mark.parametrize(
    "knobs",
    [{"towers": 1, "kernels": "halved"}, {"kernels": "halved"}, {"pooling": "2/2"}, {"pooling": "2/2-naive"},
     {"norm": "batch", "norm_place": "before-relu"}, {"links": (8,), "activation": "tanh"}, {"without": 3},
     {"kernels": "three-quarters", "fc_units": "matched", "links": (8,)}, {"without": 4}, {"without": 5, "pooling": "2/2"}, {"init": "code", "lrn_alpha": "divided"}],
)  # fmt: skip
def test_every_knob_builds_and_learns(knobs):
    net = small(**knobs)
    set_step(net, 0, 0)
    logits = net(torch.randn(4, 3, 32, 32))
    assert logits.shape == (4, 10)
    F.cross_entropy(logits, torch.arange(4)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


# What is refused


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"towers": 3}, "1 or 2"),
        ({"links": (3, 8, 9)}, "no layer 9 that could see both towers, choose from: 2, 3, 4, 5, 6, 7, 8"),
        ({"links": (1, 8)}, "no layer 1 "),
        ({"links": (3, 6, 7)}, "8 is missing"),
        ({"links": (8,), "towers": 1}, "one tower has nothing to link"),
        ({"without": 2}, "3, 4 or 5"),
        ({"dropout": 1.0}, "less than 1"),
        ({"biases": 0.5}, "0 or 1"),
        ({"pooling": "3/3"}, "'3/2', '2/2' or '2/2-naive'"),
        ({"breadth": 3}, "breadth"),
    ],
)
def test_refused_by_name(knobs, says):
    with pytest.raises(ValidationError) as caught:
        AlexNetKnobs(**knobs)
    (error,) = caught.value.errors()
    assert says in str(caught.value)
    assert error["loc"] == (min(knobs, key=["towers"].count),), "the knob at fault, for the line that names it"


@pytest.mark.parametrize("net", ["alexnet32", "alexnet"])
def test_towers_are_matched_in_what_their_files_say(net):
    """As `alexctl show --net` counts it: parameters within 2%, and in towers-equal-macs multiply-accumulates too."""
    counted = {}
    for name in ("one-vs-two-gpus", "towers-equal-macs"):
        for arm, knobs in load(name).arms.items():
            known = load_net(net, knobs)
            counted[name, arm] = describe(net, known).totals
    for name in ("one-vs-two-gpus", "towers-equal-macs"):
        two, one = counted[name, "two"], counted[name, "one"]
        assert two == describe(net, load_net(net, {})).totals
        assert one.num_parameters == pytest.approx(two.num_parameters, rel=0.02)
    assert one.num_macs == pytest.approx(two.num_macs, rel=0.02)
    half = counted["one-vs-two-gpus", "one"].num_macs / two.num_macs
    assert 0.5 < half < 0.55, "the convolutions cost half, as on each of two GPUs"


def test_knobs_survive_json():
    knobs = AlexNetKnobs(towers=1)
    table = {k: tuple(v) if isinstance(v, list) else v for k, v in knobs.model_dump(mode="json").items()}
    assert AlexNetKnobs(**table) == knobs
    assert AlexNetKnobs(links=(8, 3, 7, 6)) == AlexNetKnobs()


def test_norms_as_run_145_had_them():
    """layers-145.cfg: conv1, cmrnorm, pool, neuron; conv2, neuron, cmrnorm, pool."""
    names = [name for name, _ in small(norm_place="as-run").named_children()]
    first, second = names.index("conv1"), names.index("conv2")
    assert names[first : first + 4] == ["conv1", "norm1", "pool1", "relu1"]
    assert names[second : second + 4] == ["conv2", "relu2", "norm2", "pool2"]
