"""Effects, intervals and censoring: pure functions on numbers, after 'Measuring honestly' in the design."""

from alexctl.statistics.censoring import (
    HALF_WINDOW,
    epochs_to_target,
    is_windowed,
    race_curve,
    survival,
    target_epoch,
    whole_epochs,
)
from alexctl.statistics.effects import (
    Bound,
    Effect,
    Outcome,
    Pair,
    Scale,
    from_theta,
    interaction,
    paired_effect,
    to_theta,
)
from alexctl.statistics.intervals import (
    half_width,
    holm,
    learned,
    mean_interval,
    share_interval,
    sign_flip_p,
    signed_ranks,
    smallest_effect,
)
from alexctl.statistics.trends import trend
from alexctl.statistics.unpaired import UnpairedEffect, rank_sum, unpaired_effect

__all__ = [
    "HALF_WINDOW",
    "Bound",
    "Effect",
    "Outcome",
    "Pair",
    "Scale",
    "UnpairedEffect",
    "epochs_to_target",
    "from_theta",
    "half_width",
    "holm",
    "interaction",
    "is_windowed",
    "learned",
    "mean_interval",
    "paired_effect",
    "race_curve",
    "rank_sum",
    "share_interval",
    "sign_flip_p",
    "signed_ranks",
    "smallest_effect",
    "survival",
    "target_epoch",
    "to_theta",
    "trend",
    "unpaired_effect",
    "whole_epochs",
]  # fmt: skip
