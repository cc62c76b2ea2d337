"""Two ranks of which one dies or hangs: the trial fails within a minute, says which and why, and no process is left."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alexctl.ablation.setting import Setting, resolve
from alexctl.store import layout, records
from alexctl.trials.process_pool import LocalPool
from chaos import tally

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds processes as Linux has them"),
]
MINUTE = 60.0


def trial(folder, data):
    table = {"data": "shapes", "net": "alexnet32", "lr": 0.001, "batch_size": 16, "epochs": 5000, "evaluate_every": 0}
    training, net, faults = resolve(table)
    assert not faults
    setting = Setting(training=training, net=net, data_name=data.name, data_digest=data.digest)
    folder = folder / layout.trial_name("two", 0, setting.hash8)
    records.create(folder, ablation="ranks", arm="two", phase="final", seed=0, setting=setting)
    return folder


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def heard(pool, wanted, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for event in pool.events(0.2):
            if event["event"] in wanted:
                return event
    raise AssertionError(f"none of {wanted} within {seconds:.0f} s")


FAULTS = {
    "rank 1 is killed": (1, signal.SIGKILL, "rank 1 (cpu) was killed by SIGKILL"),
    "rank 1 hangs": (1, signal.SIGSTOP, "rank 1 (cpu) was lost: it did not answer for 40 s"),
    "rank 0 is killed": (0, signal.SIGKILL, "the worker process was killed by SIGKILL"),
    "rank 0 hangs": (0, signal.SIGSTOP, "rank 0 has not answered for 40 s, as rank 1 says"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_rank_that_goes_ends_the_trial(tiny_root, tiny_data, tmp_path, fault):
    tally.tried(fault)
    rank, number, words = FAULTS[fault]
    folder = trial(tmp_path, tiny_data)
    pool = LocalPool(workers=1, root=tiny_root, devices=["cpu"], threads=1, pair="cpu,cpu")
    try:
        pool.submit(folder, None)
        heard(pool, ["row"], 120)
        leader = pool.workers[0].process.pid
        (second,) = children(leader)
        began = time.monotonic()
        os.kill((leader, second)[rank], number)
        event = heard(pool, ["end", "died", "error"], MINUTE)
        assert time.monotonic() - began < MINUTE
        if event["event"] == "end":
            assert event["state"] == "failed"
            assert records.read_trial(folder).status["error"].startswith(words)
        else:
            assert event["why"].startswith(words)
        deadline = time.monotonic() + 5
        while is_alive(second) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not is_alive(second)
        assert rank == 1 or not is_alive(leader)
    finally:
        pool.stop()
    tally.survived(fault)


def test_a_stop_leaves_a_checkpoint_and_no_process(tiny_root, tiny_data, tmp_path):
    fault = "two ranks are told to stop"
    tally.tried(fault)
    folder = trial(tmp_path, tiny_data)
    pool = LocalPool(workers=1, root=tiny_root, devices=["cpu"], threads=1, pair="cpu,cpu")
    pool.submit(folder, None)
    heard(pool, ["row"], 120)
    (second,) = children(pool.workers[0].process.pid)
    pool.stop(patience=30)
    assert records.read_trial(folder).state == "interrupted"
    assert (folder / layout.CHECKPOINT).is_file()
    assert not is_alive(second)
    tally.survived(fault)


def test_torchrun_starts_the_two_ranks(tmp_path):
    """The command line in two processes of torchrun's: one verdict, no process left; a third rank is refused."""
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    asked = ["-m", "alexctl", "ablate", "one-vs-two-gpus-seconds", "--smoke", "--devices", "cpu,cpu", "--json"]
    asked += ["--results", str(tmp_path / "results"), "--data-root", str(tmp_path / "data")]
    done = subprocess.run([*words, "2", *asked], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ablation"] == "one-vs-two-gpus-seconds"
    (home,) = (tmp_path / "results").glob("*@smoke")
    with (home / "trials.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {(line["arm"], line["status"], line["ranks"], line["backend"]) for line in lines} == {
        ("one", "done", "1", ""), ("two", "done", "2", "gloo"),
    }  # fmt: skip
    assert all(
        int(line["bytes_per_step"]) > 0 and 0 < float(line["waiting_share"]) < 1
        for line in lines
        if line["arm"] == "two"
    )
    refused = subprocess.run([*words, "3", *asked], capture_output=True, text=True, timeout=300)
    assert "torchrun started 3 processes, and a network has two towers; give --nproc-per-node 2" in refused.stderr
