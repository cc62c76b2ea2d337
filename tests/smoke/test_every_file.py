"""`make smoke`: every ablation that ships, from the command line to its figure, on the images that alexctl draws."""

import json
import subprocess
import sys
import time

import pytest

from alexctl.ablation.load import load, shipped

pytestmark = pytest.mark.smoke
SECONDS = 60  # on 2 cores
WORDS = {
    "supported",
    "contradicted",
    "no difference",
    "undecided",
    "nothing learned",
    "outside the claim's regime",
    "no claim",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """One data root for all: the images are drawn once."""
    return tmp_path_factory.mktemp("data")


@pytest.mark.parametrize("name", sorted(shipped()))
def test_smoke(name, root, tmp_path):
    words = ["ablate", name, "--smoke", "--results", tmp_path, "--data-root", root]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", "from alexctl.cli.main import main; main()", *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    home = tmp_path / f"{name}@smoke"
    ablation = load(name, smoke=True)
    rows = (home / "trials.csv").read_text(encoding="utf-8").splitlines()
    reported = [row for row in rows if ",final," in row]
    assert len(reported) == len(ablation.arms) * ablation.plan.seeds * ablation.plan.studies
    assert all(",done," in row for row in reported)
    verdict = json.loads((home / "verdict.json").read_text(encoding="utf-8"))
    # Few learn anything in that time, and a trial that ends at chance leaves its pair out.
    assert {line["verdict"] for line in verdict["comparisons"]} <= WORDS
    assert (home / "figure.svg").stat().st_size > 5000
    assert took < SECONDS, f"{took:.0f} s"
