"""Threads change the order of sums, and so, after many steps, results: a campaign that goes on with others says so."""

import json

from conftest import tiny_ablation

from alexctl.api import Silent
from alexctl.campaign.scheduler import Options
from alexctl.run import run


class Notes(Silent):
    """Keeps what a person is told beside the plan."""

    def planned(self, campaign, seconds, workers, notes):
        self.notes = [note for note in notes if "threads" in note]


def test_other_threads_than_before_are_noted(tiny_root, tiny_data, tmp_path):
    def notes(threads: int, **changes) -> list[str]:
        watcher = Notes()
        options = Options(results=tmp_path, root=tiny_root, device="cpu", workers=1, threads=threads)
        run(tiny_ablation(epochs=1, evaluate_every=0, **changes), options, watcher)
        return watcher.notes

    assert notes(2, seeds=1) == []
    assert notes(2, seeds=2) == []
    assert notes(1, seeds=2) == []  # nothing is left to run
    assert notes(1, seeds=3) == [
        "trials so far ran with 2 threads each, the rest run with 1: sums are rounded in another order, and over many "
        "steps results can move; `--threads 2` keeps to the rounding of before"
    ]
    found = [json.loads(path.read_text())["threads"] for path in sorted(tmp_path.glob("tiny/trials/*/env.json"))]
    assert found == [2, 2, 1] * 2
