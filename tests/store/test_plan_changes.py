"""How one plan differs from another: a knob that is spelled out at its default asks the same."""

from conftest import tiny_ablation

from alexctl.store import plan
from alexctl.store.plan_changes import other_question

ABOUT = {"data_name": "shapes", "data_digest": "0" * 16, "num_classes": 8}


def planned(**knobs):
    return plan.table(tiny_ablation(**knobs), ABOUT, {})


def test_a_default_that_is_spelled_out_is_no_other_question():
    assert other_question(planned(), planned(momentum=0.9, lr_drops=[])) == []
    assert other_question(planned(momentum=0.9), planned(momentum=0.8)) == ["momentum was the default, not 0.8"]
