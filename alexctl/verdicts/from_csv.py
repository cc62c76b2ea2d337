"""The same statistics for anybody's CSV: its arms against one of them, and which way is better as far as it is known."""

import math
from dataclasses import replace
from typing import Any

from alexctl.errors import UserError, nearest, short
from alexctl.numbers import counted
from alexctl.statistics import Effect, UnpairedEffect, holm, paired_effect, unpaired_effect
from alexctl.statistics.margins import largest_margin
from alexctl.verdicts.better import guess_direction
from alexctl.verdicts.compare import FAMILY, second_opinions
from alexctl.verdicts.csv_runs import Runs
from alexctl.verdicts.rules import Claimed, Verdict, verdict
from alexctl.verdicts.rules import sentence as rule_sentence
from alexctl.verdicts.sentences import amount, describe

FOUND = ("supported", "contradicted", "higher", "lower")  # what may stand or fall after Holm


def compare(
    runs: Runs,
    *,
    control: str | None = None,
    claim: float | None = None,
    margin: float | None = None,
    higher_is_better: bool | None = None,
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """A line for each arm that is not the control, as in verdict.json, and notes on what was taken for granted.

    Effects are above 0 (ratios: above 1) where the arm is better, or where that is not known, lower. Without a claim the
    verdict says only which side is lower or higher. `holm_p` is adjusted for all lines (Holm, 1979), `stands` says
    whether what was found is still sure enough as one of so many. UserError where an option can't be meant, or a claim
    needs to be told which arm is the control or which way is better.
    """
    _check(runs, control, claim, margin)
    higher = guess_direction(runs.measure) if higher_is_better is None else higher_is_better
    if claim is not None and higher is None:
        raise UserError(
            f"--claim: whether a higher {short(runs.measure)} is better can't be told from its name; "
            "add --higher-is-better or --lower-is-better"
        )
    notes = []
    if control is None:
        control = next(iter(runs.arms))
        notes.append(f"the control is '{short(control)}', the first arm in the file; --control names another")
    if higher_is_better is None:
        notes.append(_direction_note(runs, higher))
    lines = [_line(runs, control, arm, claim, margin, higher) for arm in runs.arms if arm != control]
    told_by = "option" if higher_is_better is not None else None if higher is None else "name"
    lines = [line | {"direction_from": told_by} for line in lines]
    return lines, (*notes, *_after_holm(lines), *runs.notes)


def _direction_note(runs: Runs, higher: bool | None) -> str:
    """Which way was taken for better, and what says it otherwise."""
    if higher is not None:
        way, other = ("higher", "lower") if higher else ("lower", "higher")
        return f"{short(runs.measure)}: {way} is taken for better, by its name; else add --{other}-is-better"
    effects = "control / arm, above 1" if runs.scale == "ratio" else "control - arm, above 0"
    return (
        f"{short(runs.measure)}: its name does not tell which way is better, so effects are {effects} where the arm is "
        "lower; --higher-is-better turns them round"
    )


def _after_holm(lines: list[dict[str, Any]]) -> list[str]:
    """Gives each line what Holm's correction for all of them leaves of it; a note on several, so that none is read alone."""
    adjusted = holm([1.0 if line["p_value"] is None else line["p_value"] for line in lines]).tolist()
    for line, p in zip(lines, adjusted, strict=True):
        found = line["verdict"].startswith(FOUND) and line["p_value"] is not None
        line["holm_p"] = None if line["p_value"] is None else p
        line["stands"] = ("yes" if p < FAMILY else "no") if found else None
        if line["stands"] == "no":
            line["sentence"] += f" As one of {len(lines)} comparisons it does not stand after Holm's correction."
    if len(lines) == 1:
        return []
    found = [line for line in lines if line["stands"]]
    if not found:
        return [f"{len(lines)} comparisons, none of which found a difference"]
    stand = [line["arm"] for line in found if line["stands"] == "yes"]
    names = f": {short(', '.join(stand), 400)}" * bool(stand)
    return [
        f"{len(lines)} comparisons found {counted(len(found), 'difference')}; after Holm's correction for so many (5% for "
        f"all together) {len(stand) or 'none'} stand{'s' * (len(stand) < 2)}{names}"
    ]


def _check(runs: Runs, control: str | None, claim: float | None, margin: float | None) -> None:
    least = 1 if runs.scale == "ratio" else 0
    if control is not None and control not in runs.arms:
        raise UserError(f"--control: no arm is called '{short(control)}', {short(nearest(control, runs.arms), 400)}")
    if claim is not None and (not math.isfinite(claim) or claim == least or (least and claim <= 0)):
        what = "a ratio above 0 and not 1" if least else "a number other than 0"
        raise UserError(f"--claim: should be {what}, not {claim:g}; where no effect is claimed give --margin instead")
    if margin is not None and not (math.isfinite(margin) and margin > least):
        raise UserError(f"--margin: should be {'a factor above 1' if least else 'above 0'}, not {margin:g}")
    if claim is not None and control is None:
        raise UserError(
            f"--claim: say with --control which arm it is held against, {short(nearest('', runs.arms), 400)}"
        )


def _line(
    runs: Runs, control: str, arm: str, claim: float | None, margin: float | None, higher: bool | None
) -> dict[str, Any]:
    effect, described = _effect(runs, control, arm, higher)
    if margin is None and claim is not None:
        margin = largest_margin(claim, None, runs.scale)
    said = verdict(effect, Claimed(size=claim, margin=margin), each="pair" if runs.paired_by else "run")
    if said.by_ranks and higher is None:  # then what diverged is not known to be the worst
        said = Verdict(word="undecided", by_ranks=True, detail="whether a run that diverged counts as high or as low takes "
                       "--higher-is-better or --lower-is-better")  # fmt: skip
    word, detail = said.word + f", {said.size}" * (said.size is not None), said.detail
    if not effect.n and not said.by_ranks:
        word, detail = "not judged", "compare runs that share nothing with --unpaired" * (runs.paired_by is not None)
    elif claim is None and word in ("supported", "contradicted"):
        word = "higher" if (word == "supported") == bool(higher) else "lower"
        detail = said.detail * said.by_ranks
    line = {
        "arm": arm, "control": control, "measure": runs.measure, "verdict": word,
        "sentence": rule_sentence(word, f"on {runs.name}", described, detail),
        "effect": effect.estimate, "low": effect.low, "high": effect.high, "bound": effect.bound,
        "level": effect.level, "scale": effect.scale, "higher_is_better": higher,
        "paired_by": runs.paired_by, "n": effect.n, "num_left_out": effect.num_left_out,
        "num_unpaired": effect.num_unpaired, **_values(runs, effect, control, arm), "claimed": claim, "margin": margin,
        **second_opinions(effect, said),
    }  # fmt: skip
    return line | {"amount": amount(line)}


def _values(runs: Runs, effect: Effect, control: str, arm: str) -> dict[str, Any]:
    """What the effect is of: each pair's, or the values of either side; and what only runs without pairs have."""
    if isinstance(effect, UnpairedEffect):
        values = {"control_values": list(effect.control), "arm_values": list(effect.arm)}
        return {"pairs": [], "values": [], **values, "degrees_of_freedom": effect.df, "rank_sum_p": effect.rank_p}
    pairs = [runs.pairs[pair.seed] for pair in effect.pairs]
    sides = {f"{side}_values": [runs.arms[name][pair].value for pair in pairs]
             for side, name in (("control", control), ("arm", arm))}  # fmt: skip
    return {"pairs": pairs, "values": [pair.value for pair in effect.pairs], **sides,
            "degrees_of_freedom": effect.n - 1 if effect.low is not None else None, "rank_sum_p": None}  # fmt: skip


def _effect(runs: Runs, control: str, arm: str, higher: bool | None) -> tuple[Effect, str]:
    """The effect, above nothing where the arm is better, and the same in words."""
    if runs.paired_by is None:
        sides: list[Any] = [list(runs.arms[name].values()) for name in (control, arm)]
        effect_of, each, own = unpaired_effect, "run", ("num_diverged_control", "num_diverged_arm", "control", "arm")
    else:
        index = {pair: i for i, pair in enumerate(runs.pairs)}
        sides = [{index[pair]: outcome for pair, outcome in runs.arms[name].items()} for name in (control, arm)]
        effect_of, each, own = paired_effect, "pair", ("num_diverged_control", "num_diverged_arm")
    plain = effect_of(*sides, scale=runs.scale)
    if not higher:
        return plain, describe(plain, each=each)
    turned = effect_of(*sides[::-1], scale=runs.scale, higher=True)
    turned = replace(turned, **{name: getattr(plain, name) for name in own})  # to each side what is its own
    return turned, describe(turned if runs.scale == "ratio" else plain, each=each)  # in words: lower by, higher by
