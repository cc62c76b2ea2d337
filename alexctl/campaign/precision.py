"""`--precision auto`: bfloat16 where the hardware has it and it was shown to make no difference, else float32."""

import torch

from alexctl.ablation.model import Ablation
from alexctl.errors import UserError
from alexctl.store.reference import reference_verdicts

PROOFS = ("precision", "precision-error")
"""The ablations, of epochs to a target and of test errors, that must both have found no difference."""


def with_precision(ablation: Ablation, device: torch.device) -> Ablation:
    """Where nobody said which precision: bfloat16 if it is known to be harmless here."""
    said = any("precision" in knobs for knobs in (ablation.base, *ablation.arms.values()))
    if said or automatic(device) == "float32":  # the default, which is not spelled out
        return ablation
    return ablation.model_copy(update={"base": {**ablation.base, "precision": "bfloat16"}})


def notes(ablation: Ablation, device: torch.device) -> list[str]:
    """What a person should know of a precision that was asked for."""
    wanted = {knobs.get("precision", ablation.base.get("precision")) for knobs in ablation.arms.values()}
    if "bfloat16" in wanted and not native(device):
        return [f"this {device.type} has no instructions for bfloat16 and imitates it, which is slower than float32"]
    return []


def automatic(device: torch.device) -> str:
    """bfloat16 where the hardware multiplies it and the reference results prove it harmless, else float32."""
    return "bfloat16" if native(device) and all(map(_proven, PROOFS)) else "float32"


def native(device: torch.device) -> bool:
    """Whether this device multiplies bfloat16 itself; one that imitates it is slower than with float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()


def _proven(name: str) -> bool:
    try:
        found = reference_verdicts(name)
    except UserError:
        return False
    return all(line["verdict"] == "no difference" for verdict in found for line in verdict["comparisons"])
