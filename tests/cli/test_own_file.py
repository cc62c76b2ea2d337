"""A file of one's own: written, checked, shown and described for editors, and nothing trained."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from test_commands import _home, alexctl, mine, undecided  # noqa: F401

from alexctl.ablation.load import load, shipped
from alexctl.ablation.schema import schema
from alexctl.ablation.template import SCHEMA_FILE
from alexctl.api import asked
from alexctl.cli import decide
from alexctl.errors import UserError


def test_new_writes_a_file_that_is_right(tmp_path, capsys):
    code, out, _ = alexctl("new", "first", capsys=capsys)
    assert (code, "alexctl ablate ./first.toml" in out) == (0, True)
    assert alexctl("check", "./first.toml", capsys=capsys)[:2] == (
        0, "./first.toml: no faults; 2 arms x 4 seeds, compares epochs_to_target\n",
    )  # fmt: skip
    first = tmp_path / "first.toml"
    assert first.read_text().startswith(f"#:schema ./{SCHEMA_FILE}\n")
    assert json.loads((tmp_path / SCHEMA_FILE).read_text()) == schema()
    code, _, err = alexctl("new", "first.toml", capsys=capsys)
    assert (code, err) == (2, "alexctl: first.toml is there already; choose another name, or remove it\n")
    assert alexctl("new", "relu-vs-tanh", capsys=capsys)[0] == 2
    assert "./first.toml" in alexctl("list", capsys=capsys)[1]


def test_the_smoke_run_of_a_file_without_that_table(tmp_path, capsys):
    alexctl("new", "first", capsys=capsys)
    code, out, _ = alexctl(
        "ablate", "./first.toml", "--smoke", "--set", "num_train=60", "--workers", "1", capsys=capsys
    )
    assert (code, "results/first@smoke/" in out) == (0, True)


@pytest.mark.parametrize("name", shipped())
def test_the_schema_takes_every_file_that_ships(name):
    jsonschema.validate(tomllib.loads(shipped()[name].read_text("utf-8")), schema())


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda file: file["base"].update(batch_sise=4), ["base"]),
        (lambda file: file["base"].update(batch_size="4"), ["base", "batch_size"]),
        (lambda file: file["claim"].pop("says"), ["claim"]),
        (lambda file: file.update(measure="speed"), ["measure"]),
        (lambda file: file["arms"].pop("tanh"), ["arms"]),
        (lambda file: file["base"].update(net="alexnte"), ["base", "net"]),
    ],
)
def test_the_schema_marks_what_is_wrong(change, where):
    file = tomllib.loads(shipped()["relu-vs-tanh"].read_text("utf-8"))
    change(file)
    found = list(jsonschema.Draft7Validator(schema()).iter_errors(file))
    assert list(found[0].absolute_path)[: len(where)] == where


def test_the_schema_lets_a_net_of_ones_own_have_its_knobs():
    file = tomllib.loads(shipped()["relu-vs-tanh"].read_text("utf-8"))
    file["base"] = {"data": "cifar10", "net": "mynet:make", "depth": 3, "anything": "x", "lr": 0.1, "epochs": 1}
    file["arms"]["relu"]["depth"] = "shallow"
    jsonschema.validate(file, schema())


def test_its_descriptions_are_the_comments_of_the_source():
    assert schema()["properties"]["base"]["properties"]["rows_per_epoch"]["maximum"] == 100
    assert (
        schema()["properties"]["base"]["properties"]["flips"]["description"] == "half of the training images mirrored"
    )


def test_check_names_all_faults_of_all_files(tmp_path, capsys):
    good = Path(mine(tmp_path))
    text = good.read_text()
    (tmp_path / "bad.toml").write_text(text.replace("activation", "activatoin").replace("control", "contrl"))
    code, out, err = alexctl("check", "./mine.toml", "./bad.toml", capsys=capsys)
    assert (code, out) == (2, "./mine.toml: no faults; 2 arms x 2 seeds, compares epochs_to_target\n")
    assert err.splitlines() == [
        "alexctl: bad.toml: contrl: unknown key, did you mean 'control'?",
        "alexctl: bad.toml: [arms.relu] activatoin: unknown key, did you mean 'activation'?",
        "alexctl: bad.toml: control: missing",
    ]


def test_whose_claim_it_is_has_to_be_said(tmp_path):
    path = tmp_path / "mine.toml"
    mine(tmp_path)
    path.write_text(path.read_text().replace('section = "3.1"\n', ""))
    with pytest.raises(
        UserError, match=r"\[claim\] source: missing, and so is the paper's section; say whose claim it is"
    ):
        load(str(path))


def test_a_race_ends_at_its_target_unless_its_file_says_otherwise(tmp_path):
    path = tmp_path / "mine.toml"
    mine(tmp_path)
    assert load(str(path)).base["epochs_after_target"] == 99
    path.write_text(path.read_text().replace("epochs_after_target = 99\n", ""))
    assert load(str(path)).base["epochs_after_target"] == 0.0
    errors = (
        path.read_text().replace("epochs_to_target", "test_error").replace("effect = 6.0", 'direction = "positive"')
    )
    path.write_text(errors.replace("margin = 1.25\n", ""))
    assert "epochs_after_target" not in load(str(path)).base


@pytest.mark.parametrize(
    ("option", "knob", "value"),
    [
        ("init=2012", "init", "2012"),
        ("batch_size=64", "batch_size", 64),
        ("lr=1", "lr", 1),
        ('init="fan-in"', "init", "fan-in"),
    ],
)
def test_an_option_has_the_type_of_its_knob(option, knob, value):
    from alexctl.ablation.load import override

    found = load("relu-vs-tanh", overrides=override([option])).base[knob]
    assert (found, type(found)) == (value, type(value))


def test_a_dry_run_trains_nothing(tmp_path, capsys):
    code, out, _ = alexctl("ablate", mine(tmp_path), "--dry-run", "--seeds", "3", capsys=capsys)
    assert (code, "2 arms x 3 seeds to report" in out) == (0, True)
    assert out.splitlines()[-1] == "Nothing was run. The same command without --dry-run runs it."
    assert not (tmp_path / "results").exists()
    code, _, err = alexctl("ablate", "./mine.toml", "--dry-run", "--set", "momentun=1", capsys=capsys)
    assert (code, err) == (2, "alexctl: --set momentun=1: unknown key, did you mean 'momentum'?\n")


@pytest.mark.usefixtures("undecided")
def test_what_would_decide_it_keeps_its_promise(tmp_path, capsys):
    """New seeds, looks planned from the first, another folder; the same question otherwise."""
    path = mine(tmp_path)
    words = ["ablate", path, "--seeds=4", "--workers", "1", "--set", "batch_size=8"]
    result = FakeResult(asked(path, knobs={"batch_size": 8}), more=3)
    assert decide.command(result, words) == (
        "alexctl ablate ./mine.toml --workers 1 --set batch_size=8 --until-decided --name mine-1000 --set seed_offset=1000"
    )
    again = FakeResult(asked(path, knobs={"seed_offset": 1000}), more=40)
    said = decide.command(again, ["ablate", path, "--name", "mine-1000", "--set", "seed_offset=1000"])
    assert said.endswith("--until-decided --name mine-2000 --set seed_offset=2000 --max-seeds 88")
    assert decide.command(FakeResult(asked(path), more="over 100"), words) is None
    assert decide.command(FakeResult(asked(path), more=None), words) is None


class FakeResult:
    """An undecided campaign of 4 seeds."""

    def __init__(self, ablation, more):
        self.ablation, self.folder = ablation, Path("results/mine")
        self.verdict = {"comparisons": [{"verdict": "undecided", "n": 4, "more_seeds": more}]}
