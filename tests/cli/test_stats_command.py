"""`alexctl stats` as a person types it: the table, the sentences, the notes, JSON and exit codes."""

import json

import pytest
from test_commands import alexctl

WORDS = ("stats", "runs.csv", "--arm", "model", "--pair", "seed", "--measure")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "dumb")


def write(folder, *arms, measure="error", better=0.02):
    lines = [f"{arm},{seed},{0.2 + seed / 100 - i * (better + seed / 1000)}" for i, arm in enumerate(arms) for seed in range(6)]  # fmt: skip
    (folder / "runs.csv").write_text("\n".join([f"model,seed,{measure}", *lines]) + "\n")


def test_the_table_the_sentence_and_what_was_taken_for_granted(tmp_path, capsys):
    write(tmp_path, "base", "<b>\x1b=cmd()")
    code, out, _ = alexctl(*WORDS, "error", "--scale", "points", capsys=capsys)
    assert code == 0
    head, first, sentence, method, *notes = out.splitlines()
    assert head.split() == [
        "arm",
        "control",
        "pairs",
        "effect",
        "interval",
        "p",
        "sign-flip",
        "p",
        "correlation",
        "verdict",
    ]
    assert first.split()[:5] == ["<b>\\x1b=cmd()", "base", "6", "+2.25", "points"]
    assert first.split()[-1] == "lower"
    assert "lower by 2.25 points" in sentence
    assert method.startswith("Paired by seed: Student's t; ")
    assert notes == [
        "note: the control is 'base', the first arm in the file; --control names another",
        "note: error: lower is taken for better, by its name; else add --higher-is-better",
    ]


def test_a_claim_and_its_gates(tmp_path, capsys):
    write(tmp_path, "base", "wide")
    claim = (*WORDS, "error", "--scale", "points", "--control", "base", "--claim")
    code, out, _ = alexctl(*claim, "-1.4", "--fail-on", "contradicted", "--json", capsys=capsys)
    assert code == 3
    assert json.loads(out)["comparisons"][0]["sign_flip_p"] == 2 / 64
    assert alexctl(*claim, "2.2", "--require", "supported", capsys=capsys)[0] == 0
    assert alexctl(*claim, "-1.4", "--require", "supported", capsys=capsys)[0] == 3


@pytest.mark.parametrize("gate", [("--require", "supported"), ("--fail-on", "contradicted")])
def test_a_gate_on_nothing_never_passes(tmp_path, capsys, gate):
    write(tmp_path, "base", "wide")
    code, _, err = alexctl(*WORDS, "error", *gate, capsys=capsys)
    assert (code, err) == (
        2,
        f"alexctl: {' '.join(gate).removesuffix(' supported')}: judges what a claim says of the arms; add --claim X\n",
    )
    (tmp_path / "runs.csv").write_text("model,seed,error\nbase,1,0.2\nwide,2,0.1\n")
    code, out, err = alexctl(*WORDS, "error", "--control", "base", "--claim", "1", *gate, capsys=capsys)
    assert (code, err) == (3, "alexctl: the gate is not passed: wide: not judged\n")
    assert "not judged" in out


def test_higher_is_better(tmp_path, capsys):
    write(tmp_path, "base", "wide", measure="test_acc", better=-0.02)
    words = (*WORDS, "test_acc", "--control", "base", "--claim", "0.02")
    code, out, _ = alexctl(*words, capsys=capsys)
    assert code == 0
    assert "wide against base: Supported (on runs.csv): higher by 0.0175" in out
    assert "note: test_acc: higher is taken for better, by its name; else add --lower-is-better" in out
    code, out, _ = alexctl(*words, "--lower-is-better", capsys=capsys)
    assert "wide against base: Contradicted (on runs.csv): higher by 0.0175" in out
    assert "note" not in out
    code, _, err = alexctl(*words[:-2], "--claim", "1", "--lower-is-better", "--scale", "ratio", capsys=capsys)
    assert (code, err.count("\n")) == (2, 1)


def test_rows_left_out_and_many_arms_are_said(tmp_path, capsys):
    write(tmp_path, "base", "wide", "deep")
    with (tmp_path / "runs.csv").open("a") as file:
        file.write("deep,mean,0.2\n")
    code, out, _ = alexctl(*WORDS, "error", "--where", "model=base", "--where", "model=deep", capsys=capsys)
    assert code == 0
    assert out.splitlines()[-2:] == [
        "note: --where keeps 13 of 19 rows",
        "note: 1 row left out, since seed is 'mean' and they sum up others: line 20",
    ]
    code, out, _ = alexctl(*WORDS, "error", capsys=capsys)
    assert "p after Holm  stands" in out.splitlines()[0]
    assert "note: 2 comparisons found 2 differences; after Holm's correction for so many" in out
    code, out, _ = alexctl(*WORDS, "error", "--json", capsys=capsys)
    assert [line["stands"] for line in json.loads(out)["comparisons"]] == ["yes", "yes"]
    assert len(json.loads(out)["notes"]) == 4


@pytest.mark.parametrize("value", ["1e308", "-1e308", "1e400", "5e-324", "nan", "inf", "1e290", "0"])
@pytest.mark.parametrize("scale", ["difference", "points", "ratio"])
@pytest.mark.parametrize("other", ["1", "5e-324", "1e30"])
def test_the_edge_of_floating_point_is_one_line_or_a_number(tmp_path, capsys, value, scale, other):
    rows = [f"{arm},{seed},{cell}" for arm, cell in (("a", value), ("b", other)) for seed in range(6)]
    (tmp_path / "runs.csv").write_text("\n".join(["model,seed,v", *rows, "a,6,0.5", "b,6,0.5"]) + "\n")
    for form in ((), ("--json",)):
        code, out, err = alexctl(*WORDS, "v", "--scale", scale, *form, capsys=capsys)
        assert code in (0, 2)
        assert "Infinity" not in out
        assert "NaN" not in out
        assert err.count("\n") <= 6
        assert (code == 0) == (err == "")
