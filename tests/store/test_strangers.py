"""A results folder from a stranger: whatever stands in it, it is read at once, from within, and written to within."""

import json
import os
import socket
from pathlib import Path

import pytest
from conftest import tiny_ablation

from alexctl import regular_files
from alexctl.errors import UserError
from alexctl.regular_files import open_regular
from alexctl.store import files, layout, records, rows_csv
from alexctl.store.lock import FolderLock

ROW = {"epoch": 0.5, "step": 2, "train_loss": 1.25, "train_error": 0.5, "test_error": None, "train_seconds": 1.0,
       "eval_seconds": 0.0, "top5_error": None}  # fmt: skip
KINDS = ("link", "folder", "pipe", "socket", "device")


@pytest.fixture
def trial(tmp_path):
    setting = tiny_ablation().setting("relu", "shapes", "0" * 16)
    folder = layout.trial(tmp_path / "results" / "tiny", layout.trial_name("relu", 3, setting.hash8))
    records.create(folder, ablation="tiny", arm="relu", phase="final", seed=3, setting=setting)
    rows_csv.write(folder, [ROW, ROW | {"epoch": 1.0, "step": 4, "test_error": 0.25}])
    records.write_end(folder, "done", None, rows_csv.read(folder), train_seconds=1.0, eval_seconds=0.0)
    assert records.read_trial(folder).problem is None
    return folder


def plant(path, kind, target):
    """Puts something that is no file in a file's place."""
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to(target)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        here = os.open(path.parent, os.O_RDONLY)  # the name of a socket is short
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)
    else:
        try:
            os.mknod(path, 0o20666, os.makedev(1, 5))  # /dev/zero, which never ends
        except OSError:
            pytest.skip("this user makes no devices")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(layout.OF_A_TRIAL))
def test_what_is_no_file_is_a_problem_of_its_trial(trial, tmp_path, name, kind):
    (secret := tmp_path / "secret").write_text("mine")
    plant(trial / name, kind, secret)
    assert records.read_trial(trial).problem == f"{name} is a {kind}, not a file"
    assert [record.problem for record in records.trials_of(trial.parents[1])] == [f"{name} is a {kind}, not a file"]


def test_a_link_under_any_name_is_a_problem(trial, tmp_path):
    (trial / "notes").mkdir()
    assert records.read_trial(trial).problem is None
    (trial / "gone").symlink_to(tmp_path / "nowhere")
    assert records.read_trial(trial).problem == "gone is a link, not a file"


def test_a_trials_folder_that_is_a_link_or_none(trial, tmp_path):
    moved = trial.rename(tmp_path / "elsewhere")
    trial.symlink_to(moved)
    assert records.read_trial(trial).problem == "it is a link, not a folder"
    trial.unlink()
    trial.write_text("")
    assert records.read_trial(trial).problem == "it is a file, not a folder"


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_folder_of_trials_that_is_none(trial, tmp_path, kind):
    campaign = trial.parents[1]
    moved = trial.parent.rename(tmp_path / "elsewhere")
    plant(campaign / "trials", kind, moved)
    with pytest.raises(UserError, match=f"trials: it is a {kind}, not a folder"):
        records.trials_of(campaign)
    with pytest.raises(UserError, match="is a link, which alexctl does not follow" if kind == "link" else "can't make"):
        files.make_inner(campaign / "trials")


def test_an_unreadable_trial_is_a_problem(trial, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    assert records.read_trial(trial).problem == "it can't be read: Permission denied"


def test_entries_of_a_results_folder_that_are_no_campaigns(trial, tmp_path, monkeypatch):
    """What can't be read, what leads elsewhere and what is no plan are noted; what is something else is not."""
    results = trial.parents[2]
    (trial.parents[1] / "plan.json").write_text("{}")
    for name in ("bench", "lost+found", "piped"):
        (results / name).mkdir()
    os.mkfifo(results / "piped" / "plan.json")
    (results / "report.html").write_text("")
    (results / "linked").symlink_to(trial.parents[1])
    (results / "looped").symlink_to("looped")
    lstat = type(results).lstat

    def refusing(path):
        if path.parent.name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return lstat(path)

    monkeypatch.setattr(type(results), "lstat", refusing)
    found, notes = records.look_into(results)
    assert found == records.campaigns(results) == [results / "tiny"]
    assert notes == [
        "linked is left out: it is a link, which alexctl does not follow",
        "looped is left out: it can't be read: Too many levels of symbolic links",
        "lost+found is left out: it can't be read: Permission denied",
        "piped is left out: plan.json is a pipe, not a file",
    ]
    assert records.look_into(results / "nowhere") == ([], [])


def test_nothing_is_written_through_a_link(trial, tmp_path):
    """Under every name that alexctl writes, and under the names that its temporary files used to have."""
    (secret := tmp_path / "secret").write_text("mine")
    for name in layout.OF_A_TRIAL:
        plant(trial / name, "link", secret)
        (trial / f".{name}.{os.getpid()}.tmp").symlink_to(secret)
    for name in layout.OF_A_TRIAL - {layout.LOCK, layout.LOG}:
        files.write_atomic(trial / name, "theirs")
        assert not (trial / name).is_symlink()
    with pytest.raises(ValueError, match=r"stderr\.log is a link, not a file"):
        open_regular(trial / layout.LOG, append=True)
    with pytest.raises(UserError, match=r"\.lock is a link, not a file"):
        FolderLock(trial)
    assert secret.read_text() == "mine"


def test_nothing_is_written_through_a_temporary_file_that_was_guessed(tmp_path, monkeypatch):
    monkeypatch.setattr(regular_files.secrets, "token_hex", lambda size: "guessed")
    (secret := tmp_path / "secret").write_text("mine")
    (tmp_path / ".a.json.guessed.tmp").symlink_to(secret)
    files.write_json(tmp_path / "a.json", {"schema": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "secret"]
    assert secret.read_text() == "mine"


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_a_log_that_is_no_file_is_not_waited_for(trial, kind):
    plant(trial / layout.LOG, kind, None)
    with pytest.raises(ValueError, match=rf"stderr\.log is a {kind}, not a file"):
        open_regular(trial / layout.LOG, append=True)


def test_what_is_too_large_is_not_read(trial):
    with (trial / "status.json").open("r+b") as file:
        file.truncate(files.JSON_BYTES + 1)
    assert records.read_trial(trial).problem == "status.json is larger than 4,194,304 bytes"
    with (trial / "rows.csv").open("r+b") as file:
        file.truncate(files.CSV_BYTES + 1)
    with pytest.raises(ValueError, match=r"rows\.csv is larger"):
        rows_csv.read(trial)


def deep(levels):
    table = 1
    for _ in range(levels):
        table = [table]
    return table


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("setting.json", {"seed": -1}),
        ("setting.json", {"seed": 3.0}),
        ("setting.json", {"setting": [1]}),
        ("setting.json", {"setting": {"data": ["x"], "net": "convnet4", "data_digest": "", "numerics": 1}}),
        ("setting.json", {"setting": {"data": "../../x", "net": "convnet4", "data_digest": "", "numerics": 1}}),
        ("setting.json", {"setting": {"data": "x", "net": {}, "data_digest": "", "numerics": 1}}),
        ("status.json", {"parameters": [1]}),
        ("status.json", {"parameters": -1}),
        ("status.json", {"epochs_run": -0.5}),
        ("status.json", {"epochs_run": True}),
        ("status.json", {"train_seconds": "1"}),
        ("status.json", {"train_seconds": -1}),
        ("status.json", {"error": ["x"]}),
        ("status.json", {"rows_digest": 7}),
        ("status.json", {"num_rows": 10**400}),
        ("status.json", {"more": "\ud800"}),
        ("status.json", {"more": deep(40)}),
        ("status.json", {"more": list(range(30_000))}),
        ("env.json", {"packages": None}),
        ("env.json", {"packages": {"torch": 2}}),
        ("env.json", {"threads": "1"}),
        ("env.json", {"cpu": "x" * 400}),
        ("env.json", {"git_commit": 1}),
        ("verdict.json", {"comparisons": {}}),
        ("verdict.json", {"claim": []}),
        ("verdict.json", {"data": None}),
        ("plan.json", {"num_classes": 0}),
        ("plan.json", {"data_name": 1}),
        ("plan.json", {"ablation": []}),
        ("figures.json", {"figure": 1}),
        ("bench.json", {"ratios": {"workers_to_alone": "1"}}),
    ],
)  # fmt: skip
def test_values_that_a_file_of_ours_never_has(trial, tmp_path, name, changes):
    """Of the reference results, or of the trial at hand, with one thing changed."""
    wholes = {path.name: path for path in (Path(layout.__file__).parents[2] / layout.REFERENCE).rglob("*.json")}
    path = trial / name if (trial / name).exists() else tmp_path / name
    table = json.loads((path if path.exists() else wholes[name]).read_text())
    path.write_text(json.dumps(table))
    files.read_json(path)
    path.write_text(json.dumps(table | changes))
    with pytest.raises(ValueError, match=f"^{name} is damaged"):
        files.read_json(path)


def test_a_number_beyond_all_numbers(trial):
    text = (trial / "status.json").read_text()
    (trial / "status.json").write_text(text.replace('"train_seconds": 1.0', '"train_seconds": 1e999'))
    assert records.read_trial(trial).problem == "status.json is damaged"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("epoch", 0.0), ("epoch", -1.0), ("epoch", 1e300), ("step", 0), ("step", -2), ("train_error", 1.5), ("train_error", -0.5),
        ("test_error", 2.0), ("top5_error", -0.5), ("train_seconds", -1.0), ("train_seconds", 1e300), ("eval_seconds", -0.5),
    ],
)  # fmt: skip
def test_numbers_that_cant_be(trial, column, value):
    rows_csv.write(trial, [ROW | {"epoch": 1e-6, "step": 1, column: value}])
    assert f"rows.csv line 2 has {column} = " in records.read_trial(trial).problem


def test_epochs_that_do_not_rise(trial):
    rows_csv.write(trial, [ROW, ROW | {"step": 4}])
    assert records.read_trial(trial).problem == "rows.csv line 3 is out of order"


def test_a_digest_that_is_missing_is_as_bad_as_a_wrong_one(trial):
    """In what is written from now on; the first versions wrote none, and their files stay as good as they were."""
    path = trial / "status.json"
    status = json.loads(path.read_text())
    del status["rows_digest"]
    path.write_text(json.dumps(status))
    assert records.read_trial(trial).problem == "status.json lacks the digest of the rows"
    path.write_text(json.dumps(status | {"schema": 1}))
    assert records.read_trial(trial).problem is None


def test_a_torn_trial_is_told_from_a_changed_one(trial):
    rows = rows_csv.read(trial)
    for count in (1, 3):
        rows_csv.write(trial, [*rows, rows[-1] | {"epoch": 1.5, "step": 6}][:count])
        record = records.read_trial(trial)
        assert (record.torn, record.problem) == (True, f"rows.csv has {count} rows where status.json counts 2")
    rows_csv.write(trial, [rows[0], rows[1] | {"train_error": 0.1}])
    record = records.read_trial(trial)
    assert (record.torn, record.problem) == (False, "rows.csv was changed after the trial ended")


def test_a_long_message_is_cut_when_it_is_written_and_when_it_is_read(trial):
    records.write_end(trial, "failed", "x" * 200_000, (), train_seconds=0.0, eval_seconds=0.0)
    assert len(json.loads((trial / "status.json").read_text())["error"]) == records.LONGEST_ERROR + 4
    status = json.loads((trial / "status.json").read_text())
    (trial / "status.json").write_text(json.dumps(status | {"error": "y" * 200_000}))  # as version 0.1.0 did
    assert len(records.read_trial(trial).status["error"]) == records.LONGEST_ERROR + 4
