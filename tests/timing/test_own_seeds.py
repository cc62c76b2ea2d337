"""Nets of the user's own whose seeds are no seeds, or whose last batch is one image: said before the first trial."""

import pytest
import torch
from conftest import TINY

from alexctl.ablation.own_net import register
from alexctl.ablation.parse import parse
from alexctl.campaign.campaign import Campaign
from alexctl.errors import UserError
from alexctl.timing.probe import seed_notes

MAKE = """
import random
import numpy, torch
from torch import nn

class Net(nn.Sequential):
    def __init__(self, *layers):
        super().__init__(nn.Conv2d(3, 2, 5, stride=4), *layers, nn.Flatten(), nn.LazyLinear(10))

def make(*, width: int = 1, seed: int):
    BODY
"""


def notes(folder, data, body, **base):
    """What the pre-flight says of that net."""
    (folder / "mynet.py").write_text(MAKE.replace("BODY", body))
    register("mynet:make")
    table = (
        {k: v for k, v in TINY["base"].items() if k not in ("init", "input_scaling", "bias_rate")}
        | {"net": "mynet:make"}
        | base
    )
    document = TINY | {"control": "a", "varies": ["width"], "base": table, "arms": {"a": {}, "b": {"width": 2}}}
    ablation, faults = parse(document, name="tiny", overrides={}, smoke=False)
    assert not faults
    about = {"data_name": data.name, "data_digest": data.digest, "num_classes": 10, "folder": folder}
    return seed_notes(Campaign(ablation, **about), data, torch.device("cpu"))


@pytest.mark.parametrize(
    "body",
    [
        "return Net(nn.BatchNorm2d(2), nn.Dropout(0.5))",
        "net = Net(); nn.init.zeros_(net[0].weight); net[2] = nn.Linear(98, 10); return net",
        "net = Net(); net[0].weight.data += numpy.random.default_rng(seed).random(); return net",
        "net = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)); nn.init.zeros_(net[1].weight); "
        "nn.init.zeros_(net[1].bias); return net",
    ],
)
def test_seeds_that_are_seeds(own_code, tiny_data, body):
    assert notes(own_code, tiny_data, body) == []


def test_a_net_that_seeds_itself_is_named_once(own_code, tiny_data):
    (note,) = notes(own_code, tiny_data, "torch.manual_seed(42); return Net(nn.BatchNorm2d(2))")
    assert note.startswith("mynet:make gives every seed the same initial weights; does it call torch.manual_seed?")


@pytest.mark.parametrize("draw", ["random.random()", "numpy.random.rand()"])
def test_weights_that_no_seed_gives_are_refused(own_code, tiny_data, draw):
    with pytest.raises(
        UserError, match=r"^mynet:make gives other initial weights \('0\.weight'\) when it is made again"
    ):
        notes(own_code, tiny_data, f"net = Net(); net[0].weight.data += {draw}; return net")


def test_steps_that_no_seed_gives_are_refused(own_code, tiny_data):
    body = """class Noise(nn.Module):
        def forward(self, x): return x * numpy.random.rand() if self.training else x
    return Net(Noise())"""
    with pytest.raises(UserError, match=r"^mynet:make gives another loss when the same step is taken again"):
        notes(own_code, tiny_data, body)


def test_a_last_batch_of_one_under_batch_norm_is_named(own_code, tiny_data):
    body = "return Net(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(2))"
    assert notes(own_code, tiny_data, body, num_train=34) == []
    with pytest.raises(UserError) as caught:
        notes(own_code, tiny_data, body, num_train=33)
    (line,) = caught.value.faults
    assert line.startswith("mynet:make can't train on a batch of one image (ValueError: Expected more than 1 value")
    assert line.endswith(
        "num_train = 33 leaves a last batch of one image at batch_size = 16; take another num_train or batch_size"
    )
