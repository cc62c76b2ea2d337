"""Builds a net of the user's own: what its factory gives is checked, and its draws are derived like all others."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from alexctl.ablation.knobs import Knobs
from alexctl.ablation.own_code import raised_told
from alexctl.ablation.own_net import OwnNet, register
from alexctl.ablation.toml import quoted
from alexctl.errors import UserError, nearest
from alexctl.nets.contract import DEFAULTS, SCALINGS, Net
from alexctl.randomness import derived_seed


def build_own(name: str, knobs: Knobs, *, image_shape: tuple[int, int, int], num_classes: int, seed: int) -> Net:
    """The module that `package.module:factory` makes of its knobs, on the CPU, in training mode.

    Raises UserError: with exit code 1 when the code is not that of the knobs (no trial's fault, so none is marked
    failed), else for what the factory raised, for what it gives that is no net for these images.
    """
    table = knobs.model_dump(mode="json")
    try:
        own = register(name)
    except UserError as error:
        raise UserError(*(f"net = '{name}': {fault}" for fault in error.faults), exit_code=1) from None
    if table.get("net_source") != own.source:
        raise UserError(f"{own.file} has changed since this trial was planned; run the same command again", exit_code=1)
    arguments = own.arguments(table, image_shape=image_shape, num_classes=num_classes, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "init"))
        with raised_told(f"{name} raised {{}}"):
            net = _made(name, own, arguments)
            _check_extras(name, net)
            _try(name, net, image_shape, num_classes)
            return net.train()


def _made(name: str, own: OwnNet, arguments: dict[str, Any]) -> nn.Module:
    net = own.factory(**arguments)
    if not isinstance(net, nn.Module):
        what = "no net but None; it lacks a `return`" if net is None else f"no torch.nn.Module but {_kind(net)}"
        raise UserError(f"{name} returned {what}")
    return net


def _check_extras(name: str, net: nn.Module) -> None:
    """What a net may say of itself beside its layers; what it does not say is set to the default."""
    for key, value in DEFAULTS.items():
        if not hasattr(net, key):
            setattr(net, key, value)
    if net.input_scaling not in SCALINGS:
        hint = nearest(str(net.input_scaling), SCALINGS)
        raise UserError(f"{name}: input_scaling: '{net.input_scaling}' is not allowed, {hint}")
    if type(net.bias_rate) not in (int, float) or not 0 < net.bias_rate < float("inf"):
        raise UserError(f"{name}: bias_rate: should be a number above 0, not {quoted(net.bias_rate)}")
    if not isinstance(net.weight_costs, Mapping | None):
        raise UserError(f"{name}: weight_costs: should be a dict of parameter names, not {quoted(net.weight_costs)}")


@torch.no_grad()
def _try(name: str, net: nn.Module, image_shape: tuple[int, int, int], num_classes: int) -> None:
    """Sends black images through, two and then one; lazy layers take their shapes from them."""
    height, width, channels = image_shape
    wanted = f"it should give logits of shape (batch, {num_classes})"
    net.eval()  # no running mean moves
    for num in (2, 1):
        shape = (num, channels, height, width)
        with raised_told(f"{name} can't take images of shape {shape}: {{}}; {wanted}"):
            logits = net(torch.zeros(shape))
        check_logits(name, logits, num, num_classes, f"for images of shape {shape}")
    known = dict(net.named_parameters())
    if not known:
        raise UserError(f"{name}: the net has no parameters, so there is nothing to train")
    for key in net.weight_costs or ():
        if key not in known:
            raise UserError(f"{name}: weight_costs: no parameter is called '{key}', {nearest(str(key), known)}")


def check_logits(name: str, logits: Any, num: int, num_classes: int, when: str) -> None:
    """Raises UserError unless they are a (num, num_classes) tensor; `when` says what the net was given, or does."""
    if not isinstance(logits, Tensor) or logits.shape != (num, num_classes):
        what = tuple(logits.shape) if isinstance(logits, Tensor) else _kind(logits)
        raise UserError(f"{name} gives {what} {when}; it should give logits of shape (batch, {num_classes})")


def _kind(value: Any) -> str:
    """`an int`, `a tuple`."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"
