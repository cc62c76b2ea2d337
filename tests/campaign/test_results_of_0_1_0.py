"""Results as version 0.1.0 committed them, without their figures: read for what they are, and never gone on with.

Most trials of their `relu-vs-tanh-fan-in` are from before a status held the digest of its rows.
"""

import csv
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alexctl import api
from alexctl.cli.commands import app
from alexctl.errors import UserError
from alexctl.store import records
from alexctl.verdicts.evidence import OLDER

COMMITTED = Path(__file__).parents[1] / "fixtures" / "results-0.1.0"
RACE, ERRORS = "relu-vs-tanh-fan-in@cifar10-jpeg", "a-a@cifar10-jpeg"


@pytest.fixture
def results(tmp_path) -> Path:
    return Path(shutil.copytree(COMMITTED, tmp_path / "results"))


def said(*words) -> str:
    """What a command prints, in one line; it has to succeed."""
    ended = CliRunner().invoke(app, [str(word) for word in words])
    assert ended.exit_code == 0, ended.output
    return " ".join(ended.output.split())


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def last_rows(campaign: Path) -> dict[str, dict[str, str]]:
    """The last line of each trial's rows, as plain CSV."""
    return {
        path.parent.name: list(csv.DictReader(path.read_text().splitlines()))[-1]
        for path in campaign.glob("trials/*/rows.csv")
    }


def test_what_they_lack(results):
    """Else they would prove nothing of what 0.1.0 wrote."""
    plans = [json.loads((results / name / "plan.json").read_text()) for name in (RACE, ERRORS)]
    assert not any("numerics" in plan for plan in plans)
    statuses = [json.loads(path.read_text()) for path in (results / RACE).glob("trials/*/status.json")]
    assert {status["schema"] for status in statuses} == {1}
    assert (len(statuses), sum("rows_digest" not in status for status in statuses)) == (18, 17)


@pytest.mark.parametrize("name", [RACE, ERRORS])
def test_their_numbers_are_those_of_their_own_rows(results, name):
    before = content(results)
    found = api.load_results(results)[name]
    then = json.loads((COMMITTED / name / "verdict.json").read_text())["comparisons"]
    for now, was in zip(found.verdict["comparisons"], then, strict=True):
        assert {key: now[key] for key in ("arm", "n", "seeds")} == {key: was[key] for key in ("arm", "n", "seeds")}
        assert now["values"] == pytest.approx(was["values"], rel=1e-12)
        assert now["effect"] == pytest.approx(was["effect"], rel=1e-12)
    rows = last_rows(COMMITTED / name)
    trials = found.trials.set_index("trial")
    assert set(trials.index) == set(rows)
    assert {trial: float(rows[trial]["train_error"]) for trial in rows} == dict(trials["train_error"])
    assert content(results) == before


def test_each_way_of_showing_them_says_so_in_a_line(results):
    found = api.load_results(results)
    assert [repr(found[name]).count(OLDER[1]) for name in (RACE, ERRORS)] == [1, 1]
    rows = {row["name"]: row["results"] for row in json.loads(said("list", "--results", results, "--json"))}
    assert rows["a-a"] == "undecided on cifar10-jpeg (older numerics)"
    assert rows["relu-vs-tanh-fan-in"] == "no difference on cifar10-jpeg (older numerics)"
    assert said("show", "a-a", "--results", results).count(f"{ERRORS}: {OLDER[1]}") == 1
    assert said("report", "--results", results).count(OLDER[1]) == 1
    page = (results / "report.html").read_text(encoding="utf-8")
    assert page.count("<b>Older numerics.</b>") == 2


def test_they_are_not_gone_on_with(results, tiny_root):
    before = content(results)
    with pytest.raises(UserError) as refused:
        api.ablate("a-a", data="shapes", results=results, folder_name=ERRORS, data_root=tiny_root, workers=1)
    (line,) = refused.value.faults
    assert line.startswith(f"{ERRORS} holds results of older numerics")
    assert line.endswith("give this one a name of its own with --name NAME, or another place with --results PATH")
    assert content(results) == before


def test_a_status_of_today_without_the_digest_of_its_rows_is_a_problem(results):
    """What was no matter then is as bad as a wrong one now."""
    trial = next((results / RACE).glob("trials/relu-s0-*"))
    assert records.read_trial(trial).problem is None
    status = json.loads((trial / "status.json").read_text())
    (trial / "status.json").write_text(json.dumps(status | {"schema": 2}))
    assert records.read_trial(trial).problem == "status.json lacks the digest of the rows"
    with pytest.raises(UserError, match=f"{RACE}/trials/{trial.name}: status.json lacks the digest"):
        api.load_results(results, "relu-vs-tanh-fan-in")


def test_a_row_of_theirs_changed_by_hand_is_found(results):
    """Where 0.1.0 wrote the digest."""
    rows = next((results / ERRORS).glob("trials/once-s0-*")) / "rows.csv"
    lines = rows.read_text().splitlines()
    cells = lines[-1].split(",")
    lines[-1] = ",".join([*cells[:2], "0.5", *cells[3:]])
    rows.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match=r"once-s0-\w+: rows.csv was changed after the trial ended"):
        api.load_results(results, "a-a")
