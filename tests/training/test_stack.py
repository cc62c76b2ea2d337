"""Several trainings as one: each member's rows are those it gives alone, whatever the net and whenever another leaves."""

import random

import pytest
import torch
from conftest import tiny_ablation

from alexctl.ablation.load import load, shipped
from alexctl.api import Result
from alexctl.campaign.scheduler import Options
from alexctl.cli.progress import Screen
from alexctl.data import shapes
from alexctl.data.sources import prepare
from alexctl.run import run
from alexctl.store import files, layout, records
from alexctl.store.lock import FolderLock, Locked
from alexctl.training.loop import Diverged, Training
from alexctl.training.stack import Stack, shape_of, stackable
from alexctl.trials import stacked, trial
from alexctl.trials.stacked import BROKEN

CPU = torch.device("cpu")
SMALL = {"epochs": 1, "num_train": 50, "batch_size": 20, "rows_per_epoch": 2}
SECONDS = ("train_seconds", "eval_seconds")


def different_arms() -> list[tuple[str, str]]:
    """(ablation, arm) of those that ship; of arms with one setting, which most files share, the first."""
    found = {}
    for name in sorted(shipped()):
        ablation = load(name, smoke=True)
        for arm in ablation.arms:
            found.setdefault(ablation.setting(arm, ablation.base["data"], "", lr=0.001, **SMALL).hash8, (name, arm))
    return list(found.values())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def small(monkeypatch, root):
    """Few images of a data set by its name."""
    monkeypatch.setattr(shapes, "NUM_TRAIN", 50)
    monkeypatch.setattr(shapes, "NUM_TEST", 20)
    return lambda name: prepare(name, root)


def close(alone, member, rel: float = 1e-4) -> None:
    """Rows of one training, as it gave them alone and in a stack: the same but for rounding, and an image on the brink.

    Training makes rounding grow, tenfold an epoch or more: a few steps agree to 1e-6, some epochs to `rel`.
    """
    assert (alone.epoch, alone.step) == (member.epoch, member.step)
    assert member.train_loss == pytest.approx(alone.train_loss, rel=rel)
    assert member.train_error == pytest.approx(alone.train_error, abs=0.041)
    assert (alone.test_error is None) == (member.test_error is None)
    if alone.test_error is not None:
        assert member.test_error == pytest.approx(alone.test_error, abs=0.051)
        assert member.top5_error == pytest.approx(alone.top5_error, abs=0.051)


@pytest.mark.parametrize(("name", "arm"), different_arms())
def test_each_member_gives_the_rows_it_gives_alone(name, arm, small):
    """Every setting that ships: two seeds and another rate, a batch that is not whole at the end of the epoch."""
    ablation = load(name, smoke=True)
    data = small(ablation.base["data"])
    settings = [ablation.setting(arm, data.name, data.digest, lr=lr, **SMALL) for lr in (0.001, 0.001, 0.002)]
    assert stackable(settings[0])
    rel = 1e-4 if settings[0].training.precision == "float32" else 1e-2  # bfloat16 rounds at one in 256
    seeds = [0, 1, 0]
    rows = list(Stack(settings, seeds, data, device=CPU))
    for i, (setting, seed) in enumerate(zip(settings, seeds, strict=True)):
        for alone, together in zip(Training(setting, seed, data, device=CPU), rows, strict=True):
            close(alone, together[i], rel=rel)
    assert rows[-1][0].train_loss != rows[-1][1].train_loss  # they are not copies of one another
    assert rows[-1][0].train_loss != rows[-1][2].train_loss


def tiny(data, lr=0.005, **changes):
    never = {"metric": "train_error", "at_most": 0.001}
    return tiny_ablation(target=never, **changes).setting("relu", data.name, data.digest, lr=lr)


def test_what_can_not_share_a_stack(tiny_data):
    one, other = tiny(tiny_data), tiny(tiny_data, batch_size=8)
    assert shape_of(one) == shape_of(tiny(tiny_data, lr=0.5))
    with pytest.raises(ValueError, match="nothing but their learning rate and seed"):
        Stack([one, other], [0, 0], tiny_data, device=CPU)
    further = Training(one, 0, tiny_data, device=CPU)
    next(iter(further))
    with pytest.raises(ValueError, match="at one step"):
        Stack([one, one], [0, 1], tiny_data, device=CPU, states=[further.state(), None])


def test_one_that_diverges_or_leaves_does_not_touch_the_others(tiny_data):
    settings = [tiny(tiny_data, lr=lr) for lr in (0.005, 1e3, 0.002)]
    seeds, alone = [0, 1, 2], {}
    for i in (0, 2):
        alone[i] = list(Training(settings[i], seeds[i], tiny_data, device=CPU))
    stack = Stack(settings, seeds, tiny_data, device=CPU)
    first, wild, last = stack.members
    for number, rows in enumerate(stack):
        said = dict(zip(stack.members, rows, strict=True))
        close(alone[0][number], said[first])
        if last in said:
            close(alone[2][number], said[last])
        gone = [member for member, row in said.items() if isinstance(row, Diverged)]
        assert set(gone) <= {wild}
        if number == 3:
            gone.append(last)
        if gone:
            stack.leave(gone)
    assert stack.members == [first]
    assert number == len(alone[0]) - 1


def test_alone_and_together_go_on_from_each_other(tiny_data):
    """A checkpoint of a stack's member is one of a training alone, and the other way round."""
    settings, seeds = [tiny(tiny_data, lr=lr) for lr in (0.005, 0.002)], [0, 1]
    whole = [list(Training(s, k, tiny_data, device=CPU)) for s, k in zip(settings, seeds, strict=True)]
    stack = Stack(settings, seeds, tiny_data, device=CPU)
    rows = [next(iter(stack))]
    for i, member in enumerate(stack.members):
        went_on = [rows[0][i], *stack.alone(member)]
        for one, other in zip(whole[i], went_on, strict=True):
            close(one, other, rel=1e-3)
    states = []
    for setting, seed in zip(settings, seeds, strict=True):
        training = Training(setting, seed, tiny_data, device=CPU)
        next(iter(training))
        states.append(training.state())
    together = list(Stack(settings, seeds, tiny_data, device=CPU, states=states))
    for i in range(2):
        for one, other in zip(whole[i][1:], together, strict=True):
            close(one, other[i], rel=1e-3)


def lay(folder, data, seed, lr=0.01, **changes):
    setting = tiny_ablation(**changes).setting("relu", data.name, data.digest, lr=lr)
    home = folder / layout.trial_name("relu", seed, setting.hash8)
    records.create(home, ablation="tiny", arm="relu", phase="final", seed=seed, setting=setting)
    return home


def train(orders, root, **options):
    ends = {}
    stacked.run(
        orders, root=root, device=CPU, on_end=lambda folder, state: ends.update({folder.name: state}), **options
    )
    return ends


def records_agree(one, other):
    one, other = records.read_trial(one), records.read_trial(other)
    assert one.problem is other.problem is None
    assert one.state == other.state
    assert len(one.rows) == len(other.rows)
    for a, b in zip(one.rows, other.rows, strict=True):
        for key in a.keys() - set(SECONDS):
            if a[key] is None:
                assert b[key] is None
                continue
            assert b[key] == pytest.approx(a[key], rel=1e-3, abs=0.051 if key.endswith("error") else 1e-6), key


def test_trials_of_a_stack_are_trials_like_others(tiny_root, tiny_data, tmp_path):
    """Their folders hold what they would hold; one pauses, one diverges, one of another shape is run by itself."""
    orders, singles = [], []
    for seed, lr, until, changes in (
        (0, 0.01, None, {}), (1, 0.02, 1.0, {}), (2, 1e3, None, {}), (3, 0.01, None, {"batch_size": 8}),
    ):  # fmt: skip
        orders.append((lay(tmp_path / "together", tiny_data, seed, lr, **changes), until))
        singles.append(lay(tmp_path / "alone", tiny_data, seed, lr, **changes))
        trial.run(singles[-1], root=tiny_root, device=CPU, until=until)
    ends = train(orders, tiny_root)
    assert [ends[folder.name] for folder, _ in orders] == ["done", "paused", "diverged", "done"]
    for (folder, _), single in zip(orders, singles, strict=True):
        records_agree(single, folder)
        assert {p.name for p in folder.iterdir()} == {p.name for p in single.iterdir()}
    assert files.read_json(orders[0][0] / "env.json")["stack"] == 4
    paused = orders[1][0]
    assert train([(paused, None), (orders[3][0], None)], tiny_root)[paused.name] == "done"  # it goes on


@pytest.mark.parametrize("batch_size", [16, 8], ids=["stacked", "each by itself"])
def test_one_that_another_machine_took_over_holds_up_none(batch_size, tiny_root, tiny_data, tmp_path, monkeypatch):
    """The end of every trial is told, or whoever waits for it would wait for ever."""
    folders = [lay(tmp_path, tiny_data, 0), lay(tmp_path, tiny_data, 1, batch_size=batch_size)]
    check = FolderLock.check

    def lost(claim):
        if claim.folder == folders[0]:
            raise Locked
        check(claim)

    monkeypatch.setattr(FolderLock, "check", lost)
    ends = train([(folder, None) for folder in folders], tiny_root)
    assert ends == {folders[0].name: "locked", folders[1].name: "locked" if batch_size == 16 else "done"}
    monkeypatch.undo()
    assert set(train([(folder, None) for folder in folders], tiny_root).values()) == {"done"}


def test_a_stack_is_stopped_and_gone_on_with(tiny_root, tiny_data, tmp_path):
    draw = random.Random(0)
    singles = [lay(tmp_path / "alone", tiny_data, seed) for seed in range(3)]
    for folder in singles:
        trial.run(folder, root=tiny_root, device=CPU)
    for number in range(3):
        folders = [lay(tmp_path / str(number), tiny_data, seed) for seed in range(3)]
        for _ in range(100):
            left = iter([False] * draw.randint(0, 6) + [True] * 1000)
            ends = train([(f, None) for f in folders], tiny_root, should_stop=lambda left=left: next(left))
            assert all(records.read_trial(folder).problem is None for folder in folders)
            if set(ends.values()) == {"done"}:
                break
        for folder, single in zip(folders, singles, strict=True):
            records_agree(single, folder)


def test_a_stack_that_breaks_says_so_of_each(tiny_root, tiny_data, tmp_path, monkeypatch):
    folders = [lay(tmp_path, tiny_data, seed) for seed in range(2)]

    def broken(*_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(Stack, "_update", broken)
    assert set(train([(f, None) for f in folders], tiny_root).values()) == {BROKEN}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_campaign_in_stacks_comes_to_the_same(tiny_root, tiny_data, tmp_path, workers):
    """The search and the reported seeds: the same winners, the same trials, the same verdict."""
    ablation = tiny_ablation(lr="search", lr_grid=[0.01, 0.02], seeds=3)
    made = {}
    for stack in (1, 4):
        options = Options(results=tmp_path / str(stack), root=tiny_root, device="cpu", workers=workers, stack=stack)
        made[stack] = Result.of(run(ablation, options, Screen(quiet=True)))
    alone, together = made[1], made[4]
    assert alone.evidence.rates == together.evidence.rates
    assert alone.trials["trial"].tolist() == together.trials["trial"].tolist()
    assert alone.trials["status"].tolist() == together.trials["status"].tolist()
    for first, second in zip(alone.verdict["comparisons"], together.verdict["comparisons"], strict=True):
        assert first["verdict"] == second["verdict"]
        assert first["seeds"] == second["seeds"]
    stacked = [files.read_json(record.folder / "env.json").get("stack") for record in together.evidence.counted]
    assert max(size or 1 for size in stacked) > 1


def test_a_broken_stack_is_run_one_by_one(tiny_root, tiny_data, tmp_path, monkeypatch):
    def broken(*_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(Stack, "_update", broken)
    options = Options(results=tmp_path, root=tiny_root, device="cpu", workers=1, stack=8)
    evidence = run(tiny_ablation(seeds=3, epochs=1), options, Screen(quiet=True))
    assert {record.state for record in evidence.counted} == {"done"}
