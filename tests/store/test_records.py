"""What lies in results/ is whole, or it is named: never a traceback, never averaged in."""

import errno
import hashlib
import json

import pytest
import torch
from conftest import tiny_ablation

import alexctl
from alexctl import regular_files
from alexctl.store import files, layout, records, rows_csv

ROW = {"epoch": 0.5, "step": 2, "train_loss": 1.25, "train_error": 0.5, "test_error": None, "train_seconds": 1.0,
       "eval_seconds": 0.0, "top5_error": None}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    setting = tiny_ablation().setting("relu", "shapes", "0" * 16)
    folder = tmp_path / layout.trial_name("relu", 3, setting.hash8)
    records.create(folder, ablation="tiny", arm="relu", phase="final", seed=3, setting=setting)
    rows_csv.write(folder, [ROW, ROW | {"epoch": 1.0, "step": 4, "test_error": 0.25}])
    files.write_json(folder / "status.json", {"schema": 1, "state": "done", "num_rows": 2, "epochs_run": 1.0})
    return folder


def test_written_and_read(folder):
    record = records.read_trial(folder)
    assert (record.arm, record.seed, record.state, record.problem) == ("relu", 3, "done", None)
    assert record.rows[1] == ROW | {"epoch": 1.0, "step": 4, "test_error": 0.25}
    assert (folder / "rows.csv").read_text().splitlines()[1] == "0.5,2,1.25,0.5,,1.0,0.0,"


def test_rows_of_before_the_top_5_error(folder):
    """Trials of before stay valid, their digest too."""
    old = [{key: value for key, value in ROW.items() if key != "top5_error"}]
    rows_csv.write(folder, old)
    assert (folder / "rows.csv").read_text().splitlines()[0] == ",".join(rows_csv.EARLIER[-1])
    read = rows_csv.read(folder)
    assert list(read) == old
    assert rows_csv.digest(read) == rows_csv.digest(old) != rows_csv.digest([ROW])
    rows_csv.write(folder, [*old, ROW | {"epoch": 1.0, "step": 4}])  # one that was gone on with since
    read = rows_csv.read(folder)
    assert rows_csv.digest(read) == rows_csv.digest([*old, ROW | {"epoch": 1.0, "step": 4}])


def test_a_trial_of_before_that_diverged_without_a_row(folder):
    """Its digest is that of the first columns, whatever alexctl writes today."""
    (folder / "rows.csv").write_text(",".join(rows_csv.EARLIER[-1]) + "\n")
    digest = hashlib.sha256((",".join(rows_csv.EARLIER[-1]) + "\n").encode()).hexdigest()[:16]
    status = {"schema": 1, "state": "diverged", "num_rows": 0, "epochs_run": 0.0, "rows_digest": digest}
    files.write_json(folder / "status.json", status)
    assert records.read_trial(folder).problem is None


def test_cut_off_anywhere(folder):
    """No prefix of a file passes for the whole."""
    for name in ("rows.csv", "status.json", "setting.json"):
        whole = (folder / name).read_bytes()
        for length in range(len(whole) - 1 if name != "rows.csv" else len(whole)):
            (folder / name).write_bytes(whole[:length])
            assert records.read_trial(folder).problem, (name, length)
        (folder / name).write_bytes(whole)
    assert records.read_trial(folder).problem is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: t.replace("epoch,step", "step,epoch"), "other columns"),
        (lambda t: t.replace("1.25", "nan"), "lacks a finite number"),
        (lambda t: t.replace("1.25", "much"), "line 2 holds something that is not a number"),
        (lambda t: "\ufeff" + t, "other columns"),
        (lambda t: t.replace("\n", "\r\n"), "other columns"),
        (lambda t: "\n".join([*t.splitlines()[:1], *t.splitlines()[:0:-1]]) + "\n", "line 3 is out of order"),
        (lambda t: t.replace(",0.25,", ",0.25,9,"), "line 3 has 9 fields"),
        (lambda t: "\n".join(t.splitlines()[:2]) + "\n", "1 rows where status.json counts 2"),
        (lambda t: "", "cut off"),
    ],
)
def test_edited_by_hand(folder, change, problem):
    text = (folder / "rows.csv").read_text()
    (folder / "rows.csv").write_bytes(change(text).encode())
    assert problem in records.read_trial(folder).problem


def test_a_setting_that_left_its_hash_and_a_newer_schema(folder):
    head = json.loads((folder / "setting.json").read_text())
    head["setting"]["lr"] = 0.02
    (folder / "setting.json").write_text(json.dumps(head))
    assert "no longer matches the hash" in records.read_trial(folder).problem
    (folder / "status.json").write_text('{"schema": 99}')
    (folder / "setting.json").write_text(json.dumps({"schema": 99}))
    assert "newer alexctl (schema 99)" in records.read_trial(folder).problem


def test_cells_cannot_run_in_a_spreadsheet():
    text = files.csv_text(("a", "b"), [{"a": "=cmd()", "b": -1.5}, {"a": "x\x1b[31m", "b": None}])
    assert text == "a,b\n'=cmd(),-1.5\nx\\x1b[31m,\n"


def test_whole_or_absent(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    files.write_json(path, {"schema": 1})
    monkeypatch.setattr(
        regular_files.os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(records.UserError, match="No space left on device") as caught:
        files.write_json(path, {"schema": 2})
    assert caught.value.exit_code == 1
    assert json.loads(path.read_text()) == {"schema": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def change_json(path, **changes):
    table = json.loads(path.read_text())
    for key, value in changes.items():
        place, _, inner = key.rpartition("__")
        (table[place] if place else table)[inner] = value
    path.write_text(json.dumps(table))


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("setting.json", {"seed": 4}, "another arm, seed or phase"),
        ("setting.json", {"arm": "tanh"}, "another arm, seed or phase"),
        ("setting.json", {"phase": "search"}, "another arm, seed or phase"),
        ("setting.json", {"phase": "best"}, "setting.json is damaged"),
        ("setting.json", {"setting": [1]}, "setting.json is damaged"),
        ("setting.json", {"setting__activation": "tanh"}, "no longer matches the hash"),
        ("setting.json", {"setting__momentum": False}, "no longer matches the hash"),
        ("setting.json", {"setting__weight_decay": False}, "weight_decay: should be a number"),
        ("setting.json", {"setting__epochs": float("nan")}, "setting.json is damaged"),
        ("setting.json", {"schema": True}, "setting.json is damaged"),
        ("status.json", {"state": "good"}, "status.json is damaged"),
        ("status.json", {"state": ["done"]}, "status.json is damaged"),
        ("status.json", {"epochs_run": "2"}, "status.json is damaged"),
        ("status.json", {"epochs_run": float("inf")}, "status.json is damaged"),
        ("status.json", {"num_rows": 1}, "rows.csv has 2 rows where status.json counts 1"),
        ("status.json", {"state": "paused", "num_rows": 3}, "rows.csv has 2 rows where status.json counts 3"),
        ("status.json", {"schema": 3}, "newer alexctl (schema 3)"),
    ],
)
def test_json_edited_by_hand(folder, name, changes, problem):
    change_json(folder / name, **changes)
    assert problem in records.read_trial(folder).problem


@pytest.mark.parametrize("name", ["setting.json", "status.json"])
@pytest.mark.parametrize(
    "content", [b"", b"\xef\xbb\xbf{}", b"\xff", b"[" * 100_000, b"[]", b'{"schema": 1e0}', b"{}\0"]
)
def test_json_that_is_none(folder, name, content):
    (folder / name).write_bytes(content)
    assert records.read_trial(folder).problem == f"{name} is damaged"


@pytest.mark.parametrize("cell", ["0.50", "1_0", " 0.5", "5e-1", "\u0660", '"0.5"', "0.5\r", "0.5\0", "1e999", "-", ""])
def test_numbers_alexctl_would_not_write(folder, cell):
    """Every cell is written in one way only, so a spreadsheet that saved the file again is noticed."""
    text = (folder / "rows.csv").read_text()
    (folder / "rows.csv").write_bytes(text.replace("1.25", cell).encode())
    assert records.read_trial(folder).problem.startswith("rows.csv line 2 ")


def test_a_plausible_number_put_in_later(folder):
    """The end of a trial is recorded with a digest of its rows."""
    rows = records.read_trial(folder).rows
    change_json(folder / "status.json", rows_digest=rows_csv.digest(rows))
    assert records.read_trial(folder).problem is None
    text = (folder / "rows.csv").read_text()
    (folder / "rows.csv").write_text(text.replace("1.25", "1.24"))
    assert records.read_trial(folder).problem == "rows.csv was changed after the trial ended"


def test_done_without_a_row_is_not_done(folder):
    (folder / "rows.csv").unlink()
    change_json(folder / "status.json", num_rows=0)
    assert "0 rows" in records.read_trial(folder).problem


def test_states_a_kill_may_leave(folder):
    """Gone on with and killed: more rows than the status knows. Failed, begun again and killed: fewer."""
    change_json(folder / "status.json", state="paused", num_rows=1)
    assert records.read_trial(folder).problem is None
    change_json(folder / "status.json", state="failed", num_rows=5)
    assert records.read_trial(folder).problem is None
    (folder / "status.json").unlink()
    assert records.read_trial(folder).state == "pending"


def test_a_knob_the_file_leaves_out_has_its_default(folder):
    """As when the knob came with a later alexctl: the hash is the same, and readers find the value."""
    head = json.loads((folder / "setting.json").read_text())
    del head["setting"]["activation"]
    (folder / "setting.json").write_text(json.dumps(head))
    record = records.read_trial(folder)
    assert record.problem is None
    assert record.setting["activation"] == "relu"


@pytest.mark.parametrize(
    "name", ["x", "relu-s3", "relu-s3-0123456", "relu-s3-0123456g", "-s1-01234567", "relu-s\u0663-01234567"]
)
def test_other_folders_are_no_trials(tmp_path, name):
    (tmp_path / name).mkdir()
    assert records.read_trial(tmp_path / name) is None


def test_empty_cells_stay_empty():
    assert files.csv_text(("a", "b", "c"), [{"a": "", "b": True, "c": float("nan")}]) == "a,b,c\n,true,\n"


def test_a_checkout_that_is_not_installed_knows_its_version(monkeypatch):
    """As on a cluster's node: a copy of the tree on PYTHONPATH, no metadata."""
    from alexctl.store import environment as module

    def version(package: str) -> str:
        assert package != "alexctl"
        return "1.0"

    monkeypatch.setattr(module, "version", version)
    assert module.environment(torch.device("cpu"))["alexctl"] == alexctl.__version__


def test_a_trial_that_was_not_laid_down_to_the_end_is_none_yet(tmp_path, folder):
    """A kill or a full disk leaves such folders, and they stop no campaign; what holds more is looked into."""
    campaign = tmp_path / "tiny"
    home = layout.trial(campaign, folder.name)
    home.mkdir(parents=True)
    assert records.trials_of(campaign) == []
    (home / f".setting.json.{'0' * 16}.tmp").write_text("{")
    (home / ".lock").touch()
    assert records.trials_of(campaign) == []
    (folder / "rows.csv").rename(home / "rows.csv")
    assert [record.problem for record in records.trials_of(campaign)] == ["setting.json: No such file or directory"]


@pytest.mark.parametrize("name", ["setting.json", "status.json", "rows.csv"])
def test_a_disk_that_does_not_give_a_file_is_no_damage(folder, monkeypatch, name):
    """Nobody is told to delete what may be whole."""
    failing(monkeypatch, name)
    record = records.read_trial(folder)
    assert (record.problem, record.unreadable) == (f"{name}: Input/output error", True)
    error = record.refusal("delete that folder")
    assert (error.exit_code, "delete" in str(error)) == (1, False)
    assert str(error).endswith("make it readable, then run the same command again")


def failing(monkeypatch, name):
    """The disk does not give files of that name."""
    real = files.read_regular

    def read(path, limit):
        if path.name == name:
            raise OSError(errno.EIO, "Input/output error")
        return real(path, limit)

    monkeypatch.setattr(files, "read_regular", read)
