"""AlexNet's sizes and counts: the paper's numbers, Figure 2, what pooling and left-out layers do to them."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from alexctl.ablation.knobs import AlexNet32Knobs, AlexNetKnobs
from alexctl.errors import UserError
from alexctl.nets.alexnet import AlexNet, HangingConv2d
from alexctl.nets.alexnet32 import AlexNet32
from alexctl.nets.alexnet_shapes import smallest, windows
from alexctl.nets.layer_table import layer_table


def big(side=224, **knobs):
    """The paper's net without numbers in it: built in no time, for counting."""
    with torch.device("meta"):
        net = AlexNet(AlexNetKnobs(**knobs), image_shape=(side, side, 3), num_classes=1000, seed=0)
    net.seen = (side, side, 3)
    return net


def small(side=32, seed=0, **knobs):
    net = AlexNet32(AlexNet32Knobs(**knobs), image_shape=(side, side, 3), num_classes=10, seed=seed)
    net.seen = (side, side, 3)
    return net


def table_of(net):
    return layer_table(net, net.seen)


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def rows(net, kind=""):
    return {row.name: row for row in table_of(net) if row.kind.startswith(kind)}


def sizes(net):
    return [row.height for row in table_of(net) if row.kind in ("conv", "pool")]


# The paper's numbers


@pytest.mark.parametrize(
    ("knobs", "expected", "conv_macs"),
    [
        ({}, 60_965_224, 665_784_864),
        ({"towers": 1, "kernels": "halved"}, 59_798_312, 332_892_432),  # section 3.2: the net on one GPU
        ({"towers": 1}, 62_378_344, None),
        ({"pooling": "2/2"}, 60_965_224, None),
        ({"norm": "batch"}, 60_965_224 + 2 * (96 + 256), 665_784_864),
    ],
)
def test_parameters_and_macs(knobs, expected, conv_macs):
    net = big(**knobs)
    table = table_of(net)
    assert parameters(net) == sum(row.num_parameters for row in table) == expected
    if conv_macs:
        assert sum(row.num_macs for row in table if row.kind == "conv") == conv_macs
    assert sum(row.num_macs for row in table if row.kind == "fc") == 58_621_952


def test_layers_of_figure_2():
    table = rows(big())
    assert list(table) == ["conv1", "norm1", "pool1", "conv2", "norm2", "pool2", "conv3", "conv4", "conv5", "pool5",
                           "fc6", "fc7", "fc8"]  # fmt: skip
    assert {name: (row.maps, row.height, row.width) for name, row in table.items() if row.kind != "norm"} == {
        "conv1": (96, 55, 55), "pool1": (96, 27, 27), "conv2": (256, 27, 27), "pool2": (256, 13, 13),
        "conv3": (384, 13, 13), "conv4": (384, 13, 13), "conv5": (256, 13, 13), "pool5": (256, 6, 6),
        "fc6": (4096, 1, 1), "fc7": (4096, 1, 1), "fc8": (1000, 1, 1),
    }  # fmt: skip
    assert [(row.kernel, row.kernel_maps, row.stride, row.padding) for row in rows(big(), "conv").values()] == [
        (11, 3, 4, 0), (5, 48, 1, 2), (3, 256, 1, 1), (3, 192, 1, 1), (3, 192, 1, 1),
    ]  # fmt: skip
    assert [row.num_parameters for row in table.values() if row.num_parameters] == [
        34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000,
    ]  # fmt: skip
    neurons = [row.num_neurons for row in table.values() if row.num_neurons]
    assert neurons == [290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    assert sum(neurons) == 659_272
    assert {name: row.sees for name, row in table.items() if row.kind != "pool"} == {
        "conv1": "image", "norm1": "own tower", "conv2": "own tower", "norm2": "own tower", "conv3": "both towers",
        "conv4": "own tower", "conv5": "own tower", "fc6": "both towers", "fc7": "both towers", "fc8": "both towers",
    }  # fmt: skip


def test_widths_of_the_net_on_one_gpu():
    table = rows(big(towers=1, kernels="halved"))
    assert [row.maps for row in table.values() if row.kind == "conv"] == [48, 128, 192, 192, 256]
    assert [row.maps for row in table.values() if row.kind == "fc"] == [4096, 4096, 1000]
    assert {row.sees for row in table.values() if row.name != "conv1"} == {"all", "own map"}


def test_the_table_leaves_the_net_as_it_was():
    net = small(dropout=0.5)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    table_of(net)
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


# 224 px by the ceil rule, 227 px by the floor rule


def test_ceil_and_floor_give_the_same_sizes():
    assert windows(224, 11, 4) == windows(227, 11, 4) == (227 - 11) // 4 + 1 == 55
    assert sizes(big(224)) == sizes(big(227)) == [55, 27, 27, 13, 13, 13, 13, 6]


class Thin(AlexNet):
    """The paper's sizes with a sixteenth of its maps, quick enough to be computed."""

    CONVS = tuple(replace(conv, maps=conv.maps // 16) for conv in AlexNet.CONVS)
    HIDDEN = 64


def test_a_image_of_224_px_is_one_of_227_px_with_zeros_to_the_right_and_below():
    torch.manual_seed(0)
    image = torch.randn(2, 3, 224, 224)
    smaller, larger = (
        Thin(AlexNetKnobs(init="fan-in"), image_shape=(side, side, 3), num_classes=5, seed=0).eval()
        for side in (224, 227)
    )
    assert smaller(image).std() > 0.01
    assert torch.equal(smaller(image), larger(F.pad(image, (0, 3, 0, 3))))


def test_ceil_and_floor_give_the_same_numbers():
    torch.manual_seed(0)
    hanging = HangingConv2d(3, 4, 11, 4).double()
    image = torch.randn(2, 3, 224, 224, dtype=torch.float64)
    filled = F.pad(image, (0, 3, 0, 3))
    expected = F.conv2d(filled, hanging.weight, hanging.bias, stride=4)  # torch's own, by the floor rule
    assert expected.shape[2:] == (55, 55)
    assert torch.equal(hanging(image), expected)
    assert torch.equal(hanging(filled), expected)


# Links, pooling, depth


def test_which_layers_are_linked():
    def own(**knobs):
        return [name for name, row in rows(small(**knobs)).items() if row.sees == "own tower" and row.kind != "norm"]

    assert own() == ["conv2", "conv4", "conv5"]
    assert own(links=(8,)) == ["conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
    assert own(links=(8, 7, 6, 4)) == ["conv2", "conv3", "conv5"]
    assert own(towers=1) == []
    assert own(without=3) == ["conv2", "conv5"], "conv4 takes conv3's place, and its link"
    assert own(without=4) == ["conv2", "conv5"]
    assert own(without=5, links=(8, 5)) == ["conv2", "conv3", "conv4", "fc7"]
    assert rows(small(links=(8,)))["fc6"].kernel_maps == 64 * 9 // 2


@pytest.mark.parametrize(
    ("build", "overlapping", "equal", "naive"),
    [
        (big, [55, 27, 27, 13, 13, 13, 13, 6], [55, 28, 26, 13, 13, 13, 11, 6], [55, 28, 28, 14, 14, 14, 14, 7]),
        (small, [31, 15, 15, 7, 7, 7, 7, 3], [31, 16, 14, 7, 7, 7, 5, 3], [31, 16, 16, 8, 8, 8, 8, 4]),
    ],
)
def test_pooling_2_2_keeps_the_sizes_as_run_147_did(build, overlapping, equal, naive):
    assert [sizes(build(pooling=pooling)) for pooling in ("3/2", "2/2", "2/2-naive")] == [overlapping, equal, naive]
    paddings = [row.padding for row in rows(build(pooling="2/2"), "conv").values()]
    assert paddings[1:] == [1, 1, 1, 0], "conv2 gives way by one, conv5 by one"
    assert parameters(build(pooling="2/2")) == parameters(build()) < parameters(build(pooling="2/2-naive"))


@pytest.mark.slow
@pytest.mark.parametrize("without", [None, 3, 4, 5])
def test_pooling_2_2_meets_every_size(without):
    """What pool2 and the last pooling hand on is as large for 2/2 as for 3/2, whatever the image."""
    for side in (68, 72, 76, 80, 99, 100, 131, 224, 227, 256):
        ends = [
            [row.height for row in table_of(big(side, pooling=pooling, without=without)) if row.kind == "pool"][1:]
            for pooling in ("3/2", "2/2")
        ]
        assert ends[0] == ends[1]


@pytest.mark.parametrize(
    ("without", "maps"), [(3, [96, 256, 384, 256]), (4, [96, 256, 384, 256]), (5, [96, 256, 384, 384])]
)
def test_a_middle_layer_left_out(without, maps):
    table = rows(big(without=without))
    assert [row.maps for row in table.values() if row.kind == "conv"] == maps
    assert f"conv{without}" not in table
    assert table["fc6"].kernel_maps == maps[-1] * 36


def test_the_proxy():
    net = small()
    assert parameters(net) == 708_322
    conv = rows(net, "conv").values()
    assert [row.maps * 4 for row in conv] == [96, 256, 384, 384, 256]
    assert [row.height for row in conv] == [31, 15, 7, 7, 7]
    assert sum(row.num_macs for row in table_of(net)) == 12_085_632
    assert parameters(small(towers=1, kernels="halved")) < parameters(net) < parameters(small(towers=1))
    assert small(28).eval()(torch.zeros(2, 3, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize(("pooling", "least"), [("3/2", 52), ("2/2", 68), ("2/2-naive", 24)])
def test_images_too_small(pooling, least):
    """By hand for 3/2: pool5 wants 3 places, so pool2 wants 6, so pool1 wants 12, the last of them begun by 52 px."""
    assert smallest(list(AlexNet.CONVS), pooling) == least
    assert big(least, pooling=pooling).eval()(torch.zeros(1, 3, least, least, device="meta")).shape == (1, 1000)
    with pytest.raises(UserError, match=f"{least - 1}x{least - 1} px are too small.* takes {least}x{least} px or more"):
        big(least - 1, pooling=pooling)


def test_images_that_are_not_square():
    net = AlexNet32(AlexNet32Knobs(pooling="2/2"), image_shape=(32, 40, 1), num_classes=10, seed=0).eval()
    assert net(torch.zeros(2, 1, 32, 40)).shape == (2, 10)
    net.seen = (32, 40, 1)
    assert [(row.height, row.width) for row in rows(net, "pool").values()] == [(16, 20), (7, 9), (3, 4)]
    with pytest.raises(UserError, match="32x5 px are too small"):
        AlexNet32(AlexNet32Knobs(), image_shape=(32, 5, 3), num_classes=10, seed=0)
