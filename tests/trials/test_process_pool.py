"""Worker processes: one that dies costs its trial, not the rest, and none outlives its parent."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from conftest import tiny_ablation

from alexctl.ablation import own_code
from alexctl.store import layout, records
from alexctl.trials.lanes import BROKEN
from alexctl.trials.process_pool import LocalPool


def make(folder: Path, data, seed: int, **overrides) -> Path:
    setting = tiny_ablation(**overrides).setting("relu", data.name, data.digest)
    folder = folder / layout.trial_name("relu", seed, setting.hash8)
    records.create(folder, ablation="tiny", arm="relu", phase="final", seed=seed, setting=setting)
    return folder


def wait(pool, wanted, seconds=120):
    """Events up to the first of the wanted kind."""
    deadline, seen = time.monotonic() + seconds, []
    while time.monotonic() < deadline:
        for event in pool.events(0.5):
            seen.append(event)
        if any(event["event"] == wanted for event in seen):
            return seen
    raise AssertionError(f"no {wanted} in {seconds} s, but {seen}")


def test_workers_are_told_where_the_users_own_nets_may_lie(tmp_path, monkeypatch):
    monkeypatch.setattr(own_code, "_BESIDE", [])
    own_code.look_beside(tmp_path)
    (worker,) = LocalPool(workers=1, root=tmp_path, devices=["cpu"], threads=1).workers
    assert worker.command[-4:] == ["--code", str(tmp_path), "--device", "cpu"]


@pytest.mark.slow
def test_a_worker_that_goes_costs_its_trial_only(tiny_root, tiny_data, tmp_path):
    """Starts real processes, three times; buys the certainty that a kill is noticed and the next trial runs."""
    long, other = (make(tmp_path, tiny_data, seed, epochs=2000) for seed in (0, 2))
    short, last = (make(tmp_path, tiny_data, seed) for seed in (1, 3))
    pool = LocalPool(workers=1, root=tiny_root, devices=["cpu"], threads=1)
    try:
        pool.submit(long, None)
        assert pool.free == 0
        wait(pool, "row")
        os.kill(pool.workers[0].process.pid, signal.SIGKILL)
        died = wait(pool, "died")[-1]
        assert died["folder"] == long.name
        assert "killed by SIGKILL" in died["why"]
        assert pool.free == 1
        records.write_death(long, died["why"])
        assert records.read_trial(long).state == "failed"
        pool.submit(short, None)
        assert wait(pool, "end")[-1] == {"event": "end", "folder": short.name, "state": "done"}
        assert records.read_trial(short).state == "done"
        # One that is told alone to stop saves its trial, goes in peace, and is replaced.
        pool.submit(other, None)
        wait(pool, "row")
        told = pool.workers[0].process
        os.kill(told.pid, signal.SIGTERM)
        assert wait(pool, "end")[-1] == {"event": "end", "folder": other.name, "state": "interrupted"}
        assert told.wait(30) == 0
        pool.submit(last, None)
        assert wait(pool, "end")[-1] == {"event": "end", "folder": last.name, "state": "done"}
    finally:
        pool.stop()
    assert all(worker.process is None or worker.process.poll() is not None for worker in pool.workers)


@pytest.mark.slow
def test_a_worker_that_goes_with_several_trials_blames_none_of_its_trials(tiny_root, tiny_data, tmp_path):
    """Starts real processes, twice; buys that they are run one by one after a death, not all called failed."""
    both = [make(tmp_path, tiny_data, seed, epochs=2000) for seed in (0, 1)]
    pool = LocalPool(workers=1, root=tiny_root, devices=["cpu"], threads=1, lanes=2)
    try:
        for folder in both:
            pool.submit(folder, None)
        assert pool.free == 0
        wait(pool, "row")
        os.kill(pool.workers[0].process.pid, signal.SIGKILL)
        ends = [event for event in wait(pool, "end") if event["event"] == "end"]
        assert {event["folder"] for event in ends} == {folder.name for folder in both}
        assert {event["state"] for event in ends} == {BROKEN}
        assert pool.free == 2
        pool.submit(both[1], None, alone=True)
        assert (pool.free, pool.free_alone) == (0, False)
        wait(pool, "row")
    finally:
        pool.stop()


@pytest.mark.slow
def test_a_worker_that_goes_between_two_trials_costs_none(tiny_root, tiny_data, tmp_path):
    """Starts real processes, twice; buys that a kill is blamed on a trial only when the trial had begun."""
    first, second = (make(tmp_path, tiny_data, seed, epochs=1) for seed in (0, 1))
    pool = LocalPool(workers=1, root=tiny_root, devices=["cpu"], threads=1)
    try:
        pool.submit(first, None)
        wait(pool, "end")
        os.kill(pool.workers[0].process.pid, signal.SIGKILL)
        pool.submit(second, None)
        events = wait(pool, "end")
        assert "died" not in [event["event"] for event in events]
        assert events[-1] == {"event": "end", "folder": second.name, "state": "done"}
    finally:
        pool.stop()


@pytest.mark.slow
def test_a_worker_that_cannot_even_begin_costs_its_trial(tiny_root, tiny_data, tmp_path):
    """Three processes that end at once; buys that a broken installation does not start workers for ever."""
    folder = make(tmp_path, tiny_data, 0)
    pool = LocalPool(workers=1, root=tiny_root, devices=["cpu"], threads=1)
    pool.workers[0].command = [sys.executable, "-c", "import sys; sys.exit(3)"]
    pool.submit(folder, None)
    assert wait(pool, "died") == [
        {"event": "died", "folder": folder.name, "why": "the worker process ended with exit code 3"}
    ]
    assert pool.free == 1
    pool.stop()


@pytest.mark.slow
def test_a_worker_whose_parent_is_gone_leaves_a_checkpoint(tiny_root, tiny_data, tmp_path):
    """A parent's death closes the worker's standard input; the worker saves its trial and goes."""
    long = make(tmp_path, tiny_data, 0, epochs=2000)
    pool = LocalPool(workers=1, root=tiny_root, devices=["cpu"], threads=1)
    pool.submit(long, None)
    wait(pool, "row")
    process = pool.workers[0].process
    process.stdin.close()
    process.wait(30)
    assert records.read_trial(long).state == "interrupted"
    assert (long / "checkpoint.pt").exists()
