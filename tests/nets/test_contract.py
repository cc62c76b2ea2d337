"""Every net keeps the contract: a file of its name, knobs of its name, images in, logits out."""

from importlib import import_module
from inspect import signature
from pkgutil import iter_modules

import pytest
import torch

import alexctl.nets
from alexctl.ablation.knobs import NETS
from alexctl.nets import build, find
from alexctl.nets.contract import SCALINGS, Net, NetSpec
from alexctl.nets.layer_table import layer_table


def test_a_net_is_a_file_and_its_knobs():
    """A net that has a file and no knobs, or knobs and no file, could be asked for and not built, or the reverse."""
    files = [module.name for module in iter_modules(alexctl.nets.__path__)]
    with_net = {name for name in files if hasattr(import_module(f"alexctl.nets.{name}"), "NET")}
    assert with_net == set(NETS)
    for name, knobs in NETS.items():
        assert isinstance(find(name), NetSpec)
        assert issubclass(knobs, signature(find(name).factory).parameters["knobs"].annotation)


@pytest.mark.parametrize("name", NETS)
def test_a_net_says_what_training_asks_of_it(name):
    spec = find(name)
    with torch.device("meta"):
        net = build(name, NETS[name](), image_shape=spec.native_shape, num_classes=spec.native_classes, seed=0)
        height, width, channels = spec.native_shape
        logits = net.eval()(torch.zeros(2, channels, height, width))
    assert isinstance(net, torch.nn.Module)
    assert isinstance(net, Net)
    assert logits.shape == (2, spec.native_classes)
    assert net.input_scaling in SCALINGS
    assert net.bias_rate > 0
    assert set(net.weight_costs) <= {name for name, _ in net.named_parameters()}
    # The table counts nothing outside of the layers of a net of ours: each must be one that it knows.
    assert all(row.num_macs > 0 for row in layer_table(net, spec.native_shape) if row.num_neurons)


def test_a_net_of_one_s_own_is_found_without_running_its_code():
    spec = find("no_such_module:make")
    assert (spec.native_shape, spec.native_classes, spec.is_figure_2) == ((32, 32, 3), 10, False)
