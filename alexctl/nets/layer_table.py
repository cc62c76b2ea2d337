"""What a net is made of, layer by layer, read off the built net and an image sent through it."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from alexctl.errors import UserError
from alexctl.nets.alexnet import TowerLinear
from alexctl.nets.layers import LocallyConnected, ResponseNorm
from alexctl.nets.lenet import EuclideanRBF, SparseConv, Subsampling

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d)
MAP_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm2d)
NORMS = (*MAP_NORMS, ResponseNorm, nn.LocalResponseNorm, nn.GroupNorm, nn.LayerNorm)
T = TypeVar("T")
Side = int | tuple[int, ...] | str


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """A layer as built: sides in pixels or places, counts for one image; fully connected layers have no kernel.

    A kernel is `kernel` x `kernel` x `kernel_maps` weights (two sides where they differ); for a fully connected unit
    `kernel_maps` is its inputs. Norms and pools count no multiply-accumulates and no neurons.
    """

    name: str
    kind: str  # conv, local, norm, pool, subsampling, fc, rbf, or another module's class
    kernel: Side | None = None
    kernel_maps: int | None = None
    stride: Side | None = None
    padding: Side | None = None
    maps: int
    height: int = 1
    width: int = 1
    num_parameters: int = 0
    num_macs: int = 0  # multiply-accumulates
    num_neurons: int = 0
    sees: str = ""  # image, all, own tower, both towers, own group, own map, 3 to 6 maps


@dataclass(frozen=True, kw_only=True)
class Totals:
    """The sums over a net's layers, for one image."""

    num_parameters: int
    num_macs: int
    num_neurons: int


def totals(rows: Iterable[LayerRow]) -> Totals:
    """What all layers have together."""
    names = ("num_parameters", "num_macs", "num_neurons")
    return Totals(**{name: sum(getattr(row, name) for row in rows) for name in names})


def on_meta_device(make: Callable[[], nn.Module]) -> nn.Module:
    """The net that `make` builds, on the meta device, where nothing is drawn or kept; a net that can't is built whole."""
    try:
        with torch.device("meta"):
            return make()
    except UserError:
        raise
    except Exception:  # whatever a net may do with its numbers while it is built
        return make()


def layer_table(net: nn.Module, image_shape: tuple[int, int, int]) -> list[LayerRow]:
    """The layers of a net in the order in which an image of (height, width, channels) meets them.

    A row is a module that has weights, normalises or pools; activations, dropout, and poolings that are functions and
    no modules are none. Of a net that is not one of ours, the multiply-accumulates of a module not known here are
    those of its matrix products and convolutions, and what it computes or keeps outside of modules is a last row.
    The net stays as it is, and may be on the meta device. Raises what its forward raises.
    """
    return somewhere(net, lambda device: _Walk(net).rows_of(image_shape, device))


def somewhere(net: nn.Module, measure: Callable[[str], T]) -> T:
    """What `measure` finds on the CPU or, for a net of over a GiB, on the meta device; on the other where that fails.

    The meta device computes nothing, but torch takes seconds to import what it needs there.
    """
    bytes_ = sum(p.numel() * p.element_size() for p in net.parameters())
    first, second = ("cpu", "meta") if bytes_ < 2**30 else ("meta", "cpu")
    try:
        return measure(first)
    except Exception as error:
        try:
            return measure(second)
        except Exception:
            raise error from None


@contextmanager
def mode(net: nn.Module, *, training: bool) -> Iterator[None]:
    """Puts a net into training or evaluation, and back."""
    before = {module: module.training for module in net.modules()}
    net.train(training)
    try:
        yield
    finally:
        for module, was in before.items():
            module.training = was


def blank_images(shape: tuple[int, int, int], num: int, device: str) -> Tensor:
    """(num, channels, height, width) zeros for a shape of (height, width, channels)."""
    height, width, channels = shape
    return torch.zeros(num, channels, height, width, device=device)


def stand_ins(net: nn.Module, device: str) -> dict[str, Tensor]:
    """A net's parameters and copies of its buffers on a device; zeros where it has no numbers."""
    tensors = {}
    for name, tensor in (*net.named_parameters(), *net.named_buffers()):
        if tensor.is_meta and device != "meta":
            other = torch.zeros_like(tensor, device=device)
        else:
            other = tensor.detach().to(device, copy=not isinstance(tensor, nn.Parameter))
        tensors[name] = other.requires_grad_(tensor.requires_grad)
    return tensors


def _layers(net: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    for name, module in net.named_children():
        if not any(module.children()):
            yield prefix + name, module
        else:
            yield from _layers(module, f"{prefix}{name}.")


class _Walk:
    """One image on its way through a net, a row for each layer it meets."""

    def __init__(self, net: nn.Module):
        self.net = net
        self.towers = getattr(getattr(net, "knobs", None), "towers", 1)
        self.rows: list[LayerRow] = []
        self.counted: set[int] = set()  # parameters, by identity: a layer that runs twice has its weights once
        # Ours compute nothing beside their layers, and torch takes seconds to import what the counter needs.
        self.counter = None if type(net).__module__.startswith("alexctl.") else FlopCounterMode(display=False)
        self.inside = self.before = 0

    def rows_of(self, image_shape: tuple[int, int, int], device: str) -> list[LayerRow]:
        hooks = []
        for name, layer in _layers(self.net):
            leave = partial(self._leave, name, list(layer.parameters()))
            hooks += [layer.register_forward_pre_hook(self._enter), layer.register_forward_hook(leave)]
        images = blank_images(image_shape, 1, device)
        try:
            with self.counter or nullcontext(), mode(self.net, training=False), torch.no_grad():
                torch.func.functional_call(self.net, stand_ins(self.net, device), (images,))
        finally:
            for hook in hooks:
                hook.remove()
        parameters, macs = sum(map(self._new, self.net.parameters())), (self._flops() - self.inside) // 2
        if parameters or macs:
            self.rows.append(LayerRow(name="(elsewhere)", kind="", maps=0, num_parameters=parameters, num_macs=macs))
        return self.rows

    def _flops(self) -> int:
        return self.counter.get_total_flops() if self.counter else 0

    def _enter(self, layer: nn.Module, _: Any) -> None:
        self.before = self._flops()

    def _leave(self, name: str, own: list[nn.Parameter], layer: nn.Module, _: Any, output: Any) -> None:
        flops = self._flops() - self.before
        self.inside += flops
        self._met(name, layer, output, own, flops // 2)

    def _new(self, parameter: nn.Parameter) -> int:
        if id(parameter) in self.counted:
            return 0
        self.counted.add(id(parameter))
        return parameter.numel()

    def _met(self, name: str, layer: nn.Module, output: Any, own: list[nn.Parameter], macs: int) -> None:
        while isinstance(output, tuple | list):
            output = output[0]
        if not isinstance(output, Tensor) or not (own or isinstance(layer, POOLS + NORMS + (EuclideanRBF,))):
            return
        about = _about(layer, output, macs)
        if "kernel_maps" in about and not self.rows:
            about["sees"] = "image"
        elif self.towers > 1:
            about["sees"] = {"all": "both towers", "own group": "own tower"}.get(about["sees"], about["sees"])
        maps, *sides = output.shape[1:] or (1,)
        if about["kind"] == "fc":  # features come last
            *sides, maps = output.shape[1:]
        size = dict(zip(("height", "width"), sides, strict=False))
        self.rows.append(LayerRow(**{
            "name": name, "maps": maps, "num_parameters": sum(map(self._new, own)), **size, **about,
        }))  # fmt: skip


def _about(layer: nn.Module, output: Tensor, macs: int) -> dict[str, Any]:
    """A layer's kind, what it sees, and its counts; `macs` is what was counted of a layer that is not known here."""
    if isinstance(layer, POOLS):
        about = {
            name: _sides(getattr(layer, long, None)) for name, long in (("kernel", "kernel_size"), ("stride", "stride"))
        }
        return {"kind": "pool", "sees": "own map", **about, "padding": getattr(layer, "padding", 0)}
    if isinstance(layer, NORMS):
        return {"kind": "norm", "sees": _norm_sees(layer)}
    places, neurons = math.prod(output.shape[2:]), {"num_neurons": output[0].numel()}
    if isinstance(layer, CONVS):
        own = layer.groups == layer.in_channels > 1
        return {
            "kind": "conv", "kernel": _sides(layer.kernel_size), "kernel_maps": layer.weight.shape[1],
            "stride": _sides(layer.stride), "padding": _sides(layer.padding), "num_macs": layer.weight.numel() * places,
            "sees": "all" if layer.groups == 1 else "own map" if own else "own group", **neurons,
        }  # fmt: skip
    if isinstance(layer, SparseConv):
        seen = sorted(layer.maps_seen)
        return {
            "kind": "conv", "kernel": layer.weight.shape[-1], "stride": 1, "padding": 0,
            "num_macs": layer.weight.numel() * places, "sees": f"{seen[0]} to {seen[-1]} maps", **neurons,
        }  # fmt: skip
    if isinstance(layer, LocallyConnected):
        return {
            "kind": "local", "kernel": layer.kernel, "kernel_maps": layer.fan_in // layer.kernel**2, "stride": 1,
            "padding": layer.padding, "num_macs": layer.weight.numel(), "sees": "all", **neurons,
        }  # fmt: skip
    if isinstance(layer, Subsampling):  # a sum times the map's coefficient
        own = {"kernel": 2, "stride": 2, "padding": 0, "num_macs": output[0].numel()}
        return {"kind": "subsampling", "sees": "own map", **own, **neurons}
    if isinstance(layer, nn.Linear | TowerLinear):
        groups, rows = getattr(layer, "groups", 1), math.prod(output.shape[1:-1])
        about = {"kernel_maps": layer.weight.shape[1], "num_macs": layer.weight.numel() * rows}
        return {"kind": "fc", "sees": "all" if groups == 1 else "own group", **about, **neurons}
    if isinstance(layer, EuclideanRBF):
        return {"kind": "rbf", "kernel_maps": layer.codes.shape[1], "num_macs": layer.codes.numel(), "sees": "all",
                **neurons}  # fmt: skip
    return {"kind": type(layer).__name__, "num_macs": macs, "sees": "", **neurons}


def _norm_sees(layer: nn.Module) -> str:
    if isinstance(layer, ResponseNorm) and layer.groups > 1:
        return "own tower"
    own = isinstance(layer, MAP_NORMS) or (isinstance(layer, ResponseNorm) and layer.maps == "within")
    return "own map" if own else "all"


def _sides(given: Side | None) -> Side | None:
    """One number where all sides are equal."""
    return given[0] if isinstance(given, tuple) and len(set(given)) == 1 else given
