"""Which precision a campaign multiplies in: what was asked for, if the hardware has it, or what `auto` may choose."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alexctl.ablation.model import Ablation
from alexctl.errors import UserError
from alexctl.store.plan import FLOAT32
from alexctl.store.reference import found_no_difference
from alexctl.training.device import has_bfloat16, has_tf32

if TYPE_CHECKING:
    import torch

PROOFS = ("precision", "precision-error")
"""The ablations, of epochs to a target and of test errors, that must both have found no difference."""


def with_precision(ablation: Ablation, devices: "Sequence[torch.device]", planned: str | None = None) -> Ablation:
    """Where nobody said which precision: the one that the campaign was planned with, wherever it goes on; else bfloat16
    if it is known to be harmless on all of these devices.
    """
    said = any("precision" in knobs for knobs in (ablation.base, *ablation.arms.values()))
    chosen = FLOAT32 if said else planned or automatic(devices)
    if chosen == FLOAT32:  # the default, which is not spelled out
        return ablation
    ablation = ablation.model_copy(update={"base": {**ablation.base, "precision": chosen}})
    refuse_missing(ablation, devices)
    return ablation


def refuse_missing(ablation: Ablation, devices: "Sequence[torch.device]") -> None:
    """UserError where TF32 is asked for, which one of these devices does not have: it would train in float32."""
    if "tf32" in _asked_for(ablation) and (without := [str(device) for device in devices if not has_tf32(device)]):
        raise UserError(
            f"precision = 'tf32': {without[0]} does not have it, only NVIDIA GPUs since Ampere (2020) do; "
            "use float32 or bfloat16"
        )


def notes(ablation: Ablation, devices: "Sequence[torch.device]") -> list[str]:
    """What a person should know of a precision that was asked for."""
    if "bfloat16" in _asked_for(ablation) and not all(map(has_bfloat16, devices)):
        kind = devices[0].type
        return [f"this {kind} has no instructions for bfloat16 and imitates it, which is slower than float32"]
    return []


def automatic(devices: "Sequence[torch.device]") -> str:
    """bfloat16 where the hardware multiplies it and reference results of such devices prove it harmless, else float32."""
    if not all(map(has_bfloat16, devices)):
        return "float32"
    return "bfloat16" if all(found_no_difference(name, devices[0].type) for name in PROOFS) else "float32"


def _asked_for(ablation: Ablation) -> set[str | None]:
    return {knobs.get("precision", ablation.base.get("precision")) for knobs in ablation.arms.values()}
