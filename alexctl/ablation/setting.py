"""A setting: every knob of one trial, resolved and checked; its hash is its identity. No torch.

Knobs are flat: a `Setting` is one table of names and values, the part every net shares (`TrainingKnobs`) and the part
of its own net (`net_model(net)`).
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict

from alexctl.ablation.faults import Fault, validated
from alexctl.ablation.knobs import NETS, Knobs, TrainingKnobs, spec_of
from alexctl.ablation.own_net import net_model, unknown_net

NUMERICS = 3
"""Raised when a change to the code moves numbers on purpose; part of every setting's hash."""


class Setting(BaseModel):
    """One fully resolved set of knobs, with the data it was measured on; its hash is its identity.

    `data_name` and `data_digest` stand for `training.data`: a folder's path is where the images happened to
    lie, the digest is what they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    training: TrainingKnobs
    net: Knobs
    data_name: str
    data_digest: str
    numerics: int = NUMERICS

    def flat(self) -> dict[str, Any]:
        """Every knob that changes the result, in one table that JSON can hold."""
        return {
            **self.training.model_dump(mode="json"),
            **self.net.model_dump(mode="json"),
            "data": self.data_name,
            "data_digest": self.data_digest,
            "numerics": self.numerics,
        }

    @cached_property
    def hash8(self) -> str:
        """Eight hex digits of the SHA-256 of `flat()`."""
        return hash_of(self.flat())

    @classmethod
    def from_flat(cls, table: dict[str, Any]) -> "Setting":
        """The setting that `flat()` described; raises ValueError listing every fault."""
        table = dict(table)
        own = {key: table.pop(key, None) for key in ("data_digest", "numerics")}
        if own["numerics"] == 1:
            table = _unbundled(table)
        name = table.get("data")
        training, net, faults = resolve({**table, "data": spec_of(name)})
        if not (isinstance(own["data_digest"], str) and type(own["numerics"]) is int):
            faults.append(Fault("", "", "data_digest or numerics is missing"))
        if faults:
            raise ValueError("; ".join(map(str, faults)))
        return cls(training=training, net=net, data_name=name, data_digest=own["data_digest"], numerics=own["numerics"])


def _unbundled(table: dict[str, Any]) -> dict[str, Any]:
    """A setting of numerics 1 in today's knobs: `init` was three of them then, and `norm`, `local3_maps` or `hidden` moved fc's cost or its start."""
    net, init = table.get("net"), table.get("init")
    if net in ("convnet4", "convlocal", "alexnet", "alexnet32"):
        scaling = "standardised" if init == "fan-in" else "mean-image"
        rate = 2.0 if init in (None, "2012", "code") and not (init is None and net.startswith("alexnet")) else 1.0
        table = {**table, "input_scaling": scaling, "bias_rate": rate, "bias_drops": rate == 1.0}
    if net == "convnet4" and table.get("fc_cost") is None:
        cost = 0.03 if table.get("hidden") else 3.0 if table.get("norm", "none") == "none" else 1.0
        table = {**table, "fc_cost": cost}
    if net == "convnet4":
        table = {**table, "fc_std": 0.1 if table.get("hidden") else 0.01}
    if net == "convlocal":
        table = {**table, "fc_cost": 0.01 if table.get("local3_maps") == 64 else 0.004}
    return table


def hash_of(table: dict[str, Any]) -> str:
    """Eight hex digits that identify a flat setting.

    Knobs at their default are left out, so that a knob added later re-runs nothing; a default may therefore never
    change without a new `NUMERICS` (a test holds them fast). Those of a user's own net all stay in: nothing holds them.
    """
    fields = dict(TrainingKnobs.model_fields)
    if isinstance(table.get("net"), str) and table["net"] in NETS:
        fields |= NETS[table["net"]].model_fields
    defaults = {key: _as_json(field.default) for key, field in fields.items()}
    if table.get("numerics") == 1 and "fc_cost" in defaults:
        defaults["fc_cost"] = None
    told = {key: value for key, value in table.items() if key not in defaults or value != defaults[key]}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def known_keys(net: Any) -> set[str]:
    """The names of all knobs a setting with this net has."""
    model = net_model(net)
    return set(TrainingKnobs.model_fields) | (set(model.model_fields) if model else set())


def resolve(table: dict[str, Any], also: Iterable[str] = ()) -> tuple[TrainingKnobs | None, Knobs | None, list[Fault]]:
    """The two halves of a flat table, and every fault in it.

    `also` are keys that the person may have meant although they are no knobs.
    """
    net_name = table.get("net")
    model = net_model(net_name)
    shared = {key: value for key, value in table.items() if key in TrainingKnobs.model_fields}
    training, faults = validated(TrainingKnobs, shared)
    faults = [fault for fault in faults if fault.key != "net"]
    if model is None:  # then its knobs can't be told from typing errors
        return training, None, [Fault("", "net", unknown_net(net_name)), *faults]
    own = {key: value for key, value in table.items() if key not in shared}
    net, of_net = validated(model, own, known=known_keys(net_name).union(also))
    return training, net, faults + of_net


def resolve_net(name: str, table: dict[str, Any]) -> tuple[Knobs | None, list[Fault]]:
    """A net's own knobs from a table that holds no others, and every fault in it."""
    model = net_model(name)
    if model is None:
        return None, [Fault("", "net", unknown_net(name))]
    known = set(model.model_fields) - {"net_source"}
    net, faults = validated(model, table, known=known)
    text = f"belongs to the training, not to the net, whose knobs are: {', '.join(sorted(known)) or 'none'}"
    return net, [replace(fault, text=text) if fault.key in TrainingKnobs.model_fields else fault for fault in faults]
