"""The layer table of any net, and what a training step holds, against numbers worked out by hand."""

import pytest
import torch
from torch import nn

from alexctl.ablation.knobs import NETS
from alexctl.nets import build, dry_run, find
from alexctl.nets.dry_run import DryRun, parameter_bytes
from alexctl.nets.layer_table import layer_table, totals
from alexctl.nets.memory import saved_bytes, training_bytes


def table(name, **knobs):
    spec = find(name)
    with torch.device("meta"):
        net = build(name, NETS[name](**knobs), image_shape=spec.native_shape, num_classes=spec.native_classes, seed=0)
    assert all(p.is_meta for p in net.parameters())
    return {row.name: row for row in layer_table(net, spec.native_shape)}


def counts(rows):
    whole = totals(rows.values())
    return whole.num_parameters, whole.num_macs, whole.num_neurons


def test_lenet5_of_1998():
    rows = table("lenet5")
    assert [(row.name, row.kind, row.sees) for row in rows.values()] == [
        ("c1", "conv", "image"), ("s2", "subsampling", "own map"), ("c3", "conv", "3 to 6 maps"),
        ("s4", "subsampling", "own map"), ("c5", "conv", "all"), ("f6", "fc", "all"), ("output", "rbf", "all"),
    ]  # fmt: skip
    # 25 weights at 28x28 for 6 maps; a product for each unit of S2 and S4; 60 kernels at 10x10; 16x25x120; 120x84; 84x10
    assert [row.num_macs for row in rows.values()] == [117_600, 1_176, 150_000, 400, 48_000, 10_080, 840]
    assert counts(rows) == (60_000, 328_096, 4704 + 1176 + 1600 + 400 + 120 + 84 + 10)
    assert (rows["s2"].kernel, rows["s2"].stride, rows["s2"].height) == (2, 2, 14)
    short = table("lenet5", form="short")
    assert short["s2"].kind == "pool"
    assert counts(short)[0] == 61_706


def test_the_nets_of_2011():
    rows = table("convnet4")
    assert [(row.name, row.kernel, row.padding, row.maps, row.height) for row in rows.values()] == [
        ("conv1", 5, 2, 32, 32), ("conv2", 5, 2, 32, 16), ("conv3", 5, 2, 64, 8), ("fc", None, None, 10, 1),
    ]  # fmt: skip
    # 75 x 32 at 32x32, 800 x 32 at 16x16, 800 x 64 at 8x8, 1024 x 10
    assert counts(rows) == (89_578, 2_457_600 + 6_553_600 + 3_276_800 + 10_240, 32_768 + 8_192 + 4_096 + 10)
    assert [row.sees for row in table("convnet4", norm="same-map").values() if row.kind == "norm"] == ["own map"] * 2
    rows = table("convlocal", norm="cross-map", local3_maps=64)
    assert [row.kind for row in rows.values()] == ["conv", "norm", "conv", "norm", "local", "local", "fc"]
    assert (rows["local3"].kernel, rows["local3"].kernel_maps, rows["local3"].num_macs) == (3, 64, 36 * 576 * 64)
    assert counts(rows)[0] == 2_112_970


class Mix(nn.Module):
    """A layer of somebody's own."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(6, 2))

    def forward(self, x):
        return x @ self.weight


class Odd(nn.Module):
    """Weights of its own, a layer that runs twice, a module nobody knows, and a product in its forward."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.body = nn.Sequential(nn.Conv2d(3, 3, (1, 3), padding="same"), nn.ReLU())
        self.known, self.unknown = nn.Conv2d(3, 6, 3, groups=3), Mix()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        x = self.norm(self.body(self.body(x * self.scale[:, None, None])))
        features = self.known(x).mean((2, 3))
        return self.unknown(features) @ features.new_ones(2, 2)


def test_any_net():
    net = Odd()
    rows = layer_table(net, (4, 4, 3))
    first, second, norm, known, unknown, rest = rows
    assert (first.name, first.kernel, first.stride, first.padding, first.sees) == (
        "body.0",
        (1, 3),
        1,
        "same",
        "image",
    )
    assert (first.num_parameters, second.num_parameters) == (3 * 3 * 3 + 3, 0), "it has its weights once"
    assert first.num_macs == second.num_macs == 27 * 16
    assert (norm.kind, norm.num_parameters, norm.num_macs, norm.sees) == ("norm", 6, 0, "own map")
    assert (known.sees, known.kernel_maps, known.num_macs) == ("own map", 1, 6 * 9 * 4)
    assert (unknown.kind, unknown.num_parameters, unknown.maps) == ("Mix", 12, 2)
    assert unknown.num_macs == 12
    assert (rest.name, rest.num_parameters, rest.num_macs) == ("(elsewhere)", 3, 4)
    assert totals(rows).num_parameters == sum(p.numel() for p in net.parameters())
    assert net.training
    assert net.norm.num_batches_tracked == 0
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


class Reader(nn.Module):
    """Can't be run without numbers."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        x = x.flatten(1)
        return self.fc(x) if x.sum().item() == 0 else x[:, :2]


def test_a_net_that_reads_its_numbers():
    assert [row.num_macs for row in layer_table(Reader(), (2, 2, 1))] == [8]


def test_a_net_that_breaks_says_so():
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        layer_table(nn.Sequential(nn.Flatten(), nn.Linear(5, 2)), (2, 2, 1))


def test_what_a_step_holds():
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    parameters = 16 * 3 + 3
    # saved: the images, the logarithms of the probabilities, the labels, and one number for all of them
    saved = 10 * (16 * 4 + 3 * 4 + 8) + 4
    assert training_bytes(net, (4, 4, 1), 3, 10) == 12 * parameters + saved
    assert training_bytes(net, (4, 4, 1), 3, 10, optimizer="adam") == 16 * parameters + saved


@pytest.mark.parametrize("name", sorted(NETS.keys() - {"alexnet"}))
def test_a_few_images_tell_of_many(name):
    spec = find(name)
    shape, num_classes = spec.native_shape, spec.native_classes
    net = build(name, NETS[name](), image_shape=shape, num_classes=num_classes, seed=0)
    whole = saved_bytes(DryRun(net, "cpu"), shape, num_classes, 12)
    assert training_bytes(net, shape, num_classes, 12) == whole + 3 * parameter_bytes(net)


def test_a_large_net_is_measured_where_nothing_is_computed(monkeypatch):
    """The same counts as on the CPU; a net that reads its numbers is run there after all."""
    devices = []
    logits = DryRun.logits
    monkeypatch.setattr(
        DryRun, "logits", lambda run, *args, **how: (devices.append(run.device), logits(run, *args, **how))[1]
    )
    small = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    expected = layer_table(small, (4, 4, 1)), training_bytes(small, (4, 4, 1), 3, 10)
    assert set(devices) == {"cpu"}
    monkeypatch.setattr(dry_run, "LARGE", 0)
    devices.clear()
    assert (layer_table(small, (4, 4, 1)), training_bytes(small, (4, 4, 1), 3, 10)) == expected
    assert set(devices) == {"meta"}
    devices.clear()
    assert [row.num_macs for row in layer_table(Reader(), (2, 2, 1))] == [8]
    assert devices == ["meta", "cpu"]
