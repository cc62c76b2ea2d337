"""LeNet-5 against the numbers of the 1998 paper and against loops."""

import math
from itertools import product
from typing import get_args

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from alexctl.ablation.knobs import LeNet5Knobs
from alexctl.errors import UserError
from alexctl.nets import lenet5
from alexctl.nets.activations import scaled_tanh
from alexctl.nets.lenet5 import C3_TABLE, LeNet5, digit_codes
from alexctl.randomness import uniform_

A, S = 1.7159, 2 / 3


def net(shape=(32, 32, 1), num_classes=10, seed=0, **knobs):
    return LeNet5(LeNet5Knobs(**knobs), image_shape=shape, num_classes=num_classes, seed=seed)


def parameters_by_layer(model):
    return {name: sum(p.numel() for p in layer.parameters()) for name, layer in model.named_children()}


def test_the_table_of_1998():
    model = net()
    assert parameters_by_layer(model) == {
        "c1": 156, "s2": 12, "c3": 1_516, "s4": 32, "c5": 48_120, "f6": 10_164, "output": 0,
    }  # fmt: skip
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 60_000
    assert model(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


def test_the_short_form():
    """156 + (6*25*16 + 16 = 2,416) + 48,120 + 10,164 + (84*10 + 10 = 850) = 61,706; pooling has no parameters."""
    model = net(form="short")
    assert parameters_by_layer(model) == {
        "c1": 156, "s2": 0, "c3": 2_416, "s4": 0, "c5": 48_120, "f6": 10_164, "output": 850,
    }  # fmt: skip
    assert sum(p.numel() for p in model.parameters()) == 61_706
    assert net(form="short", num_classes=7)(torch.zeros(2, 1, 32, 32)).shape == (2, 7)


def test_the_map_sizes():
    model, sizes = net(), {}
    for name, layer in model.named_children():
        layer.register_forward_hook(lambda _, __, out, name=name: sizes.update({name: tuple(out.shape[1:])}))
    model(torch.zeros(1, 1, 32, 32))
    assert sizes == {
        "c1": (6, 28, 28), "s2": (6, 14, 14), "c3": (16, 10, 10), "s4": (16, 5, 5), "c5": (120, 1, 1),
        "f6": (84,), "output": (10,),
    }  # fmt: skip


def test_the_c3_table():
    assert sum(map(len, C3_TABLE)) == 60
    written = "012 123 234 345 045 015 0123 1234 2345 0345 0145 0125 0134 1245 0235 012345"
    assert ["".join(map(str, sources)) for sources in C3_TABLE] == written.split()
    # Six contiguous threes and six contiguous fours (round the corner too), as the paper describes them.
    for start in range(6):
        assert {(start + k) % 6 for k in range(3)} == set(C3_TABLE[start])
        assert {(start + k) % 6 for k in range(4)} == set(C3_TABLE[6 + start])
    assert [sum(source in sources for sources in C3_TABLE) for source in range(6)] == [10] * 6  # no map of S2 favoured


def test_squashing():
    f = scaled_tanh(torch.tensor([1.0, -1.0, 0.0, 50.0], dtype=torch.float64)).tolist()
    assert f == pytest.approx([1, -1, 0, 1.7159], abs=1e-5)


def test_subsampling_against_loops():
    torch.manual_seed(0)
    layer = lenet5.Subsampling(3, scaled_tanh).double()
    torch.nn.init.normal_(layer.coefficient)
    torch.nn.init.normal_(layer.bias)
    maps = torch.randn(2, 3, 4, 6, dtype=torch.float64, requires_grad=True)
    ahead = torch.randn(2, 3, 2, 3, dtype=torch.float64)
    out = layer(maps)
    out.backward(ahead)
    expected, d_maps = torch.zeros(2, 3, 2, 3).double(), torch.zeros(2, 3, 4, 6).double()
    d_coefficient, d_bias = [0.0] * 3, [0.0] * 3
    for b, m, i, j in product(range(2), range(3), range(2), range(3)):
        square = [(2 * i + k, 2 * j + n) for k in (0, 1) for n in (0, 1)]
        total = sum(maps[b, m, y, x].item() for y, x in square)
        tanh = math.tanh(S * (total * layer.coefficient[m].item() + layer.bias[m].item()))
        expected[b, m, i, j] = A * tanh
        slope = ahead[b, m, i, j].item() * A * S * (1 - tanh**2)
        d_coefficient[m] += slope * total
        d_bias[m] += slope
        for y, x in square:
            d_maps[b, m, y, x] = slope * layer.coefficient[m].item()
    assert torch.allclose(out, expected, atol=1e-12)
    assert torch.allclose(maps.grad, d_maps, atol=1e-12)
    assert layer.coefficient.grad.tolist() == pytest.approx(d_coefficient)
    assert layer.bias.grad.tolist() == pytest.approx(d_bias)


def test_sparse_convolution_against_one_convolution_a_map():
    torch.manual_seed(0)
    layer = lenet5.SparseConv(6, C3_TABLE).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    maps = torch.randn(2, 6, 7, 8, dtype=torch.float64, requires_grad=True)
    twin = maps.detach().clone().requires_grad_()
    kernels = layer.weight.detach().clone().requires_grad_()
    parts = zip(C3_TABLE, kernels.split([len(sources) for sources in C3_TABLE]), strict=True)
    expected = torch.cat([F.conv2d(twin[:, list(sources)], mine[None]) for sources, mine in parts], 1)
    out, ahead = layer(maps), torch.randn_like(expected)
    assert torch.allclose(out, expected + layer.bias[:, None, None], atol=1e-12)
    out.backward(ahead)
    expected.backward(ahead)
    assert torch.allclose(maps.grad, twin.grad, atol=1e-12)
    assert torch.allclose(layer.weight.grad, kernels.grad, atol=1e-12)
    assert torch.allclose(layer.bias.grad, ahead.sum((0, 2, 3)), atol=1e-12)


def test_rbf_against_loops():
    torch.manual_seed(0)
    layer = lenet5.EuclideanRBF().double()
    features = torch.randn(3, 84, dtype=torch.float64, requires_grad=True)
    ahead = torch.randn(3, 10, dtype=torch.float64)
    logits = layer(features)
    logits.backward(ahead)
    codes = digit_codes().tolist()
    expected, gradient = torch.zeros(3, 10).double(), torch.zeros(3, 84).double()
    for b, digit, i in product(range(3), range(10), range(84)):
        away = features[b, i].item() - codes[digit][i]
        expected[b, digit] -= away**2
        gradient[b, i] -= ahead[b, digit].item() * 2 * away
    assert torch.allclose(logits, expected, atol=1e-11)
    assert torch.allclose(features.grad, gradient, atol=1e-11)
    # A code is at no distance from itself; from another, 4 for each dot that differs.
    apart = sum(a != b for a, b in zip(codes[0], codes[1], strict=True))
    assert layer(layer.codes)[0, :2].tolist() == [0, -4 * apart]


def test_cross_entropy_is_the_map_criterion_without_j():
    """For one image: y of the right class + log of the sum of exp(-y) over the classes."""
    torch.manual_seed(0)
    penalties = -lenet5.EuclideanRBF().double()(torch.randn(1, 84, dtype=torch.float64))
    expected = penalties[0, 3] + math.log(sum(math.exp(-y) for y in penalties[0].tolist()))
    assert F.cross_entropy(-penalties, torch.tensor([3])).item() == pytest.approx(expected.item())


def test_the_bitmaps():
    lines = lenet5.DIGITS.split()
    assert len(lines) == 12 * 10
    assert all(len(line) == 7 and set(line) <= {".", "#"} for line in lines)
    codes = digit_codes()
    assert codes.unique().tolist() == [-1, 1]
    assert codes[1].view(12, 7)[11].tolist() == [-1, 1, 1, 1, 1, 1, 1]  # the foot of the 1
    assert codes[7].view(12, 7)[0].tolist() == [1] * 7  # the bar of the 7
    apart = (codes[:, None] != codes).sum(2) + 84 * torch.eye(10, dtype=torch.int64)
    assert apart.min() == apart[0, 6] == 13


@pytest.mark.parametrize(("form", "activation"), [("1998", "scaled-tanh"), ("1998", "tanh"), ("short", "relu")])
def test_forward_in_order(form, activation):
    """Convolution, squashing, subsampling (squashed again in 1998), ..., F6 squashed, output."""
    model = net(form=form, activation=activation, init="fan-in").double()
    act = {"scaled-tanh": lambda a: A * torch.tanh(S * a), "tanh": torch.tanh, "relu": torch.relu}[activation]
    images = torch.randn(3, 1, 32, 32, dtype=torch.float64)

    def pool(layer, x):
        x = (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4
        if form == "short":
            return x
        return act(4 * x * layer.coefficient[:, None, None] + layer.bias[:, None, None])

    x = pool(model.s2, act(F.conv2d(images, model.c1.weight, model.c1.bias)))
    x = pool(model.s4, act(model.c3(x)))
    x = act(x.flatten(1) @ model.c5.weight.flatten(1).T + model.c5.bias)
    x = act(x @ model.f6.weight.T + model.f6.bias)
    if form == "1998":
        expected = -((x[:, None] - digit_codes().double()) ** 2).sum(2)
    else:
        expected = x @ model.output.weight.T + model.output.bias
    assert torch.allclose(model(images), expected, atol=1e-10)


def test_initial_draws_of_1998():
    model = net()
    for layer, fan_in in ((model.c1, 25), (model.c5, 400), (model.f6, 120)):
        assert 0.9 * 2.4 / fan_in < layer.weight.abs().max() <= 2.4 / fan_in
    assert model.s4.coefficient.abs().max() <= 0.6  # 2.4 / 4
    for mine in model.c3.weight.split([len(sources) for sources in C3_TABLE]):
        bound = 2.4 / mine.numel()
        assert 0.9 * bound < mine.abs().max() <= bound
    assert not any(p.any() for name, p in model.named_parameters() if name.endswith("bias"))


def test_initial_draws_that_keep_the_variance():
    model = net(init="fan-in")
    assert model.c5.weight.std().item() == pytest.approx(1 / math.sqrt(400), rel=0.05)
    assert model.c3.weight[:18].std().item() == pytest.approx(1 / math.sqrt(75), rel=0.1)  # maps 0 to 5 see three
    assert model.s2.coefficient.tolist() == [0.25] * 6
    short = {
        name: net(form="short", activation=name, init="fan-in")
        for name in get_args(LeNet5Knobs.model_fields["activation"].annotation)
    }
    assert torch.allclose(short["relu"].f6.weight, short["tanh"].f6.weight * math.sqrt(2))
    assert torch.equal(short["scaled-tanh"].f6.weight, short["tanh"].f6.weight)


def test_seeds():
    assert torch.equal(net(seed=3).c3.weight, net(seed=3, activation="tanh").c3.weight)
    assert torch.equal(net(seed=3).c5.weight, net(seed=3, form="short").c5.weight)
    assert not torch.equal(net(seed=1).c3.weight, net(seed=2).c3.weight)
    weight = torch.empty(1000)
    uniform_(weight, 0.5, seed=0, name="w")
    assert -0.5 <= weight.min() < -0.49 < 0.49 < weight.max() <= 0.5


@pytest.mark.parametrize("form", ["1998", "short"])
def test_every_parameter_learns(form):
    model = net(form=form)
    images = torch.rand(16, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    F.cross_entropy(model(images), torch.arange(16) % 10).backward()
    assert all(p.grad.any() for p in model.parameters())
    assert (model.input_scaling, model.bias_rate, model.weight_costs) == ("lenet", 1.0, {})
    assert set(model.state_dict()) == set(dict(model.named_parameters()))  # fixed codes are no state


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shape": (32, 32, 3)}, "lenet5 sees one channel, these images have 3; try data = 'mnist' or another net"),
        ({"shape": (28, 28, 1)}, "lenet5 needs images of 32x32 pixels, not 28x28"),
        ({"num_classes": 26}, "a code for each of ten digits, this data has 26 classes; form = 'short' takes any"),
    ],
)
def test_refused_by_name(changes, said):
    with pytest.raises(UserError) as caught:
        net(**changes)
    assert said in str(caught.value)


def test_relu_and_codes_of_minus_one():
    with pytest.raises(ValidationError) as caught:
        LeNet5Knobs(activation="relu")
    (fault,) = caught.value.errors()
    assert fault["loc"] == ("activation",)
    assert "form = 'short'" in str(fault["ctx"]["error"])
    assert LeNet5Knobs(form="short", activation="relu").activation == "relu"
