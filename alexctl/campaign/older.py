"""Campaigns planned under older numerics: read from their reported trials, never searched, judged anew or gone on with."""

from collections.abc import Iterable, Sequence
from typing import Any

from alexctl.ablation.load import load, shipped
from alexctl.ablation.model import SEARCH_SEED, Ablation
from alexctl.store.environment import mixed
from alexctl.store.records import TrialRecord
from alexctl.verdicts.evidence import Evidence


def with_conditions(ablation: Ablation) -> Ablation:
    """An older plan whose claim says what it is about, as the file of its name does today."""
    if ablation.name not in shipped():
        return ablation
    claim = load(ablation.name).claim
    about = {key: getattr(claim, key) for key in ("net", "epochs", "control_train_error_at_most")}
    return ablation.model_copy(update={"claim": ablation.claim.model_copy(update=about)})


def evidence(ablation: Ablation, records: Sequence[TrialRecord], **about: Any) -> Evidence:
    """What an older plan's trials say, at the rates they have; `about` is where they lie and what their data are.

    Counted are the search's trials as they lie there, and the reported ones.
    """
    trials, ablation = reported(ablation, records), with_conditions(ablation)
    seeds = judged_seeds(ablation, trials)
    final = [record for arm in ablation.arms for record in trials.get(arm, ())]
    search = [r for r in records if r.arm in ablation.searched and r.seed >= SEARCH_SEED and not r.problem]
    return Evidence(
        ablation=ablation, rates={arm: found[0].setting["lr"] for arm, found in trials.items()},
        counted=(*search, *final), judged=tuple(record for record in final if record.seed < seeds),
        mixed=ablation.measure.one_machine and mixed(record.folder for record in final), **about,
    )  # fmt: skip


def reported(ablation: Ablation, records: Iterable[TrialRecord]) -> dict[str, list[TrialRecord]]:
    """Each arm's reported trials, by seed, as many as the plan has at most.

    They are those with the knobs that the plan names. Were there several rates, since the plan was changed, the one
    with most finished trials counts. UserError where one of them can't be read: the rest would be a selection.
    """
    most = ablation.plan.looks[-1] if ablation.plan.looks else ablation.plan.seeds
    found: dict[str, dict[str, list[TrialRecord]]] = {arm: {} for arm in ablation.arms}
    for record in records:
        if record.arm not in found or record.seed >= min(most, SEARCH_SEED):
            continue
        if record.problem:
            raise record.refusal("restore it, or delete that folder to do without that trial")
        if _is_asked_for(ablation, record):
            found[record.arm].setdefault(record.hash8, []).append(record)
    return {
        arm: sorted(max(rates.values(), key=lambda trials: sum(r.finished for r in trials)), key=lambda r: r.seed)
        for arm, rates in found.items()
        if rates
    }


def judged_seeds(ablation: Ablation, trials: dict[str, list[TrialRecord]]) -> int:
    """How many seeds of every arm a verdict may rest on: the plan's, or those of the last look that is complete."""
    if not ablation.plan.looks:
        return ablation.plan.seeds
    over = [{r.seed for r in trials.get(arm, ()) if r.finished} for arm in ablation.arms]
    return max((n for n in ablation.plan.looks if all(seeds.issuperset(range(n)) for seeds in over)), default=0)


def _is_asked_for(ablation: Ablation, record: TrialRecord) -> bool:
    """Whether a trial has the knobs that the plan names for its arm; a searched rate may be any."""
    asked = {**ablation.base, **ablation.arms[record.arm]}
    asked = {key: value for key, value in asked.items() if key != "data" and (key, value) != ("lr", "search")}
    return all(_same(record.setting.get(key), value) for key, value in asked.items())


def _same(had, asked) -> bool:
    """Whether a stored value is the one asked for: a table may leave defaults out, a tuple is a list in JSON."""
    if isinstance(asked, dict) and isinstance(had, dict):
        return all(had.get(key) == value for key, value in asked.items())
    if isinstance(asked, list | tuple) and isinstance(had, list | tuple):
        return sorted(set(had)) == sorted(set(asked))  # `links` are sorted once they are checked
    return had == asked
