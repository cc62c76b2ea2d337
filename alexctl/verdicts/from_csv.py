"""The same statistics for anybody's CSV: one run a line, a column for its arm, one that pairs it, one that is compared."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexctl.errors import UserError, nearest, printable
from alexctl.stats import Effect, Outcome, Scale, paired_effect
from alexctl.verdicts.compare import second_opinions
from alexctl.verdicts.rules import verdict
from alexctl.verdicts.sentences import amount, describe

MOST_FAULTS = 5


@dataclass(frozen=True, kw_only=True)
class Runs:
    """A CSV's runs: arm -> pair -> outcome, in the file's order; `pairs` are all keys as they stand there, sorted."""

    name: str
    measure: str
    scale: Scale
    arms: dict[str, dict[str, Outcome]]
    pairs: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Run:
    line: int
    arm: str
    pair: str
    cell: str


def read(path: Path, *, arm: str, pair: str, measure: str, scale: Scale) -> Runs:
    """The runs in a file; UserError names the columns it lacks, or its first few faults with their lines.

    A run whose measure is empty says nothing and is counted in a note; NaN and infinity are those of a run that
    diverged, whose pair is left out and counted. Pairs that are all numbers are compared as numbers: 1 is 1.0.
    """
    shown = printable(path.name)
    columns = {"--arm": arm, "--pair": pair, "--measure": measure}
    lines = _lines(path, shown)
    header = next(lines, (0, []))[1]
    faults = [
        f"{option}: {shown} has no column '{printable(name)}', {printable(nearest(name, header))}"
        for option, name in columns.items()
        if name not in header
    ]
    faults += [
        f"{option}: {shown} has two columns '{printable(name)}'; rename one"
        for option, name in columns.items()
        if header.count(name) > 1
    ]
    if len(set(columns.values())) < len(columns):
        faults.append("--arm, --pair and --measure: should be three columns, not one twice")
    if faults:
        raise UserError(*faults)
    places = [header.index(name) for name in columns.values()]
    runs = []
    for number, cells in lines:
        if len(cells) != len(header):
            raise UserError(f"{shown} line {number} has {len(cells)} fields where the header has {len(header)}")
        runs.append(
            _Run(**dict(zip(("arm", "pair", "cell"), (cells[i].strip() for i in places), strict=True)), line=number)
        )
    runs = _paired_as_numbers(runs)
    faults = [fault for run in runs for fault in _faults(run, columns, scale)] + _twice(runs)
    if faults:
        more = [f"and {len(faults) - MOST_FAULTS} more like these"] * (len(faults) > MOST_FAULTS)
        raise UserError(*(f"{shown} {fault}" for fault in faults[:MOST_FAULTS]), *more)
    arms: dict[str, dict[str, Outcome]] = {run.arm: {} for run in runs}
    empty = [run for run in runs if not run.cell]
    for run in runs:
        if run.cell:
            value = float(run.cell)
            arms[run.arm][run.pair] = Outcome(value=value) if math.isfinite(value) else Outcome(diverged=True)
    if len(arms) < 2:
        only = f"one arm only, '{printable(next(iter(arms)))}'" if arms else "no runs"
        raise UserError(f"{shown} holds {only}; a comparison needs two arms or more in the column '{printable(arm)}'")
    notes = [f"{len(empty)} run{'s' * (len(empty) > 1)} without a value of {printable(measure)}, left out: line "
             + ", ".join(str(run.line) for run in empty)] * bool(empty)  # fmt: skip
    pairs = tuple(dict.fromkeys(run.pair for run in sorted(runs, key=_order)))
    return Runs(name=shown, measure=measure, scale=scale, arms=arms, pairs=pairs, notes=tuple(notes))


def _lines(path: Path, shown: str):
    """(line number, cells), the header first; lines without any cell are passed over."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{shown}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{shown}: byte {error.start + 1} is no UTF-8 text; save it as CSV in UTF-8") from None
    reader = csv.reader(text.splitlines(keepends=True))
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise UserError(f"{shown} line {reader.line_num}: {error}") from None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _paired_as_numbers(runs: list[_Run]) -> list[_Run]:
    numbers = [_number(run.pair) for run in runs]
    if None in numbers or not all(map(math.isfinite, numbers)):
        return runs
    return [_Run(line=r.line, arm=r.arm, pair=f"{n:.12g}", cell=r.cell) for r, n in zip(runs, numbers, strict=True)]


def _order(run: _Run) -> tuple[bool, float, str]:
    number = _number(run.pair)
    return (number is None, number if number is not None else 0.0, run.pair)


def _faults(run: _Run, columns: dict[str, str], scale: Scale) -> list[str]:
    """What is wrong with one line."""
    faults = [
        f"line {run.line}: {printable(columns[option])} is empty"
        for option, cell in (("--arm", run.arm), ("--pair", run.pair))
        if not cell
    ]
    measure, value = printable(columns["--measure"]), _number(run.cell)
    if run.cell and value is None:
        faults.append(f"line {run.line}: {measure} is '{printable(run.cell)}', which is no number")
    elif value is not None and scale == "points" and not 0 <= value <= 1 and math.isfinite(value):
        faults.append(
            f"line {run.line}: {measure} is {value:g}, no fraction of 1; take --scale difference for per cent"
        )
    elif value is not None and scale == "ratio" and value <= 0:
        faults.append(
            f"line {run.line}: {measure} is {value:g}; a ratio needs numbers above 0, take --scale difference"
        )
    return faults


def _twice(runs: list[_Run]) -> list[str]:
    first: dict[tuple[str, str], int] = {}
    faults = []
    for run in runs:
        line = first.setdefault((run.arm, run.pair), run.line)
        if line != run.line:
            faults.append(
                f"line {run.line}: '{printable(run.arm)}' has pair '{printable(run.pair)}' in line {line} already; "
                "keep one line a run, such as its last"
            )
    return faults


def compare(runs: Runs, *, control: str | None, claim: float | None, margin: float | None) -> list[dict[str, Any]]:
    """A line for each arm that is not the control, as in verdict.json; UserError where an option can't be meant.

    Without a claim the verdict says only which side is lower.
    """
    least = 1 if runs.scale == "ratio" else 0
    if control is not None and control not in runs.arms:
        raise UserError(f"--control: no arm is called '{printable(control)}', {printable(nearest(control, runs.arms))}")
    if claim is not None and (not math.isfinite(claim) or claim == least or (least and claim <= 0)):
        what = "a ratio above 0 and not 1" if least else "a number other than 0"
        raise UserError(f"--claim: should be {what}, not {claim:g}; where no effect is claimed give --margin instead")
    if margin is not None and not (math.isfinite(margin) and margin > least):
        raise UserError(f"--margin: should be {'a factor above 1' if least else 'above 0'}, not {margin:g}")
    control = control if control is not None else next(iter(runs.arms))
    return [_line(runs, control, arm, claim, margin) for arm in runs.arms if arm != control]


def _line(runs: Runs, control: str, arm: str, claim: float | None, margin: float | None) -> dict[str, Any]:
    index = {pair: i for i, pair in enumerate(runs.pairs)}
    sides = ({index[pair]: outcome for pair, outcome in runs.arms[name].items()} for name in (control, arm))
    effect = paired_effect(*sides, scale=runs.scale)
    word, sentence, used = _judged(runs, effect, claim, margin)
    line = {
        "arm": arm, "control": control, "measure": runs.measure, "verdict": word, "sentence": sentence,
        "effect": effect.estimate, "low": effect.low, "high": effect.high, "bound": effect.bound,
        "level": effect.level, "scale": effect.scale, "n": effect.n, "num_left_out": effect.num_left_out,
        "num_unpaired": effect.num_unpaired, "pairs": [runs.pairs[pair.seed] for pair in effect.pairs],
        "values": [pair.value for pair in effect.pairs], "claimed": claim, "margin": used, **second_opinions(effect),
    }  # fmt: skip
    return line | {"amount": amount(line)}


def _judged(runs: Runs, effect: Effect, claim: float | None, margin: float | None) -> tuple[str, str, float | None]:
    """The verdict, its sentence, and the margin that was used."""
    said = verdict(effect, claimed=claim, margin=margin, data_matches=True, data=runs.name, each="pair")
    sides = {"supported": "lower", "contradicted": "higher"}
    if claim is not None or said.word not in sides:
        return said.word, said.sentence, said.margin
    word = sides[said.word]
    return word, f"{word.capitalize()} (on {runs.name}): {describe(effect, each='pair')}.", said.margin
