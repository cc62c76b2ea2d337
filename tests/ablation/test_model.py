"""The ablation file is strict, names all its faults at once, and is nothing but data."""

import copy
import datetime

import pytest
from conftest import TINY, tiny_ablation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexctl.ablation.knobs import NETS
from alexctl.ablation.load import load, shipped
from alexctl.ablation.model import Ablation
from alexctl.ablation.parse import parse


def faults_of(change) -> list[str]:
    document = copy.deepcopy(TINY)
    change(document)
    return [str(fault) for fault in parse(document, name="tiny", overrides={}, smoke=False)[1]]


@pytest.mark.parametrize("name", sorted(shipped()))
@pytest.mark.parametrize("smoke", [False, True])
def test_every_shipped_file_loads(name, smoke):
    ablation = load(name, smoke=smoke)
    assert {*ablation.controls, *ablation.controls.values()} <= ablation.arms.keys()
    assert ablation.first_control in ablation.controls.values()
    for arm in ablation.arms:
        assert ablation.setting(arm, "shapes", "0" * 16, lr=0.5).flat()["lr"] == 0.5


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d["base"].update(batchsize=3), "[base] batchsize: unknown key, did you mean 'batch_size'?"),
        (lambda d: d["base"].update(init="2013"), "[base] init: '2013' is not allowed, did you mean '2012'?"),
        (lambda d: d["base"].update(seeds=-1), "[base] seeds: should be 1 or more, not -1"),
        (lambda d: d["base"].update(data="cifar100"), "[base] data: unknown data set 'cifar100', did you mean 'cifar10'? "
         "choose from: cifar10, mnist, shapes, shapes-grey or imagefolder:PATH"),
        (lambda d: d["arms"]["relu"].update(lr=0.5), '[arms.relu] lr: is not in varies = ["activation"]; '
         "move it to [base] or name it in varies"),
        (lambda d: d["arms"]["tanh"].update(activation="relu"), "[arms.tanh]: is the same as [arms.relu]; change what varies, or remove it"),
        (lambda d: d.update(control="tan"), "control: no arm is called 'tan', did you mean 'tanh'?"),
        (lambda d: d.update(titel="x"), "titel: unknown key, did you mean 'title'?"),
        (lambda d: d["base"].update(lr="search"), "[base] lr_grid: missing; with lr = \"search\" give the rates to try, "
         "such as [0.001, 0.002, 0.004]"),
        (lambda d: d.update(varies=["activation", "lrr"]), "varies: lrr: unknown key, did you mean 'lr'?"),
        (lambda d: d.update(varies=["activation", "data"]),
         "varies: data can't vary, all arms are trained on the same images; try --data"),
        (lambda d: d.update(varies="activation"), 'varies: should be a list of knobs, such as ["activation"]'),
        (lambda d: d.pop("varies"), 'varies: should be a list of knobs, such as ["activation"]'),
        (lambda d: d["base"].pop("lr"), "[base] lr: missing"),
        (lambda d: d["base"].pop("data"), "[base] data: missing"),
        (lambda d: d["base"].pop("net"), f"[base] net: missing, choose from: {', '.join(NETS)}"),
        (lambda d: d["base"].update(net=4), "[base] net: should be text in quotes, not 4"),
        (lambda d: d["base"].update(epochs=2.0), "[base] epochs: should be a whole number, not 2.0"),
        (lambda d: d["base"].update(epochs=16**5000),
         "[base] epochs: should be 10000 or less, not a number of thousands of digits"),
        (lambda d: d["base"].update(target={"at_most": 0.2, "metrik": "x"}),
         "[base] target: metrik: unknown key, did you mean 'metric'?"),
        (lambda d: d["base"].pop("target"),
         '[base] target: missing; measure = "epochs_to_target" needs one, such as { at_most = 0.25 }'),
        (lambda d: (d["base"].update(evaluate_every=0), d.update(measure="test_error")),
         "[base] evaluate_every: 0 never measures the test error, which this comparison needs; write 1"),
        (lambda d: d["base"].update(lr="search", lr_grid=[0.1, 0.1]), "[base] lr_grid: should not name a rate twice"),
        (lambda d: d["base"].update(lr="search", lr_grid=[0.1]), "[base] lr_grid: should name two rates or more"),
        (lambda d: d["base"].update(lr="search", lr_grid=[1, "2"]), '[base] lr_grid: item 2: should be a number, not "2"'),
        (lambda d: d["arms"]["relu"].update(momentm=0.5), "[arms.relu] momentm: unknown key, did you mean 'momentum'?"),
        (lambda d: d["arms"].update(tanh={}), "[arms.tanh]: is the same as [arms.relu]; change what varies, or remove it"),
        (lambda d: d["arms"].update(tanh=3), "[arms] tanh: should be a table, write [arms.tanh]"),
        (lambda d: d["claim"].update(effect_range=[7, 5]), "[claim] effect_range: should be [low, high] with low below high"),
        (lambda d: d["claim"].update(landmarks={"rlu": 6}), "[claim] landmarks: no arm is called 'rlu', did you mean 'relu'?"),
        (lambda d: d["claim"].update(efect=6), "[claim] efect: unknown key, did you mean 'effect'?"),
        (lambda d: d.update(smoke={"epochs": 0}), "[smoke] epochs: should be 1 or more, not 0"),
        (lambda d: d["arms"].update({"../x": {"activation": "relu"}}),
         "[arms] ../x: an arm's name should be letters, digits, '-', '_' or '.' only"),
        (lambda d: d["base"].update(sedes=3), "[base] sedes: unknown key, did you mean 'seeds'?"),
        (lambda d: d["base"].update(target=0.25), "[base] target: should be a table, such as { at_most = 0.25 }, not 0.25"),
        (lambda d: d["arms"]["relu"].update(seeds=3), "[arms.relu] seeds: is the same for all arms; move it to [base]"),
        (lambda d: d.update(margin=0.5), "margin: should be a factor above 1 for epochs_to_target, such as 1.25, not 0.5"),
        (lambda d: d["base"].update(budgets=[1, 3]), "[base] budgets: should end with epochs = 2, at which the claim is judged, "
         "not with 3; [] for no budgets"),
        (lambda d: d["base"].update(budgets=[2]), "[base] budgets: should name two numbers of epochs or more, rising, such as [15, 60, 120]"),
        (lambda d: d.update(note=3), "note: should be text in quotes, not 3"),
    ],
)  # fmt: skip
def test_one_fault_one_line(change, fault):
    assert faults_of(change) == [fault]


def test_no_budgets_can_be_said():
    """What a file has of them is so put away: --set budgets=[]."""
    assert faults_of(lambda d: d["base"].update(budgets=[])) == []
    assert tiny_ablation(budgets=[1, 2]).plan.budgets == (1, 2)
    assert not tiny_ablation(budgets=[]).plan.budgets


def test_an_arm_may_supply_what_the_base_leaves_out():
    def change(document):
        document["varies"] = ["activation", "lr"]
        del document["base"]["lr"]
        document["arms"]["relu"]["lr"] = 1

    assert faults_of(change) == ["[arms.tanh] lr: missing"]
    assert faults_of(lambda d: (change(d), d["arms"]["tanh"].update(lr=2))) == []


def test_more_seeds_and_more_arms_leave_a_setting_as_it_is():
    document = copy.deepcopy(TINY)
    document["base"]["seeds"] = 9
    document["varies"] = ["activation", "momentum"]
    document["arms"]["slow"] = {"momentum": 0.5}
    more, faults = parse(document, name="tiny", overrides={}, smoke=False)
    assert faults == []
    assert more.setting("relu", "shapes", "0" * 16).hash8 == tiny_ablation().setting("relu", "shapes", "0" * 16).hash8


def test_a_fault_of_the_smoke_table_is_told_as_its_own():
    document = copy.deepcopy(TINY) | {"smoke": {"epochs": 0, "lr": "fast"}}
    for smoke in (False, True):
        faults = parse(document, name="tiny", overrides={}, smoke=smoke)[1]
        assert sorted(map(str, faults)) == [
            "[smoke] epochs: should be 1 or more, not 0", '[smoke] lr: should be a number, not "fast"',
        ]  # fmt: skip


def test_all_faults_at_once():
    def change(document):
        document["base"].update(momentum=2.0, epochs=0, batchsize=1)
        document["measure"] = "epoch_to_target"

    faults = faults_of(change)
    assert len(faults) == 4
    assert any(f.startswith("measure:") and "did you mean 'epochs_to_target'?" in f for f in faults)


KEYS = st.sampled_from(
    [*TINY, *TINY["base"], "relu", "smoke", "lr_grid", "effect", "direction", "compares", "says", "x", "\x1b[31m", "=a"]
)
SCALARS = st.one_of(
    st.text(max_size=5),
    st.integers(),
    st.sampled_from([0, 1, 400, 5000]).map(lambda digits: 16**digits),
    st.floats(),
    st.booleans(),
    st.sampled_from(["search", "interaction", "negative"]),
    st.just(datetime.date(2012, 1, 1)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document=st.dictionaries(KEYS, VALUES, max_size=6), path=st.lists(KEYS, max_size=3), value=VALUES)
def test_any_document_is_an_ablation_or_a_list_of_faults(document, path, value):
    broken = copy.deepcopy(TINY)
    place = broken
    for key in path[:-1]:
        place = place.get(key) if isinstance(place.get(key), dict) else place
    if path:
        place[path[-1]] = value
    for candidate in (document, broken):
        ablation, faults = parse(candidate, name="tiny", overrides={}, smoke=False)
        assert isinstance(ablation, Ablation) != bool(faults)
        assert all(str(fault).isprintable() for fault in faults)
        for arm in ablation.arms if ablation else ():
            ablation.setting(arm, "shapes", "0" * 16, lr=0.1)


FOUR = {
    "a": {"activation": "tanh", "init": "2012"}, "b": {"activation": "relu", "init": "2012"},
    "c": {"activation": "tanh", "init": "fan-in"}, "d": {"activation": "relu"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d["arms"]["c"].update(init="2012", activation="tanh"), "all combinations"),
        (lambda d: d["arms"].pop("d"), "an interaction needs four arms, activation and init with two values each"),
        (lambda d: d.update(varies=["activation"]), "an interaction needs two knobs, not 1"),
        (lambda d: d.update(varies=["activation", "init", "lr"]), "activation and init + lr with two values each"),
    ],
)
def test_an_interaction_needs_all_four_arms(change, fault):
    def document(d):
        d.update(compares="interaction", control="a", varies=["activation", "init"], arms=copy.deepcopy(FOUR))

    assert faults_of(document) == []  # an arm may leave a value to the base
    decays = {name: {"init": arm.get("init", "fan-in"), "weight_decay": value}
              for (name, arm), value in zip(sorted(FOUR.items()), [0, 0.5, 0.0, 0.5], strict=True)}  # fmt: skip
    assert faults_of(lambda d: (document(d), d.update(varies=["init", "weight_decay"], arms=decays))) == []
    assert any(fault in found for found in faults_of(lambda d: (document(d), change(d))))


@pytest.mark.parametrize(
    ("claim", "fault"),
    [
        ({"effect": "six"}, "[claim] effect: should be a number, or a table of arms such as { relu = 6.0 }, not \"six\""),
        ({"effect": {"rulu": 6.0}}, "[claim] effect: no arm is called 'rulu', did you mean 'relu'?"),
        ({"effect": -6.0}, "[claim] effect: a ratio (control / arm) should be above 0, not -6"),
        ({"effect": 6.0, "direction": "negative"},
         "[claim] direction: 'negative' contradicts the sign of the effect; leave one of them out"),
        ({"effect": {"relu": 6.0}, "effect_range": [5.0, 7.0]},
         "[claim] effect_range: is for one effect, not for a table of them; leave it out"),
        ({"direction": "worse"}, "[claim] direction: 'worse' is not allowed, did you mean 'not worse'?"),
        ({"effect": 6.0, "direction": "none"},
         "[claim] direction: 'none' claims no difference, but the effect is one; leave one of them out"),
        ({"effect": 6.0, "effect_range": [0.0, 7.0]},
         "[claim] effect_range: a ratio (control / arm) should be above 0, not 0"),
        ({"effect": 6.0, "effect_range": [2.0, 5.0]}, "[claim] effect_range: should hold the effect, 6"),
        ({"effect_range": [2.0, 5.0], "effect": None},
         "[claim] effect_range: is the range of an effect that is not given; write effect too"),
        ({"effect": 1.2, "effect_range": [1.1, 1.3]},
         "margin: should be at most 1.04, half of the least that is claimed and 1.25 for a ratio, not 1.25"),
        ({"control_train_error_at_most": 0.05},
         "[claim] control_train_error_at_most: is for errors at the end of training, not for a race; leave it out"),
    ],
)  # fmt: skip
def test_faults_of_a_claim(claim, fault):
    assert faults_of(lambda d: d["claim"].update(claim)) == [fault]


def test_a_claim_may_have_a_size_for_each_arm():
    ablation, faults = parse(
        TINY | {"claim": TINY["claim"] | {"effect": {"relu": 6}}}, name="t", overrides={}, smoke=False
    )
    assert not faults
    assert (ablation.claim.effect_of("relu"), ablation.claim.effect_of("other")) == (6.0, None)


def test_the_size_of_images_is_the_same_for_all_arms():
    assert faults_of(lambda d: d["varies"].append("image_size")) == [
        "varies: image_size can't vary, all arms are trained on the same images; try --data"
    ]
    assert tiny_ablation(image_size=64).image_size == 64


def test_a_claim_names_its_paper():
    """Then that is its source, and its section is that paper's."""
    document = copy.deepcopy(TINY)
    document["claim"] |= {"paper": "He et al. 2016", "section": "4.2"}
    claim = parse(document, name="tiny", overrides={}, smoke=False)[0].claim
    assert str(claim).startswith("He et al. 2016 (section 4.2, on ")
    assert (claim.paper, claim.source) == ("He et al. 2016", "He et al. 2016")
    assert faults_of(lambda d: d["claim"].update(paper=3)) == ["[claim] paper: should be text in quotes, not 3"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d.update(control={"b": "a"}), "control: a trend has one control, not a table of them; name that arm"),
        (lambda d: d["arms"].pop("c"), "[arms]: a trend needs three arms or more, not 2"),
        (lambda d: d["arms"]["c"].update(dropout=0), "[arms.c] dropout: a trend needs a number above 0, not 0.0"),
        (lambda d: d.update(varies=["dropout", "width"]), "varies: a trend is over one knob, such as [\"width\"], not over 2"),
    ],
)  # fmt: skip
def test_a_trend_needs_three_numbers_of_one_knob(change, fault):
    def document(d):
        d.update(compares="trend", control="a", varies=["dropout"])
        d["claim"].pop("effect", None)
        d["arms"] = {name: {"dropout": value} for name, value in (("a", 0.1), ("b", 0.2), ("c", 0.4))}

    assert [fault for fault in faults_of(document) if "trend" in fault or "dropout" in fault] == []
    assert fault in faults_of(lambda d: (document(d), change(d)))
