"""The kernels for a GPU, interpreted on the CPU and built for GPUs that are not there; no test here needs one."""

import importlib
import importlib.util
import itertools
import sys

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from alexctl.nets import response_norm
from alexctl.nets.response_norm import ResponseNorm

NAME = "alexctl.nets.fused_response_norm"
FORMATS = (torch.channels_last, torch.contiguous_format)
BETAS = itertools.cycle((0.75, 0.5, 1.0, 0.6))
CPU = torch.device("cpu")

pytest.importorskip("triton", reason="Triton comes with torch on Linux only, and the kernels are written in it")


class Wrapped(torch.Tensor):
    """A tensor that need not have memory of its own."""


@pytest.fixture(scope="module")
def interpreted():
    """A copy of the module whose kernels Triton interprets, which is settled when they are defined."""
    spec = importlib.util.find_spec(NAME)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        spec.loader.exec_module(module)
    return module


@pytest.fixture
def fused(interpreted, monkeypatch):
    """The layer does as on a GPU; a list of the kernels that were launched."""
    launched, launch = [], interpreted._launch

    def watched(kernel, *args):
        launched.append(kernel)
        launch(kernel, *args)

    monkeypatch.setattr(interpreted, "_launch", watched)
    monkeypatch.setattr(response_norm, "kernels_for", lambda device: interpreted)
    return launched


@pytest.fixture
def unfused(monkeypatch):
    """y and the gradient of x by torch's operations."""

    def run(*args):
        with monkeypatch.context() as patch:
            patch.setattr(response_norm, "kernels_for", lambda device: None)
            return there_and_back(*args)

    return run


def norm(size=5, *, alpha=0.3, beta=0.75, k=1.5, maps="across", groups=1):
    return ResponseNorm(size, alpha=alpha, beta=beta, k=k, maps=maps, divided=False, groups=groups)


def there_and_back(layer, x, grad):
    x = x.detach().requires_grad_()
    y = layer(x)
    return y, *torch.autograd.grad(y, x, grad)


def close(actual, expected, tolerance):
    return torch.allclose(actual.double(), expected.double(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("channels", "groups"), [(1, 1), (3, 1), (6, 2), (16, 2), (48, 1), (96, 2), (256, 1)])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_the_numbers_are_those_of_torchs_operations(fused, unfused, size, channels, groups):
    x, grad = torch.randn(2, 2, channels, *((3, 5) if channels < 16 else (1, 3)))
    layer = norm(size, beta=next(BETAS), groups=groups)
    exact, plain = unfused(layer, x.double(), grad.double()), unfused(layer, x, grad)
    for memory_format in FORMATS:
        results = there_and_back(layer, *(tensor.contiguous(memory_format=memory_format) for tensor in (x, grad)))
        for actual, in_float64, in_float32 in zip(results, exact, plain, strict=True):
            assert actual.is_contiguous(memory_format=memory_format)
            assert close(actual, in_float64, 4e-6)
            assert close(actual, in_float32, 8e-6)
    assert len(fused) == 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_read_as_it_is_and_summed_in_float32(fused, unfused, dtype):
    x, grad = torch.randn(2, 2, 12, 3, 3)
    longest = norm(16)
    y, slope = there_and_back(longest, x.to(dtype), grad)
    expected_y, expected_slope = unfused(longest, x.to(dtype), grad)
    assert (y.dtype, slope.dtype) == (torch.float32, dtype)
    assert close(y, expected_y, 2e-6)
    assert close(slope, expected_slope, 2 * torch.finfo(dtype).eps)
    assert len(fused) == 2


def test_tensors_that_lie_otherwise_are_arranged_first(fused, unfused):
    """Part of the maps, every other row, no images; a gradient in the other format, or one number for all."""
    x = torch.randn(2, 12, 5, 3).contiguous(memory_format=torch.channels_last)
    for part in (x[:, 3:10], x[:, :, ::2], x.transpose(2, 3), x[:0], x.contiguous()[:, 1:, 1:]):
        for grad in (torch.randn(part.shape), torch.ones(()).expand(part.shape)):
            results, expected = there_and_back(norm(), part, grad), unfused(norm(), part, grad)
            assert all(close(*pair, 4e-6) for pair in zip(results, expected, strict=True))


def test_nothing_but_the_input_is_kept(fused):
    kept = []
    x = torch.randn(2, 8, 3, 3).bfloat16().contiguous(memory_format=torch.channels_last).requires_grad_()
    with saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        norm()(x)
    assert [tensor.data_ptr() for tensor in kept] == [x.data_ptr()]


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning", "ignore:invalid value:RuntimeWarning")  # of NumPy
def test_where_k_is_0_edges_are_not_divided_by_nothing(fused, unfused):
    x, grad = torch.randn(2, 1, 6, 1, 1)
    x[:, 0] = 0  # the only term of a window beyond the edge
    expected = unfused(norm(3, k=0.0), x, grad)
    results = there_and_back(norm(3, k=0.0), x, grad)
    assert expected[1].isfinite().all()
    assert all(close(*pair, 4e-6) for pair in zip(results, expected, strict=True))


def test_what_the_kernels_are_not_for_is_left_to_torchs_operations(fused):
    x = torch.randn(2, 6, 3, 3)
    assert norm()(x.double()).dtype == torch.float64
    norm(17)(x)
    norm(maps="within")(x)
    norm(groups=4)(x)
    norm()(x.as_subclass(Wrapped))
    assert not fused
    norm()(x)
    assert len(fused) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks what happens without a GPU")
def test_which_devices_have_kernels(monkeypatch):
    """Every GPU that Triton builds for; here there is none, and saying so is no error."""
    response_norm.kernels_for.cache_clear()
    gpu = torch.device("cuda", 0)
    assert response_norm.kernels_for(CPU) is None
    assert response_norm.kernels_for(gpu) is None
    module = importlib.import_module(NAME)
    monkeypatch.setattr(module, "builds", lambda device: device == gpu)
    response_norm.kernels_for.cache_clear()
    assert response_norm.kernels_for(CPU) is None
    assert response_norm.kernels_for(gpu) is module
    monkeypatch.delattr("alexctl.nets.fused_response_norm")
    monkeypatch.setitem(sys.modules, NAME, None)  # as if importing it raised ImportError
    response_norm.kernels_for.cache_clear()
    assert response_norm.kernels_for(gpu) is None
    response_norm.kernels_for.cache_clear()


def test_building_is_tried_out(interpreted, monkeypatch):
    assert interpreted.builds(CPU)
    monkeypatch.setattr(interpreted, "_launch", lambda *args: 1 / 0)
    assert not interpreted.builds(CPU)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("kernel", ["_forward", "_backward"])
def test_four_neighbouring_maps_are_read_at_once(kernel, half, tmp_path, monkeypatch):
    """Built for an H100 without one: each four and the fours beside it, once, and nothing else passes between threads.

    What makes it as quick as memory is; an interpreter can't tell.
    """
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    module = importlib.import_module(NAME)
    function = getattr(module, kernel)
    sizes = {"before": 2, "after": 2, "roots": True, "fours": module.FOURS, "step": 1}
    types = {"num_fours": "i32", "maps": "i32", "scale": "fp32", "beta": "fp32", "k": "fp32"}
    types |= {"x_ptr": "*bf16" if half else "*fp32", "slope_ptr": "*bf16" if half else "*fp32"}
    types |= {"y_ptr": "*fp32", "grad_ptr": "*fp32"} | dict.fromkeys(sizes, "constexpr")
    names = function.arg_names
    whole = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if name.endswith("ptr") or name == "maps"}
    source = ASTSource(function, {name: types[name] for name in names}, sizes, whole)
    ptx = compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": True}).asm["ptx"]
    loads = [line for line in ptx.splitlines() if "ld.global" in line]
    assert len(loads) == (3 if kernel == "_forward" else 6)
    assert all(".v2.b32" in line or ".v4.b32" in line for line in loads)
    assert "st.global.v" in ptx
    assert "st.shared" not in ptx
