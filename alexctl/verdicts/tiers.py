"""How near a comparison is to what its claim is about, and the words that this allows a verdict.

A claim names its data, net and schedule. A comparison that has all three and at least half of the schedule is of tier
`own`; on other data of tier `data`; with another net, or less of the schedule, a `proxy`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from alexctl.ablation.knobs import PROXIES, TrainingKnobs
from alexctl.verdicts.evidence import Evidence

Tier = Literal["own", "data", "proxy"]
HALF = 0.5  # of the claim's schedule: with less it is a proxy

_IN_A_PROXY = {
    "supported": "seen in a proxy",
    "contradicted": "reversed in a proxy",
    "no difference": "no difference in a proxy",
}


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a comparison was made on; `claim_*` is what its claim is about, None where it leaves that open.

    `num_train`: so many of the training images only.
    """

    data: str
    nets: Sequence[str]
    epochs: int
    num_train: int | None = None
    claim_data: str
    claim_net: str | None = None
    claim_epochs: int | None = None

    @property
    def tier(self) -> Tier:
        other_net = set(self.nets) != {self.claim_net} if self.claim_net else bool(PROXIES.intersection(self.nets))
        if other_net or (self.claim_epochs and self.epochs < HALF * self.claim_epochs):
            return "proxy"
        return "own" if self.data == self.claim_data and self.num_train is None else "data"

    def __str__(self) -> str:
        """The net, data and epochs, such as 'alexnet32, cifar10-jpeg instead of imagenet-2012, 15 of 90 epochs'."""
        other = "" if self.data == self.claim_data else f" instead of {self.claim_data}"
        part = "" if self.num_train is None else f"{self.num_train:,} images of "
        net = " and ".join(sorted(set(self.nets))) + f" instead of {self.claim_net}" * (
            self.claim_net is not None and set(self.nets) != {self.claim_net}
        )
        whole = self.claim_epochs is None or self.epochs >= self.claim_epochs
        return f"{net}, {part}{self.data}{other}, {self.epochs}{'' if whole else f' of {self.claim_epochs}'} epochs"


def conditions(evidence: Evidence) -> Conditions:
    """Those of a campaign, at its largest budget."""
    ablation, claim = evidence.ablation, evidence.ablation.claim
    base = {"epochs": TrainingKnobs.model_fields["epochs"].default, **ablation.base}
    of_file = ablation.of_file.get
    num_train = base.get("num_train")
    return Conditions(
        data=evidence.data_name, nets=sorted({{**base, **arm}["net"] for arm in ablation.arms.values()}),
        epochs=evidence.budget or max({**base, **arm}["epochs"] for arm in ablation.arms.values()),
        num_train=None if num_train == of_file("num_train") and claim.data == of_file("data") else num_train,
        claim_data=claim.data, claim_net=claim.net or of_file("net"), claim_epochs=claim.epochs or of_file("epochs"),
    )  # fmt: skip


def words(word: str, tier: Tier, data: str, size: str | None = None) -> str:
    """A verdict as people may read it; only tier `own` says how a size compares with the claimed one."""
    if tier == "proxy":
        return _IN_A_PROXY.get(word, word)
    if tier == "data":
        return {
            "supported": f"holds on {data}", "contradicted": f"does not hold on {data}", "no difference": f"no difference on {data}",
        }.get(word, word)  # fmt: skip
    return f"{word}, {size} than claimed" if size and word == "supported" else word
