"""A campaign in this very process, so small that it is run hundreds of times."""

import functools
from pathlib import Path

import pytest

from alexctl import api, run
from alexctl.figures import page
from alexctl.report.drawings import Drawing
from alexctl.store import environment
from alexctl.timing.probe import Probed
from alexctl.trials.trial import TrialRun
from chaos.harness import write_ablation

SMALL = {"lr": 0.01, "lr_grid": None, "lr_widenings": None, "batch_size": 10, "num_train": 20, "epochs": 1, "seeds": 1}


def prepare(folder: Path, patch: pytest.MonkeyPatch, **changes) -> None:
    """Lays the campaign's file down and leaves out, while `patch` lasts, what takes long and touches none of its files."""
    write_ablation(folder / "small.toml", **{**SMALL, **changes})
    patch.chdir(folder)
    for module in (run, environment):
        patch.setattr(module, "git_state", lambda: {"git_commit": None, "git_dirty": None})
    patch.setattr(environment, "version", functools.cache(environment.version))
    patch.setattr(run, "probe", lambda campaign, *_: Probed(seconds=dict.fromkeys(campaign.ablation.arms, 1.0)))
    patch.setattr(Drawing, "figure", lambda drawing: None)
    patch.setattr(page, "_rendered", lambda figure, kind, **options: f"a drawing as {kind}\n".encode())
    patch.setattr(TrialRun, "_due", lambda trial: True)  # a checkpoint after every batch, however fast


def ablate(results: Path, root: Path) -> api.Result:
    """Runs the campaign in the current folder, or goes on with it."""
    return api.ablate(
        "./small.toml", results=results, data_root=root, workers=1, keep_weights=True, keep_predictions=True
    )
