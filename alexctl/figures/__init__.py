"""Frames in, matplotlib Figures out; the only room that imports matplotlib. Nothing happens at import."""

from alexctl.figures.curves import learning_curves
from alexctl.figures.errors import arm_comparison
from alexctl.figures.page import save
from alexctl.figures.rates import learning_rate_search
from alexctl.figures.survival import survival_curves

__all__ = ["arm_comparison", "learning_curves", "learning_rate_search", "save", "survival_curves"]
