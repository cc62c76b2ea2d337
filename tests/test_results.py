"""What lies in results/ is whole, or it is named: never a traceback, never averaged in."""

import json

import pytest
from conftest import tiny_ablation

from alexctl import results, trial

ROW = {"epoch": 0.5, "step": 2, "train_loss": 1.25, "train_error": 0.5, "test_error": None, "train_seconds": 1.0,
       "eval_seconds": 0.0}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    setting = tiny_ablation().setting("relu", "shapes", "0" * 16)
    folder = tmp_path / results.trial_name("relu", 3, setting.hash8)
    trial.create(folder, ablation="tiny", arm="relu", phase="final", seed=3, setting=setting)
    results.write_rows(folder, [ROW, ROW | {"epoch": 1.0, "step": 4, "test_error": 0.25}])
    results.write_json(folder / "status.json", {"schema": 1, "state": "done", "num_rows": 2, "epochs_run": 1.0})
    return folder


def test_written_and_read(folder):
    record = results.read_trial(folder)
    assert (record.arm, record.seed, record.state, record.problem) == ("relu", 3, "done", None)
    assert record.rows[1] == ROW | {"epoch": 1.0, "step": 4, "test_error": 0.25}
    assert (folder / "rows.csv").read_text().splitlines()[1] == "0.5,2,1.25,0.5,,1.0,0.0"


def test_cut_off_anywhere(folder):
    """No prefix of a file passes for the whole."""
    for name in ("rows.csv", "status.json", "setting.json"):
        whole = (folder / name).read_bytes()
        for length in range(len(whole) - 1 if name != "rows.csv" else len(whole)):
            (folder / name).write_bytes(whole[:length])
            assert results.read_trial(folder).problem, (name, length)
        (folder / name).write_bytes(whole)
    assert results.read_trial(folder).problem is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: t.replace("epoch,step", "step,epoch"), "other columns"),
        (lambda t: t.replace("1.25", "nan"), "lacks a finite number"),
        (lambda t: t.replace("1.25", "much"), "line 2 holds something that is not a number"),
        (lambda t: "\ufeff" + t, "other columns"),
        (lambda t: t.replace("\n", "\r\n"), "other columns"),
        (lambda t: "\n".join([*t.splitlines()[:1], *t.splitlines()[:0:-1]]) + "\n", "line 3 is out of order"),
        (lambda t: t.replace(",0.25,", ",0.25,9,"), "line 3 has 8 fields"),
        (lambda t: "\n".join(t.splitlines()[:2]) + "\n", "1 rows where status.json counts 2"),
        (lambda t: "", "cut off"),
    ],
)
def test_edited_by_hand(folder, change, problem):
    text = (folder / "rows.csv").read_text()
    (folder / "rows.csv").write_bytes(change(text).encode())
    assert problem in results.read_trial(folder).problem


def test_a_setting_that_left_its_hash_and_a_newer_schema(folder):
    head = json.loads((folder / "setting.json").read_text())
    head["setting"]["lr"] = 0.02
    (folder / "setting.json").write_text(json.dumps(head))
    assert "no longer matches the hash" in results.read_trial(folder).problem
    (folder / "status.json").write_text('{"schema": 99}')
    (folder / "setting.json").write_text(json.dumps({"schema": 99}))
    assert "newer alexctl (schema 99)" in results.read_trial(folder).problem


def test_cells_cannot_run_in_a_spreadsheet():
    text = results.csv_text(("a", "b"), [{"a": "=cmd()", "b": -1.5}, {"a": "x\x1b[31m", "b": None}])
    assert text == "a,b\n'=cmd(),-1.5\nx\\x1b[31m,\n"


def test_whole_or_absent(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    results.write_json(path, {"schema": 1})
    monkeypatch.setattr(results.os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(results.UserError, match="No space left on device") as caught:
        results.write_json(path, {"schema": 2})
    assert caught.value.exit_code == 1
    assert json.loads(path.read_text()) == {"schema": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
