"""A folder has one process at a time; a dead one's claim is free at once here, after a silent minute elsewhere."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from alexctl.errors import UserError
from alexctl.store import lock
from alexctl.store.lock import SILENT_SECONDS, Claim, Claimed


def foreign(folder, *, age: float) -> None:
    """A claim as another machine would have left it, last touched `age` seconds ago."""
    path = folder / ".claim"
    path.write_text(json.dumps({"machine": "another", "token": "theirs"}))
    os.utime(path, (time.time() - age,) * 2)


def test_one_at_a_time_and_free_again(tmp_path):
    first = Claim(tmp_path)
    with pytest.raises(Claimed, match="on this machine"):
        Claim(tmp_path)
    first.release()
    assert not (tmp_path / ".claim").exists()
    Claim(tmp_path).release()


def test_a_claim_of_a_killed_process_is_taken_over_at_once(tmp_path):
    code = f"import os, pathlib, alexctl.store.lock as c; c.Claim(pathlib.Path({str(tmp_path)!r})); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    assert (tmp_path / ".claim").exists()
    Claim(tmp_path).release()


def test_another_machine_is_left_in_peace_until_it_has_been_silent(tmp_path):
    foreign(tmp_path, age=SILENT_SECONDS - 5)
    with pytest.raises(Claimed, match="on another machine"):
        Claim(tmp_path)
    assert json.loads((tmp_path / ".claim").read_text())["token"] == "theirs"
    foreign(tmp_path, age=SILENT_SECONDS + 5)
    Claim(tmp_path).release()


def test_a_disk_without_locks_goes_by_the_heartbeat(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise NotImplementedError

    monkeypatch.setattr(lock.FileLock, "acquire", refuse)
    first = Claim(tmp_path)
    with pytest.raises(Claimed, match="on this machine"):
        Claim(tmp_path)
    first.release()
    Claim(tmp_path).release()


def test_it_beats_and_notices_when_it_was_taken_over(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.01)
    claim = Claim(tmp_path)
    os.utime(tmp_path / ".claim", (0, 0))
    wait(lambda: (tmp_path / ".claim").stat().st_mtime > 0)
    claim.check()
    foreign(tmp_path, age=0)
    wait(lambda: claim._lost)
    with pytest.raises(Claimed, match="on another machine"):
        claim.check()
    claim.release()
    assert json.loads((tmp_path / ".claim").read_text())["token"] == "theirs"


def test_a_folder_that_vanishes_is_named(tmp_path):
    (folder := tmp_path / "trial").mkdir()
    claim = Claim(folder)
    shutil.rmtree(folder)
    with pytest.raises(UserError, match="the folder has vanished") as caught:
        claim.check()
    assert caught.value.exit_code == 1
    claim.release()


def test_what_a_killed_process_left_half_written_is_swept(tmp_path):
    (tmp_path / ".rows.csv.77.tmp").write_text("epo")
    (tmp_path / "rows.csv").write_text("whole\n")
    Claim(tmp_path).release()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "rows.csv"]


def test_the_machine_is_not_named():
    import platform

    assert platform.node() not in lock.machine()
    assert lock.machine() == lock.machine()


def wait(until, seconds=20.0) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.01)
