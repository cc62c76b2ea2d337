"""From trials to tables: trials.csv, curves.csv, summary.csv and verdict.json, rebuilt whole at any time."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from alexctl import stats
from alexctl.ablation.knobs import Target
from alexctl.campaign.campaign import Campaign
from alexctl.store import files, layout
from alexctl.store.environment import MIXED, mixed
from alexctl.store.records import TrialRecord
from alexctl.verdicts.compare import Evidence, compare, interval_words, outcome

CURVE_COLUMNS = (
    "ablation", "arm", "phase", "seed", "lr", "epoch", "step", "train_loss", "train_error", "test_error",
    "train_seconds", "top5_error",
)  # fmt: skip
SUMMARY_COLUMNS = (
    "ablation", "arm", "n", "num_censored", "num_diverged", "num_failed", "median", "mean", "spread", "lr",
    "parameters",
)  # fmt: skip

SURVIVAL_COLUMNS = ("ablation", "arm", "epoch", "share", "n_at_risk")

ENDS = ("train_loss", "train_error", "test_error", "top5_error", "train_seconds", "eval_seconds")  # of the last row


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Everything derived from one campaign's trials, which lie in `folder`."""

    folder: Path
    trials: pd.DataFrame
    curves: pd.DataFrame
    summary: pd.DataFrame
    survival: pd.DataFrame  # empty unless a final trial is censored
    verdict: dict[str, Any]


def trial_columns(campaign: Campaign) -> tuple[str, ...]:
    """The columns of trials.csv, in their order; the measure has one of its own name."""
    varies = tuple(key for key in campaign.ablation.varies if key != "lr")
    measured = ("epochs_to_target", "censored", "epochs_run", *ENDS)
    own = tuple({campaign.ablation.measure.name} - set(measured))
    return ("ablation", "arm", "phase", "seed", "status", *varies, "lr", *measured, *own, "trial", "error", "log")


def derive(campaign: Campaign) -> Tables:
    """All tables of a campaign, from its plan and what lies in its trials' folders."""
    records = campaign.counted()
    trials = [_trial(campaign, record) for record in records]
    curves = [
        {
            "ablation": campaign.ablation.name,
            "arm": r.arm,
            "phase": r.phase,
            "seed": r.seed,
            "lr": r.setting["lr"],
            **row,
        }
        for r in records
        for row in r.rows
    ]
    knobs = {key: [trial[key] for trial in trials] for key in campaign.ablation.varies}
    frame = pd.DataFrame(trials, columns=trial_columns(campaign))
    # As they are: beside an arm that has no such knob a whole number would become a fraction.
    frame = frame.assign(**{key: pd.Series(values, dtype=object) for key, values in knobs.items() if key != "lr"})
    frame = frame.sort_values(["arm", "phase", "lr", "seed"], kind="stable", ignore_index=True)
    curve_frame = pd.DataFrame(curves, columns=CURVE_COLUMNS).sort_values(
        ["arm", "phase", "lr", "seed", "step"], kind="stable", ignore_index=True
    )
    final = [record for record in records if record.phase == "final"]
    return Tables(
        folder=campaign.folder,
        trials=frame,
        curves=curve_frame,
        summary=_summary(campaign, final),
        survival=_survival(campaign, final),
        verdict=_verdict(campaign, campaign.evidence()),
    )


def write(campaign: Campaign, tables: Tables) -> None:
    """Writes the CSVs and verdict.json into the campaign's folder, each whole."""
    frames = {
        layout.TRIALS_CSV: tables.trials, layout.CURVES_CSV: tables.curves, layout.SUMMARY_CSV: tables.summary,
        layout.SURVIVAL_CSV: tables.survival,
    }  # fmt: skip
    for name, frame in frames.items():
        if frame is tables.survival and frame.empty:
            continue
        text = files.csv_text(tuple(frame.columns), frame.astype(object).where(frame.notna(), None).to_dict("records"))
        files.write_atomic(campaign.folder / name, text)
    files.write_json(campaign.folder / layout.VERDICT, tables.verdict)


def _trial(campaign: Campaign, record: TrialRecord) -> dict[str, Any]:
    setting, last = record.setting, record.rows[-1] if record.rows else {}
    crossing = stats.target_epoch(record.rows, setting.get("target"))
    raced = record.state == "done" and setting.get("target") is not None
    failed = record.state == "failed"
    measure = campaign.ablation.measure
    said = outcome(record, measure) if record.phase == "final" else None
    censored = said.censored if measure.race and said else crossing is None
    return {
        measure.name: said and said.value,
        "ablation": campaign.ablation.name, "arm": record.arm, "phase": record.phase, "seed": record.seed,
        "status": record.state, **{key: setting.get(key) for key in campaign.ablation.varies}, "lr": setting["lr"],
        "epochs_to_target": crossing, "censored": censored if raced else None,
        "epochs_run": last.get("epoch", 0.0),
        **{key: last.get(key) for key in ENDS},
        "trial": record.folder.name, "error": record.status.get("error"),
        "log": f"{layout.TRIALS}/{record.folder.name}/{layout.LOG}" if failed and (record.folder / layout.LOG).exists() else None,
    }  # fmt: skip


def _summary(campaign: Campaign, final: list[TrialRecord]) -> pd.DataFrame:
    rows = []
    for arm in sorted(campaign.ablation.arms):
        mine = [r for r in final if r.arm == arm]
        outcomes = [o for r in mine if (o := outcome(r, campaign.ablation.measure)) is not None]
        values = pd.Series([o.value for o in outcomes if o.usable], dtype=float)
        censored = sum(o.censored for o in outcomes)
        # With censored trials a mean would be a lie, and a median one too unless most trials crossed.
        whole = len(values) and not censored and len(values) == len(outcomes)
        rows.append({
            "ablation": campaign.ablation.name, "arm": arm, "n": len(outcomes), "num_censored": censored,
            "num_diverged": sum(o.diverged for o in outcomes), "num_failed": sum(r.state == "failed" for r in mine),
            "median": values.median() if whole else None, "mean": values.mean() if whole else None,
            "spread": values.std() if whole and len(values) > 1 else None,
            "lr": mine[0].setting["lr"] if mine else None,
            "parameters": next((r.status["parameters"] for r in mine if r.status.get("parameters")), None),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS, dtype=object)


def _survival(campaign: Campaign, final: list[TrialRecord]) -> pd.DataFrame:
    """The share of each arm's trials that have not met the target yet, where a trial never did.

    A diverged trial has not met it either, and counts as censored at its budget.
    """
    races = {
        arm: [r for r in final if r.arm == arm and r.state in ("done", "diverged")] for arm in campaign.ablation.arms
    }
    said = {arm: [outcome(r, campaign.ablation.measure) for r in records] for arm, records in races.items()}
    lines = []
    if campaign.ablation.measure.race and any(o.censored for them in said.values() for o in them):
        for arm, records in sorted(races.items()):
            epochs = [
                o.value if o.usable else float(r.setting["epochs"]) for o, r in zip(said[arm], records, strict=True)
            ]
            steps = stats.survival(epochs, [not o.usable for o in said[arm]])
            lines += [(campaign.ablation.name, arm, *step) for step in steps]
    return pd.DataFrame(lines, columns=SURVIVAL_COLUMNS)


def _verdict(campaign: Campaign, evidence: Evidence) -> dict[str, Any]:
    ablation = campaign.ablation
    return {
        "schema": files.SCHEMA, "ablation": ablation.name, "title": ablation.title, "data": campaign.data_name,
        "data_digest": campaign.data_digest, "measure": ablation.measure.name, "compares": ablation.compares,
        "control": ablation.control, "claim": ablation.claim.model_dump(mode="json"), "note": ablation.note,
        "level": evidence.level, "interval": interval_words(evidence.looks), "comparisons": _comparisons(evidence),
    }  # fmt: skip


def _comparisons(evidence: Evidence) -> list[dict[str, Any]]:
    """Each comparison, unless seconds of several machines would be set against each other."""
    if evidence.ablation.measure.one_machine and mixed(record.folder for record in evidence.final):
        unjudged = compare(replace(evidence, final=[]))
        return [line | {"verdict": "not judged", "sentence": MIXED} for line in unjudged]
    return compare(evidence)


def target_of(campaign: Campaign) -> Target | None:
    """The target the ablation's base sets, if it does."""
    table = campaign.ablation.base.get("target")
    return Target.model_validate(table) if table else None
