"""`alexctl export`: a campaign's trials in the formats of other tools."""

import enum
from pathlib import Path
from typing import Annotated

import typer

from alexctl.cli.options import DEFAULT_RESULTS, ResultsOption, home, in_results

EXAMPLES = (
    ("alexctl export relu-vs-tanh --to tensorboard runs", "then: tensorboard --logdir runs"),
    ("alexctl export relu-vs-tanh --to mlflow mlruns", "then: mlflow ui --backend-store-uri mlruns"),
    ("alexctl export relu-vs-tanh --to wandb offline", "then: wandb sync offline/wandb/*"),
)
NEXT = {
    "tensorboard": "tensorboard --logdir {}",
    "mlflow": "mlflow ui --backend-store-uri {}",
    "wandb": "wandb sync {}/wandb/*",
}


class To(enum.StrEnum):
    """What `--to` takes."""

    tensorboard = "tensorboard"
    mlflow = "mlflow"
    wandb = "wandb"


def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An ablation that was run, or its folder's name in results/.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", callback=home, help="A new or empty folder for the runs.")],
    to: Annotated[To, in_results("--to", metavar="tensorboard|mlflow|wandb", help="Whose format. Each needs its package: pip install 'alexctl[tensorboard]', [mlflow] or [wandb].")],
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:  # fmt: skip
    """Write each trial as a run of TensorBoard, MLflow or W&B, on this disk; nothing is sent anywhere."""
    from alexctl import api
    from alexctl.cli.console import say, shown
    from alexctl.numbers import counted

    number = api.export(name, to.value, folder, results=results)
    say(f"{counted(number, 'run')}: {shown(folder)}", f"Look at them: {NEXT[to].format(shown(folder))}")
