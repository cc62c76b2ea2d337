"""The ablation file is strict, names all its faults at once, and is nothing but data."""

import copy
import datetime

import pytest
from conftest import TINY, tiny_ablation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexctl.ablation import Ablation, load, override, parse, shipped
from alexctl.errors import UserError


def faults_of(change) -> list[str]:
    document = copy.deepcopy(TINY)
    change(document)
    return parse(document, name="tiny", overrides={}, smoke=False)[1]


@pytest.mark.parametrize("name", sorted(shipped()))
@pytest.mark.parametrize("smoke", [False, True])
def test_every_shipped_file_loads(name, smoke):
    ablation = load(name, smoke=smoke)
    assert ablation.control in ablation.arms
    for arm in ablation.arms:
        assert ablation.setting(arm, "shapes", "0" * 16, lr=0.5).flat()["lr"] == 0.5


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d["base"].update(batchsize=3), "[base] batchsize: unknown key, did you mean 'batch_size'?"),
        (lambda d: d["base"].update(init="2013"), "[base] init: '2013' is not allowed, did you mean '2012'?"),
        (lambda d: d["base"].update(seeds=-1), "[base] seeds: should be greater than or equal to 1, not -1"),
        (lambda d: d["base"].update(data="cifar100"), "[base] data: unknown data set 'cifar100', "
         "choose from: cifar10, mnist, shapes or imagefolder:PATH"),
        (lambda d: d["arms"]["relu"].update(lr=0.5), "[arms.relu] changes lr, which is not in varies = ['activation']; "
         "move it to [base] or name it in varies"),
        (lambda d: d["arms"]["tanh"].update(activation="relu"), "[arms.tanh] is the same as [arms.relu]: it changes nothing"),
        (lambda d: d.update(control="tan"), "control: no arm is called 'tan', did you mean 'tanh'?"),
        (lambda d: d.update(titel="x"), "titel: unknown key, did you mean 'title'?"),
        (lambda d: d["base"].update(lr="search"), "[base] lr_grid: missing; with lr = \"search\" give the rates to try, "
         "such as [0.001, 0.002, 0.004]"),
        (lambda d: d.update(varies=["activation", "lrr"]), "varies: lrr: unknown key, did you mean 'lr'?"),
        (lambda d: d.update(varies=["activation", "data"]),
         "varies: data can't vary, all arms are trained on the same pictures; try --data"),
        (lambda d: d.update(varies="activation"), 'varies: should be a list of knobs, such as ["activation"]'),
        (lambda d: d.pop("varies"), 'varies: should be a list of knobs, such as ["activation"]'),
        (lambda d: d["base"].pop("lr"), "[base] lr: missing"),
        (lambda d: d["base"].pop("data"), "[base] data: missing"),
        (lambda d: d["base"].pop("net"), "[base] net: missing, choose from: convnet4"),
        (lambda d: d["base"].update(net=4), "[base] net: should be a valid string, not 4"),
        (lambda d: d["base"].update(epochs=2.0), "[base] epochs: should be a valid integer, not 2.0"),
        (lambda d: d["base"].update(epochs=16**5000),
         "[base] epochs: should be less than or equal to 10000, not a number of thousands of digits"),
        (lambda d: d["base"].update(target={"at_most": 0.2, "metrik": "x"}),
         "[base] target.metrik: unknown key, did you mean 'metric'?"),
        (lambda d: d["base"].pop("target"),
         '[base] target: missing; measure = "epochs_to_target" needs one, such as { at_most = 0.25 }'),
        (lambda d: (d["base"].update(evaluate_every=0), d.update(measure="test_error")),
         "[base] evaluate_every: 0 never measures the test error, which this comparison needs; write 1"),
        (lambda d: d["base"].update(lr="search", lr_grid=[0.1, 0.1]), "[base] lr_grid: should not name a rate twice"),
        (lambda d: d["base"].update(lr="search", lr_grid=[0.1]), "[base] lr_grid: should name two rates or more"),
        (lambda d: d["base"].update(lr="search", lr_grid=[1, "2"]), "[base] lr_grid.1: should be a valid number, not '2'"),
        (lambda d: d["arms"]["relu"].update(momentm=0.5), "[arms.relu] momentm: unknown key, did you mean 'momentum'?"),
        (lambda d: d["arms"].update(tanh={}), "[arms.tanh] is the same as [arms.relu]: it changes nothing"),
        (lambda d: d["arms"].update(tanh=3), "[arms] tanh: should be a table, write [arms.tanh]"),
        (lambda d: d["claim"].update(effect_range=[7, 5]), "[claim] effect_range: should be [low, high] with low below high"),
        (lambda d: d["claim"].update(landmarks={"rlu": 6}), "[claim] landmarks: no arm is called 'rlu', did you mean 'relu'?"),
        (lambda d: d["claim"].update(efect=6), "[claim] efect: unknown key, did you mean 'effect'?"),
        (lambda d: d.update(smoke={"epochs": 0}), "[smoke] epochs: should be greater than or equal to 1, not 0"),
        (lambda d: d["arms"].update({"../x": {"activation": "relu"}}),
         "[arms] '../x': an arm's name should be letters, digits, '-', '_' or '.' only"),
        (lambda d: d.update(margin=0.5), "margin: should be a factor above 1 for epochs_to_target, such as 1.25, not 0.5"),
    ],
)  # fmt: skip
def test_one_fault_one_line(change, fault):
    assert faults_of(change) == [fault]


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


def test_all_faults_at_once():
    def change(document):
        document["base"].update(momentum=2.0, epochs=0, batchsize=1)
        document["measure"] = "epoch_to_target"

    faults = faults_of(change)
    assert len(faults) == 4
    assert any(f.startswith("measure:") and "did you mean 'epochs_to_target'?" in f for f in faults)


KEYS = st.sampled_from([*TINY, *TINY["base"], "relu", "smoke", "lr_grid", "effect", "says", "x", "\x1b[31m", "=a"])
SCALARS = st.one_of(
    st.text(max_size=5),
    st.integers(),
    st.sampled_from([0, 1, 400, 5000]).map(lambda digits: 16**digits),
    st.floats(),
    st.booleans(),
    st.just("search"),
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
        assert all(fault.isprintable() for fault in faults)
        for arm in ablation.arms if ablation else ():
            ablation.setting(arm, "shapes", "0" * 16, lr=0.1)


def test_files_that_are_no_toml(tmp_path):
    hostile = {"d": b"a = " + b"[" * 5000, "e": b"a = " + b"9" * 5000, "f": b"\0"}
    for name, content in {"a": b"\xff\xfe", "b": b"a = [", "c": b"a = 1\na = 2", **hostile}.items():
        path = tmp_path / f"{name}.toml"
        path.write_bytes(content)
        with pytest.raises(UserError, match="not valid TOML"):
            load(str(path))
    with pytest.raises(UserError, match="did you mean 'relu-vs-tanh'"):
        load("relu-vs-tan")
    with pytest.raises(UserError, match="no ablation file"):
        load("./none.toml")
    with pytest.raises(UserError, match="no ablation file"):
        load(f"{tmp_path}/")
    with pytest.raises(UserError, match="can't be read: File name too long"):
        load("x" * 300 + ".toml")
    with pytest.raises(UserError, match="no ablation file"):
        load("a\0b.toml")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "mine.toml"
    path.write_text("")

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "read_bytes", refuse)
    with pytest.raises(UserError, match=r"mine\.toml: can't be read: Permission denied"):
        load(str(path))


def test_windows_editors_are_welcome(tmp_path):
    text = "".join(
        line for line in shipped()["relu-vs-tanh"].read_text(encoding="utf-8").splitlines(keepends=True)
    ).replace("\n", "\r\n")
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load(str(path)).arms == load("relu-vs-tanh").arms


def test_set_values_are_toml_or_words():
    assert override(["lr=0.1", "net=convnet4", "lr_grid=[1, 2]", "a = true"]) == {
        "lr": 0.1, "net": "convnet4", "lr_grid": [1, 2], "a": True,
    }  # fmt: skip
    assert override(["a=1\nb = 2", "c=", "d=" + "9" * 5000]) == {"a": "1\nb = 2", "c": "", "d": "9" * 5000}
    with pytest.raises(UserError, match="write KEY=VALUE"):
        override(["lr"])
