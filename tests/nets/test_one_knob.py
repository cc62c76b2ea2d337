"""A knob changes what it names and nothing else: no other is moved behind the scenes."""

from typing import get_args

import pytest
import torch

from alexctl.ablation.knobs import NETS
from alexctl.nets import build
from alexctl.nets.activations import GAIN

OTHERS = {  # knobs without a list of choices
    "bias_rate": [0.5], "hidden": [64, 1024], "fc_std": [0.1], "fc_cost": [0.5], "links": [(8,)], "dropout": [0.0, 0.25], "without": [3, 4, 5],
    "spatial_norm": [True], "skip": [False], "depth": [8, 32], "width": [0.5, 2.0],
}  # fmt: skip
START = {"init", "biases"}  # what a net's first parameters hang on by name, besides their shapes
PAIRS = [
    (net, knob, value)
    for net, knobs in NETS.items()
    if net != "alexnet"  # alexnet32 is the same class, fitted to small images
    for knob, field in knobs.model_fields.items()
    for value in [*(v for v in get_args(field.annotation) if isinstance(v, str | int)), *OTHERS.get(knob, [])]
    if value != field.default
]


def made(net, **knobs):
    shape = (32, 32, 1 if net == "lenet5" else 3)
    return build(net, NETS[net](**knobs), image_shape=shape, num_classes=10, seed=0)


@pytest.mark.parametrize(("net", "knob", "value"), PAIRS)
@pytest.mark.parametrize("init", ["default", "fan-in"])
def test_a_knob_changes_nothing_else(net, knob, value, init):
    base = {"init": init} if init != "default" and knob != "init" else {}
    if net == "lenet5" and knob == "activation":
        base["form"] = "short"
    before, after = made(net, **base), made(net, **base, **{knob: value})
    if knob != "input_scaling":
        assert after.input_scaling == before.input_scaling
    if knob != "bias_rate":
        assert after.bias_rate == before.bias_rate
    for name in after.weight_costs.keys() & before.weight_costs.keys():
        if knob != "fc_cost":
            assert after.weight_costs[name] == before.weight_costs[name], name
    was = dict(before.named_parameters())
    # What fan-in means: the same draws, scaled by the activation's gain. So it is documented, and checked here.
    gain = 1.0
    if before.knobs.init == "fan-in" and knob == "activation":
        gain = (GAIN[value] / GAIN[before.knobs.activation]) ** 0.5
    for name, parameter in after.named_parameters():
        if knob in START or name not in was or parameter.shape != was[name].shape:
            continue
        if knob == "fc_std" and name == "fc.weight":
            assert torch.allclose(parameter, was[name] * (1 if init == "fan-in" else 10))
            continue
        if name.endswith("bias") or "norm" in name or name.endswith("coefficient"):
            assert torch.equal(parameter, was[name]), name
        else:
            assert torch.allclose(parameter, was[name] * gain), name


def test_every_choice_was_tried():
    tried = {(net, knob) for net, knob, _ in PAIRS}
    assert tried == {(net, knob) for net, knobs in NETS.items() if net != "alexnet" for knob in knobs.model_fields}
