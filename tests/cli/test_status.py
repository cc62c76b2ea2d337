"""`alexctl status`: of a campaign under way, one that is over, and one that is searched."""

import json
import shutil
import sys

import pytest
from conftest import tiny_ablation

from alexctl.campaign.campaign import Campaign
from alexctl.campaign.scheduler import Options
from alexctl.campaign.standing import standings
from alexctl.cli.main import main
from alexctl.cli.progress import Screen
from alexctl.run import run
from alexctl.store import layout, records
from alexctl.store.lock import FolderLock


def status(*words, capsys):
    """(exit code, stdout, stderr) of `alexctl status words`."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["alexctl", "status", *words])
        main()
    return ended.value.code or 0, *capsys.readouterr()


@pytest.fixture(scope="module")
def over(tmp_path_factory, tiny_root):
    """A campaign that is over, two trials of each arm."""
    options = Options(results=tmp_path_factory.mktemp("results"), root=tiny_root, device="cpu", workers=1)
    return run(tiny_ablation(epochs=1), options, Screen(quiet=True)).folder


def states_of(line) -> dict[str, int]:
    return {state: count for state, count in vars(line).items() if isinstance(count, int) and count}


def test_every_state(over, tmp_path):
    """One arm's trials: one as good as not begun, one running; of the other: one diverged, one failed."""
    folder = tmp_path / over.name
    shutil.copytree(over, folder)
    first, second, third, fourth = sorted((folder / layout.TRIALS).iterdir())
    (first / layout.STATUS).unlink()
    (first / layout.ROWS).unlink()
    saved = json.loads((third / layout.STATUS).read_text())
    (third / layout.STATUS).write_text(json.dumps(saved | {"state": "diverged"}))
    records.write_death(fourth, "its process was killed")
    (second / layout.STATUS).unlink()
    with FolderLock(second):
        relu, tanh = standings(Campaign.open(folder))
    assert (relu.arm, relu.phase, relu.total) == ("relu", "final", 2)
    assert states_of(relu) == {"pending": 1, "running": 1}
    assert states_of(tanh) == {"diverged": 1, "failed": 1}


def test_a_search_to_come(tmp_path):
    """Nothing has begun: the rates of the grid wait, and so do all reported trials."""
    campaign = Campaign(
        tiny_ablation(lr="search", lr_grid=[0.01, 0.02]), data_name="shapes", data_digest="0" * 16, num_classes=10,
        folder=tmp_path / "tiny",
    )  # fmt: skip
    lines = [(line.arm, line.phase, states_of(line)) for line in standings(campaign)]
    searched = 2 * campaign.ablation.plan.search_seeds
    assert lines == [
        ("relu", "search", {"pending": searched}), ("relu", "final", {"pending": 2}),
        ("tanh", "search", {"pending": searched}), ("tanh", "final", {"pending": 2}),
    ]  # fmt: skip


def test_what_is_printed(over, capsys):
    code, out, err = status("tiny", "--results", str(over.parent), capsys=capsys)
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["tiny"]
    assert lines[1] == ["arm", "trials", "pending", "running", "done", "diverged", "failed"]
    assert lines[2] == ["relu", "to", "report", "-", "-", "2", "-", "-"]
    assert lines[3] == ["tanh", "(control)", "to", "report", "-", "-", "2", "-", "-"]
    assert len(lines) == 4
    (told,) = json.loads(status("--results", str(over.parent), "--json", capsys=capsys)[1])
    assert told["name"] == "tiny"
    assert told["jobs"] is None
    assert told["trials"][0] == {
        "arm": "relu", "phase": "final", "pending": 0, "running": 0, "done": 2, "diverged": 0, "failed": 0,
    }  # fmt: skip


def test_status_changes_nothing(over, capsys):
    before = {path: path.stat().st_mtime_ns for path in over.rglob("*")}
    status("tiny", "--results", str(over.parent), capsys=capsys)
    assert {path: path.stat().st_mtime_ns for path in over.rglob("*")} == before
    assert len(records.trials_of(over)) == 4


def test_nothing_there(tmp_path, capsys):
    code, out, err = status("tiny", "--results", str(tmp_path), capsys=capsys)
    assert (code, out) == (2, "")
    assert err.startswith(f"alexctl: no results of tiny in {tmp_path}; ")
