"""The same statistics for anybody's CSV: its arms against one of them, and which way is better as far as it is known."""

import math
import re
from typing import Any

from alexctl.errors import UserError, nearest, short
from alexctl.statistics import holm, paired_effect
from alexctl.statistics.margins import largest_margin
from alexctl.verdicts.compare import FAMILY, second_opinions
from alexctl.verdicts.csv_runs import Runs
from alexctl.verdicts.rules import Claimed, verdict
from alexctl.verdicts.rules import sentence as rule_sentence
from alexctl.verdicts.sentences import amount, describe

UP = frozenset({
    "acc", "accuracy", "auc", "auroc", "ap", "map", "f1", "score", "scores", "reward", "rewards", "return", "returns",
    "recall", "bleu", "rouge", "iou", "miou", "dice", "r2", "psnr", "ssim", "ndcg", "mrr",
})  # fmt: skip
DOWN = frozenset({
    "err", "error", "errors", "loss", "losses", "cost", "regret", "rmse", "mse", "mae", "mape", "nll", "perplexity",
    "ppl", "wer", "cer", "fid", "bpc", "bpb", "epochs", "time", "seconds", "sec", "minutes", "hours", "ms", "runtime",
    "duration", "latency",
})  # fmt: skip
TURNED = frozenset({"neg", "negative", "minus", "inverse"})


def guess_direction(column: str) -> bool | None:
    """Whether higher is better, as the words of a column's name say with one voice; None where they do not."""
    words = {word.casefold() for word in re.findall(r"[A-Z]?[a-z]+\d*|[A-Z]+\d*(?![a-z])", column)}
    if words & TURNED or bool(words & UP) == bool(words & DOWN):
        return None
    return bool(words & UP)


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
    verdict says only which side is lower or higher. UserError where an option can't be meant, or a claim needs to
    be told which arm is the control or which way is better.
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
    if higher_is_better is None and (higher or claim is not None):
        way, other = ("higher", "lower") if higher else ("lower", "higher")
        notes.append(f"{short(runs.measure)}: {way} is taken for better, by its name; else add --{other}-is-better")
    lines = [_line(runs, control, arm, claim, margin, higher) for arm in runs.arms if arm != control]
    adjusted = holm([1.0 if line["p_value"] is None else line["p_value"] for line in lines])
    for line, p in zip(lines, adjusted, strict=True):
        line["holm_p"] = None if line["p_value"] is None else float(p)
    if len(lines) > 1:
        stand = [line["arm"] for line, p in zip(lines, adjusted, strict=True) if p < FAMILY]
        notes.append(
            f"{len(lines)} comparisons, each with an interval and a verdict of its own; after Holm's correction for their "
            f"number {len(stand)} differ{'s' * (len(stand) == 1)} at 5%"
            + f": {short(', '.join(stand), 400)}"
            * bool(stand)
        )
    return lines, (*notes, *runs.notes)


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
    index = {pair: i for i, pair in enumerate(runs.pairs)}
    of_control, of_arm = (
        {index[pair]: outcome for pair, outcome in runs.arms[name].items()} for name in (control, arm)
    )
    plain = paired_effect(of_control, of_arm, scale=runs.scale)
    effect = paired_effect(of_arm, of_control, scale=runs.scale, higher=True) if higher else plain
    if runs.scale == "ratio":
        described = describe(effect, sides=("arm", "control") if higher else ("control", "arm"), each="pair")
    else:  # in words: lower by, higher by
        described = describe(plain, each="pair")
    if margin is None and claim is not None:
        margin = largest_margin(claim, None, runs.scale)
    said = verdict(effect, Claimed(size=claim, margin=margin), each="pair")
    word = said.word + f", {said.size}" * (said.size is not None)
    sentence = rule_sentence(word, f"on {runs.name}", described, said.detail)
    if not effect.n:
        word, sentence = "not judged", f"Not judged (on {runs.name}): {described}."
    elif claim is None and word in ("supported", "contradicted"):
        word = "higher" if (word == "supported") == bool(higher) else "lower"
        sentence = f"{word.capitalize()} (on {runs.name}): {described}."
    line = {
        "arm": arm, "control": control, "measure": runs.measure, "verdict": word, "sentence": sentence,
        "effect": effect.estimate, "low": effect.low, "high": effect.high, "bound": effect.bound,
        "level": effect.level, "scale": effect.scale, "higher_is_better": higher,
        "n": effect.n, "num_left_out": effect.num_left_out, "num_unpaired": effect.num_unpaired,
        "pairs": [runs.pairs[pair.seed] for pair in effect.pairs],
        "values": [pair.value for pair in effect.pairs], "claimed": claim, "margin": margin,
        **second_opinions(effect),
    }  # fmt: skip
    return line | {"amount": amount(line)}
