"""docs/knobs.md is what `make knobs` writes today, and says of every knob what it is."""

from typing import Annotated, Literal

from pydantic import Field

from alexctl.ablation.knobs import NETS, Knobs, TrainingKnobs
from tools import knobs_page


def test_the_page_is_that_of_today():
    assert knobs_page.PAGE.read_text(encoding="utf-8") == knobs_page.page(), "run `make knobs`"


def test_every_knob_says_what_it_is():
    models = {"": TrainingKnobs, **NETS}
    silent = [
        (net, name)
        for net, model in models.items()
        if net != "alexnet32"
        for name in model.model_fields
        if not knobs_page.meanings_of(model).get(name)
    ]
    assert silent == []


class Few(Knobs):
    # Two lines above
    # belong to it.
    one: Annotated[int, Field(ge=1, le=20_000)] = 3
    two: tuple[Literal["a", "b"], ...] = ()  # beside it
    three: Annotated[float, Field(gt=0, lt=1)] | None = None


def test_a_knob_in_words():
    assert knobs_page.meanings_of(Few) == {"one": "Two lines above belong to it.", "two": "beside it", "three": ""}
    assert {name: knobs_page.values(field) for name, field in Few.model_fields.items()} == {
        "one": "whole number, 1 or more, at most 20,000",
        "two": 'list of `"a"`, `"b"`',
        "three": "number, above 0, below 1",
    }
