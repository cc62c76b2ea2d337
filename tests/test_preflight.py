"""Before the first trial: what would fail everywhere fails now, and an epoch's time is known."""

import pytest
import torch
from conftest import tiny_ablation

from alexctl import preflight
from alexctl.campaign import Campaign
from alexctl.errors import UserError
from alexctl.nets.convnet import ACTIVATIONS
from alexctl.train import Training

CPU = torch.device("cpu")


@pytest.fixture
def campaign(tiny_data, tmp_path):
    about = {"data_name": tiny_data.name, "data_digest": tiny_data.digest, "num_classes": 10}
    return Campaign(tiny_ablation(), **about, folder=tmp_path)


def test_every_arm_is_timed_without_an_evaluation(campaign, tiny_data, monkeypatch):
    monkeypatch.setattr(Training, "errors_on", lambda self, part: pytest.fail("an evaluation"))
    seconds = preflight.seconds_per_epoch(campaign, tiny_data, CPU, threads=1)
    assert sorted(seconds) == ["relu", "tanh"]
    assert all(value > 0 for value in seconds.values())


def test_an_arm_that_cannot_train_is_named(campaign, tiny_data, monkeypatch):
    def broken(*_):
        raise RuntimeError("no such kernel\nand a long story")

    monkeypatch.setitem(ACTIVATIONS, "tanh", broken)
    with pytest.raises(UserError) as caught:
        preflight.seconds_per_epoch(campaign, tiny_data, CPU, threads=1)
    assert caught.value.faults == ("arm tanh can't train a single step: RuntimeError: no such kernel",)
    assert caught.value.exit_code == 1
