"""The tables of docs/knobs.md and docs/ablation-file.md say of every key what it is; test_derived.py holds them to the code."""

from typing import Annotated, Literal

from pydantic import Field

from alexctl.ablation.knobs import NETS, Knobs, TrainingKnobs
from alexctl.ablation.model import Ablation, Claim, Plan
from alexctl.ablation.parse import HEAD_KEYS
from alexctl.ablation.schema import comments
from tools import knobs_page


def test_every_key_says_what_it_is():
    models = {"": TrainingKnobs, "[claim]": Claim, "[base]": Plan, **NETS}
    silent = [
        (net, name)
        for net, model in models.items()
        if net != "alexnet32"
        for name in model.model_fields
        if not comments(model).get(name)
    ]
    assert silent == []
    assert [name for name in HEAD_KEYS if not comments(Ablation).get(name)] == []


class Few(Knobs):
    # Two lines above
    # belong to it.
    one: Annotated[int, Field(ge=1, le=20_000)] = 3
    two: tuple[Literal["a", "b"], ...] = ()  # beside it
    three: Annotated[float, Field(gt=0, lt=1)] | None = None
    four: tuple[float, float] | None = None  # None: no ends


def test_a_knob_in_words():
    assert comments(Few) == {"one": "Two lines above belong to it.", "two": "beside it", "four": "left out: no ends"}
    assert {name: knobs_page.values(field) for name, field in Few.model_fields.items()} == {
        "one": "whole number, 1 or more, at most 20,000",
        "two": 'list of `"a"`, `"b"`',
        "three": "number, above 0, below 1",
        "four": "list of 2 numbers",
    }
