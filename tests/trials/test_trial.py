"""Trials in their folders: identical twice, resumed bit for bit, failures written down."""

import json
import random
from pathlib import Path

import one_trial
import pytest
import torch
from conftest import tiny_ablation
from safetensors.torch import load_file

from alexctl import regular_files
from alexctl.errors import UserError
from alexctl.process import Interrupt
from alexctl.store import layout, records, rows_csv
from alexctl.store.lock import FolderLock, Locked
from alexctl.training import device
from alexctl.training.evaluation import Evaluator
from alexctl.trials import trial

CPU = torch.device("cpu")
SECONDS = ("train_seconds", "eval_seconds")


def make(folder: Path, data, **overrides) -> Path:
    setting = tiny_ablation(**overrides).setting("relu", data.name, data.digest)
    folder = folder / layout.trial_name("relu", 0, setting.hash8)
    records.create(folder, ablation="tiny", arm="relu", phase="final", seed=0, setting=setting)
    return folder


def run(folder, root, **options):
    return one_trial.run(folder, root=root, device=CPU, **options)


def rows_of(folder):
    record = records.read_trial(folder)
    assert record.problem is None
    return [{k: v for k, v in row.items() if k not in SECONDS} for row in record.rows]


def test_twice_the_same(tiny_root, tiny_data, tmp_path):
    first, second = make(tmp_path / "a", tiny_data), make(tmp_path / "b", tiny_data)
    assert run(first, tiny_root) == run(second, tiny_root) == "done"
    assert rows_of(first) == rows_of(second)
    assert len(rows_of(first)) == 8
    assert sorted(p.name for p in first.iterdir() if p.name != ".lock") == [
        "correct.bits", "env.json", "rows.csv", "setting.json", "status.json",
    ]  # fmt: skip


@pytest.mark.parametrize(("after", "step"), [(2, 3), (5, 5), (8, 8)])
def test_interrupted_and_resumed(tiny_root, tiny_data, tmp_path, after, step):
    """Within an epoch of 5 steps, in the evaluation after it, and in the next epoch."""
    whole, broken = make(tmp_path / "a", tiny_data), make(tmp_path / "b", tiny_data)
    run(whole, tiny_root)
    asked = iter(range(1000))
    assert run(broken, tiny_root, should_stop=lambda: next(asked) == after) == "interrupted"
    assert torch.load(broken / "checkpoint.pt", weights_only=True)["training"]["step"] == step
    assert run(broken, tiny_root) == "done"
    assert rows_of(broken) == rows_of(whole)
    assert not (broken / "checkpoint.pt").exists()


def test_interrupted_again_and_again_at_random(tiny_root, tiny_data, tmp_path):
    """Steps between interruptions are drawn; among them ends of rows, of epochs, and the very last step."""
    whole = make(tmp_path / "whole", tiny_data)
    run(whole, tiny_root)
    draw = random.Random(0)
    for number in range(5):
        broken = make(tmp_path / str(number), tiny_data)
        while True:
            left = iter([False] * draw.randint(0, 4) + [True] * 1000)
            state = run(broken, tiny_root, should_stop=lambda left=left: next(left))
            assert records.read_trial(broken).problem is None
            if state == "done":
                break
        assert rows_of(broken) == rows_of(whole)


def test_at_the_end_of_its_budget_a_trial_is_done_not_paused(tiny_root, tiny_data, tmp_path):
    folder = make(tmp_path, tiny_data, epochs=1, evaluate_every=0)
    assert run(folder, tiny_root, until=1.0) == "done"
    assert not (folder / "checkpoint.pt").exists()


def test_a_full_disk_is_not_the_trials_fault(tiny_root, tiny_data, tmp_path, monkeypatch):
    """What was written stays valid, no state is recorded, and the same command again completes it."""
    whole, folder = make(tmp_path / "a", tiny_data), make(tmp_path / "b", tiny_data)
    run(whole, tiny_root)
    asked = iter(range(1000))
    run(folder, tiny_root, should_stop=lambda: next(asked) == 3)
    with monkeypatch.context() as patch:
        written = iter(range(1000))

        def fsync(file: int) -> None:
            if next(written) >= 2:  # the claim and env.json still fitted
                raise OSError(28, "No space left on device")

        patch.setattr(regular_files.os, "fsync", fsync)
        with pytest.raises(UserError, match=r"can't write .*checkpoint\.pt: No space left on device") as caught:
            run(folder, tiny_root, should_stop=lambda: True)
    assert caught.value.exit_code == 1
    assert records.read_trial(folder).state == "interrupted"
    assert not list(folder.glob("*.tmp"))
    assert run(folder, tiny_root) == "done"
    assert rows_of(folder) == rows_of(whole)


def test_a_damaged_checkpoint_begins_the_trial_again(tiny_root, tiny_data, tmp_path):
    whole, folder = make(tmp_path / "a", tiny_data), make(tmp_path / "b", tiny_data)
    run(whole, tiny_root)
    run(folder, tiny_root, until=1.0)
    checkpoint = folder / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    assert run(folder, tiny_root) == "done"
    assert rows_of(folder) == rows_of(whole)


def test_a_lost_checkpoint_begins_the_trial_again(tiny_root, tiny_data, tmp_path):
    """As in a clone, where checkpoints are not; killed again early, its few rows are no contradiction."""
    whole, folder = make(tmp_path / "a", tiny_data), make(tmp_path / "b", tiny_data)
    run(whole, tiny_root)
    run(folder, tiny_root, until=1.0)
    (folder / "checkpoint.pt").unlink()

    def killed(row):
        rows_csv.write(folder, [row])
        raise Interrupt

    with pytest.raises(Interrupt):
        run(folder, tiny_root, on_row=killed)
    assert records.read_trial(folder).problem is None
    assert run(folder, tiny_root) == "done"
    assert rows_of(folder) == rows_of(whole)


def test_paused_by_the_search_and_gone_on(tiny_root, tiny_data, tmp_path):
    whole, paused = make(tmp_path / "a", tiny_data), make(tmp_path / "b", tiny_data)
    run(whole, tiny_root)
    assert run(paused, tiny_root, until=1.0) == "paused"
    assert rows_of(paused)[-1]["epoch"] == 1.0
    assert run(paused, tiny_root, until=1.0) == "paused"
    assert run(paused, tiny_root) == "done"
    assert rows_of(paused) == rows_of(whole)


def test_asked_to_pause_before_where_its_checkpoint_is_it_goes_on_to_the_next_row(tiny_root, tiny_data, tmp_path):
    """Else it would be asked again for ever: nothing is known at that epoch yet."""
    whole, paused = make(tmp_path / "a", tiny_data), make(tmp_path / "b", tiny_data)
    run(whole, tiny_root)
    asked = iter(range(1000))
    assert run(paused, tiny_root, should_stop=lambda: next(asked) == 2) == "interrupted"
    assert torch.load(paused / "checkpoint.pt", weights_only=True)["training"]["step"] == 3  # of 5 an epoch
    assert [row["step"] for row in rows_of(paused)] == [1, 2]
    assert run(paused, tiny_root, until=0.5) == "paused"
    assert rows_of(paused) == rows_of(whole)[:3]
    assert run(paused, tiny_root) == "done"
    assert rows_of(paused) == rows_of(whole)


@pytest.mark.parametrize("after", range(10))
def test_stopped_between_two_rows_it_ends_at_the_row_it_would_have_ended_at(tiny_root, tiny_data, tmp_path, after):
    knobs = {"target": {"at_most": 0.95}, "epochs_after_target": 1.15, "evaluate_every": 0}
    whole, broken = make(tmp_path / "a", tiny_data, **knobs), make(tmp_path / "b", tiny_data, **knobs)
    run(whole, tiny_root)
    asked = iter(range(1000))
    run(broken, tiny_root, should_stop=lambda: next(asked) == after)
    assert run(broken, tiny_root) == "done"
    assert rows_of(broken) == rows_of(whole)


def test_the_target_ends_it(tiny_root, tiny_data, tmp_path):
    folder = make(tmp_path, tiny_data, target={"at_most": 0.95}, epochs_after_target=0.5, evaluate_every=0)
    run(folder, tiny_root)
    assert rows_of(folder)[-1]["epoch"] < 1.5
    assert rows_of(folder)[-1]["test_error"] is None


def test_the_last_row_has_a_test_error(tiny_root, tiny_data, tmp_path):
    folder = make(tmp_path, tiny_data, epochs=1, evaluate_every=7)
    run(folder, tiny_root)
    assert rows_of(folder)[-1]["test_error"] is not None


def test_diverged_and_failed_are_written_down(tiny_root, tiny_data, tmp_path):
    folder = make(tmp_path / "a", tiny_data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alexctl.training.loop.F.cross_entropy", lambda logits, labels, **_: logits.sum() * float("nan"))
        assert run(folder, tiny_root) == "diverged"
    assert "the training loss is nan" in records.read_trial(folder).status["error"]
    folder = make(tmp_path / "b", tiny_data)
    assert run(folder, tmp_path / "no-data-here") == "failed"
    assert records.read_trial(folder).state == "failed"
    folder = make(tmp_path / "c", tiny_data)
    (folder / "checkpoint.pt").write_bytes(b"garbage")
    assert run(folder, tiny_root) == "done"


def test_locked(tiny_data, tmp_path):
    folder = make(tmp_path, tiny_data)
    lock = FolderLock(folder)
    with pytest.raises(Locked):
        run(folder, tmp_path)
    lock.release()


def test_the_environment_names_no_one(tiny_root, tiny_data, tmp_path):
    folder = make(tmp_path, tiny_data)
    run(folder, tiny_root, until=0.1)
    text = (folder / "env.json").read_text() + (folder / "setting.json").read_text()
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text
    import platform

    assert platform.node() not in json.loads((folder / "env.json").read_text()).values()


def test_weights_are_kept_where_they_are_wanted(tiny_root, tiny_data, tmp_path):
    folder = make(tmp_path, tiny_data, epochs=1)
    assert run(folder, tiny_root, keeping=trial.Keeping(weights=True)) == "done"
    weights = load_file(folder / "weights.safetensors")
    assert sum(tensor.numel() for tensor in weights.values()) == records.read_trial(folder).status["parameters"]


def test_told_to_stop_in_an_evaluation_it_stops_there_and_then(tiny_root, tiny_data, tmp_path):
    """The row it was for is not lost."""
    whole, folder = make(tmp_path / "a", tiny_data), make(tmp_path / "b", tiny_data)
    run(whole, tiny_root)
    told = []
    with pytest.MonkeyPatch.context() as patch:
        errors_on = Evaluator.errors_on
        patch.setattr(Evaluator, "errors_on", lambda self, part, to: (told.append(part), errors_on(self, part, to))[1])
        assert run(folder, tiny_root, should_stop=lambda: bool(told)) == "interrupted"
    assert (told, len(rows_of(folder))) == (["test"], 3)  # of four rows an epoch
    assert run(folder, tiny_root) == "done"
    assert rows_of(folder) == rows_of(whole)


def test_devices_by_name():
    assert device.choose_device("cpu") == CPU
    with pytest.raises(UserError, match="--device cuda:99: not on this machine, which has: cpu"):
        device.choose_device("cuda:99")


def test_a_second_run_never_writes_beside_the_first(tiny_root, tiny_data, tmp_path):
    """A clean-up job deletes the lock's files, and somebody gives the command again: the first stops at its next write."""
    folder, seconds = make(tmp_path, tiny_data), []

    def clean_up(row):
        if not seconds:
            for name in (".lock", ".heartbeat"):
                (folder / name).unlink()
            seconds.append(FolderLock(folder))
            seconds.append({path.name: path.read_bytes() for path in folder.iterdir()})

    with pytest.raises(Locked, match="on this machine"):
        run(folder, tiny_root, on_row=clean_up)
    second, then = seconds
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == then
    second.check()
    second.release()
    assert run(folder, tiny_root) == "done"


def test_lock_files_that_vanish_alone_end_no_trial(tiny_root, tiny_data, tmp_path):
    folder = make(tmp_path, tiny_data)

    def clean_up(row):
        for name in (".lock", ".heartbeat"):
            (folder / name).unlink(missing_ok=True)

    assert run(folder, tiny_root, on_row=clean_up) == "done"
    assert records.read_trial(folder).state == "done"


def test_a_checkpoint_that_is_a_link_is_not_followed(tiny_root, tiny_data, tmp_path):
    whole, folder = make(tmp_path / "a", tiny_data), make(tmp_path / "b", tiny_data)
    run(folder, tiny_root, until=1.0)
    moved = (folder / "checkpoint.pt").rename(tmp_path / "checkpoint.pt")
    (folder / "checkpoint.pt").symlink_to(moved)
    before = moved.read_bytes()
    assert run(folder, tiny_root) == "done"
    run(whole, tiny_root)
    assert rows_of(folder) == rows_of(whole)
    assert moved.read_bytes() == before
