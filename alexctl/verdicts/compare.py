"""From trials to what they say of the claim: each arm against its control, or the interaction of two knobs."""

from dataclasses import replace
from typing import Any

from alexctl import statistics
from alexctl.ablation.checks import resolved
from alexctl.ablation.model import Ablation
from alexctl.statistics.intervals import FEWEST_FLIPS, MOST_FLIPS
from alexctl.statistics.margins import largest_margin
from alexctl.verdicts import rules, tiers
from alexctl.verdicts.evidence import Evidence
from alexctl.verdicts.gate import EMPTY, NO_CLAIM
from alexctl.verdicts.regime import regime
from alexctl.verdicts.sentences import describe

FAMILY = 0.05  # the error that all looks, or all claims of a report, may have together
MIXED = "Not judged: seconds are compared only within one machine, and these trials ran on several."


def compare(evidence: Evidence) -> list[dict[str, Any]]:
    """The comparisons of verdict.json: one an arm that is not the control, or the one interaction or trend."""
    if evidence.mixed:
        unjudged = compare(replace(evidence, judged=(), mixed=False))
        return [line | {"verdict": "not judged", "words": "not judged", "sentence": MIXED} for line in unjudged]
    ablation = evidence.ablation
    if ablation.compares == "interaction":
        return [_interaction(evidence)]
    if ablation.compares == "trend":
        return [_trend(evidence)]
    return [_arm(evidence, *pair) for pair in ablation.controls.items()]


def interval_words(looks: tuple[int, ...] | None) -> str:
    """What kind of interval it is, as verdict.json has it."""
    if looks is None or len(looks) == 1:
        return "for one look"
    return f"for {len(looks)} looks at n = {', '.join(map(str, looks))}"


def _arm(evidence: Evidence, arm: str, control: str) -> dict[str, Any]:
    """One arm against its control: the effect, its interval and what they say of the claim."""
    if missing := _missing(evidence, [control, arm]):
        return _line(evidence, arm, control) | missing
    effect = _effect(evidence, control, arm)
    return _line(evidence, arm, control) | _judged(evidence, [control, arm], effect, _words(evidence, effect), arm)


def _interaction(evidence: Evidence) -> dict[str, Any]:
    """How much what the first knob does depends on the second: the effect at the second's other value, less the effect
    at the control's."""
    ablation = evidence.ablation
    knob, *together = ablation.varies
    other = " + ".join(together)
    values: dict[str, tuple[Any, tuple]] = {}
    for arm, knobs in ablation.arms.items():
        first, *rest = map(resolved({**ablation.base, **knobs}).levels.get, ablation.varies)
        values[arm] = first, tuple(rest)
    start, at = values[ablation.control]
    name = f"{knob} x {other}"
    if missing := _missing(evidence, list(ablation.arms)):
        return _line(evidence, name, None) | missing
    effects, words = [], []
    for same in (True, False):
        control, arm = sorted(
            (a for a, (_, b) in values.items() if (b == at) == same), key=lambda a: values[a][0] != start
        )
        effects.append(_effect(evidence, control, arm))
        words.append(f"{other} = {' + '.join(map(str, values[arm][1]))}")
    effect = statistics.interaction(*effects)
    parts = "; ".join(f"{which}: {_words(evidence, one)}" for which, one in zip(words, effects, strict=True))
    described = _words(evidence, effect, sides=tuple(words), trials_a_seed=(2, 2), signed=True)
    described = f"{name} {described}; what {knob} alone does, {parts}"
    return _line(evidence, name, None) | _judged(
        evidence, sorted(values, key=lambda arm: arm != ablation.control), effect, described, name
    )


def _trend(evidence: Evidence) -> dict[str, Any]:
    """What each doubling of a knob does, by the line through all arms of a seed."""
    ablation = evidence.ablation
    (knob,) = ablation.varies
    numbers = {arm: resolved({**ablation.base, **knobs}).levels[knob] for arm, knobs in ablation.arms.items()}
    name = f"each doubling of {knob}"
    control, *others = sorted(numbers, key=lambda arm: (arm != ablation.control, numbers[arm]))
    if missing := _missing(evidence, [control, *others]):
        return _line(evidence, name, None) | missing
    effects = {numbers[arm]: _effect(evidence, control, arm) for arm in others}
    effect = statistics.trend(numbers[control], effects)
    parts = "; ".join(f"{number:g}: {_words(evidence, one)}" for number, one in effects.items())
    sides = (f"{knob} = {numbers[control]:g}", "the other")
    described = _words(evidence, effect, sides=sides, trials_a_seed=(1, len(others)), signed=True)
    described = f"{name} {described}; against {knob} = {numbers[control]:g}, {parts}"
    return _line(evidence, name, None) | _judged(evidence, [control, *others], effect, described, name)


def _words(evidence: Evidence, effect: statistics.Effect, **about) -> str:
    return describe(effect, num_looks=len(evidence.looks or (0,)), each=evidence.unit, **about)


def _effect(evidence: Evidence, control: str, arm: str) -> statistics.Effect:
    ablation, budget = evidence.ablation, None
    if ablation.measure.race:
        budget = float(ablation.base.get("epochs", evidence.judged[0].setting["epochs"]))
    sides = (evidence.outcomes(name) for name in (control, arm))
    return statistics.paired_effect(*sides, scale=ablation.measure.scale, budget=budget, level=evidence.level)


def _line(evidence: Evidence, name: str, control: str | None) -> dict[str, Any]:
    """What stands in a comparison that can't be made yet; an interaction has no control."""
    claim, on = evidence.ablation.claim, tiers.conditions(evidence)
    return {
        "arm": name, "control": control, "verdict": "not run yet", "tier": on.tier, "words": "not run yet",
        "conditions": str(on), "sentence": "Not run yet.", "effect": None,
        "low": None, "high": None, "bound": None, "level": evidence.level, "interval": interval_words(evidence.looks),
        "scale": evidence.ablation.measure.scale, "n": 0, "seeds": [], "values": [], "margin": None, "more_seeds": None,
        "claimed": claim.effect_of(name), "direction": _direction(evidence, name), "p_value": None,
        "sign_flip_p": None, "sign_flip_note": None, "correlation": None, "smallest_effect": None,
    }  # fmt: skip


def _direction(evidence: Evidence, name: str) -> str | None:
    """Positive (the arm is better), negative or none, as far as the claim says it, in words or by its size."""
    claim = evidence.ablation.claim
    if claim.direction or (size := claim.effect_of(name)) is None:
        return claim.direction
    return "negative" if statistics.to_theta(size, evidence.ablation.measure.scale) < 0 else "positive"


def _missing(evidence: Evidence, arms: list[str]) -> dict[str, Any] | None:
    """Why these arms can't be compared yet, as the keys of a line; None if they can."""
    if broken := [arm for arm in arms if arm in evidence.broken]:
        sentence = f"Not judged: the learning-rate search of {' and '.join(broken)} lacks a trial that failed."
        return {"verdict": "not judged", "words": "not judged", "sentence": sentence}
    if all(evidence.outcomes(arm) for arm in arms):
        return None
    if evidence.looks and not evidence.judged:
        return {"verdict": "not run yet", "sentence": f"Not judged before the first look, at n = {evidence.looks[0]}."}
    return {"verdict": "not run yet"}


def _judged(
    evidence: Evidence, arms: list[str], effect: statistics.Effect, described: str, name: str
) -> dict[str, Any]:
    ablation, on, found = evidence.ablation, tiers.conditions(evidence), regime(evidence, arms[0])
    claimed = claimed_of(ablation, name)
    said = rules.verdict(
        effect, claimed, learned=_learned(evidence, arms), regime=found["where"] if found else "in",
        deaths_count=ablation.measure.needs_learning, each=evidence.unit,
    )  # fmt: skip
    if said.word not in EMPTY and not ablation.claim.is_about(name):
        said = rules.Verdict(word=NO_CLAIM, detail="the claim says nothing of this arm")
    detail = said.detail
    if evidence.unplanned_looks:
        seen = ", ".join(map(str, evidence.unplanned_looks))
        unpaid = f"seeds were added after results with n = {seen} were seen, so the interval promises no error rate"
        detail = "; ".join(filter(None, (detail, unpaid)))
    words = tiers.words(said.word, on.tier, evidence.data_name, said.size)
    return {
        "verdict": said.word, "words": words, "sentence": rules.sentence(words, f"on {on}", described, detail),
        "effect": effect.estimate, "low": effect.low, "high": effect.high, "bound": effect.bound, "n": effect.n,
        "seeds": [pair.seed for pair in effect.pairs], "values": [pair.value for pair in effect.pairs],
        "margin": claimed.margin, "more_seeds": said.more_seeds, "regime": found, "description": described,
        **second_opinions(effect, said),
    }  # fmt: skip


def claimed_of(ablation: Ablation, name: str) -> rules.Claimed:
    """What is claimed of an arm; a file of before margins had to be stated has the largest there may be."""
    claim, margin = ablation.claim, ablation.margin
    size = claim.effect_of(name)
    if margin is None and size is not None:
        margin = largest_margin(size, claim.effect_range, ablation.measure.scale)
    return rules.Claimed(size=size, size_range=claim.effect_range, direction=claim.direction, margin=margin)


def second_opinions(effect: statistics.Effect, said: rules.Verdict) -> dict[str, Any]:
    """What else is known of an effect: p values, correlation, and the smallest effect that so many seeds can see.

    `p_value` is that of the test which decides, and paid for the looks: it is under 5% just where the interval, at its
    level, leaves no effect out. Where trials diverged it is that of the ranks. The smallest effect is the one found in four of five campaigns, in the effect's units, if the spread stays.
    """
    exact = effect.bound == "exact" and effect.n >= 3 and effect.sd != 0
    p, flips, note = said.p_value if said.by_ranks else effect.p_value, None, None
    if exact and not effect.pairs:
        note = "runs without pairs have no signs to flip"
    elif exact and effect.n < FEWEST_FLIPS:
        note = f"n < {FEWEST_FLIPS}: cannot reach 5%"
    elif exact and effect.n > MOST_FLIPS:
        note = f"n > {MOST_FLIPS}: too many to enumerate"
    elif exact:
        flips = statistics.sign_flip_p([statistics.to_theta(pair.value, effect.scale) for pair in effect.pairs])
    smallest = effect.smallest() if exact else None
    return {
        "p_value": None if p is None else min(1.0, p * FAMILY / (1 - effect.level)),
        "sign_flip_p": flips, "sign_flip_note": note, "correlation": effect.correlation,
        "smallest_effect": None if smallest is None else statistics.from_theta(smallest, effect.scale),
    }  # fmt: skip


def _learned(evidence: Evidence, arms: list[str]) -> bool:
    """Whether any of these arms is better than chance, where the measure needs that."""
    if not evidence.ablation.measure.needs_learning:
        return True
    chance = 1 - 1 / evidence.num_classes
    return any(
        statistics.learned(
            [r.rows[-1]["train_error"] if r.rows else chance for r in evidence.judged if r.arm == arm and r.finished],
            chance,
        )
        for arm in arms
    )
