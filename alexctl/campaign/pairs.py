"""Campaigns whose trials have two devices each: which ones, for which arms, and what to tell of it."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from alexctl import machine
from alexctl.ablation.knobs import NETS
from alexctl.ablation.model import Ablation
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.crew import Crew
from alexctl.errors import UserError
from alexctl.nets.split import TOWERS
from alexctl.training.device import choose_devices
from alexctl.training.ranks import backend_for, choose_pair
from alexctl.trials.partner import by_torchrun, torchrun

if TYPE_CHECKING:
    import torch

    from alexctl.campaign.scheduler import Options


def devices_for(ablation: Ablation, options: "Options") -> "Sequence[torch.device]":
    """The devices of a campaign: those that were asked for, or the two that its file needs, as far as they are there.

    UserError where two were asked for that are of no use, or where the machine has no two of a kind.
    """
    if options.devices is None and by_torchrun():
        raise UserError("torchrun started two processes: say on which devices, such as --devices cuda:0,cuda:1")
    if options.devices is None and ablation.plan.devices == 1:
        return choose_devices(options.device)
    given = options.devices or _two(ablation, options.device)
    if options.device not in ("auto", *given.split(",")[0].partition(":")[:1]):  # a cluster says which kind
        raise UserError(f"--devices {given}: can't be combined with --device {options.device}; leave that out")
    if options.lanes is not None:
        raise UserError(f"--lanes {options.lanes}: trials on two devices each have no lanes; leave it out")
    pair = choose_pair(given)
    if not in_two_towers(ablation):
        raise UserError(
            f"--devices {given}: no arm of {ablation.name} has a network in two towers, which alone can be shared; "
            "use --device"
        )
    return pair


def led(crew: Crew) -> Crew:
    """The crew; where torchrun has started two processes, this one, whose other rank is the second."""
    return replace(crew, workers=1, inline=True) if by_torchrun() else crew


@contextlib.contextmanager
def led_to_the_end() -> Iterator[None]:
    """A campaign, at whose end torchrun's other process is told that there are no more trials."""
    try:
        yield
    finally:
        if led := torchrun():
            led.tell(None)


def _two(ablation: Ablation, device: str) -> str:
    """Two devices of one kind for a file that needs them."""
    found = choose_devices(device)
    if found[0].type == "cuda" and len(found) >= TOWERS:
        return f"{found[0]},{found[1]}"
    if found[0].type == "cpu" and machine.default_workers() >= TOWERS:
        return "cpu,cpu"
    has = "one core" if found[0].type == "cpu" else f"one device, {found[0]}"
    raise UserError(
        f"{ablation.name} compares the seconds of two devices and of one, and here is {has}: its seconds stay empty; "
        "run it where there are two, or with --devices cpu,cpu on two cores"
    )


def in_two_towers(ablation: Ablation) -> list[str]:
    """The arms whose net can be shared by two devices."""
    tables = {arm: {**ablation.base, **knobs} for arm, knobs in ablation.arms.items()}
    return [arm for arm, table in tables.items() if _knob(table, "towers") == TOWERS]


def _knob(table: dict[str, Any], name: str) -> Any:
    """A knob of one of our nets, at its default where a table does not say it; None where its net has no such knob."""
    fields = NETS[table["net"]].model_fields if table["net"] in NETS else {}
    return table.get(name, fields[name].default) if name in fields else None


def notes(campaign: Campaign, devices: "Sequence[torch.device]") -> list[str]:
    """What runs where."""
    shared = in_two_towers(campaign.ablation)
    alone = [arm for arm in campaign.ablation.arms if arm not in shared]
    where = f"two ranks on {devices[0]} and {devices[1]}, a tower on each, by {backend_for(devices[0])}"
    line = f"{' and '.join(shared)}: {where}"
    if alone:
        line += f"; {' and '.join(alone)}, in one tower, on {devices[0]} alone"
    return [line]
