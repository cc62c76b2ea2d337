"""What a net is made of, layer by layer, read off the built net and an image sent through it."""

import math
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from alexctl.nets.dry_run import DryRun, dry_run

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d)
MAP_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm2d)
NORMS = (*MAP_NORMS, nn.LocalResponseNorm, nn.GroupNorm, nn.LayerNorm)
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
    pools: str = ""  # of a pool: max or average
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


def layer_table(net: nn.Module, image_shape: tuple[int, int, int]) -> list[LayerRow]:
    """The layers of a net in the order in which an image of (height, width, channels) meets them.

    A row is a module that has weights, normalises or pools; activations, dropout, and poolings that are functions and
    no modules are none. A layer that torch lacks has `layer_row(output)`, which gives what its row holds beside its
    name, size, parameters and neurons. Of a net that is not one of ours, the multiply-accumulates of a module not known
    here are those of its matrix products and convolutions, and what it computes or keeps outside of modules is a last
    row. The net stays as it is, and may be on the meta device. Raises what its forward raises.
    """
    return dry_run(net, lambda run: _Walk(net).rows_of(run, image_shape))


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
        self.in_towers = getattr(net, "num_towers", 1) > 1
        self.rows: list[LayerRow] = []
        self.counted: set[int] = set()  # parameters, by identity: a layer that runs twice has its weights once
        # Ours compute nothing beside their layers, and torch takes seconds to import what the counter needs.
        self.counter = None
        if not type(net).__module__.startswith("alexctl."):
            from torch.utils.flop_counter import FlopCounterMode

            self.counter = FlopCounterMode(display=False)
        self.in_layers = self.before = 0  # operations counted

    def rows_of(self, run: DryRun, image_shape: tuple[int, int, int]) -> list[LayerRow]:
        hooks = []
        for name, layer in _layers(self.net):
            parameters = list(layer.parameters())  # its own, which have stand-ins while it runs
            leave = partial(self._leave, name, parameters)
            hooks += [layer.register_forward_pre_hook(self._enter), layer.register_forward_hook(leave)]
        try:
            with self.counter or nullcontext(), torch.no_grad():
                run.logits(image_shape, 1, training=False)
        finally:
            for hook in hooks:
                hook.remove()
        num_parameters = self._num_new(self.net.parameters())
        num_macs = (self._operations() - self.in_layers) // 2
        if num_parameters or num_macs:
            rest = {"num_parameters": num_parameters, "num_macs": num_macs}
            self.rows.append(LayerRow(name="(elsewhere)", kind="", maps=0, **rest))
        return self.rows

    def _operations(self) -> int:
        return self.counter.get_total_flops() if self.counter else 0

    def _enter(self, layer: nn.Module, _: Any) -> None:
        self.before = self._operations()

    def _leave(self, name: str, parameters: list[nn.Parameter], layer: nn.Module, _: Any, output: Any) -> None:
        operations = self._operations() - self.before
        self.in_layers += operations
        while isinstance(output, tuple | list):
            output = output[0]
        is_layer = bool(parameters) or isinstance(layer, POOLS + NORMS) or hasattr(layer, "layer_row")
        if is_layer and isinstance(output, Tensor):
            about = _about(layer, output, operations // 2) | {"num_parameters": self._num_new(parameters)}
            self.rows.append(self._row(name, output, about))

    def _num_new(self, parameters: Iterable[nn.Parameter]) -> int:
        """How many numbers those of the parameters hold that were not counted before."""
        new = {id(parameter): parameter.numel() for parameter in parameters if id(parameter) not in self.counted}
        self.counted |= new.keys()
        return sum(new.values())

    def _row(self, name: str, output: Tensor, about: dict[str, Any]) -> LayerRow:
        if "kernel_maps" in about and not self.rows:
            about["sees"] = "image"
        elif self.in_towers:
            about["sees"] = {"all": "both towers", "own group": "own tower"}.get(about["sees"], about["sees"])
        maps, *sides = output.shape[1:] or (1,)
        if about["kind"] == "fc":  # features come last
            *sides, maps = output.shape[1:]
        size = dict(zip(("height", "width"), sides, strict=False))
        num_neurons = 0 if about["kind"] in ("norm", "pool") else output[0].numel()
        return LayerRow(name=name, maps=maps, **size, num_neurons=num_neurons, **about)


def _about(layer: nn.Module, output: Tensor, num_counted: int) -> dict[str, Any]:
    """A layer's kind, kernel, what it sees, and multiply-accumulates: as counted if it is not known here."""
    if hasattr(layer, "layer_row"):
        return layer.layer_row(output)
    names = {"kernel": "kernel_size", "stride": "stride", "padding": "padding"}
    window = {key: _sides(getattr(layer, name, None)) for key, name in names.items()}
    if isinstance(layer, POOLS):
        pools = "average" if "Avg" in type(layer).__name__ else "max"
        return {"kind": "pool", "sees": "own map", **window, "padding": window["padding"] or 0, "pools": pools}
    if isinstance(layer, nn.GroupNorm) and layer.num_groups > 1:
        num_maps = layer.num_channels // layer.num_groups
        return {"kind": "norm", "sees": "own map" if num_maps == 1 else f"{num_maps} maps"}
    if isinstance(layer, NORMS):
        return {"kind": "norm", "sees": "own map" if isinstance(layer, MAP_NORMS) else "all"}
    if isinstance(layer, CONVS):
        own = layer.groups == layer.in_channels > 1
        return {
            "kind": "conv", **window, "kernel_maps": layer.weight.shape[1],
            "num_macs": layer.weight.numel() * math.prod(output.shape[2:]),
            "sees": "all" if layer.groups == 1 else "own map" if own else "own group",
        }  # fmt: skip
    if isinstance(layer, nn.Linear):
        num_macs = layer.weight.numel() * math.prod(output.shape[1:-1])
        return {"kind": "fc", "kernel_maps": layer.in_features, "num_macs": num_macs, "sees": "all"}
    return {"kind": type(layer).__name__, "num_macs": num_counted, "sees": ""}


def _sides(given: Side | None) -> Side | None:
    """One number where all sides are equal."""
    return given[0] if isinstance(given, tuple) and len(set(given)) == 1 else given
