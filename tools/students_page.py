"""The numbers of docs/statistics-for-students.md, from the tables of real trials in results/reference/calibration."""

import itertools
import math
from pathlib import Path

import numpy as np

from alexctl.numbers import effect, significant
from alexctl.statistics import Effect, Outcome, paired_effect
from alexctl.statistics.intervals import half_width
from alexctl.statistics.looks import LOOKS, level_of
from alexctl.verdicts.rules import Claimed, verdict
from tools.calibration.pipeline import Errors, Races, read_errors, read_races
from tools.markdown import table
from tools.marked_blocks import rewritten

FILE = "docs/statistics-for-students.md"
GOOD, OTHER = 0.004, 0.002  # rates of the errors' table that are nearly as good as each other
BEST = {"relu": 0.004, "tanh": 0.008}  # rates at which each arm was fastest in the races
MARGIN = 0.5  # percentage points
BUDGET = 11.0  # epochs, at which some trials at a rate that is too high have not met a target of 40%
CAMPAIGNS = 4000


def written(text: str, calibration: Path) -> str:
    """The page with its numbers made anew; UserError when the marks are gone."""
    errors = read_errors(calibration / "errors-relu.csv")
    relu, tanh = (read_races(calibration / f"race-{arm}.csv") for arm in BEST)
    blocks = {
        "one run": one_run(errors), "interval": interval(relu, tanh), "pairing": pairing(errors), "margin": margin(errors),
        "censoring": censoring(calibration), "looks": looks(errors), "search": search(relu, tanh),
    }  # fmt: skip
    for name, block in blocks.items():
        text = rewritten(text, name, block, file=FILE)
    return text


def _points(errors: Errors, rate: float) -> np.ndarray:
    """The test errors of all seeds at a rate, in per cent."""
    return 100 * errors.errors[errors.rates.index(rate)]


def _effect(errors: Errors, seeds: int) -> Effect:
    """Rate against rate with the first so many seeds, the one that is called `OTHER` being the control."""
    control, arm = (
        {seed: Outcome(value=value / 100) for seed, value in enumerate(_points(errors, rate)[:seeds])}
        for rate in (OTHER, GOOD)
    )
    return paired_effect(control, arm, scale="points")


def _race(races: Races, rate: float, seeds: int) -> list[float | None]:
    return [races.progress(row).crossing for row in races.errors[races.rates.index(rate)][:seeds]]


def _ratio(control: list[float | None], arm: list[float | None], budget: float | None = None) -> Effect:
    sides = ({k: Outcome(value=v, censored=v is None) for k, v in enumerate(side)} for side in (control, arm))
    return paired_effect(*sides, scale="ratio", budget=budget)


def one_run(errors: Errors) -> str:
    values = _points(errors, GOOD)
    gaps = np.abs(values[:, None] - values[None, :])[np.triu_indices(len(values), 1)]
    return (
        f"The same network was trained {len(values)} times, with everything the same but the random numbers. Its test error was "
        f"between {values.min():.1f}% and {values.max():.1f}%, with a standard deviation of {values.std(ddof=1):.2f} points. "
        f"Take any two of these runs: in half of all cases they differ by more than {np.median(gaps):.1f} points, in one of ten by "
        f"more than {np.quantile(gaps, 0.9):.1f}. Whoever had changed something between the two would have called it an effect."
    )


def interval(relu: Races, tanh: Races) -> str:
    seeds = 4
    sides = _race(tanh, BEST["tanh"], seeds), _race(relu, BEST["relu"], seeds)
    found = _ratio(*sides)
    rows = [(str(pair.seed), f"{pair.arm:.1f}", f"{pair.control:.1f}", significant(pair.value)) for pair in found.pairs]
    more = _ratio(_race(tanh, BEST["tanh"], 8), _race(relu, BEST["relu"], 8))
    return (
        f"{table(['seed', 'ReLU, epochs', 'tanh, epochs', 'ratio'], rows)}\n\n"
        f"The mean ratio is {significant(found.estimate)}, with a 95% interval from {significant(found.low)} to "
        f"{significant(found.high)}. With eight pairs it is {significant(more.estimate)}, from {significant(more.low)} to "
        f"{significant(more.high)}."
    )


def pairing(errors: Errors) -> str:
    """The two rates whose errors go together most, and how far others do."""
    together = {
        (one, two): float(np.corrcoef(_points(errors, one), _points(errors, two))[0, 1])
        for one, two in itertools.combinations(errors.rates, 2)
    }
    most = max(together, key=together.get)
    one, two = (_points(errors, rate) for rate in most)
    paired, apart = (one - two).std(ddof=1), math.hypot(one.std(ddof=1), two.std(ddof=1))
    return (
        f"Over {len(one)} seeds at the rates {most[0]:g} and {most[1]:g} the errors of the two arms have a correlation of "
        f"{together[most]:.2f}: a seed that is lucky for one is lucky for the other. The difference within a pair has a standard "
        f"deviation of {paired:.2f} points; between runs that share no seed it would be {apart:.2f}. Of the {len(together)} pairs of "
        f"rates these two go together most; the median correlation is {np.median(list(together.values())):.2f}, the least "
        f"{min(together.values()):.2f}."
    )


def margin(errors: Errors) -> str:
    rows = []
    for seeds in (4, 8, 16, 32):
        found = _effect(errors, seeds)
        word = verdict(found, Claimed(direction="positive", margin=MARGIN)).word
        rows.append(
            (str(seeds), effect(found.estimate, "points"), f"{found.low:+.2f} to {found.high:+.2f}", f"*{word}*")
        )
    return (
        f"The claim is that the rate {GOOD:g} has a lower test error than {OTHER:g}; less than {MARGIN:g} points do not matter.\n\n"
        f"{table(['pairs', 'difference, points', '95% interval', 'verdict'], rows)}"
    )


def censoring(calibration: Path) -> str:
    slow = [_race(read_races(calibration / "race-relu.csv", 0.4), rate, 8) for rate in (0.008, 0.004)]
    everything = _ratio(*slow)
    kept = [value is not None and value <= BUDGET for value in slow[0]]
    cut = [value if met else None for value, met in zip(slow[0], kept, strict=True)]
    dropped = _ratio(*([value for value, met in zip(side, kept, strict=True) if met] for side in slow))
    made_up = _ratio([value if met else BUDGET for value, met in zip(slow[0], kept, strict=True)], slow[1])
    censored = _ratio(cut, slow[1], BUDGET)
    rows = [
        ("all of them trained to the end", significant(everything.estimate)),
        ("those that did not arrive left out", significant(dropped.estimate)),
        (f"those that did not arrive counted as {BUDGET:g} epochs", significant(made_up.estimate)),
        ("as alexctl reports it", f"more than {significant(censored.low)}"),
    ]
    return (
        f"The control has a learning rate that is too high (0.008), the arm a good one (0.004); the target is 40%. With a budget of "
        f"{BUDGET:g} epochs {kept.count(False)} of the 8 control trials do not arrive.\n\n{table(['', 'ratio'], rows)}"
    )


def looks(errors: Errors) -> str:
    """Campaigns in which nothing is there: both arms are drawn from the same 32 runs."""
    rng = np.random.default_rng(2012)
    values = _points(errors, GOOD)
    drawn = rng.choice(values, (2, CAMPAIGNS, LOOKS[-1]))
    differences = drawn[0] - drawn[1]
    found = {}
    for name, level in (("plain", 0.95), ("paid for", level_of(LOOKS))):
        hits = [
            np.abs(differences[:, :n].mean(1)) > differences[:, :n].std(1, ddof=1) * half_width(1.0, n, level)
            for n in LOOKS
        ]
        found[name] = 100 * np.any(hits, 0).mean()
    return (
        f"In {CAMPAIGNS:,} made-up campaigns both arms were drawn from the same {len(values)} runs, so that nothing is there to "
        f"find. Looking after {', '.join(map(str, LOOKS[:-1]))} and {LOOKS[-1]} pairs and stopping at the first 95% interval "
        f"without 0 finds something in {found['plain']:.0f} of 100. With the wider intervals of `--until-decided` "
        f"({100 * level_of(LOOKS):.1f}% at each look) it is {found['paid for']:.0f} of 100."
    )


def search(relu: Races, tanh: Races) -> str:
    def ratio(of_relu: float, of_tanh: float) -> str:
        return significant(_ratio(_race(tanh, of_tanh, 8), _race(relu, of_relu, 8)).estimate)

    rows = [
        ("both at the best rate of ReLU, 0.004", ratio(0.004, 0.004)),
        ("each at its own best rate, ReLU 0.004 and tanh 0.008", ratio(BEST["relu"], BEST["tanh"])),
        ("ReLU at 0.001, tanh at its best, 0.008", ratio(0.001, 0.008)),
    ]
    return table(["learning rates", "tanh takes so many times the epochs of ReLU"], rows)
