"""Whether arms make a controlled comparison: each changes what varies, nothing else, and something."""

from collections.abc import Iterable
from typing import Any

from alexctl.ablation.faults import in_toml, unknown_key
from alexctl.ablation.measures import named
from alexctl.ablation.own_net import is_checked, is_own
from alexctl.ablation.setting import known_keys, resolve
from alexctl.errors import printable


def setting_faults(table: dict[str, Any], measure: Any, searchable: bool, also: Iterable[str] = ()) -> list[str]:
    """What is wrong with one arm's knobs, and with measuring it; `searchable`: there are rates to try."""
    faults = []
    if table.get("lr") == "search":
        table = {**table, "lr": 1.0}
        if not searchable:
            faults.append('lr_grid: missing; with lr = "search" give the rates to try, such as [0.001, 0.002, 0.004]')
    training, _, wrong = resolve(table, also)
    if training is not None:
        asked = named(measure)
        if asked and asked.race and training.target is None:
            faults.append(f'target: missing; measure = "{asked.name}" needs one, such as {{ at_most = 0.25 }}')
        on_test = (asked and asked.on_test) or (training.target and training.target.metric == "test_error")
        if on_test and training.evaluate_every == 0:
            faults.append("evaluate_every: 0 never measures the test error, which this comparison needs; write 1")
    return faults + wrong


def arm_faults(head: dict[str, Any], base: dict[str, Any], arms: dict[str, dict]) -> list[str]:
    """An arm that changes a key not in `varies`, or nothing at all, is refused: the file is a controlled comparison."""
    varies, faults = head["varies"], []
    nets = _nets(base, arms)
    known = known_keys(None).union(*map(known_keys, nets))
    unchecked = any(is_own(net) and not is_checked(net) for net in nets)
    if all(map(is_checked, nets)):  # else its knobs can't be told
        faults += [f"varies: {unknown_key(key, known)}" for key in varies if key not in known]
    faults += [
        f"varies: {key} can't vary, all arms are trained on the same images; try --data"
        for key in ("data", "image_size")
        if key in varies
    ]
    for arm, knobs in arms.items():
        faults += [
            f"[arms.{arm}] changes {key}, which is not in varies = {printable(str(varies))}; "
            "move it to [base] or name it in varies"
            for key in knobs
            if varies and (key in known or unchecked) and key not in varies
        ]
    seen: list[tuple[str, Any]] = []
    for arm, knobs in arms.items():
        table = {**base, **knobs}
        searched = table.get("lr") == "search"
        training, net, wrong = resolve({**table, "lr": 1.0} if searched else table)
        twin = next((other for other, its in seen if its == (searched, training, net)), None)
        if twin and not wrong:
            faults.append(f"[arms.{arm}] is the same as [arms.{twin}]: it changes nothing")
        seen.append((arm, (searched, training, net)))
    if head.get("compares") == "interaction":
        faults += _factorial_faults(varies, base, arms)
    margin, measure = head.get("margin"), named(head.get("measure"))
    if type(margin) in (int, float) and measure and measure.scale == "ratio" and margin <= 1:
        faults.append(f"margin: should be a factor above 1 for {measure.name}, such as 1.25, not {in_toml(margin)}")
    return faults


def _nets(base: dict[str, Any], arms: dict[str, dict]) -> list[Any]:
    return [{**base, **knobs}.get("net") for knobs in arms.values()]


def level(base: dict[str, Any], knobs: dict[str, Any], key: str) -> Any:
    """What an arm has for a knob: its own value, the base's, or the knob's default."""
    table = {**base, **knobs}
    training, net, _ = resolve({**table, "lr": 1.0} if table.get("lr") == "search" else table)
    for model in (net, training):  # these have tuples for lists and 0.0 for 0
        if model is not None and key in type(model).model_fields:
            return getattr(model, key)
    return table.get(key)


def _factorial_faults(varies: list[str], base: dict[str, Any], arms: dict[str, dict]) -> list[str]:
    """An interaction needs two knobs of two values each, and every combination of them in an arm of its own."""
    if len(varies) != 2:
        return [f"varies: an interaction is of two knobs, not {len(varies)}; name two, such as ['activation', 'init']"]
    cells = [tuple(in_toml(level(base, knobs, key)) for key in varies) for knobs in arms.values()]
    values = [set(column) for column in zip(*cells, strict=True)]
    if len(cells) == len(set(cells)) == 4 and all(len(column) == 2 for column in values):
        return []
    return [
        f"[arms]: an interaction needs four arms, {varies[0]} and {varies[1]} with two values each in all combinations"
    ]


def claim_faults(effect: Any, effect_range: Any, direction: str | None, measure: Any) -> list[str]:
    """A claimed size that its measure can't have, or that contradicts the direction beside it."""
    sizes = list(effect.values()) if isinstance(effect, dict) else [effect] if effect is not None else []
    asked = named(measure)
    ratio = asked is not None and asked.scale == "ratio"
    faults = [
        f"[claim] effect: a ratio (control / arm) should be above 0, not {size:g}"
        for size in sizes
        if ratio and size <= 0
    ]
    below = [size < (1 if ratio else 0) for size in sizes]
    if isinstance(effect, dict) and effect_range:
        faults.append("[claim] effect_range: is for one effect, not for a table of them; leave it out")
    if direction == "none" and sizes:
        faults.append(
            "[claim] direction: 'none' says that nothing differs, the effect that something does; leave one out"
        )
    elif direction and any(is_below != (direction == "negative") for is_below in below):
        faults.append(f"[claim] direction: '{direction}' contradicts the sign of the effect; leave one of them out")
    return faults
