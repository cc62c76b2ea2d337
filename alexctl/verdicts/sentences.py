"""An effect in words: in a sentence, and as short as a table wants it."""

from collections.abc import Mapping
from typing import Any

from alexctl import numbers
from alexctl.statistics import Effect, UnpairedEffect


def amount(line: Mapping[str, Any]) -> str:
    """The effect of a line of verdict.json as a table has it, such as '5.83', 'more than 2.98' or '+1.20 points'."""
    words = {"exact": ("", "effect"), "at_least": ("more than ", "low"), "at_most": ("less than ", "high")}
    word, key = words.get(line["bound"], ("", None))
    if key is None or line[key] is None:
        return "-"
    return word + numbers.effect(line[key], line["scale"]) + " points" * (line["scale"] == "points")


def interval(line: Mapping[str, Any]) -> str:
    """The interval of a line of verdict.json as a table has it: '3.38 to 3.97 (95%)'; '-' where there is none."""
    if not line["n"] or line["bound"] == "none" or (line["low"] is None and line["high"] is None):
        return "-"
    level = numbers.level(line["level"])
    low, high = (None if line[key] is None else numbers.effect(line[key], line["scale"]) for key in ("low", "high"))
    if low is None or high is None:
        return f"above {low} ({level})" if high is None else f"below {high} ({level})"
    return f"{low} to {high} ({level})"


def describe(
    effect: Effect,
    *,
    sides: tuple[str, str] = ("control", "arm"),
    trials_a_seed: tuple[int, int] = (1, 1),
    num_looks: int = 1,
    signed: bool = False,
    each: str = "seed",
) -> str:
    """The effect in words: 'ratio 5.83 (95% interval 5.10 to 6.60, n = 6 seeds)', 'lower by 1.20 points (...)'.

    `sides` name what its counts are of, `trials_a_seed` says how many trials each has. With `signed` a difference
    keeps its sign: of an interaction neither side is lower. `each` is what makes a pair.
    """
    notes = "".join(f"; {note}" for note in _notes(effect, sides, trials_a_seed, each))
    n = f"n = {_count(effect, each)}"
    if effect.bound == "none" or not effect.n:
        return f"no size can be given, since {_why_no_size(effect, sides, signed, each)} ({n}{notes})"
    say = _ratio if effect.scale == "ratio" else _signed if signed else _in_words
    if effect.n < 3:
        values = [pair.value for pair in effect.pairs] or [effect.estimate]
        return f"{say(effect, values, ' and ')} ({n}, no interval{notes})"
    if effect.sd == 0:  # which is noted
        at = {"exact": "", "at_least": "at least ", "at_most": "at most "}[effect.bound]
        return f"{say(effect, [effect.estimate], '').replace('ratio ', f'ratio {at}')} ({n}, no interval{notes})"
    level = numbers.level(effect.level)
    widened = f", widened for {num_looks} looks" * (num_looks > 1)
    if effect.bound != "exact":
        word, limit = ("more", effect.low) if effect.bound == "at_least" else ("less", effect.high)
        return f"ratio {word} than {numbers.effect(limit, effect.scale)} ({level}{widened}, {n}{notes})"
    interval = (
        _ends(effect)
        if say is _in_words
        else " to ".join(numbers.effect(v, effect.scale) for v in (effect.low, effect.high))
    )
    interval = f"{level} interval{widened}{',' * bool(widened)} {interval}"
    return f"{say(effect, [effect.estimate], '')} ({interval}, {n}{notes})"


def with_other_images(effect: Effect, num_images: int, each: str, *, paid: bool) -> str:
    """A difference whose interval is over seeds and images together; `paid` is false after looks that nobody planned."""
    size = _in_words(effect, [effect.estimate], "")
    about = f"n = {numbers.counted(effect.n, each)}, {numbers.counted(num_images, 'image')}"
    if effect.low is None:
        return f"Test error {size} ({about}, no interval)."
    interval = f"{numbers.level(effect.level)} interval for other {numbers.plural(each)} and other test images: {_ends(effect)}"
    unpaid = "" if paid else "; seeds were added after results were seen, so it promises no error rate"
    return f"Test error {size} ({interval}; {about}{unpaid})."


def _count(effect: Effect, each: str) -> str:
    """How many there are: '6 seeds', '6 runs a side', '6 control and 5 arm runs'."""
    if not isinstance(effect, UnpairedEffect):
        return numbers.counted(effect.n, each)
    control, arm = len(effect.control), len(effect.arm)
    return f"{numbers.counted(arm, each)} a side" if control == arm else f"{control:,} control and {arm:,} arm {each}s"


def _ratio(effect: Effect, values: list[float], between: str) -> str:
    words = {"exact": "", "at_least": "at least ", "at_most": "at most "}
    kinds = [pair.bound for pair in effect.pairs] if effect.pairs and effect.n < 3 else ["exact"]
    return "ratio " + between.join(words[k] + numbers.effect(v, "ratio") for k, v in zip(kinds, values, strict=True))


def _signed(effect: Effect, values: list[float], between: str) -> str:
    end = " points" * (effect.scale == "points")
    return "difference " + between.join(numbers.effect(value, effect.scale) for value in values) + end


def _in_words(effect: Effect, values: list[float], between: str) -> str:
    """A difference is control minus arm: above 0 the arm is lower."""
    parts, before = [], None
    for value in values:
        word = "lower by " if value >= 0 else "higher by "
        parts.append((word if word != before else "") + numbers.effect(abs(value), effect.scale)[1:])
        before = word
    return between.join(parts) + " points" * (effect.scale == "points")


def _ends(effect: Effect) -> str:
    """The ends of a difference's interval, in the direction of its estimate; each with its own where they disagree."""
    ends = (effect.low, effect.high) if effect.estimate >= 0 else (effect.high, effect.low)
    alike = effect.low >= 0 or effect.high <= 0
    word = {True: " lower", False: " higher"}
    return " to ".join(numbers.effect(abs(v), effect.scale)[1:] + ("" if alike else word[v >= 0]) for v in ends)


def _why_no_size(effect: Effect, sides: tuple[str, str], interaction: bool, each: str) -> str:
    if isinstance(effect, UnpairedEffect):
        return f"{' and '.join(side for side in ('control', 'arm') if not getattr(effect, side))} has no {each} with a value"
    neither = sum(pair.bound == "none" for pair in effect.pairs)
    if not effect.n:
        return f"no {each} has a value on both sides"
    if interaction:
        return "too many trials did not reach the target"
    if neither:
        return f"in {neither} of {effect.n} pairs neither side reached the target"
    return f"{sides[0]} did not reach the target in some pairs and {sides[1]} in others"


def _notes(effect: Effect, sides: tuple[str, str], trials_a_seed: tuple[int, int], each: str) -> list[str]:
    """What befell the trials behind an effect, counted: nothing is left out in silence."""
    unpaired = isinstance(effect, UnpairedEffect)
    total = effect.n + effect.num_left_out
    notes = []
    for name, side, a_seed in zip(("control", "arm"), sides, trials_a_seed, strict=True):
        at_chance = getattr(effect, f"num_at_chance_{name}")
        counts = {
            "censored": getattr(effect, f"num_censored_{name}"),
            "diverged": getattr(effect, f"num_diverged_{name}") - at_chance, "ended at chance": at_chance,
        }  # fmt: skip
        for what, count in counts.items():
            if count:
                of = len(getattr(effect, name)) + count if unpaired else a_seed * total
                notes.append(f"{count} of {of} {side} {'runs' if unpaired else 'trials'} {what}")
    if effect.num_left_out and not unpaired:
        notes.append(f"{effect.num_left_out} of {total} pairs left out")
    if effect.num_unpaired:
        notes.append(f"{numbers.counted(effect.num_unpaired, each)} on one side only")
    if effect.sd == 0:
        notes.append("the runs of each side agree exactly" if unpaired else "all pairs agree exactly")
    return notes
