"""From evidence to tables: the frames of trials, curves, summary and survival, and the dictionary of the verdict."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alexctl import statistics
from alexctl.ablation.measures import MEASURES, Measure
from alexctl.ablation.model import SEARCH_SEED, Ablation
from alexctl.store import files
from alexctl.store.records import TrialRecord
from alexctl.verdicts.budgets import budgets
from alexctl.verdicts.compare import compare, interval_words
from alexctl.verdicts.evidence import OLDER, Evidence, Searched
from alexctl.verdicts.images import Images, images
from alexctl.verdicts.searches import rates_sentence

CURVE_COLUMNS = (
    "ablation", "arm", "phase", "seed", "lr", "epoch", "step", "train_loss", "train_error", "test_error",
    "train_seconds", "top5_error", "validation_error", "whole_epoch_error",
)  # fmt: skip
SUMMARY_COLUMNS = (
    "ablation", "arm", "n", "num_censored", "num_diverged", "num_failed", "median", "mean", "spread", "lr",
    "parameters", "diverged_low", "diverged_high", "num_at_chance",
)  # fmt: skip

SURVIVAL_COLUMNS = ("ablation", "arm", "epoch", "share", "n_at_risk")

RANKS = (
    "ranks",
    "backend",
    "bytes_per_step",
    "waiting_share",
)  # of a trial that was given two devices, from its status

ENDS = (  # of the last row
    "train_loss", "train_error", "test_error", "top5_error", "validation_error", "train_error_pass", "train_seconds",
    "eval_seconds",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Everything derived from one campaign's trials, which lie in `folder`."""

    folder: Path
    trials: pd.DataFrame
    curves: pd.DataFrame
    summary: pd.DataFrame
    survival: pd.DataFrame  # empty unless a final trial is censored
    budgets: pd.DataFrame  # empty unless the plan has several
    images: Images  # as far as the trials kept what it takes
    verdict: dict[str, Any]


def derive(evidence: Evidence) -> Tables:
    """All tables of a campaign."""
    found = images(evidence)
    about_images = {} if found.summary is None else {"images": found.summary}
    return Tables(
        folder=evidence.folder,
        trials=_trials(evidence),
        curves=_curves(evidence),
        summary=_summary(evidence),
        survival=_survival(evidence),
        budgets=budgets(evidence),
        images=found,
        verdict=_verdict(evidence) | about_images,
    )


def trial_columns(ablation: Ablation) -> tuple[str, ...]:
    """The columns of trials.csv, in their order; the measure, and what else is asked for, have one of their own name."""
    varies = tuple(key for key in ablation.varies if key != "lr")
    measured = ("epochs_to_target", "censored", "epochs_run", *ENDS)
    own = tuple(name for name in dict.fromkeys((ablation.measure.name, *ablation.also)) if name not in measured)
    varies += tuple(ablation.plan.search)
    own += RANKS if ablation.plan.devices > 1 else ()
    varies += ("budget",) * bool(ablation.plan.budgets) + ("study",) * (ablation.plan.studies > 1)
    return ("ablation", "arm", "phase", "seed", "status", *varies, "lr", *measured, *own, "trial", "error", "log")


def _trials(evidence: Evidence) -> pd.DataFrame:
    ablation = evidence.ablation
    lines = [_trial(evidence, record) for record in evidence.counted]
    knobs = {key: [line[key] for line in lines] for key in (*ablation.varies, *ablation.plan.search)}
    frame = pd.DataFrame(lines, columns=trial_columns(ablation))
    # As they are: beside an arm that has no such knob a whole number would become a fraction.
    frame = frame.assign(**{key: pd.Series(values, dtype=object) for key, values in knobs.items() if key != "lr"})
    return frame.sort_values(["arm", "phase", "lr", "seed"], kind="stable", ignore_index=True)


def _trial(evidence: Evidence, record: TrialRecord) -> dict[str, Any]:
    ablation, setting, last = evidence.ablation, record.setting, record.rows[-1] if record.rows else {}
    measure = ablation.measure
    crossing = statistics.target_epoch(record.rows, setting)
    said = evidence.outcome(record) if record.phase == "final" else None
    censored = said.censored if measure.race and said else crossing is None
    raced = record.state == "done" and setting.get("target") is not None
    further = (
        {name: evidence.outcome(record, MEASURES[name]) for name in ablation.also} if record.phase == "final" else {}
    )
    return {
        **{name: one and one.value for name, one in further.items()},
        measure.name: said and said.value,  # of most measures a column below has it, of search trials too
        "ablation": ablation.name, "arm": record.arm, "phase": record.phase, "seed": record.seed,
        "status": record.state, **{key: setting.get(key) for key in (*ablation.varies, *ablation.plan.search)},
        "lr": setting["lr"],
        "budget": setting["epochs"], "study": _study(ablation, record), "epochs_to_target": crossing, "censored": censored if raced else None,
        "epochs_run": last.get("epoch", 0.0),
        **{key: last.get(key) for key in ENDS},
        **{key: record.status.get(key) for key in RANKS},
        "trial": record.folder.name, "error": record.status.get("error"), "log": record.log,
    }  # fmt: skip


def _study(ablation: Ablation, record: TrialRecord) -> int:
    """The study, 0 the first, that a trial belongs to: each has seeds of its own."""
    if record.phase == "final":
        return record.seed // ablation.plan.seeds
    return (record.seed - SEARCH_SEED) // ablation.plan.search_seeds


def _curves(evidence: Evidence) -> pd.DataFrame:
    """Every row of every trial. `whole_epoch_error` is the mean training error over the last whole epoch; it stands for
    the moment half an epoch before.
    """
    lines = []
    for r in evidence.counted:
        about = {"ablation": evidence.ablation.name, "arm": r.arm, "phase": r.phase, "seed": r.seed}
        about |= {"lr": r.setting["lr"], "budget": r.setting["epochs"], "trial": r.folder.name}
        about |= {key: r.setting.get(key) for key in evidence.ablation.plan.search}
        raced = {}
        if statistics.is_windowed(r.setting):
            epochs, errors = statistics.race_curve(r.rows, r.setting)
            raced = dict(zip((epochs + statistics.HALF_WINDOW).round(6), errors, strict=True))
        lines += [about | row | {"whole_epoch_error": raced.get(round(row["epoch"], 6))} for row in r.rows]
    columns = CURVE_COLUMNS + ("budget",) * bool(evidence.ablation.plan.budgets) + tuple(evidence.ablation.plan.search)
    columns += ("trial",)
    frame = pd.DataFrame(lines, columns=columns)
    return frame.sort_values(["arm", "phase", "lr", "seed", "step"], kind="stable", ignore_index=True)


def _summary(evidence: Evidence) -> pd.DataFrame:
    rows = []
    for arm in sorted(evidence.ablation.arms):
        mine = [r for r in evidence.final if r.arm == arm]
        outcomes = [o for r in mine if (o := evidence.outcome(r)) is not None]
        values = pd.Series([o.value for o in outcomes if o.usable], dtype=float)
        censored = sum(o.censored for o in outcomes)
        # With censored trials a mean would be a lie, and a median one too unless most trials crossed.
        whole = len(values) and not censored and len(values) == len(outcomes)
        rows.append({
            "ablation": evidence.ablation.name, "arm": arm, "n": len(outcomes), "num_censored": censored,
            "num_diverged": sum(o.diverged for o in outcomes), "num_failed": sum(r.failed for r in mine),
            "median": values.median() if whole else None, "mean": values.mean() if whole else None,
            "spread": values.std() if whole and len(values) > 1 else None,
            "lr": mine[0].setting["lr"] if mine else None,
            **{key: mine[0].setting.get(key) if mine else None for key in evidence.ablation.plan.search},
            **_diverged(outcomes, evidence), "num_at_chance": sum(o.at_chance for o in outcomes),
            "parameters": next((r.status["parameters"] for r in mine if r.status.get("parameters")), None),
            **{name: _mean(evidence, mine, MEASURES[name]) for name in evidence.ablation.also},
        })  # fmt: skip
    columns = (*SUMMARY_COLUMNS, *evidence.ablation.plan.search, *evidence.ablation.also)
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _mean(evidence: Evidence, trials: Sequence[TrialRecord], measure: Measure) -> float | None:
    """The mean of what else is asked of an arm's trials; None unless each that came to an end has it."""
    values = [o.value for r in trials if (o := evidence.outcome(r, measure)) is not None]
    ended = [r for r in trials if r.finished]
    return math.fsum(values) / len(values) if values and None not in values and len(values) == len(ended) else None


def _diverged(outcomes: Sequence[statistics.Outcome], evidence: Evidence) -> dict[str, float | None]:
    """The exact interval of the share of an arm's trials that diverge, or end at chance, where errors are compared."""
    low = high = None
    if outcomes and not evidence.ablation.measure.race:
        count = sum(one.diverged for one in outcomes)
        low, high = statistics.share_interval(count, len(outcomes), evidence.level)
    return {"diverged_low": low, "diverged_high": high}


def _survival(evidence: Evidence) -> pd.DataFrame:
    """The share of each arm's trials that have not met the target yet, where a trial never did.

    A diverged trial has not met it either, and counts as censored at its budget.
    """
    ablation, lines = evidence.ablation, []
    races = {
        arm: [(o, r) for r in evidence.final if r.arm == arm and (o := evidence.outcome(r)) is not None]
        for arm in ablation.arms
    }
    if ablation.measure.race and any(o.censored for race in races.values() for o, _ in race):
        for arm, race in sorted(races.items()):
            epochs = [o.value if o.usable else float(r.setting["epochs"]) for o, r in race]
            steps = statistics.survival(epochs, [not o.usable for o, _ in race])
            lines += [(ablation.name, arm, *step) for step in steps]
    return pd.DataFrame(lines, columns=SURVIVAL_COLUMNS)


def _searched(search: Searched) -> dict[str, Any]:
    return {key: value for key, value in asdict(search).items() if key != "knobs" or value}


def _verdict(evidence: Evidence) -> dict[str, Any]:
    ablation = evidence.ablation
    claim = ablation.claim.model_dump(mode="json", exclude=None if ablation.claim.paper else {"paper"})
    return {
        "schema": files.SCHEMA, "ablation": ablation.name, "title": ablation.title, "data": evidence.data_name,
        "data_digest": evidence.data_digest, "measure": ablation.measure.name, "compares": ablation.compares,
        "control": ablation.first_control, "claim": claim, "note": ablation.note,
        **({"older": OLDER[evidence.numerics]} if evidence.is_older else {}),
        "rates": rates_sentence(evidence), "searches": [_searched(search) for search in evidence.searches],
        "level": evidence.level, "interval": interval_words(evidence.looks), "comparisons": compare(evidence),
    }  # fmt: skip
