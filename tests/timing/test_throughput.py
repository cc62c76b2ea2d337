"""What a step's time goes to, whatever its labels are."""

import pytest
import torch
from conftest import tiny_ablation

from alexctl.timing.throughput import PARTS, Alone


def test_the_shares_of_a_step_on_mixed_images_add_up_to_one(tiny_data):
    setting = tiny_ablation(mixup=1.0).setting("relu", tiny_data.name, tiny_data.digest)
    shares = Alone(setting, tiny_data, torch.device("cpu")).shares(0.01)
    assert set(shares) == set(PARTS)
    assert sum(shares.values()) == pytest.approx(1)
