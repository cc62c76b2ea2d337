"""How a results folder is laid out: the one place that knows the name of every file and folder in it.

RESULTS/                          the report, the overview of all claims, bench/
RESULTS/CAMPAIGN/                 the plan, and what is derived from the trials: verdict, tables, figures
RESULTS/CAMPAIGN/trials/TRIAL/    one trial: what it is, what it ran on, its rows and how it ended
"""

import re
from pathlib import Path, PurePosixPath

from alexctl.ablation.model import Ablation, current_name

# A results folder
REPORT, REFERENCE_REPORT, OVERVIEW = "report.html", "reference-report.html", "overview.csv"
BENCH, BENCH_CSV, BENCH_JSON = "bench", "bench.csv", "bench.json"

# The reference results in a checkout, and what its makers measure beside the bench
REFERENCE = PurePosixPath("results/reference")
LANES_CSV, RANKS_CSV, COSTS_CSV, UPKEEP_CSV, SCALE_CSV, CALIBRATION, CALIBRATION_CSV = (
    "lanes.csv",
    "ranks.csv",
    "costs.csv",
    "upkeep.csv",
    "scale.csv",
    "calibration",
    "calibration.csv",
)

# A campaign's folder
PLAN, VERDICT, TRIALS = "plan.json", "verdict.json", "trials"
TRIALS_CSV, CURVES_CSV, SUMMARY_CSV = "trials.csv", "curves.csv", "summary.csv"
SURVIVAL_CSV, BUDGETS_CSV = "survival.csv", "budgets.csv"
TEST_LABELS = "test_labels.json"
IMAGES_CSV, BY_CLASS_CSV, ENSEMBLES_CSV, KERNELS_CSV = "images.csv", "by_class.csv", "ensembles.csv", "kernels.csv"
PREDICTIONS_CSV, NEIGHBOURS_CSV = "predictions.csv", "neighbours.csv"  # of one trial, and in its folder too
DRAWN_FROM = "figures.json"
FIGURE, SEARCH, SURVIVAL, BUDGETS, NET = "figure", "search", "survival", "budgets", "net"  # each STEM.svg and .png
KERNELS, PREDICTIONS, NEIGHBOURS = "kernels", "predictions", "neighbours"
SLURM, SLURM_JOBS = "slurm", "slurm-jobs.json"  # a folder for the logs of jobs, and in it what was submitted
BEGUN = "begun-"  # and a job's id: an empty file, written by the job

# A trial's folder
SETTING, ENV, STATUS, ROWS, LOG = "setting.json", "env.json", "status.json", "rows.csv", "stderr.log"
CHECKPOINT, WEIGHTS, GALLERY = "checkpoint.pt", "weights.safetensors", "gallery.safetensors"
CORRECT, PROBABILITIES = "correct.bits", "probabilities.safetensors"
INSPECTION = (GALLERY, PREDICTIONS_CSV, NEIGHBOURS_CSV)  # beside the weights of seed 0

# Either, while it is worked on
LOCK, HEARTBEAT = ".lock", ".heartbeat"
OF_A_TRIAL = {
    SETTING, ENV, STATUS, ROWS, LOG, CHECKPOINT, WEIGHTS, CORRECT, PROBABILITIES, *INSPECTION, LOCK, HEARTBEAT,
}  # fmt: skip

_TRIAL = re.compile(r"(?P<arm>[A-Za-z0-9][A-Za-z0-9_.-]*)-s(?P<seed>\d+)-(?P<hash8>[0-9a-f]{8})", re.ASCII)


def campaign_name(ablation: Ablation, data_name: str) -> str:
    """NAME on the data its file asks for, NAME@DATA on other data, NAME@smoke for a smoke run."""
    if ablation.smoke:
        return f"{ablation.name}@smoke"
    return ablation.name if data_name == ablation.data_of_file else f"{ablation.name}@{data_name}"


def is_of(campaign: Path, ablation: str) -> bool:
    """Whether a campaign's folder is that of an ablation, on whatever data, and by whichever of its names."""
    return current_name(campaign.name.split("@")[0]) == current_name(ablation)


def trial_name(arm: str, seed: int, hash8: str) -> str:
    """The name of a trial's folder: ARM-sSEED-HASH8."""
    return f"{arm}-s{seed}-{hash8}"


def parse_trial_name(name: str) -> tuple[str, int, str] | None:
    """(arm, seed, hash8); None where it is no trial's name."""
    match = _TRIAL.fullmatch(name)
    return (match["arm"], int(match["seed"]), match["hash8"]) if match else None


def trial(campaign: Path, name: str) -> Path:
    """A trial's folder in its campaign's."""
    return campaign / TRIALS / name


def svg(stem: str) -> str:
    """A figure's file for the page."""
    return f"{stem}.svg"


def png(stem: str) -> str:
    """The same figure as a picture."""
    return f"{stem}.png"


def pdf(stem: str) -> str:
    """The same figure for a paper."""
    return f"{stem}.pdf"
