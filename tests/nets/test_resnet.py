"""resnet: the parameters its source states, the shortcut by hand, and what the plain net leaves out."""

import pytest
import torch
from torch.nn import functional as F

from alexctl.ablation.knobs import ResNetKnobs
from alexctl.ablation.setting import resolve_net
from alexctl.nets.layer_table import layer_table, totals
from alexctl.nets.resnet import ResNet


def net(shape=(32, 32, 3), seed=0, **knobs):
    return ResNet(ResNetKnobs(**knobs), image_shape=shape, num_classes=10, seed=seed)


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_parameters_are_those_of_table_6(depth, millions):
    with torch.device("meta"):
        found = sum(parameter.numel() for parameter in net(depth=depth).parameters())
    assert found / 1e6 == pytest.approx(millions, abs=0.051 if millions > 1 else 0.0051)


def test_depth_counts_layers_with_weights_and_a_plain_net_has_as_many():
    """Multiply-accumulates of depth 20 by hand: three stages of the same cost but for the first layer of the last two."""
    for skip in (True, False):
        rows = layer_table(net(skip=skip, norm="none"), (32, 32, 3))
        assert len(rows) == 20
        assert [row.height for row in rows[::6]] == [32, 32, 16, 8]
        stage = 9 * 16 * 16 * 32 * 32
        assert totals(rows).num_macs == 27 * 16 * 32 * 32 + 6 * stage + 2 * (5 * stage + stage // 2) + 640


@pytest.mark.parametrize("skip", [True, False])
def test_two_blocks_by_hand(skip):
    """The last of a stage, of one size, and the first of the next: every second pixel, and 16 maps of zeros."""
    made = net(depth=14, skip=skip, norm="none").double()
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    for block, stride in ((made.stages[0][1], 1), (made.stages[1][0], 2)):
        first, second = block.first.conv, block.second.conv
        out = F.conv2d(F.conv2d(x, first.weight, first.bias, stride, 1).relu(), second.weight, second.bias, 1, 1)
        past = torch.zeros_like(out)
        past[:, :16] = x[:, :, ::stride, ::stride]
        expected = (out + past if skip else out).relu()
        assert torch.allclose(block(x), expected)
        x = expected


def test_it_starts_with_the_variance_of_its_init():
    """He et al. 2015: 2 / fan-in. Glorot & Bengio 2010: 2 / (fan-in + fan-out), half of it where the two are equal."""
    he, glorot = (net(init=init, norm="none").stages[2][1].first.conv.weight for init in ("fan-in", "glorot"))
    assert he.var().item() == pytest.approx(2 / (9 * 64), rel=0.03)
    assert torch.allclose(glorot, he / 2**0.5)


def test_a_depth_that_there_is_not():
    _, (fault,) = resolve_net("resnet", {"depth": 30})
    assert str(fault) == "depth: should be 6 n + 2, such as 32, not 30"


@pytest.mark.parametrize("norm", ["none", "batch", "group", "layer"])
def test_images_of_other_sizes_and_widths(norm):
    images = torch.randn(2, 1, 28, 20, generator=torch.Generator().manual_seed(0))
    made = net((28, 20, 1), norm=norm, width=0.5, depth=8)
    assert made(images).shape == (2, 10)
    assert made.fc.in_features == 32
