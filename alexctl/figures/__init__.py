"""Frames in, matplotlib Figures out; the only room that imports matplotlib. Nothing happens at import."""

from alexctl.figures.curves import learning_curves
from alexctl.figures.errors import arm_comparison
from alexctl.figures.images import first_kernels, five_most_probable, nearest_images
from alexctl.figures.page import save
from alexctl.figures.rates import learning_rate_search
from alexctl.figures.survival import survival_curves

__all__ = [
    "arm_comparison", "first_kernels", "five_most_probable", "learning_curves", "learning_rate_search",
    "nearest_images", "save", "survival_curves",
]  # fmt: skip
