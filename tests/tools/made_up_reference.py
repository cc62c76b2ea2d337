"""results/reference as it may come from another machine: every run of the list, laid down without training."""

from pathlib import Path

from report.made_up import falling, lay, wobble

from alexctl.ablation.load import load
from alexctl.campaign.reference_runs import RUNS

H100 = {"device": "NVIDIA H100 80GB HBM3"}
PACE = {  # how steeply the errors of each arm of a race fall
    "relu": 0.30, "tanh": 0.05, "float32": 0.3, "bfloat16": 0.3, "relu-2012": 0.30, "tanh-2012": 0.05, "relu-inputs": 0.31,
    "tanh-inputs": 0.08, "relu-weights": 0.33, "tanh-weights": 0.27, "relu-biases": 0.32, "tanh-biases": 0.28,
}  # fmt: skip


def falling_to_25(job, pace: float) -> list[float]:
    """The nearer its rate is to 0.004, the quicker; to a little after 25%."""
    lr = job.setting.training.lr
    slower = 1 + 0.1 * abs(lr - 0.004) / (lr + 0.004)
    curve = falling(0.0, 60, speed=pace / slower * (1 + 0.03 * wobble(job.arm, job.seed)))
    end = next((i for i, error in enumerate(curve) if error <= 0.25), len(curve))
    return curve[: end + 2]


def errors(job, level: float) -> list[float]:
    """To this level by the last epoch, a little worse with a rate that is not 0.01."""
    epochs = job.setting.training.epochs
    end = level + 0.3 * abs(job.setting.training.lr - 0.01) + 0.002 * wobble(job.arm, job.seed, epochs)
    return falling(end, epochs, speed=1.0)


LEVELS = {"half": 0.12, "none": 0.15, "overlapping": 0.13, "separate": 0.134, "short": 0.010, "as-in-1998": 0.012}


def lay_all(folder: Path, only: tuple[str, ...] = ()) -> None:
    """Lays these runs of the list (all) into the folder."""
    for run in RUNS:
        if only and run.campaign not in only:
            continue
        ablation = load(run.name, overrides=run.knobs)

        def curve(job, run=run, ablation=ablation):
            if ablation.measure.race:
                today = run.name == "relu-vs-tanh-fan-in" and job.arm == "tanh"
                return falling_to_25(job, 0.29 if today else PACE[job.arm])
            return errors(job, LEVELS.get(job.arm, 0.25))

        regime = ablation.claim.control_train_error_at_most is not None
        lay(
            folder, ablation, curve, data=ablation.base["data"], environment=lambda job: H100, name=run.campaign,
            passed=(lambda job: 0.02 + 0.002 * wobble(job.arm, job.seed)) if regime else None,
        )  # fmt: skip
