"""What `--smoke` lays over a base: seconds on images that alexctl draws itself, to see that everything runs."""

from collections.abc import Collection
from typing import Any

OF_SMOKE = {"search_seeds": 1, "studies": 1, "budgets": None}  # whatever a file says: it is to run, not to choose well
SHAPES_SIDE = 32  # px


def usual_smoke(base: dict[str, Any], varies: Collection[str]) -> dict[str, Any]:
    """The `[smoke]` of a file that has none."""
    grey = base.get("data") in ("mnist", "shapes-grey") or base.get("net") == "lenet5"
    smoke: dict[str, Any] = {"data": "shapes-grey" if grey else "shapes", "num_train": 500, "epochs": 1, "seeds": 2}
    if isinstance(grid := base.get("lr_grid"), list):
        smoke |= {"lr_grid": grid[:2], "lr_widenings": 0}
    if base.get("net") == "alexnet" and "net" not in varies:
        smoke["net"] = "alexnet32"  # the same knobs, for images of that size
    if isinstance(crop := base.get("crop"), int) and crop > SHAPES_SIDE and "crop" not in varies:
        smoke["crop"] = SHAPES_SIDE
    if base.get("warmup_epochs"):
        smoke["warmup_epochs"] = 0
    return {key: value for key, value in smoke.items() if key not in varies}
