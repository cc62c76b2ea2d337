"""A new measure is one entry in the table of measures: comparison, tables, figure, page and console take it from there."""

import csv

import pytest

from alexctl.ablation.measures import MEASURES, Measure
from alexctl.api import Result
from alexctl.campaign.campaign import Campaign
from alexctl.cli import show_results
from alexctl.report.page import page
from alexctl.report.rebuild import rebuild
from alexctl.statistics import Outcome
from report.made_up import lay, small, wobble
from report.reading import Reader, looked_up

BEST = Measure(
    name="best_error", label="lowest test error", scale="points", unit="%", on_test=True,
    read=lambda rows, setting: Outcome(value=min(row["test_error"] for row in rows if row["test_error"] is not None)),
)  # fmt: skip
LOOKING = Measure(
    name="evaluation_seconds", label="seconds of an evaluation", scale="ratio", unit=" s", needs_learning=False,
    read=lambda rows, setting: Outcome(value=rows[-1]["eval_seconds"] * (1 + setting["lr"])),
)  # fmt: skip
HALFWAY = Measure(
    name="epochs_to_half", label="epochs to half the target", scale="ratio", race=True,
    read=lambda rows, setting: next((Outcome(value=row["epoch"]) for row in rows if row["train_error"] <= 0.4),
                                    Outcome(censored=True)),
)  # fmt: skip


def errors(job) -> list[float]:
    """relu is best in its second epoch, tanh in its last."""
    lowest = 0.3 + 0.01 * wobble(job.arm, job.seed)
    return [0.8, lowest, lowest + 0.2] if job.arm == "relu" else [0.9, 0.8, lowest + 0.1]


@pytest.mark.parametrize(
    ("measure", "written", "caption"),
    [(BEST, "%", "lower by"), (LOOKING, " s", "ratio 1.00"), (HALFWAY, "", "ratio")],
    ids=lambda measure: getattr(measure, "name", ""),
)
def test_a_new_measure_is_one_entry(monkeypatch, tmp_path, capsys, measure, written, caption):
    monkeypatch.setitem(MEASURES, measure.name, measure)
    target = {"target": {"metric": "train_error", "at_most": 0.25}, "epochs": 3} if measure.race else {"epochs": 3}
    folder = lay(tmp_path, small(measure.name, base=target), errors).folder
    campaign = Campaign.open(folder)
    made = rebuild(campaign.evidence())
    (line,) = made.verdict["comparisons"]
    assert (made.verdict["measure"], line["scale"], line["n"]) == (measure.name, measure.scale, 3)
    with (folder / "trials.csv").open(encoding="utf-8") as file:
        values = {(row["arm"], int(row["seed"])): row[measure.name] for row in csv.DictReader(file)}
    expected = {
        (record.arm, record.seed): measure.read(record.rows, record.setting).value
        for record in campaign.records.values()
    }
    assert {key: float(value) if value else None for key, value in values.items()} == expected
    assert {row["median"] for row in made.summary.to_dict("records")} <= {*expected.values(), None}
    figure = (folder / "figure.svg").read_text(encoding="utf-8")
    assert caption in figure
    if not measure.race:  # the figure of a race is Figure 1
        assert measure.label in figure
    shown = Reader(page([folder])).elements
    assert measure.label in " ".join(element.text for element in shown)
    cells = [e for e in shown if (e.attributes.get("data-at") or "").endswith(f":{measure.name}")]
    assert len(cells) == sum(value is not None for value in expected.values())
    assert all(cell.text == measure.written(looked_up(cell, tmp_path)) for cell in cells)
    show_results.result(Result(evidence=campaign.evidence(), tables=made))
    printed = capsys.readouterr().out
    assert f"{measure.label} (median)" in printed
    assert measure.written(expected["relu", 0]) in printed
    assert measure.written(expected["relu", 0]).endswith(written)


def test_what_a_new_measure_needs_is_asked_of_the_file(monkeypatch):
    monkeypatch.setitem(MEASURES, BEST.name, BEST)
    with pytest.raises(AssertionError, match=r"evaluate_every.*0 never measures the test error"):
        small(BEST.name, base={"evaluate_every": 0})
    monkeypatch.setitem(MEASURES, HALFWAY.name, HALFWAY)
    with pytest.raises(AssertionError, match=r'target.*missing; measure = "epochs_to_half" needs one'):
        small(HALFWAY.name)
    with pytest.raises(AssertionError, match=r"measure.*'best_eror' is not allowed, did you mean 'best_error'"):
        small("best_eror")
