"""Each layer against loops in float64, written from cuda-convnet's definitions."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from alexctl.nets.cuda_convnet import average_pool, max_pool, pooled
from alexctl.nets.layers import Dropout, LocallyConnected, set_step
from alexctl.nets.response_norm import ResponseNorm


def norm(size, *, maps="across", divided=True, alpha=0.3, beta=0.75, k=2.0):
    return ResponseNorm(size, alpha=alpha, beta=beta, k=k, maps=maps, divided=divided)


def written_out(layer, x):
    """b = a / (k + alpha sum a^2)^beta, every window by hand."""
    reach = range(-(layer.size // 2), -(layer.size // 2) + layer.size)
    terms = layer.size if layer.maps == "across" else layer.size**2
    alpha = layer.alpha / terms if layer.divided else layer.alpha
    result = torch.empty_like(x)
    for n, c, i, j in torch.cartesian_prod(*map(torch.arange, x.shape)).tolist():
        if layer.maps == "across":
            window = [x[n, c + d, i, j] for d in reach if 0 <= c + d < x.shape[1]]
        else:
            places = [(i + d, j + e) for d in reach for e in reach]
            window = [x[n, c, p, q] for p, q in places if 0 <= p < x.shape[2] and 0 <= q < x.shape[3]]
        result[n, c, i, j] = x[n, c, i, j] / (layer.k + alpha * sum(float(a) ** 2 for a in window)) ** layer.beta
    return result


SHAPES = {"across": (2, 7, 2, 3), "within": (2, 2, 5, 4)}


@pytest.mark.parametrize("divided", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 16])  # 16: larger than the maps are many or wide
@pytest.mark.parametrize("maps", ["across", "within"])
def test_response_norm_by_loops(maps, size, divided):
    x = torch.randn(SHAPES[maps], dtype=torch.float64)
    for beta in (0.75, 0.5):
        layer = norm(size, maps=maps, divided=divided, beta=beta)
        assert torch.allclose(layer(x), written_out(layer, x), rtol=1e-12, atol=0)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 16])
@pytest.mark.parametrize("maps", ["across", "within"])
def test_response_norm_gradient(maps, size):
    """The closed form against differences of the output, and against the definition of the paper, map by map."""
    x = torch.randn(SHAPES[maps], dtype=torch.float64, requires_grad=True)
    for layer in (norm(size, maps=maps, divided=True), norm(size, maps=maps, divided=False, beta=0.5)):
        assert torch.autograd.gradcheck(layer, x)


@pytest.mark.parametrize("maps", ["across", "within"])
def test_response_norm_gradient_is_that_of_the_plain_formula(maps):
    layer = norm(4, maps=maps, divided=False)
    x = torch.randn(SHAPES[maps], dtype=torch.float64, requires_grad=True)
    padded = F.pad(x**2, (0, 0, 0, 0, 2, 1) if maps == "across" else (2, 1, 2, 1))
    sums = padded.unfold(1, 4, 1).sum(-1) if maps == "across" else padded.unfold(2, 4, 1).unfold(3, 4, 1).sum((-2, -1))
    plain = x / (layer.k + layer.alpha * sums) ** layer.beta
    grad = torch.randn_like(x)
    (expected,) = torch.autograd.grad(plain, x, grad)
    (actual,) = torch.autograd.grad(layer(x), x, grad)
    assert torch.allclose(actual, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("size", [2, 5, 9])
def test_divided_across_maps_is_torchs(size):
    x = torch.randn(3, 6, 4, 5).to(memory_format=torch.channels_last)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    a = norm(size, alpha=0.1, k=1.0)(ours)
    b = F.local_response_norm(theirs, size, alpha=0.1, beta=0.75, k=1.0)
    assert torch.allclose(a, b, rtol=1e-5)
    grad = torch.randn_like(x)
    assert torch.allclose(
        *(torch.autograd.grad(y, x, grad)[0] for y, x in ((a, ours), (b, theirs))), rtol=1e-4, atol=1e-6
    )


def test_the_papers_alpha_undivided_is_five_times_torchs():
    x = torch.randn(1, 8, 2, 2)
    printed = norm(5, alpha=1e-4, divided=False)(x)
    assert torch.allclose(printed, F.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0), rtol=1e-6)


@pytest.mark.parametrize("maps", ["across", "within"])
def test_response_norm_keeps_the_memory_format(maps):
    layer = norm(3, maps=maps)
    x = torch.randn(3, 4, 5, 6)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        arranged = x.to(memory_format=memory_format).requires_grad_()
        y = layer(arranged)
        assert y.is_contiguous(memory_format=memory_format)
        (grad,) = torch.autograd.grad(y, arranged, torch.ones_like(y))
        assert grad.is_contiguous(memory_format=memory_format)
        assert torch.allclose(y, layer(x))


@pytest.mark.parametrize("channels", [6, 192])  # by a matrix product, and by shifting
@pytest.mark.parametrize("size", [4, 5])
def test_no_window_reaches_into_another_group_or_image(channels, size):
    """A batch larger than a core's cache is done in parts; each image and group comes out as it does alone."""
    x = torch.randn(2**20 // (channels * 16) + 3, channels, 4, 4).to(memory_format=torch.channels_last).requires_grad_()
    layer = ResponseNorm(size, alpha=0.3, beta=0.75, k=2.0, maps="across", divided=True, groups=3)
    alone = norm(size)
    y, grad = layer(x), torch.randn_like(x)
    (gradient,) = torch.autograd.grad(y, x, grad)
    for i in (0, len(x) - 1):
        for group in range(3):
            here = slice(group * channels // 3, (group + 1) * channels // 3)
            part = x[i : i + 1, here].detach().requires_grad_()
            assert torch.allclose(y[i : i + 1, here], alone(part), rtol=1e-5, atol=1e-6)
            (expected,) = torch.autograd.grad(alone(part), part, grad[i : i + 1, here])
            assert torch.allclose(gradient[i : i + 1, here], expected, rtol=1e-4, atol=1e-5)


def test_response_norm_refuses():
    with pytest.raises(ValueError, match="size: should be 1 or more, not 0"):
        norm(0)
    with pytest.raises(ValueError, match="maps: should be across or within, not between"):
        norm(3, maps="between")


@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (2, 0), (3, 0)])
def test_locally_connected_by_loops(kernel, padding):
    layer = LocallyConnected(3, 2, kernel, padding, side=4).double()
    out = 4 + 2 * padding - kernel + 1
    assert layer.weight.shape == (out * out, kernel * kernel * 3, 2)
    assert layer.bias.shape == (out * out, 2)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    padded = F.pad(x, (padding,) * 4)
    expected = torch.zeros(2, 2, out, out, dtype=torch.float64)
    for i in range(out):
        for j in range(out):
            weight = layer.weight[i * out + j].view(kernel, kernel, 3, 2)
            window = padded[:, :, i : i + kernel, j : j + kernel]
            expected[:, :, i, j] = torch.einsum("bcij,ijco->bo", window, weight) + layer.bias[i * out + j]
    assert torch.allclose(layer(x), expected)
    grad = torch.randn_like(expected)
    told = (x, layer.weight, layer.bias)
    for a, b in zip(torch.autograd.grad(layer(x), told, grad), torch.autograd.grad(expected, told, grad), strict=True):
        assert torch.allclose(a, b)


def test_locally_connected_with_equal_weights_is_a_convolution():
    conv, layer = nn.Conv2d(5, 4, 3, padding=1), LocallyConnected(5, 4, 3, 1, side=6)
    with torch.no_grad():
        layer.weight.copy_(conv.weight.permute(2, 3, 1, 0).reshape(45, 4))
        layer.bias.copy_(conv.bias)
    x = torch.randn(2, 5, 6, 6).to(memory_format=torch.channels_last)
    y = layer(x)
    assert torch.allclose(y, conv(x), atol=1e-5)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y, layer(x.contiguous()))


def test_locally_connected_refuses():
    with pytest.raises(ValueError, match="kernel: 5 is larger than the map, 2 and 1 of padding"):
        LocallyConnected(1, 1, 5, 1, side=2)
    with pytest.raises(ValueError, match="made for maps of 4 x 4, not 4 x 5"):
        LocallyConnected(1, 1, 3, 1, side=4)(torch.zeros(1, 1, 4, 5))


def dropouts():
    return nn.Sequential(nn.Sequential(Dropout(0.5)), Dropout(0.25))


def test_dropout_is_derived_from_seed_name_and_step():
    x = torch.ones(50, 400)

    def masks(seed, step, net=None):
        net = net or dropouts()
        set_step(net, seed, step)
        return net[0](x), net[1](x)

    a, b = masks(3, 7)
    assert set(a.unique().tolist()) == {0.0, 1.0}  # the paper scales at test time, not here
    assert a.mean().item() == pytest.approx(0.5, abs=0.02)
    assert b.mean().item() == pytest.approx(0.75, abs=0.02)
    used = dropouts()
    for step in range(7):
        masks(3, step, used)
    for net in (used, None):  # a step comes out the same however it was reached
        assert all(torch.equal(*pair) for pair in zip(masks(3, 7, net), (a, b), strict=True))
    assert not torch.equal(masks(3, 8)[0], a)
    assert not torch.equal(masks(4, 7)[0], a)
    same_p = nn.Sequential(Dropout(0.5), Dropout(0.5))
    set_step(same_p, 0, 0)
    assert not torch.equal(same_p[0](x), same_p[1](x))
    assert not used.state_dict()


def test_dropout_passes_the_gradient_of_what_it_kept():
    layer, x = Dropout(0.5), torch.randn(4, 30, requires_grad=True)
    set_step(layer, 0, 0)
    y = layer(x)
    y.sum().backward()
    assert torch.equal(x.grad, (y != 0).float())


def test_dropout_at_test_time_and_untold():
    layer, x = Dropout(0.5), torch.randn(4, 30)
    with pytest.raises(RuntimeError, match=r"call set_step\(net, seed, step\)"):
        layer(x)
    assert torch.equal(layer.eval()(x), 0.5 * x)
    with pytest.raises(ValueError, match="p: should be 0 or more and below 1, not 1"):
        Dropout(1.0)


@pytest.mark.parametrize("side", [2, 3, 7, 8, 12])
def test_pooling_by_windows(side):
    """Partial windows at the right and bottom edges; an average counts the pixels that are there."""
    x = torch.randn(2, 3, side, side, dtype=torch.float64)
    out = pooled(side)
    assert out == 1 + math.ceil((side - 3) / 2)
    for pool, reduce in ((max_pool, lambda w: w.amax((-1, -2))), (average_pool, lambda w: w.mean((-1, -2)))):
        for arranged in (x, x.to(memory_format=torch.channels_last)):
            y = pool(arranged)
            assert y.shape == (2, 3, out, out)
            for i in range(out):
                for j in range(out):
                    window = x[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
                    assert torch.allclose(y[:, :, i, j], reduce(window))


def test_response_norm_of_half_precision_is_that_of_float32():
    x = torch.randn(2, 7, 3, 3)
    layer = norm(5, alpha=1e-4)
    y = layer(x.bfloat16())
    assert y.dtype == torch.float32
    assert torch.equal(y, layer(x.bfloat16().float()))
