"""Worker processes that stand still are told from slow ones, and none stays behind, whatever its trial is at."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from trials import unruly
from trials.test_process_pool import make, wait

from alexctl.errors import UserError
from alexctl.store import layout, records
from alexctl.trials import process_pool
from alexctl.trials.process_pool import LocalPool


def one_worker(root, **constants) -> LocalPool:
    """A pool whose worker has other constants than its module says."""
    pool = LocalPool(workers=1, root=root, devices=["cpu"], threads=1)
    (worker,) = pool.workers
    code = f"from alexctl.trials import worker; vars(worker).update({constants}); worker.main()"
    assert worker.command[1:3] == ["-P", str(process_pool.START)]
    worker.command[2:3] = ["-c", code]
    return pool


@pytest.mark.slow
def test_a_slow_worker_is_not_taken_for_one_that_is_stopped(own_code, tiny_root, tiny_data, monkeypatch):
    """A step that takes longer than the silence allowed; buys that no long epoch is ever killed. About 15 s."""
    folder = unruly.create(own_code, tiny_data, "__import__('time').sleep(6)", steps=14)
    pool = one_worker(tiny_root, BEAT_SECONDS=0.2)
    pool.submit(folder, None)
    events = wait(pool, "row")
    monkeypatch.setattr(process_pool, "SILENT_SECONDS", 2.0)
    monkeypatch.setattr(process_pool, "GIVEN_UP_SECONDS", 4.0)
    try:
        events += wait(pool, "end")
    finally:
        pool.stop()
    assert {event["event"] for event in events} == {"row", "end"}
    assert records.read_trial(folder).state == "done"


@pytest.mark.slow
def test_a_stopped_worker_is_told_of_then_killed(tiny_root, tiny_data, tmp_path, monkeypatch):
    """A real process; buys that its trial is free for another, and its lock too. About 15 s."""
    folder = make(tmp_path, tiny_data, 0, epochs=2000)
    pool = LocalPool(workers=1, root=tiny_root, devices=["cpu"], threads=1)
    try:
        pool.submit(folder, None)
        wait(pool, "row")
        process = pool.workers[0].process
        os.kill(process.pid, signal.SIGSTOP)
        monkeypatch.setattr(process_pool, "SILENT_SECONDS", 1.0)
        monkeypatch.setattr(process_pool, "GIVEN_UP_SECONDS", 3.0)
        silent = wait(pool, "silent")[-1]
        assert silent == {"event": "silent", "folder": folder.name, "pid": process.pid}
        assert process.poll() is None
        events = wait(pool, "given_up")
        assert events[-1]["why"] == "its worker was killed after 3 s without a sign of life"
        assert "silent" not in [event["event"] for event in events]  # it was said once
        assert process.poll() == -signal.SIGKILL
        monkeypatch.undo()
        pool.submit(folder, None)
        wait(pool, "row")
    finally:
        pool.stop()


@pytest.mark.slow
def test_code_that_hangs_does_not_outlive_the_parent(own_code, tiny_root, tiny_data):
    """It never asks whether to stop; buys that no process is left at a core for ever. About 10 s."""
    folder = unruly.create(own_code, tiny_data, "open('hangs', 'w').close(); __import__('time').sleep(1000)")
    pool = one_worker(tiny_root, ORPHAN_SECONDS=1.0)
    pool.submit(folder, None)
    while not (own_code / "hangs").exists():
        list(pool.events(0.1))
    pool.workers[0].process.stdin.close()  # as the system does when the parent dies
    assert pool.workers[0].process.wait(30) == 1


@pytest.mark.slow
def test_files_in_the_current_folder_are_not_taken_for_pythons_own(own_code, tiny_root, tiny_data):
    """A module of the folder runs in a worker only as a part of the user's own net. About 10 s."""
    for name in ("queue", "json", "threading", "torch", "alexctl"):
        (own_code / f"{name}.py").write_text("raise SystemExit('this is mine')\n")
    folder = make(own_code, tiny_data, 0, epochs=1)
    pool = LocalPool(workers=1, root=tiny_root, devices=["cpu"], threads=1)
    try:
        pool.submit(folder, None)
        assert wait(pool, "end")[-1]["state"] == "done"
    finally:
        pool.stop()


@pytest.mark.slow
def test_a_worker_is_of_the_alexctl_that_starts_it(tmp_path):
    """Also of a copy that is not installed, beside one that is; buys that no two versions share a campaign. About 10 s."""
    copy = tmp_path / "alexctl"
    shutil.copytree(Path(process_pool.__file__).parents[1], copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "trials" / "worker.py").write_text(
        "import json\ndef main(): print(json.dumps({'event': 'end', 'folder': 'any', 'state': __file__}))"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from pathlib import Path\n"
        "from alexctl.trials.process_pool import LocalPool\n"
        "pool = LocalPool(workers=1, root=Path(), devices=['cpu'], threads=1); pool.submit(Path('any'), None)\n"
        "while pool.workers[0].trials:\n    for event in pool.events(1.0): print(event['state'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path.parent, check=True)
    assert done.stdout.split() == [str(copy / "trials" / "worker.py")]


@pytest.mark.slow
def test_a_log_that_takes_no_more_is_no_fault_of_the_trial(own_code, tiny_root, tiny_data):
    """The net prints 3 MB where a file may have one, as on a disk with a quota; buys that only its words are lost."""
    folder = unruly.create(own_code, tiny_data, "print('a' * 300_000, flush=True)", steps=4)
    pool = one_worker(tiny_root)
    pool.workers[0].command[3] = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10**6,) * 2); " + (pool.workers[0].command[3])
    )
    pool.submit(folder, None)
    try:
        assert wait(pool, "end")[-1]["state"] == "done"
    finally:
        pool.stop()
    assert (folder / layout.LOG).stat().st_size == 10**6


def test_time_in_which_this_process_stood_still_itself_is_no_silence(tiny_root, tiny_data, tmp_path, monkeypatch):
    """Ctrl-Z and `fg` a day later: the workers may have spoken, and nobody was there to hear it."""
    pool = LocalPool(workers=1, root=tiny_root, devices=["cpu"], threads=1)
    pool.workers[0].trials = ["its-trial"]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 86_400)
    assert list(pool.events(0.0)) == []
    assert pool.workers[0].silent_seconds == process_pool.AWAKE_SECONDS


def test_a_worker_that_cant_be_started_is_a_line(tiny_root, tiny_data, tmp_path):
    folder = make(tmp_path, tiny_data, 0)
    pool = LocalPool(workers=1, root=tiny_root, devices=["cpu"], threads=1)
    pool.workers[0].command = [str(tmp_path / "no-such-python")]
    with pytest.raises(UserError, match=r"^can't start a worker: No such file or directory; try fewer --workers$"):
        pool.submit(folder, None)
    assert pool.free == 1
    pool.stop()
