"""docs/paper.md: every number of ours is that of the trials, and what did not run is said to be missing, with its price."""

import csv
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from made_up_reference import falling_to_25, lay_all
from report.made_up import falling, lay

from alexctl.ablation.load import load, shipped
from alexctl.campaign.reference_runs import RUNS
from alexctl.store import files, layout
from tools import paper_figure_1, paper_page, readme_table, statistics_example
from tools.paper_results import found

TOP = Path(__file__).parents[2]
LAID = ("relu-vs-tanh", "relu-vs-tanh-fan-in", "relu-vs-tanh-path", "precision", "dropout", "relu-vs-tanh-batch-32")
PLACED = [name for each in paper_page.facts()["section"] for name in each["ablations"]]
NOT_OF_THE_PAPER = (
    "relu-vs-tanh-demo",
    "relu-vs-tanh-demo-fan-in",
    "relu-vs-tanh-laptop",
)  # small ones to try the tool with


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Path:
    """Half of the list has run elsewhere."""
    folder = tmp_path_factory.mktemp("reference")
    shutil.copytree(TOP / layout.REFERENCE / layout.BENCH, folder / layout.BENCH)
    lay_all(folder, LAID)
    return folder


@pytest.fixture(scope="module")
def page(reference) -> str:
    return paper_page.written(reference)


def verdict(reference: Path, name: str) -> dict:
    return files.read_json(reference / name / layout.VERDICT)


def table_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def section(page: str, title: str) -> str:
    return page.partition(f"\n## {title}")[2].partition("\n## ")[0]


def cells(text: str, first: str) -> list[list[str]]:
    """The rows of tables whose first cell begins with a text."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in text.splitlines() if "|" in line
    ]
    return [row for row in rows if row[0].startswith(first)]


def test_every_claim_of_the_paper_has_its_place():
    assert sorted(PLACED) == sorted(set(PLACED))
    assert [name for name in PLACED if name not in shipped()] == []
    assert [run.name for run in RUNS if run.name not in PLACED] == []
    of_the_paper = [
        name for name in shipped()
        if (claim := load(name).claim).section and claim.source == "the paper"
    ]  # fmt: skip
    assert len(of_the_paper) > 10
    assert [name for name in of_the_paper if name not in (*PLACED, *NOT_OF_THE_PAPER)] == []


def test_before_anything_ran_every_ablation_has_its_price_and_command(tmp_path):
    shutil.copytree(TOP / layout.REFERENCE / layout.BENCH, tmp_path / layout.BENCH)
    page = paper_page.written(tmp_path)
    for name in PLACED:
        assert re.search(rf"Not run yet: [^`]* on \d+ CPU cores?, `alexctl ablate {name}`\.", page), name
    assert "Nothing yet of the start as in 2012. Nothing yet of the start fan-in." in page
    assert "95% interval" not in page
    assert f"{len(PLACED)} ablations did not run yet" in page


def test_sentences_are_those_of_the_verdicts(reference, page):
    for name in set(LAID) - {"relu-vs-tanh-path"}:  # which has a table
        for line in verdict(reference, name)["comparisons"]:
            assert line["sentence"] in page, name
    assert page.count("Not run yet: ") == len(PLACED) - 5 + 2, "and two variants of Figure 1"
    assert "Ran on NVIDIA H100 80GB HBM3 in bfloat16 and float32" in section(page, "The instrument itself")


def test_the_arms_of_figure_1(reference, page):
    trials = table_of(reference / "relu-vs-tanh" / layout.TRIALS_CSV)
    tanh = [line for line in trials if (line["arm"], line["phase"]) == ("tanh", "final")]
    epochs = [float(line["epochs_to_target"]) for line in tanh]
    (row,) = [row for row in cells(page, "as in 2012") if row[1] == "tanh"]
    assert row[2] == tanh[0]["lr"]
    assert row[3] == f"{np.median(epochs):.1f}"
    assert row[4] == ", ".join(f"{value:.1f}" for value in epochs)


def test_test_errors_at_the_crossing_are_those_of_the_summary(reference, page):
    summary = table_of(reference / "relu-vs-tanh-path" / layout.SUMMARY_CSV)
    mean = {line["arm"]: f"{100 * float(line['test_error_at_crossing']):.2f}%" for line in summary}
    rows = cells(page, "the start of 2012") + cells(page, "`i") + cells(page, "`bias_rate")
    starts = ("2012", "inputs", "weights", "biases")
    assert [row[-2:] for row in rows] == [[mean[f"relu-{start}"], mean[f"tanh-{start}"]] for start in starts]


def test_the_step_that_takes_the_ratio_away(reference, page):
    lines = {line["arm"]: line for line in verdict(reference, "relu-vs-tanh-path")["comparisons"]}
    was, is_ = lines["relu-inputs"]["values"], lines["relu-weights"]["values"]
    factor = math.exp(np.mean(np.log(np.divide(was, is_))))
    text = section(page, "Section 3.1")
    assert f'The step that takes most of the ratio away is `init = "fan-in"`: it divides it by {factor:.2f} (' in text
    (row,) = cells(text, '`init = "fan-in"`')
    assert row[4].startswith(f"{factor:.2f} (")
    assert row[3].startswith(f"{lines['relu-weights']['effect']:.2f} ({lines['relu-weights']['low']:.2f} to ")
    (first,) = cells(text, "the start of 2012")
    assert first[4] == "–"


def test_robustness_at_the_target_itself_is_the_verdict(reference, page):
    (line,) = verdict(reference, "relu-vs-tanh")["comparisons"]
    ratio = f"{line['effect']:.2f} ({line['low']:.2f} to {line['high']:.2f})"
    (target,) = re.findall(r"^- Target, start as in 2012: the ratio is (.+)\.$", page, re.MULTILINE)
    assert target.split("; ")[-1] == f"at 25% {ratio}"
    assert [part.split()[1] for part in target.split("; ")] == ["50%", "40%", "35%", "30%", "25%"]
    (window,) = re.findall(r"^- Window, start as in 2012: .* the ratio is (.+)\.$", page, re.MULTILINE)
    assert window != ratio, "rows as they are cross elsewhere"
    assert "- `batch_size = 32`, start as in 2012: Supported" in page
    assert "`alexctl ablate relu-vs-tanh --set order=file --name relu-vs-tanh-file-order`" in page


def test_other_rates_are_those_of_the_search(reference, page):
    trials = table_of(reference / "relu-vs-tanh-fan-in" / layout.TRIALS_CSV)

    def best(arm):
        tried: dict[float, list[str]] = {}
        for line in trials:
            if (line["arm"], line["phase"]) == (arm, "search"):
                tried.setdefault(float(line["lr"]), []).append(line["epochs_to_target"])
        means = {lr: np.exp(np.mean(np.log(np.array(each, float)))) for lr, each in tried.items() if all(each)}
        return sorted(means.items(), key=lambda item: item[1])[:2]

    relu, tanh = best("relu"), best("tanh")
    ratios = [slow / quick for _, slow in tanh for _, quick in relu]
    rates = "; ".join(
        f"{arm} {' or '.join(f'{lr:g}' for lr, _ in pair)}" for arm, pair in (("relu", relu), ("tanh", tanh))
    )
    assert f"Rates, start fan-in: from {min(ratios):.2f} to {max(ratios):.2f} in the trials" in page
    assert f"({rates})." in page


def test_what_survives(reference, page):
    (line,) = verdict(reference, "relu-vs-tanh")["comparisons"]
    text = page.partition("**What survives:** ")[2].partition("\n")[0]
    assert text.startswith(
        f"Started as in 2012, on cifar10, this net reaches 25% training error {line['effect']:.2f} times sooner with ReLU than "
        f"with tanh (95% interval {line['low']:.2f} to {line['high']:.2f}, n = 6 seeds). When it gets there the test error is "
    )
    assert "Started fan-in, on cifar10, it makes no difference that would matter: ratio 1.0" in text


def test_budgets_and_what_follows(reference, page):
    text = section(page, "Section 4.2")
    rows = table_of(reference / "dropout" / layout.BUDGETS_CSV)
    for line in rows:
        (shown,) = (row for row in cells(text, line["budget"]) if row[:2] == [line["budget"], line["arm"]])
        assert shown[2:5] == [f"{100 * float(line[key]):.2f}" for key in ("train_error_pass", "test_error", "gap")]
        if line["effect"]:
            assert shown[5].startswith(f"+{float(line['effect']):.2f} points (+{float(line['low']):.2f} to ")
    assert "*What follows:* The effect has the claimed direction in a small stand-in." in text
    assert "Not run yet" in text, "dropout-iterations"
    assert text.count("**What else could have made it:**") == 1
    assert "What else could" not in section(page, "Section 3.4"), "nothing of it ran"


def test_figures_are_linked_where_they_will_lie(page):
    for name in ("relu-vs-tanh", "relu-vs-tanh-fan-in"):
        assert f"](../results/reference/{name}/figure.png)" in page


def test_arms_that_do_not_get_there(tmp_path, monkeypatch):
    """tanh never reaches the target from the start of 2012: more than so much, and no step can be sized."""
    ablation = load("relu-vs-tanh-path", overrides={"lr": 0.004})
    lay(
        tmp_path,
        ablation,
        lambda job: falling(0.4, 60) if job.arm == "tanh-2012" else falling_to_25(job, 0.3),
        data="cifar10",
    )
    path = found("relu-vs-tanh-path", tmp_path)
    text = paper_figure_1.step_by_step(path)
    (first,) = cells(text, "the start of 2012")
    assert first[2] == "–"
    assert first[3].startswith("more than ")
    assert first[6] == "–"
    assert "Some step has no size" in text


def test_a_run_that_has_begun(tmp_path, reference):
    shutil.copytree(reference / "precision", tmp_path / "precision")
    for trial in (tmp_path / "precision" / layout.TRIALS).glob("bfloat16-*"):
        shutil.rmtree(trial)
    run = found("precision", tmp_path)
    assert not run.is_there
    assert run.sentence == "Begun, not yet finished: `alexctl ablate precision`."


def test_the_readme_opens_with_both_starts(reference):
    lines = [verdict(reference, name)["comparisons"][0]["sentence"] for name in ("relu-vs-tanh", "relu-vs-tanh-fan-in")]
    block = readme_table.figure_1(reference).splitlines()
    assert block[0] == "| Figure 1, start as in 2012 | Figure 1, start fan-in |"
    assert block[2].count("figure.png)") == 2
    assert block[3] == f"| {lines[0]} | {lines[1]} |"
    table = readme_table.results(reference)
    assert table.count("[ReLU vs tanh](") == 1, "a run with other knobs would look the same"


def test_the_example_of_the_statistics(reference):
    text = statistics_example.block(reference)
    (line,) = verdict(reference, "relu-vs-tanh")["comparisons"]
    assert f"The figure shows 6 pairs. Their ratios average to {line['effect']:.2f}" in text
    assert "It does not include 1, so there is an effect. It does not rule 6 out." in text
