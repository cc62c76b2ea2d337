"""`--precision auto`: bfloat16 where the hardware has it and it was shown to make no difference, else float32."""

from typing import TYPE_CHECKING

from alexctl.ablation.model import Ablation
from alexctl.store.reference import found_no_difference
from alexctl.training.device import native

if TYPE_CHECKING:
    import torch

PROOFS = ("precision", "precision-error")
"""The ablations, of epochs to a target and of test errors, that must both have found no difference."""


def with_precision(ablation: Ablation, device: "torch.device") -> Ablation:
    """Where nobody said which precision: bfloat16 if it is known to be harmless here."""
    said = any("precision" in knobs for knobs in (ablation.base, *ablation.arms.values()))
    if said or automatic(device) == "float32":  # the default, which is not spelled out
        return ablation
    return ablation.model_copy(update={"base": {**ablation.base, "precision": "bfloat16"}})


def notes(ablation: Ablation, device: "torch.device") -> list[str]:
    """What a person should know of a precision that was asked for."""
    wanted = {knobs.get("precision", ablation.base.get("precision")) for knobs in ablation.arms.values()}
    if "bfloat16" in wanted and not native(device):
        return [f"this {device.type} has no instructions for bfloat16 and imitates it, which is slower than float32"]
    return []


def automatic(device: "torch.device") -> str:
    """bfloat16 where the hardware multiplies it and the reference results prove it harmless, else float32."""
    return "bfloat16" if native(device) and all(map(found_no_difference, PROOFS)) else "float32"
