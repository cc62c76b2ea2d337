"""convnet4 against the numbers of cuda-convnet's layers-19pct and against loops."""

import math

import pytest
import torch

from alexctl.net_knobs import ConvNet4Knobs
from alexctl.nets.convnet import ConvNet4, pooled


def net(side=32, channels=3, seed=0, **knobs):
    return ConvNet4(ConvNet4Knobs(**knobs), image_shape=(side, side, channels), num_classes=10, seed=seed)


def test_parameters_and_shapes():
    assert sum(p.numel() for p in net().parameters()) == 89_578
    assert net()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert net(side=28, channels=1)(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert [pooled(32), pooled(16), pooled(8)] == [16, 8, 4]
    assert [pooled(24), pooled(12), pooled(7), pooled(5)] == [12, 6, 3, 2]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_forward_as_the_paper_orders_it(activation):
    """Convolution, activation, pooling in float64, windows by hand; our net pools before the first activation."""
    model = net(side=9, activation=activation, init="fan-in").double()
    pictures = torch.randn(2, 3, 9, 9, dtype=torch.float64)
    act = torch.relu if activation == "relu" else torch.tanh

    def windows(x, reduce):
        out = pooled(x.shape[-1])
        cells = [[reduce(x[..., 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]) for j in range(out)] for i in range(out)]
        return torch.stack([torch.stack(row, -1) for row in cells], -2)

    def conv(layer, x):
        x = torch.nn.functional.pad(x, (2, 2, 2, 2))
        size = x.shape[-1] - 4
        result = torch.zeros(x.shape[0], layer.out_channels, size, size, dtype=torch.float64)
        for i in range(5):
            for j in range(5):
                result += torch.einsum("bchw,oc->bohw", x[..., i : i + size, j : j + size], layer.weight[:, :, i, j])
        return result + layer.bias[:, None, None]

    x = windows(act(conv(model.conv1, pictures)), lambda w: w.amax((-1, -2)))
    x = windows(act(conv(model.conv2, x)), lambda w: w.mean((-1, -2)))
    x = windows(act(conv(model.conv3, x)), lambda w: w.mean((-1, -2)))
    assert torch.allclose(model(pictures), model.fc(x.flatten(1)), atol=1e-12)


def test_initial_draws():
    relu, tanh = net(activation="relu"), net(activation="tanh")
    assert all(torch.equal(a, b) for a, b in zip(relu.parameters(), tanh.parameters(), strict=True))
    for layer, std in zip(relu.children(), (1e-4, 0.01, 0.01, 0.01), strict=True):
        assert layer.weight.std().item() == pytest.approx(std, rel=0.05)
        assert not layer.bias.any()
    fan_in = net(activation="relu", init="fan-in")
    assert fan_in.conv2.weight.std().item() == pytest.approx(math.sqrt(2 / 800), rel=0.05)
    halved = net(activation="tanh", init="fan-in")
    assert torch.allclose(fan_in.conv2.weight, halved.conv2.weight * math.sqrt(2))
    assert not torch.equal(net(seed=1).fc.weight, net(seed=2).fc.weight)
