"""From trials laid down by hand to the comparisons of verdict.json."""

import pytest
from conftest import TINY

from alexctl.ablation.parse import parse
from alexctl.campaign.campaign import Campaign
from alexctl.report.rebuild import rebuild, rebuild_all
from alexctl.store import files, records, rows_csv
from alexctl.verdicts.overview import overview
from alexctl.verdicts.tables import derive

FOUR = {
    "old": {"activation": "tanh", "init": "2012"}, "old-relu": {"activation": "relu", "init": "2012"},
    "new": {"activation": "tanh", "init": "fan-in"}, "new-relu": {"activation": "relu", "init": "fan-in"},
}  # fmt: skip


def campaign(folder, seeds=3, **document) -> Campaign:
    overrides = {"epochs": 100, "seeds": seeds, "train_error_from": "pass"}  # a row is of its own moment
    ablation, faults = parse(TINY | document, name="tiny", overrides=overrides, smoke=False)
    assert not faults, faults
    return Campaign(ablation, data_name="shapes", data_digest="0" * 16, num_classes=10, folder=folder)


def finish(made: Campaign, arm: str, crossings=(), errors=(), train_error=0.3):
    """Trials that cross 25% training error at these epochs (None: never), or end with these test errors."""
    for job, end in zip(made.final_jobs(arm, 0.01), crossings or errors, strict=True):
        folder = made.folder / "trials" / job.name
        records.create(folder, ablation="tiny", arm=arm, phase="final", seed=job.seed, setting=job.setting)
        row = {"step": 1, "train_loss": 1.0, "train_error": train_error, "train_seconds": 1.0, "eval_seconds": 0.0,
               "epoch": 0.5, "test_error": None, "top5_error": None}  # fmt: skip
        last = row | {"step": 2, "epoch": float(end or 100) if crossings else 1.0}
        last |= {"train_error": 0.25} if end is not None else {}
        last |= {"test_error": end, "top5_error": end / 2} if errors else {}
        rows_csv.write(folder, [row, last])
        status = {"schema": 1, "state": "done", "num_rows": 2, "epochs_run": last["epoch"], "error": None}
        files.write_json(folder / "status.json", status)
        made.reload(job.name)


def test_an_interaction_is_one_comparison(tmp_path):
    made = campaign(tmp_path, compares="interaction", varies=["activation", "init"], control="old", arms=FOUR,
                    claim=TINY["claim"] | {"effect": None, "direction": "negative"}, margin=1.5)  # fmt: skip
    finish(made, "old", [40, 42.84, 43.12])
    finish(made, "old-relu", [5, 5.25, 5.5])  # 8 times, 8.16 times, 7.84 times
    finish(made, "new", [6, 8, 10])
    assert derive(made.evidence()).verdict["comparisons"][0]["verdict"] == "not run yet"
    finish(made, "new-relu", [3, 4, 5])  # twice
    (line,) = derive(made.evidence()).verdict["comparisons"]
    assert (line["arm"], line["control"], line["n"]) == ("activation x init", None, 3)
    assert line["effect"] == pytest.approx(2 / 8, rel=1e-3)
    assert line["verdict"] == "supported"
    assert "activation x init ratio 0.250" in line["sentence"]
    assert "init = 2012: ratio 8.00" in line["sentence"]
    assert "init = fan-in: ratio 2.00" in line["sentence"]
    assert [line["arm"] for line in overview([("tiny", derive(made.evidence()).verdict)])] == ["activation x init"]


def test_an_interaction_counts_the_trials_that_never_crossed(tmp_path):
    made = campaign(tmp_path, compares="interaction", varies=["activation", "init"], control="old", arms=FOUR,
                    claim=TINY["claim"] | {"effect": None}, margin=1.5)  # fmt: skip
    finish(made, "old", [None, None, 44])
    finish(made, "old-relu", [5, 5.25, 5.5])
    finish(made, "new", [6, 8, 10])
    finish(made, "new-relu", [3, 4, 5])
    (line,) = derive(made.evidence()).verdict["comparisons"]
    assert line["bound"] == "at_most"  # the first effect is larger than it looks, so the second falls further short
    assert "2 of 6 init = 2012 trials censored" in line["sentence"]


def test_a_trend_is_one_comparison(tmp_path):
    """The error falls by 2, 1 and 3 points with each doubling of the width, which is more than the margin."""
    arms = {"1": {"width": 1.0}, "2": {"width": 2.0}, "4": {"width": 4.0}}
    made = campaign(tmp_path, compares="trend", varies=["width"], control="1", arms=arms, measure="test_error",
                    claim=TINY["claim"] | {"effect": None, "direction": "positive"}, margin=0.1)  # fmt: skip
    finish(made, "1", errors=[0.30, 0.31, 0.32])
    finish(made, "2", errors=[0.28, 0.301, 0.289])
    assert derive(made.evidence()).verdict["comparisons"][0]["verdict"] == "not run yet"
    finish(made, "4", errors=[0.26, 0.29, 0.26])
    (line,) = derive(made.evidence()).verdict["comparisons"]
    assert (line["arm"], line["control"], line["n"]) == ("each doubling of width", None, 3)
    assert line["values"] == pytest.approx([2, 1, 3])
    assert line["effect"] == pytest.approx(2)
    assert "each doubling of width difference +2.00 points" in line["sentence"]
    assert "against width = 1, 2: lower by 2.00 points" in line["sentence"]
    assert "4: lower by 4.00 points" in line["sentence"]


def test_a_size_for_each_arm(tmp_path):
    arms = {"whole": {"activation": "tanh"}, "a": {"activation": "relu"}, "b": {"activation": "relu", "init": "2012"}}
    claim = {
        "section": "7",
        "says": "costs about 2 points",
        "effect": {"a": -2.0},
        "direction": "negative",
        "data": "x",
    }
    made = campaign(tmp_path, control="whole", varies=["activation", "init"], arms=arms, claim=claim,
                    measure="test_error", margin=0.5)  # fmt: skip
    finish(made, "whole", errors=[0.20, 0.21, 0.22])
    finish(made, "a", errors=[0.22, 0.2305, 0.2395])
    finish(made, "b", errors=[0.24, 0.2505, 0.2595])
    first, second = derive(made.evidence()).verdict["comparisons"]
    assert (first["claimed"], second["claimed"]) == (-2.0, None)
    assert (first["verdict"], second["verdict"]) == ("supported", "supported")
    assert first["effect"] == pytest.approx(-2)
    assert derive(made.evidence()).trials["top5_error"].tolist()[:3] == pytest.approx([0.11, 0.11525, 0.11975])


def test_second_opinions(tmp_path):
    """Six pairs that all favour the arm: 2 of 64 ways to set the signs are as extreme."""
    made = campaign(tmp_path, seeds=6)
    finish(made, "tanh", [40, 42, 44, 41, 43, 45])
    finish(made, "relu", [20, 22, 21, 19, 23, 20])
    (line,) = derive(made.evidence()).verdict["comparisons"]
    assert (line["sign_flip_p"], line["sign_flip_note"], line["direction"]) == (2 / 64, None, "positive")
    assert line["p_value"] < 0.001
    assert (line["level"], line["interval"]) == (0.95, "for one look")
    assert 1 < line["smallest_effect"] < line["low"]  # a factor, and far below what was found


def test_second_opinions_that_can_not_be_had(tmp_path):
    few = campaign(tmp_path / "few")
    finish(few, "tanh", [40, 42, 44])
    finish(few, "relu", [20, 22, 21])
    (line,) = derive(few.evidence()).verdict["comparisons"]
    assert (line["sign_flip_p"], line["sign_flip_note"]) == (None, "n < 6: cannot reach 5%")
    bounded = campaign(tmp_path / "bounded", seeds=6)
    finish(bounded, "tanh", [None, 42, 44, 41, 43, 45])
    finish(bounded, "relu", [20, 22, 21, 19, 23, 20])
    (line,) = derive(bounded.evidence()).verdict["comparisons"]
    assert (line["bound"], line["sign_flip_p"], line["sign_flip_note"]) == ("at_least", None, None)
    assert line["smallest_effect"] is None
    many = campaign(tmp_path / "many", seeds=25)
    finish(many, "tanh", [40 + i / 10 for i in range(25)])
    finish(many, "relu", [20 + i % 3 for i in range(25)])
    (line,) = derive(many.evidence()).verdict["comparisons"]
    assert (line["sign_flip_p"], line["sign_flip_note"]) == (None, "n > 24: too many to enumerate")


def test_seconds_are_compared_though_nothing_was_learned(tmp_path):
    """The trials run 100 epochs in 1 s, or 50: their errors stay at chance, which is no matter of pace."""
    for measure, word in (("seconds_per_epoch", "supported"), ("epochs_to_target", "nothing learned")):
        made = campaign(tmp_path / measure, measure=measure, claim=TINY["claim"] | {"effect": 0.5})
        finish(made, "tanh", [100, 99, 98], train_error=0.9)
        finish(made, "relu", [50, 49.6, 49.1], train_error=0.9)
        if measure == "epochs_to_target":
            for arm in ("tanh", "relu"):
                for job in made.final_jobs(arm, 0.01):
                    rows = [row | {"train_error": 0.9} for row in made.records[job.name].rows]
                    folder = made.folder / "trials" / job.name
                    (folder / "rows.csv").unlink()
                    rows_csv.write(folder, rows)
                    made.reload(job.name)
        (line,) = derive(made.evidence()).verdict["comparisons"]
        assert line["verdict"].split(",")[0] == word


def test_what_stands_after_holm():
    """0.02 is the smaller of two that claim a direction, so 0.04; 0.03 then is 0.04 as well; the others are no claims."""
    lines = [
        {"direction": "positive", "p_value": 0.03, "verdict": "supported, smaller"},
        {"direction": None, "p_value": 0.0001, "verdict": "no difference"},
        {"direction": "none", "p_value": 0.0001, "verdict": "contradicted"},
        {"direction": "negative", "p_value": 0.02, "verdict": "contradicted"},
        {"direction": "positive", "p_value": None, "verdict": "undecided"},
    ]  # fmt: skip
    said = overview([("a", {"comparisons": lines[:4]}), ("b", {"comparisons": lines[4:]})])
    assert [line["p_holm"] for line in said] == [pytest.approx(0.04), None, None, pytest.approx(0.04), None]
    assert [line["stands"] for line in said] == ["yes", None, None, "no", None]
    assert [line["results"] for line in said] == ["a", "a", "a", "a", "b"]
    assert overview([]) == []


def test_the_overview_says_what_stands(tmp_path):
    """Alone each of these claims is supported; among nine like it the one with the larger p value is not sure enough."""
    weak = campaign(tmp_path / "weak")
    finish(weak, "tanh", [30, 42, 44])
    finish(weak, "relu", [20, 21, 20])
    strong = campaign(tmp_path / "strong")
    finish(strong, "tanh", [40, 42, 44])
    finish(strong, "relu", [20.5, 21.1, 21.9])
    wrong = campaign(tmp_path / "wrong")
    finish(wrong, "relu", [40, 42, 44])
    finish(wrong, "tanh", [20.5, 21.1, 21.9])
    said = {made: (made.folder.name, derive(made.evidence()).verdict) for made in (weak, strong, wrong)}
    lines = overview(said.values())
    assert [line["verdict"].split(",")[0] for line in lines] == ["supported", "supported", "contradicted"]
    assert [line["stands"] for line in lines] == ["yes", "yes", "no"]
    many = overview([said[weak]] * 9 + [said[strong]])
    assert [line["stands"] for line in many] == ["no"] * 9 + ["yes"]


def test_the_overview_is_written_of_all_and_of_nothing_less(tmp_path):
    made = campaign(files.make_folder(tmp_path / "tiny"))
    made.write_plan({})
    finish(made, "tanh", [40, 42, 44])
    finish(made, "relu", [20.5, 21.1, 21.9])
    rebuild_all(tmp_path, "tiny")
    assert not (tmp_path / "overview.csv").exists()
    rebuild_all(tmp_path)
    head, line = (tmp_path / "overview.csv").read_text().splitlines()
    assert head.startswith("results,ablation,arm,control,")
    assert line.startswith("tiny,tiny,relu,tanh,shapes,epochs_to_target,3,")


def test_survival_is_written_where_a_trial_never_arrived_and_only_there(tmp_path):
    made = campaign(tmp_path)
    finish(made, "tanh", [40, None, 44])
    finish(made, "relu", [20, 22, 21])
    rebuild(made.evidence())
    assert (tmp_path / "survival.csv").read_text().splitlines() == [
        "ablation,arm,epoch,share,n_at_risk", "tiny,relu,0.0,1.0,3",
        f"tiny,relu,20.0,{1 - 1 / 3},3", f"tiny,relu,21.0,{(1 - 1 / 3) * (1 - 1 / 2)},2", "tiny,relu,22.0,0.0,1",
        "tiny,tanh,0.0,1.0,3", f"tiny,tanh,40.0,{1 - 1 / 3},3", f"tiny,tanh,44.0,{(1 - 1 / 3) * (1 - 1 / 2)},2",
        f"tiny,tanh,100.0,{(1 - 1 / 3) * (1 - 1 / 2)},1",
    ]  # fmt: skip
    assert {path.name for path in tmp_path.glob("survival.*")} == {"survival.csv", "survival.svg", "survival.png"}
    finish(made, "tanh", [40, 42, 44])
    rebuild(made.evidence())
    assert not list(tmp_path.glob("survival.*"))


def test_a_diverged_trial_is_on_its_way_to_the_end(tmp_path):
    made = campaign(tmp_path)
    finish(made, "tanh", [40, None, 44])
    finish(made, "relu", [20, 22, 21])
    job = made.final_jobs("relu", 0.01)[0]
    status = made.folder / "trials" / job.name / "status.json"
    files.write_json(status, files.read_json(status) | {"state": "diverged"})
    made.reload(job.name)
    survival = derive(made.evidence()).survival
    last = survival[survival["arm"] == "relu"].iloc[-1]
    assert (last["epoch"], last["share"]) == (100.0, pytest.approx(1 / 3))


def test_a_trial_at_chance_is_counted_apart_from_one_that_diverged(tmp_path):
    """Its training error does not tell it from a net that guesses, whatever its test error."""
    made = campaign(tmp_path, measure="test_error", claim=TINY["claim"] | {"effect": 0.5}, margin=0.2)
    finish(made, "tanh", errors=[0.4, 0.41, 0.39])
    finish(made, "relu", errors=[0.3, 0.31, 0.29])
    for job in made.final_jobs("relu", 0.01)[:1]:
        folder = made.folder / "trials" / job.name
        rows = [row | {"train_error": 0.9} for row in made.records[job.name].rows]
        (folder / "rows.csv").unlink()
        rows_csv.write(folder, rows)
        made.reload(job.name)
    tables = derive(made.evidence())
    line = tables.summary.set_index("arm").loc["relu"]
    assert (line["num_diverged"], line["num_at_chance"]) == (1, 1)
    assert "1 of 3 arm trials ended at chance" in tables.verdict["comparisons"][0]["sentence"]
    assert "diverged" not in tables.verdict["comparisons"][0]["sentence"]
