"""Each arm against a control of its own, and a second measure beside the one that is judged."""

import copy
import itertools
import re

import pytest
from conftest import TINY

from alexctl.ablation.load import load
from alexctl.ablation.parse import parse
from alexctl.campaign.campaign import Campaign
from alexctl.report import page
from alexctl.report.rebuild import rebuild
from alexctl.store import files, plan, records, rows_csv
from alexctl.verdicts.gate import gate_failures
from alexctl.verdicts.tables import derive

ARMS = {
    "relu-old": {"activation": "relu", "init": "2012"}, "tanh-old": {"activation": "tanh", "init": "2012"},
    "relu-new": {"activation": "relu", "init": "fan-in"}, "tanh-new": {"activation": "tanh", "init": "fan-in"},
}  # fmt: skip
OWN = {"relu-new": "tanh-new", "relu-old": "tanh-old"}
PATH = {"varies": ["activation", "init"], "arms": ARMS, "control": OWN, "also": ["test_error_at_crossing"]}


def faults_of(**changes):
    document = copy.deepcopy(TINY) | PATH | changes
    return [str(fault) for fault in parse(document, name="tiny", overrides={}, smoke=False)[1]]


def laid(folder, crossings, **changes):
    """A campaign of two seeds whose trials cross 25% training error at these epochs, at 30% test error and 1% a seed."""
    overrides = {"epochs": 100, "seeds": 2, "train_error_from": "pass"}  # a row is of its own moment
    files.make_folder(folder)
    ablation, faults = parse(copy.deepcopy(TINY) | PATH | changes, name="tiny", overrides=overrides, smoke=False)
    assert not faults
    made = Campaign(ablation, data_name="shapes", data_digest="0" * 16, num_classes=10, folder=folder)
    made.write_plan({"git_commit": "3" * 40, "git_dirty": False})
    for arm, epochs in crossings.items():
        for job, epoch in zip(made.final_jobs(arm, 0.01), epochs, strict=True):
            home = folder / "trials" / job.name
            records.create(home, ablation="tiny", arm=arm, phase="final", seed=job.seed, setting=job.setting)
            row = {"step": 1, "train_loss": 1.0, "train_error": 0.25, "train_seconds": 1.0, "eval_seconds": 0.0,
                   "epoch": float(epoch or 100), "test_error": 0.3 + job.seed / 100, "top5_error": 0.1}  # fmt: skip
            if epoch is None:
                row["train_error"] = 0.5
            rows_csv.write(home, [row])
            files.write_json(home / "status.json", {"schema": 1, "state": "done", "num_rows": 1, "epochs_run": row["epoch"], "error": None})  # fmt: skip
            made.reload(job.name)
    return made


CROSSINGS = {"relu-old": [6, 6], "tanh-old": [36, 36.6], "relu-new": [7, 7], "tanh-new": [7, 7.7]}


def test_each_arm_is_held_against_its_own(tmp_path):
    verdict = derive(laid(tmp_path, CROSSINGS).evidence()).verdict
    lines = {line["arm"]: line for line in verdict["comparisons"]}
    assert {arm: line["control"] for arm, line in lines.items()} == OWN
    assert lines["relu-old"]["effect"] == pytest.approx((6 * 6.1) ** 0.5)
    assert lines["relu-new"]["effect"] == pytest.approx(1.1**0.5)
    assert verdict["control"] == "tanh-new"  # what figures draw as the control: that of the first arm by name


def test_one_control_for_all_is_as_it_was(tmp_path):
    verdict = derive(laid(tmp_path, CROSSINGS, control="tanh-old").evidence()).verdict
    assert {line["arm"]: line["control"] for line in verdict["comparisons"]} == dict.fromkeys(
        ("relu-old", "relu-new", "tanh-new"), "tanh-old"
    )


def test_the_second_measure_stands_beside_the_first(tmp_path):
    tables = derive(laid(tmp_path, CROSSINGS | {"relu-new": [7, None]}).evidence())
    columns = list(tables.trials.columns)
    assert columns[columns.index("eval_seconds") + 1] == "test_error_at_crossing"
    of = tables.trials.set_index(["arm", "seed"])["test_error_at_crossing"]
    assert of["relu-old", 1] == 0.31
    assert of.isna().sum() == 1  # the one that never crossed
    means = tables.summary.set_index("arm")["test_error_at_crossing"]
    assert means["tanh-old"] == pytest.approx(0.305)
    assert means["relu-new"] is None, "a mean of those that crossed would be one of the lucky"
    assert "test_error_at_crossing" not in derive(laid(tmp_path / "b", CROSSINGS, also=[]).evidence()).summary


def test_a_plan_keeps_both_and_the_page_shows_them(tmp_path):
    made = laid(tmp_path / "results" / "tiny", CROSSINGS)
    kept = plan.read(made.folder)["ablation"]
    assert (kept.control, kept.also) == (OWN, ("test_error_at_crossing",))
    rebuild(Campaign.open(made.folder).evidence())
    page.write_page(tmp_path / "results")
    text = (tmp_path / "results" / "report.html").read_text(encoding="utf-8")
    assert "relu-new against tanh-new" in re.sub("<[^>]*>", "", text)
    assert "mean test error at the crossing" in text
    assert text.count('<span class="quiet">control</span>') >= 2


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"control": {"relu-new": "tanh"}}, "control: no arm is called 'tanh', did you mean 'tanh-"),
        ({"control": {"relu-nw": "tanh-new"}}, "control: no arm is called 'relu-nw', did you mean 'relu-new'?"),
        ({"control": {"relu-new": "relu-new"}}, "control: arm 'relu-new' can't be its own control; leave it out"),
        ({"control": {}}, 'control: should be an arm, or a table of arms such as { relu = "tanh" }, not '),
        ({"compares": "interaction", "claim": TINY["claim"] | {"effect": None}, "margin": 1.5},
         "control: an interaction has one control for its four arms"),
        ({"also": ["test_eror"]}, "also: unknown measure 'test_eror', did you mean 'test_error'?"),
        ({"control": 3}, 'control: should be an arm, or a table of arms such as { relu = "tanh" }, not 3'),
        ({"control": {"relu-new": 3}}, "control: should be an arm, or a table"),
    ],
)  # fmt: skip
def test_what_is_refused(changes, fault):
    found = faults_of(**changes)
    assert len(found) == 1
    assert found[0].startswith(fault)


def test_a_measure_that_is_shown_needs_what_it_is_read_from():
    base = TINY["base"] | {"evaluate_every": 0}
    assert faults_of(base=base) == [
        "[base] evaluate_every: 0 never measures the test error, which this comparison needs; write 1"
    ]
    without = {key: value for key, value in TINY["base"].items() if key != "target"}
    assert faults_of(base=without, measure="test_error") == [
        '[base] target: missing; measure = "test_error_at_crossing" needs one, such as { at_most = 0.25 }'
    ]


def test_the_path_takes_a_single_step_at_a_time():
    """The file that this is for: each control differs in the activation, each step in one knob more."""
    ablation = load("relu-vs-tanh-path")
    for arm, control in ablation.controls.items():
        one, other = ablation.arms[arm], ablation.arms[control]
        assert {key for key in one if one[key] != other[key]} == {"activation"}
    for activation in ("relu", "tanh"):
        steps = [ablation.arms[f"{activation}-{step}"] for step in ("2012", "inputs", "weights", "biases")]
        changed = [{key for key in a if a[key] != b[key]} for a, b in itertools.pairwise(steps)]
        assert changed == [{"input_scaling"}, {"init"}, {"bias_rate"}]
    whole = load("relu-vs-tanh"), load("relu-vs-tanh-fan-in")
    for arm in ("relu", "tanh"):
        for end, file in zip(("2012", "biases"), whole, strict=True):
            ours = ablation.setting(f"{arm}-{end}", "cifar10", "0" * 16, lr=0.01)
            assert ours.hash8 == file.setting(arm, "cifar10", "0" * 16, lr=0.01).hash8


def test_an_arm_of_which_nothing_is_claimed_has_no_verdict(tmp_path):
    """Such as the constant alone beside response normalisation: it is compared, and neither supported nor asked for."""
    about_one = TINY["claim"] | {"effect": {"relu-old": 6.0}}
    verdict = derive(
        laid(tmp_path / "a", CROSSINGS | {"relu-new": [3, 3]}, claim=about_one, margin=1.25).evidence()
    ).verdict
    lines = {line["arm"]: line for line in verdict["comparisons"]}
    assert (lines["relu-new"]["verdict"], lines["relu-new"]["words"]) == ("no claim", "no claim")
    assert lines["relu-new"]["sentence"].startswith("No claim (on ")
    assert "the claim says nothing of this arm" in lines["relu-new"]["sentence"]
    assert lines["relu-new"]["effect"] > 2
    assert lines["relu-old"]["verdict"] != "no claim"
    sure = lines["relu-old"] | {"verdict": "supported"}
    assert gate_failures([sure, lines["relu-new"]], require="supported") == []
    assert gate_failures([lines["relu-new"]], require="supported") == ["nothing was compared"]
    both = TINY["claim"] | {"effect": {"relu-old": 6.0}, "direction": "positive"}
    directed = derive(laid(tmp_path / "b", CROSSINGS, claim=both, margin=1.25).evidence()).verdict
    assert "no claim" not in {line["verdict"] for line in directed["comparisons"]}


def test_the_constant_of_response_normalisation_is_no_claim():
    assert [arm for arm in load("lrn").controls if not load("lrn").claim.is_about(arm)] == ["scale"]
    assert [arm for arm in load("lrn-layers").controls if not load("lrn-layers").claim.is_about(arm)] == [
        "second",
        "scale",
    ]
