"""Ablations by name, by path and with options: what is found, and who is blamed for a fault."""

import copy
import json

import pytest
from conftest import TINY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexctl.ablation.load import load, looks_wanted, override, shipped
from alexctl.ablation.model import Ablation
from alexctl.errors import UserError


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


def test_an_empty_file_and_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("# nothing\n")
    for name, message in {
        "./mine.toml": "is empty; `alexctl new NAME` writes a file that runs",
        f"{tmp_path}/": "is a folder; give the path of an ablation file",
        "mine": r"unknown ablation 'mine', did you mean the file \./mine\.toml\?",
        "./mien.toml": "no ablation file ./mien.toml, did you mean 'mine.toml'",
    }.items():
        with pytest.raises(UserError, match=message):
            load(name)


@pytest.mark.parametrize(
    ("pairs", "flags", "faults"),
    [
        (["momentun=1"], {}, ["--set momentun=1: unknown key, did you mean 'momentum'?"]),
        (["lr=fast", "epochs=0"], {},
         ['--set lr=fast: should be a number, not "fast"', "--set epochs=0: should be 1 or more, not 0"]),
        ([], {"seeds": -1, "epochs": 10**6}, ["--seeds: should be 1 or more, not -1",
         "--epochs: should be 10000 or less, not 1000000"]),
        ([], {"data": "cifar1"}, ["--data: unknown data set 'cifar1', did you mean 'cifar10'? "
         "choose from: cifar10, mnist, shapes, shapes-grey or imagefolder:PATH"]),
        (["target={at_most = 25}"], {}, ["--set target={ at_most = 25 }: at_most: should be below 1, not 25"]),
        (["activation=relu"], {}, ["--set activation=relu: every arm sets its own, so this would change nothing; "
         "change it in a copy of the file"]),
        (["evaluate_every=0", 'target={ metric = "test_error", at_most = 0.3 }'], {},
         ["--set evaluate_every=0: 0 never measures the test error, which this comparison needs; write 1"]),
        (["a\x1b[2J=1"], {}, ["--set a\\x1b[2J=1: unknown key, choose from: "]),
    ],
)  # fmt: skip
def test_options_are_blamed_for_what_they_bring_in(pairs, flags, faults):
    with pytest.raises(UserError) as caught:
        load("relu-vs-tanh", overrides=override(pairs) | flags, flags=flags)
    assert len(caught.value.faults) == len(faults)
    assert all(told.startswith(fault) for told, fault in zip(sorted(caught.value.faults), sorted(faults), strict=True))


def test_the_file_is_blamed_for_its_own_faults(tmp_path):
    text = shipped()["relu-vs-tanh"].read_text(encoding="utf-8").replace("epochs  = 60", "epochs = 0")
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(UserError) as caught:
        load(str(tmp_path / "mine.toml"), overrides={"momentum": 2})
    assert caught.value.faults == (
        "--set momentum=2: should be below 1, not 2", "mine.toml: [base] epochs: should be 1 or more, not 0",
    )  # fmt: skip
    assert load(str(tmp_path / "mine.toml"), overrides={"epochs": 3}).base["epochs"] == 3


def toml(value) -> str:
    """A value written as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return {True: "true", False: "false"}.get(value, repr(value)) if type(value) is not str else json.dumps(value)


KEYS = st.sampled_from([*TINY, *TINY["base"], "lr_grid", "effect", "x", "\x1b[31m", "naïve"])
VALUES = st.recursive(
    st.one_of(st.text('abc é\x1b\n"', max_size=4), st.integers(), st.floats(), st.booleans(), st.just("search")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.lists(KEYS, max_size=2),
    value=VALUES,
    extra=st.binary(max_size=2),
    pairs=st.lists(st.tuples(KEYS, VALUES), max_size=2),
)
def test_any_file_ends_in_an_ablation_or_in_one_error(tmp_path, path, value, extra, pairs):
    document = copy.deepcopy(TINY)
    place = document
    for key in path[:-1]:
        place = place[key] if isinstance(place.get(key), dict) else place
    if path:
        place[path[-1]] = value
    text = "\n".join(f"{json.dumps(key)} = {toml(item)}" for key, item in document.items()).encode() + extra
    (tmp_path / "tiny.toml").write_bytes(text)
    faults = faults_of(tmp_path / "tiny.toml", [f"{key}={toml(item)}" for key, item in pairs])
    assert faults is None or faults
    assert len(set(faults or ())) == len(faults or ())
    assert all(fault and fault.isprintable() for fault in faults or ())
    told = " ".join(faults or ()).casefold()
    for key in ("input_scaling", "validation"):  # which may be suggested
        told = told.replace(key, "")
    assert not [word for word in ("pydantic", "input", "validat", "codec", "instance") if word in told]


def faults_of(path, pairs) -> tuple[str, ...] | None:
    try:
        assert isinstance(load(str(path), overrides=override(pairs)), Ablation)
    except UserError as error:
        return error.faults
    return None


def test_set_values_are_toml_or_words():
    assert override(["lr=0.1", "net=convnet4", "lr_grid=[1, 2]", "a = true"]) == {
        "lr": 0.1, "net": "convnet4", "lr_grid": [1, 2], "a": True,
    }  # fmt: skip
    assert override(["a=1\nb = 2", "c=", "d=" + "9" * 5000]) == {"a": "1\nb = 2", "c": "", "d": "9" * 5000}
    with pytest.raises(UserError, match="write KEY=VALUE"):
        override(["lr"])
    with pytest.raises(UserError, match="--set lr=2: lr is given twice; give it once"):
        override(["lr=1", "lr=2"])


def test_looks_and_a_number_of_seeds_put_each_other_away():
    """Whichever was said later holds: the file, its [smoke], the options."""
    name = "relu-vs-tanh"
    assert load(name, overrides={"looks": [4, 6]}).plan.looks == (4, 6)
    assert load(name, overrides={"looks": [4, 6]}, smoke=True).plan.looks == (4, 6)
    assert load(name, smoke=True).plan.looks is None
    with pytest.raises(UserError, match=r"--set looks=\[4, 7, 9\]: should be the first of \[4, 6, 10, 16, 24\]"):
        load(name, overrides={"looks": [4, 7, 9]})


def test_looks_in_a_file_give_way_to_a_number_of_seeds(tmp_path):
    path = tmp_path / "mine.toml"
    text = shipped()["dropout"].read_text(encoding="utf-8")
    path.write_text(text.replace("seeds         = 6", "looks = [4, 6, 10]"))
    assert load(str(path)).plan.looks == (4, 6, 10)
    assert load(str(path), smoke=True).plan.looks is None  # [smoke] says seeds = 2
    plan = load(str(path), overrides={"seeds": 5}).plan
    assert (plan.looks, plan.seeds) == (None, 5)
    path.write_text(text.replace("seeds         = 6", "seeds = 6\nlooks = [4, 6, 10]"))
    with pytest.raises(UserError, match=r"\[base\] looks: can't be combined with seeds; leave one of them out"):
        load(str(path))


def test_the_looks_that_the_options_ask_for():
    assert looks_wanted(False, None, 6) is None
    assert looks_wanted(True, None, None) == [4, 6, 10, 16, 24]
    assert looks_wanted(True, 12, None) == [4, 6, 10, 12]
    with pytest.raises(UserError, match="--seeds: can't be combined with --until-decided"):
        looks_wanted(True, None, 6)
