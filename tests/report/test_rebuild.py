"""What is derived for ablations that race to no target: tables, figures, and what is printed."""

import csv
import xml.etree.ElementTree as ET

import pytest
from conftest import TINY

from alexctl.ablation.parse import parse
from alexctl.api import Result
from alexctl.campaign.campaign import Campaign
from alexctl.cli import show_results
from alexctl.report.drawings import caption
from alexctl.report.rebuild import rebuild
from alexctl.store import files, records, rows_csv
from alexctl.verdicts.tables import derive


def campaign(folder, measure, *, effect=1.4, **overrides) -> Campaign:
    base = {key: value for key, value in TINY["base"].items() if key != "target"}
    table = {**TINY, "measure": measure, "base": base, "claim": {**TINY["claim"], "effect": effect}, "margin": 0.5}
    if measure == "seconds_per_epoch":
        table["margin"] = 1.1
    ablation, faults = parse(table, name="tiny", overrides={"seeds": 3, **overrides}, smoke=False)
    assert not faults, faults
    return Campaign(ablation, data_name="shapes", data_digest="0" * 16, num_classes=10, folder=folder)


def finish(made: Campaign, job, errors, state="done"):
    """Lays down a trial as if it had been run: one row an epoch of 2 s."""
    folder = made.folder / "trials" / job.name
    records.create(folder, ablation="tiny", arm=job.arm, phase=job.phase, seed=job.seed, setting=job.setting)
    searching = job.phase == "search"
    test_errors = [None if searching else error for error in errors]
    rows = [
        {"epoch": float(i + 1), "step": 5 * (i + 1), "train_loss": 1.0, "train_error": error, "test_error": on_test,
         "train_seconds": 2.0 * (i + 1), "eval_seconds": 0.5, "top5_error": None, "validation_error": error if searching else None,
         "train_error_pass": None}
        for i, (error, on_test) in enumerate(zip(errors, test_errors, strict=True))
    ]  # fmt: skip
    rows_csv.write(folder, rows)
    status = {"schema": 1, "state": state, "num_rows": len(rows), "epochs_run": float(len(rows)), "error": None}
    files.write_json(folder / "status.json", status)
    made.reload(job.name)


ERRORS = {("tanh", 0): 0.25, ("tanh", 1): 0.26, ("tanh", 2): 0.3, ("relu", 0): 0.2431, ("relu", 1): 0.25,
          ("relu", 2): 0.5}  # fmt: skip


def finished(folder, measure, state="done") -> Campaign:
    """Six trials, the last of relu in this state."""
    made = campaign(folder, measure)
    for job in made.ready():
        last = (job.arm, job.seed) == ("relu", 2)
        finish(made, job, [0.6, ERRORS[job.arm, job.seed]], state=state if last else "done")
    return made


def words_of(path) -> list[str]:
    return [text for node in ET.parse(path).iter() if (text := (node.text or "").strip())]


def test_a_difference_of_errors_has_a_figure_and_no_censored_trial(tmp_path):
    made = finished(tmp_path, "test_error")
    tables = rebuild(made.evidence())
    assert {path.name for path in tmp_path.glob("figure.*")} == {"figure.svg", "figure.png"}
    assert not list(tmp_path.glob("search.*"))
    words = words_of(tmp_path / "figure.svg")
    assert {"tanh", "relu", "27.00 ± 6.57%", "final test error (%)"} <= set(words)
    assert "tanh to relu on shapes: higher by 6.10 points" in " ".join(words)
    with (tmp_path / "trials.csv").open() as file:
        assert {(row["epochs_to_target"], row["censored"]) for row in csv.DictReader(file)} == {("", "")}
    assert tables.summary["num_censored"].tolist() == [0, 0]
    values = tables.verdict["comparisons"][0]["values"]
    assert values == pytest.approx([0.69, 1.0, -20.0])


def test_seconds_of_a_diverged_trial_are_left_out(tmp_path):
    """Its pair is not taken for one that ran over a budget of epochs."""
    tables = rebuild(finished(tmp_path, "seconds_per_epoch", state="diverged").evidence())
    (line,) = tables.verdict["comparisons"]
    assert (line["n"], line["bound"], line["values"]) == (2, "exact", [1.0, 1.0])
    assert "1 of 3 pairs left out" in line["description"]
    assert {"training seconds per epoch", "2.00, 2.00 s", "1 of 3 diverged"} <= set(words_of(tmp_path / "figure.svg"))


def test_a_search_without_a_target_has_a_figure(tmp_path):
    made = campaign(tmp_path, "test_error", lr="search", lr_grid=[0.01, 0.02], lr_widenings=0)
    while jobs := made.ready():
        for job in jobs:
            finish(made, job, [0.6, 0.5 - job.setting.training.lr])
    rebuild(made.evidence())
    words = words_of(tmp_path / "search.svg")
    assert {"validation error at the end (%)", "0.02", "▽ ran to the end"} <= set(words)
    assert not any("target" in text for text in words)
    assert (tmp_path / "figure.svg").exists()


def test_the_rate_is_that_of_the_least_validation_error_at_the_end_whatever_came_before(tmp_path):
    """0.01 leads in training error in every epoch, 0.02 in validation error at the end: the latter is reported."""
    made = campaign(tmp_path, "test_error", lr="search", lr_grid=[0.005, 0.01, 0.02], lr_widenings=0, search_seeds=3)
    training = {0.005: [0.8, 0.7], 0.01: [0.3, 0.1], 0.02: [0.6, 0.4]}
    validation = {0.005: 0.8, 0.01: 0.4, 0.02: 0.3}
    searching = made.ready()
    assert {(job.phase, job.until, job.setting.training.held_out) for job in searching} == {("search", 2.0, 0.1)}
    assert len(searching) == 2 * 3 * 3
    assert not any(job.setting.training.evaluate_every == 1 for job in searching)  # once, at the end
    for job in searching:
        rate = job.setting.training.lr
        finish(made, job, training[rate])
        rows = list(rows_csv.read(made.folder / "trials" / job.name))
        rows[-1]["validation_error"] = validation[rate] + 1e-3 * (job.seed % 3)
        rows_csv.write(made.folder / "trials" / job.name, rows)
        made.reload(job.name)
    assert {made.rate(arm) for arm in ("relu", "tanh")} == {0.02}
    assert {job.setting.training.held_out for job in made.ready()} == {0.0}  # reported trials train on everything
    assert {job.phase for job in made.ready()} == {"final"}
    relu, _ = made.evidence().searches
    assert (relu.lr, relu.ties, relu.trials, relu.epochs) == (0.02, (), 9, 18.0)
    assert derive(made.evidence()).verdict["rates"] == (
        "Learning rates: relu 0.02, tanh 0.02; searched with 18 trials, 36 epochs in all. "
        "The interval is conditional on these rates."
    )


def test_several_studies_are_judged_by_their_means(tmp_path):
    """Each has seeds and a rate of its own; the unit is the study, and nothing is conditional on one search."""
    made = campaign(
        tmp_path, "test_error", lr="search", lr_grid=[0.01, 0.02], lr_widenings=0, studies=3, search_seeds=1, seeds=2
    )
    while jobs := made.ready():
        for job in jobs:
            best = 0.01 if job.seed in (10000, 0, 1) else 0.02  # in the first study
            better = job.arm == "relu"
            finish(
                made, job, [0.6, 0.5 - 0.1 * (job.setting.training.lr == best) - 0.1 * better - 0.01 * (job.seed % 2)]
            )
    evidence = made.evidence()
    assert [(s.arm, s.study, s.lr) for s in evidence.searches if s.arm == "relu"] == [
        ("relu", 0, 0.01), ("relu", 1, 0.02), ("relu", 2, 0.02),
    ]  # fmt: skip
    assert evidence.outcomes("tanh")[0].value == pytest.approx(0.395)
    (line,) = derive(evidence).verdict["comparisons"]
    assert (line["n"], line["values"]) == (3, pytest.approx([10.0] * 3))
    assert "relu 0.01 to 0.02, tanh 0.01 to 0.02, of 3 independent searches" in derive(evidence).verdict["rates"]
    trials = derive(evidence).trials
    study = {seed: int(study) for seed, study in zip(trials["seed"], trials["study"], strict=True)}
    assert study == {0: 0, 1: 0, 2: 1, 3: 1, 4: 2, 5: 2, 10000: 0, 10001: 1, 10002: 2}


def test_budgets_are_one_ablation_at_several_lengths(tmp_path):
    """The schedule in proportion, a search for each, the claim judged at the largest, errors and effect in a figure."""
    made = campaign(tmp_path, "test_error", epochs=8, budgets=[2, 4, 8], lr_drops=[6, 7], seeds=3)
    jobs = made.ready()
    assert len(jobs) == 2 * 3 * 3
    assert {(job.setting.training.epochs, job.setting.training.lr_drops) for job in jobs} == {
        (2, (2, 2)), (4, (3, 4)), (8, (6, 7)),
    }  # fmt: skip
    for job in jobs:
        epochs = job.setting.training.epochs
        finish(
            made,
            job,
            [0.6] * (epochs - 1) + [0.4 / epochs + (0.01 * epochs if job.arm == "relu" else 0.0) + 0.001 * job.seed],
        )
    tables = rebuild(made.evidence())
    (line,) = tables.verdict["comparisons"]
    assert (line["n"], line["effect"]) == (3, pytest.approx(-8.0))
    assert tables.budgets[["arm", "budget", "n"]].values.tolist() == [
        [arm, budget, 3] for budget in (2, 4, 8) for arm in ("relu", "tanh")
    ]
    effects = tables.budgets[tables.budgets["arm"] == "relu"]["effect"].tolist()
    assert effects == pytest.approx([-2.0, -4.0, -8.0])
    assert {path.name for path in tmp_path.glob("budgets.*")} == {"budgets.csv", "budgets.svg", "budgets.png"}
    assert sorted(set(tables.trials["budget"])) == [2, 4, 8]
    assert tables.summary["n"].tolist() == [3, 3]


def test_nothing_run_yet_is_no_figure_and_only_the_claim(tmp_path):
    made = campaign(tmp_path, "test_error", effect=None)
    tables = rebuild(made.evidence())
    assert not list(tmp_path.glob("figure.*"))
    assert caption(made.evidence(), tables) == f"{made.ablation.claim}."


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("test_error", ["test error (median)", "left out", "24.31%, 25.00%", "26.00%", "1 diverged"]),
        ("seconds_per_epoch", ["seconds per epoch (median)", "left out", "2.00 s, 2.00 s", "1 diverged"]),
    ],
)
def test_what_is_printed(tmp_path, capsys, measure, expected):
    made = finished(tmp_path, measure, state="diverged")
    show_results.result(Result(evidence=made.evidence(), tables=rebuild(made.evidence())))
    printed = capsys.readouterr().out
    assert "Keep in mind" not in printed
    made.ablation = made.ablation.model_copy(update={"note": "Equal epochs favour tanh."})
    show_results.result(Result(evidence=made.evidence(), tables=rebuild(made.evidence())))
    assert capsys.readouterr().out == printed.replace(
        f"{made.ablation.claim}\n", f"{made.ablation.claim}\nKeep in mind: Equal epochs favour tanh.\n"
    )
    assert [words for words in expected if words not in printed] == []
    assert "not reached" not in printed
    assert "50.00%" not in printed  # of the trial that diverged
