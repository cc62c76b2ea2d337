"""From trials to tables: trials.csv, curves.csv, summary.csv and verdict.json, rebuilt whole at any time."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from alexctl import results, stats, verdicts
from alexctl.arms import level
from alexctl.campaign import Campaign
from alexctl.knobs import Target
from alexctl.results import TrialRecord

CURVE_COLUMNS = (
    "ablation", "arm", "phase", "seed", "lr", "epoch", "step", "train_loss", "train_error", "test_error",
    "train_seconds", "top5_error",
)  # fmt: skip
SUMMARY_COLUMNS = (
    "ablation", "arm", "n", "num_censored", "num_diverged", "num_failed", "median", "mean", "spread", "lr",
    "parameters",
)  # fmt: skip

ENDS = ("train_loss", "train_error", "test_error", "top5_error", "train_seconds", "eval_seconds")  # of the last row


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Everything derived from one campaign's trials."""

    trials: pd.DataFrame
    curves: pd.DataFrame
    summary: pd.DataFrame
    verdict: dict[str, Any]


def trial_columns(campaign: Campaign) -> tuple[str, ...]:
    """The columns of trials.csv, in their order."""
    varies = tuple(key for key in campaign.ablation.varies if key != "lr")
    return (
        "ablation", "arm", "phase", "seed", "status", *varies, "lr", "epochs_to_target", "censored", "epochs_run",
        *ENDS, "trial", "error", "log",
    )  # fmt: skip


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
        trials=frame, curves=curve_frame, summary=_summary(campaign, final), verdict=_verdict(campaign, final)
    )


def write(campaign: Campaign, tables: Tables) -> None:
    """Writes the CSVs and verdict.json into the campaign's folder, each whole."""
    for name in ("trials", "curves", "summary"):
        frame = getattr(tables, name)
        text = results.csv_text(
            tuple(frame.columns), frame.astype(object).where(frame.notna(), None).to_dict("records")
        )
        results.write_atomic(campaign.folder / f"{name}.csv", text)
    results.write_json(campaign.folder / "verdict.json", tables.verdict)


def _trial(campaign: Campaign, record: TrialRecord) -> dict[str, Any]:
    setting, last = record.setting, record.rows[-1] if record.rows else {}
    crossing = stats.target_epoch(record.rows, setting.get("target"))
    raced = record.state == "done" and setting.get("target") is not None
    failed = record.state == "failed"
    return {
        "ablation": campaign.ablation.name, "arm": record.arm, "phase": record.phase, "seed": record.seed,
        "status": record.state, **{key: setting.get(key) for key in campaign.ablation.varies}, "lr": setting["lr"],
        "epochs_to_target": crossing, "censored": crossing is None if raced else None,
        "epochs_run": last.get("epoch", 0.0),
        **{key: last.get(key) for key in ENDS},
        "trial": record.folder.name, "error": record.status.get("error"),
        "log": f"trials/{record.folder.name}/stderr.log" if failed and (record.folder / "stderr.log").exists() else None,
    }  # fmt: skip


def outcome(record: TrialRecord, measure: str) -> stats.Outcome | None:
    """What one finished trial says of the measure; None when it says nothing (failed, not finished)."""
    if record.state == "diverged":
        return stats.Outcome(diverged=True)
    if record.state != "done":
        return None
    last = record.rows[-1]
    if measure == "epochs_to_target":
        crossing = stats.target_epoch(record.rows, record.setting.get("target"))
        return stats.Outcome(censored=True) if crossing is None else stats.Outcome(value=crossing)
    if measure == "seconds_per_epoch":
        return stats.Outcome(value=last["train_seconds"] / last["epoch"])
    return stats.Outcome(value=last[measure])


def _outcomes(campaign: Campaign, final: list[TrialRecord], arm: str) -> dict[int, stats.Outcome]:
    measure = campaign.ablation.measure
    known = {r.seed: outcome(r, measure) for r in final if r.arm == arm}
    return {seed: result for seed, result in known.items() if result is not None}


def _summary(campaign: Campaign, final: list[TrialRecord]) -> pd.DataFrame:
    rows = []
    for arm in sorted(campaign.ablation.arms):
        mine = [r for r in final if r.arm == arm]
        outcomes = _outcomes(campaign, final, arm).values()
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


def _verdict(campaign: Campaign, final: list[TrialRecord]) -> dict[str, Any]:
    ablation = campaign.ablation
    if ablation.compares == "interaction":
        comparisons = [_interaction(campaign, final)]
    else:
        comparisons = [_comparison(campaign, final, arm) for arm in ablation.arms if arm != ablation.control]
    return {
        "schema": results.SCHEMA, "ablation": ablation.name, "title": ablation.title, "data": campaign.data_name,
        "data_digest": campaign.data_digest, "measure": ablation.measure, "compares": ablation.compares,
        "control": ablation.control, "claim": ablation.claim.model_dump(mode="json"), "comparisons": comparisons,
    }  # fmt: skip


def _comparison(campaign: Campaign, final: list[TrialRecord], arm: str) -> dict[str, Any]:
    """One arm against the control: the effect, its interval and what they say of the claim."""
    control = campaign.ablation.control
    if missing := _missing(campaign, final, [control, arm]):
        return _line(campaign, arm, control) | missing
    effect = _effect(campaign, final, control, arm)
    return _line(campaign, arm, control) | _judged(
        campaign, final, [control, arm], effect, verdicts.describe(effect), arm
    )


def _interaction(campaign: Campaign, final: list[TrialRecord]) -> dict[str, Any]:
    """How much what the first knob does depends on the second: the effect at the second's other value, less the effect
    at the control's."""
    ablation = campaign.ablation
    knob, other = ablation.varies
    values = {
        arm: tuple(level(ablation.base, knobs, key) for key in ablation.varies) for arm, knobs in ablation.arms.items()
    }
    start, at = values[ablation.control]
    name = f"{knob} x {other}"
    if missing := _missing(campaign, final, list(ablation.arms)):
        return _line(campaign, name, None) | missing
    effects, words = [], []
    for same in (True, False):
        control, arm = sorted(
            (a for a, (_, b) in values.items() if (b == at) == same), key=lambda a: values[a][0] != start
        )
        effects.append(_effect(campaign, final, control, arm))
        words.append(f"{other} = {values[arm][1]}")
    effect = stats.interaction(*effects)
    parts = "; ".join(f"{arm_words}: {verdicts.describe(one)}" for arm_words, one in zip(words, effects, strict=True))
    described = verdicts.describe(effect, sides=tuple(words), trials_a_seed=2)
    described = f"{name} {described}; what {knob} alone does, {parts}"
    return _line(campaign, name, None) | _judged(campaign, final, list(ablation.arms), effect, described, name)


def _effect(campaign: Campaign, final: list[TrialRecord], control: str, arm: str) -> stats.Effect:
    epochs = campaign.ablation.base.get("epochs")
    budget = float(epochs) if epochs is not None else float(final[0].setting["epochs"]) if final else None
    if campaign.ablation.measure != "epochs_to_target":  # only a race has one
        budget = None
    sides = (_outcomes(campaign, final, name) for name in (control, arm))
    return stats.paired_effect(*sides, scale=campaign.ablation.scale, budget=budget)


def _line(campaign: Campaign, name: str, control: str | None) -> dict[str, Any]:
    """What stands in a comparison that can't be made yet; an interaction has no control."""
    return {
        "arm": name, "control": control, "verdict": "not run yet", "sentence": "Not run yet.", "effect": None, "low": None, "high": None,
        "bound": None, "level": 0.95, "scale": campaign.ablation.scale, "n": 0, "seeds": [], "values": [],
        "margin": None, "more_seeds": None, "claimed": campaign.ablation.claim.effect_of(name),
    }  # fmt: skip


def _missing(campaign: Campaign, final: list[TrialRecord], arms: list[str]) -> dict[str, Any] | None:
    """Why these arms can't be compared yet, as the keys of a line; None if they can."""
    if broken := [arm for arm in arms if campaign.search_failures(arm)]:
        sentence = f"Not judged: the learning-rate search of {' and '.join(broken)} lacks a trial that failed."
        return {"verdict": "not judged", "sentence": sentence}
    return None if all(_outcomes(campaign, final, arm) for arm in arms) else {"verdict": "not run yet"}


def _judged(
    campaign: Campaign, final: list[TrialRecord], arms: list[str], effect: stats.Effect, described: str, name: str
) -> dict[str, Any]:
    chance = 1 - 1 / campaign.num_classes
    learned = any(
        stats.learned(
            [r.rows[-1]["train_error"] if r.rows else chance for r in final if r.arm == arm and _over(r)], chance
        )
        for arm in arms
    )
    claim = campaign.ablation.claim
    said = verdicts.verdict(
        effect, claimed=claim.effect_of(name), claimed_range=claim.effect_range, direction=claim.direction,
        margin=campaign.ablation.margin, chance_ok=learned, data_matches=campaign.data_name == claim.data,
        data=campaign.data_name, claim_data=claim.data, description=described,
    )  # fmt: skip
    return {
        "verdict": said.word, "sentence": said.sentence, "effect": effect.estimate, "low": effect.low,
        "high": effect.high, "bound": effect.bound, "level": effect.level, "n": effect.n,
        "seeds": [pair.seed for pair in effect.pairs], "values": [pair.value for pair in effect.pairs],
        "margin": said.margin, "more_seeds": said.more_seeds, "description": described,
    }  # fmt: skip


def _over(record: TrialRecord) -> bool:
    return record.state in ("done", "diverged")


def target_of(campaign: Campaign) -> Target | None:
    """The target the ablation's base sets, if it does."""
    table = campaign.ablation.base.get("target")
    return Target.model_validate(table) if table else None
