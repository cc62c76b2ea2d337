"""`alexctl compare` as it is typed."""

import json
import shutil

import pytest

import alexctl as package


@pytest.fixture(scope="module")
def other(everything, tmp_path_factory):
    """Another machine's results: one trial's rows and machine are others, and a campaign is only there."""
    folder = tmp_path_factory.mktemp("other") / "gpu"
    for name in ("tiny", "lrn-by-dropout"):
        shutil.copytree(everything / name, folder / name)
    for file in (folder / "tiny").glob("trials/*/env.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"device": "NVIDIA H100", "precision": "tf32"}))
    plan = folder / "tiny" / "plan.json"
    asked = json.loads(plan.read_text())
    asked["ablation"]["margin"] = 1.2
    plan.write_text(json.dumps(asked))
    return folder


def test_two_machines(alexctl, everything, other):
    code, out, err = alexctl("compare", str(everything), str(other))
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["precision", "float32", "tf32"] in lines
    assert ["asked:", "margin", "1.25", "1.2"] in lines
    assert "NVIDIA H100" in out
    assert "relu against tanh: agree? " in out
    assert "trials have the same setting and seed in both, and" in out
    assert "is no second test of the claim" in out
    assert "Only in A: blind@smoke, evil, one-seed, tower-links." in out
    assert "Only in B" not in out
    assert max(map(len, out.splitlines())) <= 250


def test_json_is_what_python_gets(alexctl, everything, other):
    code, out, _ = alexctl("compare", str(everything), str(other), "--json")
    assert code == 0
    found = json.loads(out)
    assert found == json.loads(json.dumps(package.compare_results(everything, other)))
    tiny = next(one for one in found["campaigns"] if one["a"] == "tiny")
    assert tiny["question"] == [{"what": "margin", "a": "1.25", "b": "1.2"}]
    assert tiny["made_with"]["device"] == {"a": ["cpu"], "b": ["NVIDIA H100"]}
    assert tiny["trials"]["in_both"] == tiny["trials"]["equal_rows"] == tiny["trials"]["a"] > 0
    (arm,) = tiny["arms"]
    assert (arm["arm"], arm["control"], arm["a"]["n"]) == ("relu", "tanh", arm["b"]["n"])
    assert arm["intervals_overlap"] is True
    assert arm["a"]["rates"].keys() == {"relu", "tanh"}


def test_markdown_and_two_campaigns_of_other_names(alexctl, everything):
    code, out, err = alexctl("compare", f"{everything}:one-seed", str(everything / "tiny"), "--format", "md")
    assert (code, err) == (0, "")
    assert out.splitlines()[2].startswith("| | A: ")
    assert "not comparable: the two compare different measures" in out
    assert "| asked: measure |" in out


def test_a_damaged_campaign_is_named_and_the_rest_is_compared(alexctl, everything, other, tmp_path):
    broken = shutil.copytree(other, tmp_path / "broken")
    (broken / "tiny" / "plan.json").write_text("{")
    code, out, err = alexctl("compare", str(everything), str(broken))
    assert (code, err.count("\n")) == (1, 1)
    assert "tiny: plan.json is damaged" in err
    assert "lrn-by-dropout" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere", "."), "there is no folder nowhere; name a results folder"),
        ((".", "."), "no results in .; name a results folder"),
        (("reference:relu-vs-tan", "reference"), "no results of relu-vs-tan in "),
        (("reference",), "missing argument 'B'"),
    ],
)
def test_bad_input_is_one_line(alexctl, words, message):
    code, out, err = alexctl("compare", *words)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert message in err
