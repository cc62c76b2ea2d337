"""Results folders of many people become one: what is equal is kept once, what differs is said, nothing of theirs changes."""

import json
import shutil
from pathlib import Path

import pytest
from report.made_up import lay, small
from verdicts import test_images as of_images

import alexctl
from alexctl.campaign import merging
from alexctl.campaign.campaign import Campaign
from alexctl.errors import UserError
from alexctl.store import copies, files, records
from alexctl.store.lock import FolderLock

ERRORS = {"relu": 0.2, "tanh": 0.4}


def errors(job) -> list[float]:
    return [0.9, ERRORS[job.arm] + 0.001 * (job.seed % 100)]


@pytest.fixture
def team(tmp_path, monkeypatch) -> Path:
    """Six planned seeds: all of them in `whole`; 0 to 2 in `ann`, 2 to 5 in `bob`, as each ran a share."""
    monkeypatch.chdir(tmp_path)
    lay(tmp_path / "whole", small(base={"seeds": 6}), errors)
    for name, seeds in (("ann", range(0, 3)), ("bob", range(2, 6))):
        shutil.copytree("whole", name)
        for record in records.trials_of(Path(name, "tiny")):
            if record.seed not in seeds:
                shutil.rmtree(record.folder)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def derived(folder: Path) -> dict[str, bytes]:
    """The tables and the verdict."""
    return {name: (folder / name).read_bytes() for name in ("trials.csv", "curves.csv", "summary.csv", "verdict.json")}


def change(path: Path, **keys) -> None:
    """Replaces values of a plan.json: of its base, its plan, or itself."""
    table = json.loads(path.read_text())
    for key, value in keys.items():
        place = (
            table
            if key in table
            else table["ablation"]["plan"]
            if key in table["ablation"]["plan"]
            else table["ablation"]["base"]
        )
        place[key] = value
    path.write_text(json.dumps(table))


def test_shares_are_put_together(team):
    before = contents(Path("ann")), contents(Path("bob"))
    found, notes = alexctl.merge(["ann", "bob"], "all")
    assert notes == ["tiny: 6 trials from ann, 6 trials from bob"]
    assert derived(Path("all/tiny")) == derived(Path("whole/tiny"))
    assert (contents(Path("ann")), contents(Path("bob"))) == before
    assert found["tiny"].verdict["comparisons"][0]["n"] == 6
    assert Path("all/overview.csv").is_file()
    assert "unplanned_looks" not in json.loads(Path("all/tiny/plan.json").read_text())
    again = contents(Path("all"))
    assert alexctl.merge(["bob/tiny", "ann"], "all")[1] == ["tiny: nothing new from bob/tiny, nothing new from ann"]
    assert contents(Path("all")) == again


def test_a_search_is_put_together_too(team):
    """Rates that were dropped on the way have no end of their own, and are needed for the search to have been one."""
    ablation = small(
        "epochs_to_target", base={"lr": "search", "lr_grid": [0.003, 0.01, 0.03], "lr_widenings": 0, "epochs": 4}
    )
    made = lay(
        team / "search", ablation, lambda job: [0.9, 0.5, 0.3, 0.2] if job.phase == "final" else [0.9, 0.8, 0.7, 0.6]
    )
    dropped = records.trials_of(made.folder)[-1]
    status = json.loads((dropped.folder / "status.json").read_text())
    files.write_json(dropped.folder / "status.json", status | {"state": "paused"})
    merged, _ = alexctl.merge(["search"], "all")
    original = alexctl.load_results("search")
    assert merged["tiny"].trials.equals(original["tiny"].trials)
    assert "paused" in [record.state for record in records.trials_of(Path("all/tiny"))]


def test_what_was_run_twice_with_other_rows_is_named(team):
    """The first is kept; seconds may differ, since no two machines are as fast."""
    trial = next(Path("bob/tiny/trials").glob("relu-s2-*"))
    rows = (trial / "rows.csv").read_text()
    lay(team / "other", small(base={"seeds": 6}), lambda job: [0.9, 0.33])
    other = next(Path("other/tiny/trials").glob("relu-s2-*"))
    faster = rows.replace(",2.4,", ",1.5,").replace(",4.8,", ",3.5,")
    assert faster != rows
    record = records.read_trial(trial)
    (trial / "rows.csv").write_text(faster)
    records.write_end(trial, "done", None, [
        {**row, "train_seconds": seconds} for row, seconds in zip(record.rows, (1.5, 3.5), strict=True)
    ], train_seconds=3.5, eval_seconds=0.5)  # fmt: skip
    assert not records.read_trial(trial).problem
    assert alexctl.merge(["ann", "bob"], "all")[1] == ["tiny: 6 trials from ann, 6 trials from bob"]
    shutil.rmtree(trial)
    shutil.copytree(other, trial)
    (line,) = alexctl.merge(["ann", "bob"], "again")[1][1:]
    assert line == (
        f"bob: {trial.name}: other rows than the same setting and seed have in the folders before it, as on other hardware "
        "or with other threads; left out"
    )
    assert derived(Path("again/tiny")) == derived(Path("whole/tiny"))


def test_seeds_added_to_a_result_that_was_seen(team):
    """Six of one and six more of another is what looking first and adding then would be too."""
    change(Path("ann/tiny/plan.json"), seeds=3)
    Path("bob/tiny/verdict.json").unlink()
    found, notes = alexctl.merge(["ann", "bob"], "all")
    assert "tiny: seeds are added after a result with 6 was seen" in notes[1]
    assert found["tiny"].ablation.plan.seeds == 6
    assert json.loads(Path("all/tiny/plan.json").read_text())["unplanned_looks"] == [6]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lr": 0.02}, "lr was 0.01, not 0.02"),
        ({"precision": "bfloat16"}, 'precision was the default, not "bfloat16"'),
        ({"numerics": 2}, "numerics was 3, not 2"),
        ({"data_digest": "1" * 16}, 'the digest of the images was "c211c25063117f08", not "1111111111111111"'),
        ({"studies": 2}, "studies was 1, not 2"),
    ],
)
def test_other_questions_are_refused(team, changes, said):
    change(Path("bob/tiny/plan.json"), **changes)
    with pytest.raises(UserError) as refused:
        alexctl.merge(["ann", "bob"], "all")
    (fault,) = refused.value.faults
    assert fault.startswith(f"tiny asks something else in ann than in bob ({said}")
    assert "; leave one of them out" in fault
    assert not Path("all").exists()


def test_a_default_that_is_spelled_out_is_no_difference(team):
    change(Path("bob/tiny/plan.json"), precision="float32")
    assert alexctl.merge(["ann", "bob"], "all")[1] == ["tiny: 6 trials from ann, 6 trials from bob"]


def test_older_numerics_are_read_only(team):
    for name in ("ann", "bob"):
        change(Path(name, "tiny/plan.json"), numerics=2)
    with pytest.raises(UserError, match="tiny of ann is of older numerics, which can be read but not merged"):
        alexctl.merge(["ann", "bob"], "all")


def test_folders_that_can_not_be_merged(team):
    """All at once, a line each, and before anything is written."""
    Path("empty").mkdir()
    before = contents(team)
    for folders, into, faults in (
        (["ann", "nobody"], "all", ["there is no folder nobody; name results folders"]),
        (["ann", "empty"], "all", ["empty holds no results of alexctl: neither it nor a folder in it has a plan.json"]),
        (["ann", "bob/../ann"], "all", ["bob/../ann is given twice; name each folder once"]),
        (["ann", "bob"], "ann", ["--into ann: ann would be changed, and what is merged stays as it is"]),
        (["ann", "bob/tiny"], "bob", ["--into bob: bob/tiny would be changed"]),
        (["ann"], "ann/all", ["--into ann/all: ann would be changed"]),
    ):
        with pytest.raises(UserError) as refused:
            alexctl.merge(folders, into)
        for fault, start in zip(refused.value.faults, faults, strict=True):
            assert fault.startswith(start)
    Path("bob/tiny/plan.json").write_text("{")
    with pytest.raises(UserError, match=r"bob: tiny: plan\.json is damaged"):
        alexctl.merge(["ann", "bob"], "all")
    assert contents(team).keys() == before.keys()


def test_trials_that_are_damaged_or_not_finished_are_left_out(team):
    damaged, begun = (next(Path("bob/tiny/trials").glob(f"tanh-s{seed}-*")) for seed in (4, 5))
    (damaged / "rows.csv").write_text("epoch")
    (begun / "status.json").unlink()
    _, notes = alexctl.merge(["ann", "bob"], "all")
    assert notes == [
        "tiny: 6 trials from ann, 4 trials from bob",
        f"bob: {damaged.name} is left out: rows.csv is cut off",
        "bob: 1 trial of tiny not finished, left out",
        "tiny: 2 trials still to run; `alexctl ablate` with `--results all` goes on with it",
    ]
    assert [job.seed for job in Campaign.open(Path("all/tiny")).ready()] == [4, 5]


@pytest.mark.slow
def test_a_kill_on_the_way_leaves_what_the_same_command_completes(team, monkeypatch):
    class Killed(BaseException):
        pass

    write, written = files.write_atomic, []

    def dying(path, content):
        if len(written) == dies_at:
            raise Killed
        written.append(path)
        write(path, content)

    for module in (files, copies, merging):
        monkeypatch.setattr(module, "write_atomic", dying)
    for dies_at in (0, 1, 4, 7, 20, 33):
        written.clear()
        with pytest.raises(Killed):
            alexctl.merge(["ann", "bob"], f"all{dies_at}")
        left = Path(f"all{dies_at}/tiny")
        assert [r.problem for r in (records.trials_of(left) if left.is_dir() else ()) if r.problem] == []
        with monkeypatch.context() as patch:
            for module in (files, copies, merging):
                patch.setattr(module, "write_atomic", write)
            alexctl.merge(["ann", "bob"], f"all{dies_at}")
        assert derived(left) == derived(Path("whole/tiny"))


def test_not_beside_a_run(team, monkeypatch):
    alexctl.merge(["ann"], "all")
    trial = next(Path("all/tiny/trials").glob("relu-s0-*"))
    message = f"another alexctl is training {trial.name} in all/tiny; wait for it"
    with FolderLock(trial), pytest.raises(UserError, match=message):
        alexctl.merge(["bob"], "all")
    monkeypatch.setattr(merging, "PATIENCE", 0.0)
    with FolderLock(Path("all/tiny")), pytest.raises(UserError, match="another alexctl is at work in all/tiny on this"):
        alexctl.merge(["bob"], "all")


def test_what_is_known_of_each_image_comes_along(team):
    lay(team / "images", small(), of_images.errors, scores=of_images.scores, labels=of_images.LABELS)
    alexctl.merge(["images"], "all")
    for name in ("test_labels.json", "images.csv", "by_class.csv", "ensembles.csv"):
        assert Path("all/tiny", name).read_bytes() == Path("images/tiny", name).read_bytes(), name
