"""What a worker holds: the images once for all of them, and no more after many trials than after a few."""

import subprocess
import sys
from pathlib import Path

import pytest
from trials.test_process_pool import make

from alexctl.store import records
from tools import upkeep

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="asks Linux about memory")


@pytest.mark.slow
def test_memory_does_not_grow_with_trials(tiny_root, tiny_data, tmp_path):
    """Starts a worker that runs eight trials; buys that a night of trials ends as it began. About 10 s."""
    trials = [make(tmp_path, tiny_data, seed, epochs=4) for seed in range(8)]
    held = []
    words = [sys.executable, "-m", "alexctl.trials.worker", "--data-root", tiny_root, "--device", "cpu", *trials]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
        for line in worker.stdout:
            if '"start"' in line:
                held.append(upkeep.held(worker.pid, tiny_root)[1])
    assert [records.read_trial(trial).state for trial in trials] == ["done"] * 8
    assert held[-1] - held[2] < 20 * 2**20, held


@pytest.mark.slow
def test_the_images_are_in_memory_once(tiny_root, tiny_data):
    """Starts two workers; buys that eight of them need the images once. About 10 s."""
    lines = {line["what"]: line for line in upkeep.memory(2, tiny_root)}
    pages = 4096 * 6 / (tiny_data.train_images.nbytes + tiny_data.test_images.nbytes)  # files end within a page
    assert 0 < lines["images_in_memory"]["value"] < 1.1 + pages
    assert lines["worker_memory"]["value"] > 50 * 2**20
