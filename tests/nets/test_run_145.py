"""The preset run-145 against what layers-145.cfg and layer-params-145.cfg say, layer by layer, and its schedule."""

import pytest
import torch
from torch import nn

from alexctl.ablation.knobs import PRESETS, AlexNet32Knobs
from alexctl.ablation.load import load, load_net
from alexctl.errors import UserError
from alexctl.nets import build
from alexctl.nets.alexnet import AlexNet, TowerLinear
from alexctl.nets.alexnet32 import AlexNet32
from alexctl.nets.layers import Dropout
from alexctl.nets.response_norm import ResponseNorm
from alexctl.training.optimiser import Momentum
from alexctl.training.schedule import Schedule

# Every layer of the file between its data and its softmax, in order, its two towers as one (a and b are alike): what it
# is, and what stands in it. A neuron is written after the layer that has it, since it acts on that layer's output.
CFG = [
    ("conv1", "conv", {"filters": 96, "size": 11, "stride": 4, "padding": 0, "initW": 0.01, "initB": 0, "inputs": 3}),
    ("rnorm1", "cmrnorm", {"size": 5, "scale": 1e-4, "pow": 0.75, "minDiv": 2}),
    ("pool1", "max", {"size": 3, "stride": 2}),
    ("pool1", "relu", {}),
    ("conv2", "conv", {"filters": 256, "size": 5, "stride": 1, "padding": 2, "initW": 0.01, "initB": 1, "inputs": 48}),
    ("conv2", "relu", {}),
    ("rnorm2", "cmrnorm", {"size": 5, "scale": 1e-4, "pow": 0.75, "minDiv": 2}),
    ("cnorm2", "rnorm", {"size": 5, "scale": 1e-3, "pow": 0.75, "minDiv": 1}),
    ("pool2", "max", {"size": 3, "stride": 2}),
    ("conv3", "conv", {"filters": 384, "size": 3, "stride": 1, "padding": 1, "initW": 0.03, "initB": 0, "inputs": 256}),
    ("conv3", "relu", {}),
    ("conv4", "conv", {"filters": 384, "size": 3, "stride": 1, "padding": 1, "initW": 0.03, "initB": 1, "inputs": 192}),
    ("conv4", "relu", {}),
    ("conv5", "conv", {"filters": 256, "size": 3, "stride": 1, "padding": 1, "initW": 0.03, "initB": 1, "inputs": 192}),
    ("pool3", "max", {"size": 3, "stride": 2}),
    ("pool3", "relu", {}),
    ("fc2048", "fc", {"outputs": 4096, "initW": 0.01, "initB": 1, "inputs": 9216}),
    ("fc2048", "relu", {}),
    ("hs1", "hs", {"keep": 0.5}),
    ("fc2048b", "fc", {"outputs": 4096, "initW": 0.01, "initB": 1, "inputs": 4096}),
    ("fc2048b", "relu", {}),
    ("hs2", "hs", {"keep": 0.5}),
    ("fc1000", "fc", {"outputs": 1000, "initW": 0.01, "initB": 0, "inputs": 4096}),
]


@pytest.fixture(scope="module")
def net():
    """The net as the preset builds it, its numbers drawn."""
    return build("alexnet", load_net("alexnet", {}, "run-145"), image_shape=(224, 224, 3), num_classes=1000, seed=0)


def as_in_the_file(layer):
    """A layer's type and what the file would say of it; the deviation as it was drawn, to two digits."""
    if isinstance(layer, nn.Conv2d):
        (size, _), (stride, _), (padding, _) = layer.kernel_size, layer.stride, layer.padding
        about = {"filters": layer.out_channels, "size": size, "stride": stride, "padding": padding}
        return "conv", about | drawn(layer)
    if isinstance(layer, TowerLinear):
        return "fc", {"outputs": len(layer.weight)} | drawn(layer)
    if isinstance(layer, ResponseNorm):
        assert layer.divided, "layer.py of 2012 divides the scale by the number of terms"
        assert layer.groups == 2 or layer.maps == "within", "each tower has its own"
        kind = "cmrnorm" if layer.maps == "across" else "rnorm"
        return kind, {"size": layer.size, "scale": layer.alpha, "pow": layer.beta, "minDiv": layer.k}
    if isinstance(layer, nn.MaxPool2d):
        return "max", {"size": layer.kernel_size, "stride": layer.stride}
    if isinstance(layer, Dropout):
        return "hs", {"keep": 1 - layer.p}
    return layer.name, {}


def drawn(layer):
    (bias,) = layer.bias.unique().tolist()
    return {"initW": round(layer.weight.std().item(), 3), "initB": bias, "inputs": layer.weight.shape[1]}


def test_its_layers_are_those_of_the_file_in_order(net):
    ours = [as_in_the_file(layer) for name, layer in net.named_children() if name != "flat"]
    assert ours == [(kind, about) for _, kind, about in CFG]


def test_its_rates_are_those_of_the_file_s_notes(net):
    """Weights: .01, a tenth after 25, 51 and 79 of 91 epochs; biases .02 throughout; conv1 once more after 67, 0 after 72."""
    preset = PRESETS["run-145"]
    schedule = Schedule(
        drops=tuple(preset["lr_drops"]), bias_drops=preset["bias_drops"],
        first_drops=tuple(preset["first_layer_drops"]), first_until=preset["first_layer_until"],
    )  # fmt: skip
    optimiser = Momentum(
        net, lr=preset["lr"], momentum=0.9, weight_decay=preset["weight_decay"], bias_rate=net.bias_rate,
        schedule=schedule,
    )  # fmt: skip
    rates = {
        name: [
            optimiser.lr * alike.rate * alike.factor(schedule, epoch) for epoch in (24, 25, 66, 67, 71, 72, 78, 79, 90)
        ]
        for alike, names in optimiser.alike.items()
        for name in names
    }
    weights = [1e-2, 1e-3, 1e-4, 1e-4, 1e-4, 1e-4, 1e-4, 1e-5, 1e-5]
    for name, rate in rates.items():
        usual = [0.02] * 9 if name.endswith("bias") else weights
        if name == "conv1.weight":
            usual = [1e-2, 1e-3, 1e-4, 1e-5, 1e-5, 0, 0, 0, 0]
        elif name == "conv1.bias":
            usual = [0.02] * 5 + [0.0] * 4
        assert rate == pytest.approx(usual), name
    assert set(net.weight_costs.values()) == {preset["weight_decay"]}
    assert (preset["epochs"], preset["colour_noise_until"]) == (91, 67)


@pytest.mark.parametrize(
    "name", ["lrn", "lrn-layers", "overlapping-pooling", "one-vs-two-gpus", "depth", "colour-noise", "dropout"]
)
def test_claims_about_imagenet_can_be_asked_of_it(name):
    """Each arm is the preset but for what the file is about."""
    ablation = load(name, preset="run-145", overrides={"data": "imagefolder:/images"})
    assert not ablation.searched
    own = {key for arm in ablation.arms.values() for key in arm}
    for arm in ablation.arms:
        setting = ablation.setting(arm, "imagenet-2012", "0" * 16)
        table = setting.flat()
        idle = {"norm_place", "lrn_alpha", "spatial_norm"} if table["norm"] != "lrn" else set()
        idle |= {"spatial_norm"} if table["norm_layers"] == "first" else set()
        for key, value in PRESETS["run-145"].items():
            if key not in own | idle | {"budgets"}:
                assert table[key] == value, (arm, key)


def test_what_an_arm_or_the_command_says_goes_before_the_preset():
    assert load("colour-noise", preset="run-145").arms["none"] == {"colour_noise": 0.0}
    assert "colour_noise" not in load("colour-noise", preset="run-145").base
    assert load("lrn", preset="run-145", overrides={"epochs": 93}).base["epochs"] == 93


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"name": "lrn", "preset": "run-144"}, "--preset: unknown preset 'run-144', did you mean 'run-145'?"),
        ({"name": "lrn", "preset": "run-145", "smoke": True}, "--preset run-145: can't be combined with --smoke"),
        ({"name": "lenet-activations", "preset": "run-145"}, "with --preset run-145: [base] form: unknown key"),
    ],
)
def test_what_a_preset_is_refused_for(asked, says):
    with pytest.raises(UserError) as caught:
        load(**asked)
    assert any(line.startswith(says) for line in caught.value.faults), caught.value.faults


def test_a_preset_of_another_net():
    with pytest.raises(UserError, match="--preset run-145: is of alexnet, not of lenet5; give --net alexnet"):
        load_net("lenet5", {}, "run-145")


# The constant in the place of the normalisation


@pytest.mark.parametrize("place", ["after-relu", "before-relu", "as-run"])
def test_the_scale_alone_is_the_constant_of_response_normalisation(place):
    made = {
        norm: AlexNet32(AlexNet32Knobs(norm=norm, norm_place=place), image_shape=(32, 32, 3), num_classes=10, seed=0)
        for norm in ("lrn", "scale")
    }
    assert [n for n, _ in made["lrn"].named_children()] == [n for n, _ in made["scale"].named_children()]
    x = 300 * torch.randn(2, 24, 5, 5)
    for name in ("norm1", "norm2"):
        lrn, scale = (getattr(net, name) for net in made.values())
        assert torch.equal(scale(x), x * lrn.k**-lrn.beta)
        assert scale.factor == 2**-0.75
        without_alpha = ResponseNorm(5, alpha=0.0, beta=lrn.beta, k=lrn.k, maps="across", divided=False)
        assert torch.allclose(scale(x), without_alpha(x), rtol=1e-6)
        assert not torch.allclose(scale(x), lrn(x), rtol=1e-3)
        assert scale(x.bfloat16()).dtype == lrn(x.bfloat16()).dtype == torch.float32


def test_what_is_about_a_norm_is_nothing_where_there_is_none():
    base = {"norm_place": "as-run", "lrn_alpha": "divided", "spatial_norm": True}
    assert AlexNet32Knobs(norm="none", norm_layers="first", **base) == AlexNet32Knobs(norm="none")
    for norm in ("scale", "batch"):
        assert AlexNet32Knobs(norm=norm, **base) == AlexNet32Knobs(norm=norm, norm_place="as-run")
    first = AlexNet32Knobs(norm_layers="first", **base)
    assert (first.lrn_alpha, first.spatial_norm) == ("divided", False)
    assert "spatial2" not in dict(AlexNet(first, image_shape=(52, 52, 3), num_classes=2, seed=0).named_children())
