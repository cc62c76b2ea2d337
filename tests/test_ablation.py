"""The ablation file is strict, names all its faults at once, and is nothing but data."""

import copy
import datetime

import pytest
from conftest import TINY
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
        (lambda d: d.update(margin=0.5), "margin: should be a factor above 1 for epochs_to_target, such as 1.25, not 0.5"),
    ],
)  # fmt: skip
def test_one_fault_one_line(change, fault):
    assert faults_of(change) == [fault]


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
        assert all("\n" not in fault and "\x1b" not in fault for fault in faults)


def test_files_that_are_no_toml(tmp_path):
    for name, content in {"a": b"\xff\xfe", "b": b"a = [", "c": b"a = 1\na = 2"}.items():
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
    with pytest.raises(UserError, match="write KEY=VALUE"):
        override(["lr"])
