"""A folder has one process at a time; a dead one's lock is free at once here, after a silent minute elsewhere."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from alexctl.errors import UserError
from alexctl.store import files, lock
from alexctl.store.lock import FolderLock, Locked


def foreign(folder, *, age: float) -> None:
    """A heartbeat as another machine would have left it, last touched `age` seconds ago."""
    path = folder / ".heartbeat"
    path.write_text(json.dumps({"machine": "another", "token": "theirs"}))
    os.utime(path, (time.time() - age,) * 2)


def test_one_at_a_time_and_free_again(tmp_path):
    first = FolderLock(tmp_path)
    with pytest.raises(Locked, match="on this machine"):
        FolderLock(tmp_path)
    first.release()
    assert not (tmp_path / ".heartbeat").exists()
    FolderLock(tmp_path).release()


def test_a_lock_of_a_killed_process_is_taken_over_at_once(tmp_path):
    code = f"import os, pathlib, alexctl.store.lock as c; c.FolderLock(pathlib.Path({str(tmp_path)!r})); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    assert (tmp_path / ".heartbeat").exists()
    FolderLock(tmp_path).release()


@pytest.fixture
def minute(monkeypatch):
    """A minute that takes a tenth of a second."""
    monkeypatch.setattr(lock, "SILENT_SECONDS", 0.1)
    monkeypatch.setattr(lock, "_watched", {})


def test_a_heartbeat_that_the_disk_does_not_give_may_be_anothers(tmp_path, monkeypatch):
    foreign(tmp_path, age=0)

    def read(path, limit):
        raise OSError(errno.EIO, "Input/output error")

    with (
        monkeypatch.context() as patch,
        pytest.raises(UserError, match=r"\.heartbeat: Input/output error; make it readable"),
    ):
        patch.setattr(files, "read_regular", read)
        FolderLock(tmp_path)
    with pytest.raises(Locked, match="on another machine"):
        FolderLock(tmp_path)
    assert "theirs" in (tmp_path / ".heartbeat").read_text()


def silent_for_long(folder) -> None:
    """Watches the folder's heartbeat until it counts as silent."""
    with pytest.raises(lock.Silent):
        FolderLock(folder)
    time.sleep(lock.SILENT_SECONDS)


@pytest.mark.parametrize("age", [0, 30, 3600, -7 * 3600])
def test_another_machine_is_left_in_peace_until_it_has_been_silent(tmp_path, minute, age):
    """Whatever time its heartbeat bears, hours ahead too: that is another clock's."""
    foreign(tmp_path, age=age)
    with pytest.raises(Locked, match="on another machine"):
        FolderLock(tmp_path)
    with pytest.raises(Locked, match="on another machine"):
        FolderLock(tmp_path)
    assert json.loads((tmp_path / ".heartbeat").read_text())["token"] == "theirs"
    time.sleep(lock.SILENT_SECONDS)
    FolderLock(tmp_path).release()


def test_another_machine_that_gives_a_sign_of_life(tmp_path, minute):
    foreign(tmp_path, age=0)
    silent_for_long(tmp_path)
    foreign(tmp_path, age=-1)
    with pytest.raises(Locked, match="on another machine") as caught:
        FolderLock(tmp_path)
    assert not isinstance(caught.value, lock.Silent)
    silent_for_long(tmp_path)
    FolderLock(tmp_path).release()


def test_waiting_for_a_sign_of_life(tmp_path, minute):
    """Is told, ends after the silent time, and at once where there is one."""
    foreign(tmp_path, age=0)
    told = []
    lock.wait_for_lock(tmp_path, lambda *words: told.append(words)).release()
    assert told[0] == ("another machine was at work here; seconds without a sign of life from it", 0, 0)
    foreign(tmp_path, age=0)
    with pytest.raises(Locked, match="on another machine"):
        lock.wait_for_lock(tmp_path, lambda *words: foreign(tmp_path, age=1))


def test_a_lock_of_this_machine_is_not_waited_for(tmp_path):
    held = FolderLock(tmp_path)
    with pytest.raises(Locked, match="on this machine"):
        lock.wait_for_lock(tmp_path, lambda *words: pytest.fail("it waited"))
    held.release()


def test_a_lock_of_this_machine_may_be_waited_for(tmp_path, monkeypatch):
    """By whoever writes the plan or the tables; it is told after a while."""
    monkeypatch.setattr(lock, "TOLD_SECONDS", 0.05)
    held, told = FolderLock(tmp_path), []

    def hear(*words):
        told.append(words)
        held.release()

    lock.wait_for_lock(tmp_path, hear, patience=60.0).release()
    words = f"another alexctl is writing the plan or the tables of {tmp_path.name}; seconds waited for it"
    assert told == [(words, 0, 60)]


def test_whether_somebody_is_at_work(tmp_path, minute):
    """Nobody where no heartbeat is; a dead process is nobody, another machine is somebody until it was silent."""
    assert not lock.is_held(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with FolderLock(tmp_path):
        assert lock.is_held(tmp_path)
    (tmp_path / ".heartbeat").write_text(json.dumps({"machine": lock.machine(), "token": "of a dead process"}))
    assert not lock.is_held(tmp_path)
    foreign(tmp_path, age=0)
    assert lock.is_held(tmp_path)
    time.sleep(lock.SILENT_SECONDS)
    assert not lock.is_held(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    foreign(tmp_path, age=0)
    assert not lock.is_held(tmp_path / "link")


def test_a_disk_without_locks_goes_by_the_heartbeat(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise NotImplementedError

    monkeypatch.setattr(lock.FileLock, "acquire", refuse)
    first = FolderLock(tmp_path)
    with pytest.raises(Locked, match="on this machine"):
        FolderLock(tmp_path)
    first.release()
    FolderLock(tmp_path).release()


def test_it_beats_and_notices_when_it_was_taken_over(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.01)
    held = FolderLock(tmp_path)
    os.utime(tmp_path / ".heartbeat", (0, 0))
    wait(lambda: (tmp_path / ".heartbeat").stat().st_mtime > 0)
    held.check()
    foreign(tmp_path, age=0)
    wait(lambda: held._lost)
    with pytest.raises(Locked, match="on another machine"):
        held.check()
    held.release()
    assert json.loads((tmp_path / ".heartbeat").read_text())["token"] == "theirs"


def test_a_folder_that_vanishes_is_named(tmp_path):
    (folder := tmp_path / "trial").mkdir()
    held = FolderLock(folder)
    shutil.rmtree(folder)
    with pytest.raises(UserError, match="the folder has vanished") as caught:
        held.check()
    assert caught.value.exit_code == 1
    held.release()


def delete(folder, *names) -> None:
    """As a clean-up job does."""
    for name in names or (".lock", ".heartbeat"):
        (folder / name).unlink()


@pytest.mark.parametrize("names", [(".lock",), (".heartbeat",), ()])
def test_lock_files_that_are_deleted_are_put_back(tmp_path, names):
    """Where nobody else has come: the folder is as locked as before."""
    held = FolderLock(tmp_path)
    delete(tmp_path, *names)
    held.check()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".heartbeat", ".lock"]
    with pytest.raises(Locked, match="on this machine"):
        FolderLock(tmp_path)
    held.check()
    held.release()
    FolderLock(tmp_path).release()


@pytest.mark.parametrize("gone", [False, True])
def test_a_second_run_after_a_clean_up_is_noticed_before_the_first_writes(tmp_path, gone):
    """Also where the second has come to its end already."""
    first = FolderLock(tmp_path)
    delete(tmp_path)
    second = FolderLock(tmp_path)
    if gone:
        second.release()
    with pytest.raises(Locked, match="on this machine"):
        first.check()
    first.release()
    if not gone:
        second.check()
        assert json.loads((tmp_path / ".heartbeat").read_text())["token"] == second.token
        second.release()
    FolderLock(tmp_path).release()


def test_a_lock_that_was_lost_takes_nothing_along_at_its_release(tmp_path):
    """Even where nobody has looked since it was lost."""
    first = FolderLock(tmp_path)
    delete(tmp_path)
    second = FolderLock(tmp_path)
    first.release()
    second.check()
    second.release()


def test_what_a_killed_process_left_half_written_is_swept(tmp_path):
    (tmp_path / ".rows.csv.77.tmp").write_text("epo")
    (tmp_path / "rows.csv").write_text("whole\n")
    FolderLock(tmp_path).release()
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
