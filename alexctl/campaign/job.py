"""A job is a trial to run now."""

from dataclasses import dataclass
from functools import cached_property

from alexctl.ablation.setting import Setting
from alexctl.store import layout


@dataclass(frozen=True, kw_only=True)
class Job:
    """One trial to run now, as far as epoch `until` (None: to its own end); `beside` says what a search tries with the rate."""

    arm: str
    phase: str
    seed: int
    setting: Setting
    until: float | None = None
    beside: str = ""

    @cached_property
    def name(self) -> str:
        return layout.trial_name(self.arm, self.seed, self.setting.hash8)
