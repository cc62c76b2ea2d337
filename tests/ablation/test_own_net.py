"""Nets of the user's own: which factories will do, what is said of the others, and what identifies the code."""

import hashlib
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from alexctl.ablation import own_code as module
from alexctl.ablation.knobs import TrainingKnobs
from alexctl.ablation.own_code import source_digest
from alexctl.ablation.own_net import COLUMNS, code_notes, is_own, net_model, register
from alexctl.ablation.setting import Setting, hash_of, resolve
from alexctl.errors import UserError

MAKE = """
from __future__ import annotations
from typing import Annotated, Literal
from pydantic import Field

def make(pool: Literal["max", "average"] = "max", *, width: Annotated[int, Field(ge=1)] = 16, rate: float = 1,
         sides: tuple[int, ...] = (3, 5), hidden: int | None = None, num_classes):
    return None
"""
TABLE = {"data": "shapes", "net": "mynet:make", "lr": 0.1}


def written(folder, text: str, name: str = "mynet.py"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def flat(**knobs) -> dict:
    training, net, faults = resolve(TABLE | knobs)
    assert faults == []
    return Setting(training=training, net=net, data_name="shapes", data_digest="0" * 16).flat()


@pytest.mark.parametrize("name", ["a:b", "a.b:c", "_a.b2:C"])
def test_names_of_ones_own(name):
    assert is_own(name)
    assert is_own(4) is is_own(None) is False


@pytest.mark.parametrize("name", ["a", "a.b", ":b", "a:", "a:b:c", "a.py:b()", "./a:b", "a/b.py:c", "a..b:c", "a:b.c"])
def test_what_is_no_name(name):
    assert not is_own(name)
    (fault,) = map(str, resolve(TABLE | {"net": name})[2])
    wanted = (
        "written package.module:factory" if any(sign in name for sign in (":", ".py", "/")) else "choose from: alexnet"
    )
    assert fault.startswith(f"net: unknown net '{name}'")
    assert wanted in fault


def test_annotated_arguments_are_the_knobs(own_code):
    path = written(own_code, MAKE)
    own = register("mynet:make")
    source = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert own.source == source
    assert own.given == ("num_classes",)
    knobs = {"pool": "max", "width": 16, "rate": 1.0, "sides": [3, 5], "hidden": None, "net_source": source}
    assert {key: flat()[key] for key in knobs} == knobs
    assert own.arguments(knobs, num_classes=7, seed=1, image_shape=(1, 1, 1)) == {
        "pool": "max", "width": 16, "rate": 1.0, "sides": (3, 5), "hidden": None, "num_classes": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("knobs", "fault"),
    [
        ({"widht": 3}, "widht: unknown key, did you mean 'width'?"),
        ({"width": 0}, "width: should be 1 or more, not 0"),
        ({"width": 2.5}, "width: should be a whole number, not 2.5"),
        ({"width": True}, "width: should be a whole number, not true"),
        ({"pool": "mex"}, "pool: 'mex' is not allowed, did you mean 'max'?"),
        ({"rate": float("inf")}, "rate: should be a finite number, not inf"),
        ({"sides": [3, "x"]}, 'sides: item 2: should be a whole number, not "x"'),
        ({"hidden": "x"}, 'hidden: should be a whole number, not "x"'),
        ({"num_classes": 3}, "num_classes: unknown key, "),
    ],
)
def test_the_knobs_are_checked_as_strictly_as_any(own_code, knobs, fault):
    written(own_code, MAKE)
    register("mynet:make")
    (found,) = resolve(TABLE | knobs)[2]
    assert str(found).startswith(fault)


def test_an_argument_without_a_default_must_be_in_the_file(own_code):
    written(own_code, "def make(*, width: int): ...")
    register("mynet:make")
    assert list(map(str, resolve(TABLE)[2])) == ["width: missing"]


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        ("", "mynett:make", "no module 'mynett' in this folder or installed, did you mean 'mynet'?"),
        ("", "nets.mine:make", "no module 'nets.mine' in this folder or installed, no .py file lies there"),
        ("", "mynet.sub:make", "no module 'mynet.sub' in this folder or installed, no .py file lies there"),
        ("x = 1\n\ny = x / 0\n", "mynet:make",
         "importing mynet raised ZeroDivisionError: division by zero (mynet.py, line 3)"),
        ("import torhc\n", "mynet:make",
         "importing mynet raised ModuleNotFoundError: No module named 'torhc' (mynet.py, line 1)"),
        ("x = 1\ndef make(:\n", "mynet:make", "importing mynet raised SyntaxError: invalid syntax (mynet.py, line 2)"),
        ("raise SystemExit(3)", "mynet:make", "importing mynet raised SystemExit: 3 (mynet.py, line 1)"),
        ("def make(): ...\nother = 1\n", "mynet:mak", "mynet.py has no 'mak', did you mean 'make'?"),
        ("", "mynet:make", "mynet.py has no 'make', there are none"),
        ("make = 3\ndef maker(): ...", "mynet:make",
         "mynet:make is of type int, not a function or class that makes a net, did you mean 'maker'?"),
        ("def make(width=16): ...", "mynet:make",
         "mynet:make: argument 'width' has no type; annotate it, such as width: int = 16"),
        ("def make(blocks=(1, 2)): ...", "mynet:make",
         "mynet:make: argument 'blocks' has no type; annotate it, such as blocks: tuple[int, ...] = (1, 2)"),
        ("def make(vgg_name): ...", "mynet:make",
         "mynet:make: argument 'vgg_name' has no type; annotate it, such as vgg_name: int = 16; or write one of three "
         "lines: in factories.py `from mynet import make`, `def make(*, num_classes: int):` and "
         "`    return make(vgg_name=...)`, and net = 'factories:make'"),
        ("def make(*parts: int): ...", "mynet:make",
         "mynet:make: takes *parts, which names no knobs; write out each argument"),
        ("def make(**knobs): ...", "mynet:make",
         "mynet:make: takes **knobs, which names no knobs; write out each argument"),
        ("def make(width: int, /): ...", "mynet:make",
         "mynet:make: argument 'width' can't be given by its name; remove the '/' after it"),
        ("def make(norm: object): ...", "mynet:make",
         "mynet:make: argument 'norm' is of type object, which a file can't give; choose from: int, float, bool, str, "
         "Literal[...], tuple[int, ...] and the like, any of them with `| None` or Annotated"),
        ("def make(width: int = '16'): ...", "mynet:make",
         'mynet:make: the default of width: should be a whole number, not "16"'),
        ("def make(width: 'Wide' = 1): ...", "mynet:make",
         "mynet:make: its arguments can't be read: NameError: name 'Wide' is not defined"),
        ("from typing import Annotated\nfrom pydantic import Field\ndef make(w: Annotated[str, Field(ge=1)]): ...",
         "mynet:make", "mynet:make: argument 'w': its type can't be used: TypeError: Unable to apply constraint 'ge' "
         "to supplied value "),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_factory_is_one_line(own_code, text, name, line):
    written(own_code, text)
    with pytest.raises(UserError) as caught:
        register(name)
    (fault,) = caught.value.faults
    assert fault.startswith(line)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "annotation",
    ["list[int]", "dict[str, int]", "int | str", "tuple", "tuple[tuple[int, int], int]", "'list[int] | None'"],
)
def test_types_that_no_file_can_give(own_code, annotation):
    written(own_code, f"def make(x: {annotation}): ...")
    with pytest.raises(UserError, match=r"argument 'x' is of type .*, which a file can't give"):
        register("mynet:make")


@pytest.mark.parametrize("name", ["lr", "batch_size", "net_source", "numerics", "seeds", "status", "copy", "_width"])
def test_names_that_are_taken(own_code, name):
    from alexctl.ablation.load import load

    written(own_code, f"def make({name}: int = 1): ...")
    text = 'varies = ["net"]\n[base]\nnet = "mynet:make"\n'
    with pytest.raises(UserError) as caught:
        load(str(written(own_code, text, "mine.toml")), run_code=True)
    line = f"mine.toml: [base] net: mynet:make: argument '{name}' has a name that alexctl uses itself; rename it"
    assert caught.value.faults[0] == line


def test_a_knob_that_varies_has_a_column_of_its_own(tmp_path):
    from campaign.test_campaign import campaign

    from alexctl.verdicts.tables import CURVE_COLUMNS, trial_columns

    known = {*COLUMNS, *TrainingKnobs.model_fields, "activation", "seed", "epoch", "step"}
    assert known >= {*trial_columns(campaign(tmp_path).ablation), *CURVE_COLUMNS}


def test_classes_will_do_and_several_faults_are_told_at_once(own_code):
    written(own_code, "class Net:\n    def __init__(self, lr: float, width, seed, *rest): ...")
    with pytest.raises(UserError) as caught:
        register("mynet:Net", taken={"lr"})
    assert [fault.replace("*", "'").split("'")[1].split(",")[0] for fault in caught.value.faults] == [
        "lr", "width", "rest",
    ]  # fmt: skip


def test_arguments_that_no_file_can_give_keep_their_defaults(own_code):
    written(
        own_code, "def make(width: int = 4, norm: object = None, layer=print, weights: 'list[int] | None' = None): ..."
    )
    own = register("mynet:make")
    assert own.arguments({"net_source": own.source}) == {"width": 4}


def test_the_factory_of_a_library_is_one_line_with_one_to_write(own_code):
    package = "site-packages/library/__init__.py"
    written(own_code, "def resnet(*, weights: object = None, depth=18, progress: bool = True, **kwargs): ...", package)
    sys.path.append(str(own_code / "site-packages"))
    with pytest.raises(UserError) as caught:
        register("library:resnet")
    assert caught.value.faults == (
        "library:resnet can't be a factory as it is: takes **kwargs, which names no knobs; write one of three lines: in "
        "factories.py `from library import resnet`, `def make(*, num_classes: int):` and "
        "`    return resnet(num_classes=num_classes)`, and net = 'factories:make'",
    )


@pytest.mark.parametrize("place", ["/", ".."])
def test_a_net_beside_its_file_is_found_from_elsewhere(own_code, monkeypatch, place):
    from alexctl.ablation.load import load

    (own_code / "mine").mkdir()
    path = written(own_code, "def make(*, width: int = 1): ...", "mine/mynet.py")
    text = 'varies = ["net"]\n[base]\nnet = "mynet:make"\n'
    file = written(own_code, text, "mine/mine.toml")
    monkeypatch.chdir(own_code / "mine" / place)
    with pytest.raises(UserError):  # there is more wrong with it, but the net was found
        load(str(file), run_code=True)
    assert net_model("mynet:make").model_fields["width"].default == 1
    assert register("mynet:make").source == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert module.folders_beside() == [own_code / "mine"]


def test_what_a_module_prints_is_no_data(own_code, capsys):
    written(own_code, "print('loading')\ndef make(): ...")
    register("mynet:make")
    assert capsys.readouterr() == ("", "loading\n")


def digest_in_a_new_process(folder, name="mynet:make") -> str:
    code = f"from alexctl.ablation.own_net import register; print(register({name!r}).source)"
    words = [sys.executable, "-P", "-c", code]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_the_code_that_ran_is_what_is_identified(own_code):
    """A .pyc is believed by size and second alone; here both agree, and yet the new code is what runs."""
    path = written(own_code, "def make(width: int = 1): ...")
    os.utime(path, (1e9, 1e9))
    py_compile.compile(str(path), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    assert list(own_code.glob("__pycache__/mynet*"))
    path.write_text("def make(width: int = 2): ...")
    os.utime(path, (1e9, 1e9))
    own = register("mynet:make")
    assert own.source == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert own.knobs().width == 2


def test_files_that_it_imports_are_part_of_the_code(own_code):
    """Beside it, in packages, relative, within functions, in a ring; not what nobody imports, and not alexctl."""
    texts = {
        "mynet.py": "import json, alexctl.errors\nimport blocks\ndef make():\n    from parts import late\n",
        "blocks.py": "from parts.deep.inner import x\n",
        "parts/__init__.py": "", "parts/late.py": "import mynet", "parts/deep/__init__.py": "from . import other",
        "parts/deep/inner.py": "from .. import up\nx = 1", "parts/deep/other.py": "", "parts/up.py": "",
    }  # fmt: skip
    for name, text in texts.items():
        written(own_code, text, name)
    written(own_code, "", "unused.py")
    before = register("mynet:make").source
    assert digest_in_a_new_process(own_code) == before
    written(own_code, "x = 2", "unused.py")
    for name, text in texts.items():
        module._RAN.clear()  # what ran no longer counts, as in a new process
        assert source_digest(sys.modules["mynet"]) == before
        written(own_code, text + "\n# changed", name)
        module._RAN.clear()
        assert source_digest(sys.modules["mynet"]) != before, name
        written(own_code, text, name)


def test_a_package_of_ones_own(own_code):
    written(own_code, "from .net import make", "ownpkg/__init__.py")
    path = written(own_code, "def make(): ...", "ownpkg/net.py")
    before = register("ownpkg:make").source
    assert register("ownpkg.net:make").source == before  # the same two files
    path.write_text("def make(): pass")
    assert digest_in_a_new_process(own_code, "ownpkg:make") != before


def test_stored_settings_are_read_without_the_code_and_run_none(own_code):
    written(own_code, MAKE)
    register("mynet:make")
    setting = Setting.from_flat(flat(width=8, sides=[1]))
    stored = setting.flat()
    assert Setting.from_flat(stored).flat() == stored
    code = (
        "import json, sys; from alexctl.ablation.setting import Setting; s = Setting.from_flat(json.load(sys.stdin)); "
        "print(json.dumps([s.flat(), s.hash8, 'mynet' in sys.modules]))"
    )
    import json

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=own_code, input=json.dumps(stored), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [stored, setting.hash8, False]


def test_all_of_its_knobs_are_in_the_hash(own_code):
    """A default in code that may be changed or gone identifies nothing."""
    written(own_code, MAKE)
    register("mynet:make")
    table = flat()
    for key in ("pool", "width", "rate", "sides", "hidden", "net_source"):
        assert hash_of({k: v for k, v in table.items() if k != key}) != hash_of(table), key
        assert hash_of(table | {key: "x"}) != hash_of(table), key


def test_to_show_a_file_runs_nothing(own_code):
    written(own_code, "raise SystemExit('run')")
    assert net_model("mynet:make")(anything=1).model_dump() == {"anything": 1}
    assert code_notes(["mynet:make", "convnet4", "a.b:c", "mynet:make"], Path()) == [
        "net = 'mynet:make' is code of your own (mynet.py), its knobs are not checked here: "
        "`alexctl ablate` imports and runs it; read it first",
        "net = 'a.b:c' is code of your own, its knobs are not checked here: "
        "`alexctl ablate` imports and runs it; read it first",
    ]
