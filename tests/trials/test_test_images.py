"""What a trial keeps of each test image: which were right, and how probable the net found each class."""

import json
import shutil

import numpy as np
import one_trial
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from conftest import tiny_ablation

from alexctl.campaign.campaign import Campaign
from alexctl.campaign.scheduler import Options
from alexctl.cli.progress import Screen
from alexctl.data import shapes
from alexctl.run import run
from alexctl.store import layout, records, test_images
from alexctl.store.test_images import Right
from alexctl.training.evaluation import Evaluator
from alexctl.training.loop import Training
from alexctl.trials import trial

CPU = torch.device("cpu")
EVERYTHING = trial.Keeping(weights=True, predictions=True)


def make(folder, data, changes=None, **overrides):
    setting = tiny_ablation(**{"epochs": 1, **overrides}).setting("relu", data.name, data.digest, **changes or {})
    folder = folder / layout.trial_name("relu", 0, setting.hash8)
    records.create(folder, ablation="tiny", arm="relu", phase="final", seed=0, setting=setting)
    return folder


def go(folder, root, keeping=EVERYTHING, **options):
    return one_trial.run(folder, root=root, device=CPU, keeping=keeping, **options)


@pytest.fixture
def passes(monkeypatch):
    """The parts of the data that were evaluated on, in order."""
    parts, errors_on = [], Evaluator.errors_on
    monkeypatch.setattr(
        Evaluator, "errors_on", lambda self, part, to: (parts.append(part), errors_on(self, part, to))[1]
    )
    return parts


def test_bits_by_hand(tmp_path):
    """Nine images, the first and the last two right: 10000001 1(0000000)."""
    right = Right.of(np.array([1, 0, 0, 0, 0, 0, 0, 1, 1], bool))
    assert right.bits == bytes([0b10000001, 0b10000000])
    assert right.array().tolist() == [True, *[False] * 6, True, True]
    assert right.error == 6 / 9
    (tmp_path / "correct.bits").write_bytes(right.bits)
    assert test_images.read_right(tmp_path, 9, right.digest, 6 / 9) == right


@pytest.mark.parametrize("views", [1, 10])
def test_they_are_what_the_net_says(tiny_root, tiny_data, tmp_path, passes, views):
    """Of the weights that were kept, image by image, from the pass that the row's errors are of."""
    folder = make(tmp_path, tiny_data, test_views=views, crop=24)
    assert go(folder, tiny_root) == "done"
    assert passes == ["test", "train"]
    record = records.read_trial(folder)
    setting, _ = records.read_setting(folder)
    training = Training(setting, 0, tiny_data, device=CPU)
    training.net.load_state_dict(safetensors.torch.load((folder / layout.WEIGHTS).read_bytes()))
    training.net.eval()
    with torch.inference_mode():
        seen, labels = next(training.batches.in_order("test", views=views))
        expected = (sum(training.net(view).softmax(1) for view in seen) / views).numpy()
    kept = test_images.Labels(classes=tiny_data.classes, labels=np.asarray(tiny_data.test_labels))
    found = test_images.read_probabilities(folder, record.right, kept)
    assert found.dtype == np.float16
    assert found == pytest.approx(expected, abs=1e-3)
    assert record.right.array().tolist() == (expected.argmax(1) == labels.numpy()).tolist()
    assert record.right.error == record.rows[-1]["test_error"]
    assert (folder / layout.CORRECT).stat().st_size == 3  # 20 images


def test_no_number_moves(tiny_root, tiny_data, tmp_path):
    rows = []
    for name, keeping in (("a", trial.ROWS_ONLY), ("b", EVERYTHING)):
        folder = make(tmp_path / name, tiny_data)
        go(folder, tiny_root, keeping)
        rows.append([{k: v for k, v in row.items() if "seconds" not in k} for row in records.read_trial(folder).rows])
        assert (folder / layout.PROBABILITIES).exists() == (name == "b")
    assert rows[0] == rows[1]


@pytest.mark.parametrize(("after", "left"), [(3, ["test", "train"]), (4, ["test", "train"]), (6, ["train"])])
def test_equal_when_resumed(tiny_root, tiny_data, tmp_path, passes, after, left):
    """Interrupted in training, in the test evaluation and in the pass of the training images after it, which is all that
    is left to do then."""
    whole, broken = make(tmp_path / "a", tiny_data), make(tmp_path / "b", tiny_data)
    go(whole, tiny_root)
    asked = iter(range(1000))
    assert go(broken, tiny_root, should_stop=lambda: next(asked) == after) == "interrupted"
    assert records.read_trial(broken).right is None
    passes.clear()
    assert go(broken, tiny_root) == "done"
    assert passes == left
    assert records.read_trial(broken).right == records.read_trial(whole).right
    for name in (layout.CORRECT, layout.PROBABILITIES):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize("changes", [{"epochs_after_target": 0.0}, {"evaluate_every": 0}, {"held_out": 0.3}])
def test_none_of_a_trial_that_ends_at_its_target_or_never_sees_the_test_images(tiny_root, tiny_data, tmp_path, changes):
    folder = make(tmp_path, tiny_data, changes, target={"at_most": 0.95})
    assert go(folder, tiny_root) == "done"
    assert not (folder / layout.CORRECT).exists()
    assert not (folder / layout.PROBABILITIES).exists()
    assert records.read_trial(folder).problem is None


@pytest.fixture(scope="module")
def done(tmp_path_factory, tiny_root):
    """A campaign of four trials with everything kept."""
    options = Options(
        results=tmp_path_factory.mktemp("results"), root=tiny_root, device="cpu", workers=1,
        keeping=trial.Keeping(predictions=True),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "NUM_TRAIN", 70)
        patch.setattr(shapes, "NUM_TEST", 20)
        return run(tiny_ablation(epochs=1, seeds=2), options, Screen(quiet=True)).folder


@pytest.fixture
def copy(done, tmp_path):
    return shutil.copytree(done, tmp_path / done.name)


def first(campaign):
    return next(campaign.glob("trials/relu-s0-*"))


@pytest.mark.parametrize("wanted", [True, False])
def test_another_ablation_takes_them_over(copy, tiny_root, monkeypatch, wanted):
    """The probabilities only where they are wanted, and then no trial without them."""
    monkeypatch.setattr(shapes, "NUM_TRAIN", 70)
    monkeypatch.setattr(shapes, "NUM_TEST", 20)
    without = next(copy.glob("trials/relu-s1-*"))
    (without / layout.PROBABILITIES).unlink()
    ablation = tiny_ablation(epochs=1, seeds=2).model_copy(update={"name": "other"})
    keeping = trial.Keeping(predictions=wanted)
    options = Options(results=copy.parent, root=tiny_root, device="cpu", workers=1, keeping=keeping)
    folder = run(ablation, options, Screen(quiet=True)).folder
    for each in copy.glob("trials/*"):
        mine = folder / "trials" / each.name
        taken = "from" in json.loads((mine / layout.SETTING).read_text())
        assert taken == (each != without or not wanted)
        assert (mine / layout.CORRECT).read_bytes() == (each / layout.CORRECT).read_bytes()
        assert (mine / layout.PROBABILITIES).exists() == wanted


DAMAGES = {
    "one more": (lambda bits: bits + b"\0", "correct.bits is larger than 3 bytes"),
    "one less": (lambda bits: bits[:-1], "correct.bits is not of the 20 test images that status.json counts"),
    "none": (lambda bits: b"", "correct.bits is not of the 20 test images that status.json counts"),
    "beyond the last": (lambda bits: bits[:2] + bytes([bits[2] | 1]), "correct.bits is not of the 20 test images that status.json counts"),
    "another image": (lambda bits: bytes([bits[0] ^ 255]) + bits[1:], "correct.bits was changed after the trial ended"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_as_it_was_written_is_a_problem(copy, damage):
    change, why = DAMAGES[damage]
    path = first(copy) / layout.CORRECT
    path.write_bytes(change(path.read_bytes()))
    assert records.read_trial(path.parent).problem == why


def test_bits_that_contradict_the_rows_are_a_problem(copy):
    """With a digest that fits them."""
    trial_folder = first(copy)
    right = records.read_trial(trial_folder).right
    other = Right.of(~right.array())
    (trial_folder / layout.CORRECT).write_bytes(other.bits)
    status = json.loads((trial_folder / layout.STATUS).read_text())
    (trial_folder / layout.STATUS).write_text(json.dumps(status | {"correct_digest": other.digest}))
    assert records.read_trial(trial_folder).problem == "correct.bits has another test error than rows.csv"


def test_a_trial_without_them_is_as_good(copy):
    """As those of before are, and one whose file was deleted."""
    (first(copy) / layout.CORRECT).unlink()
    record = records.read_trial(first(copy))
    assert (record.problem, record.right) == (None, None)


# Labels and probabilities


@pytest.fixture
def kept(copy):
    """(campaign folder, its labels)."""
    campaign = Campaign.open(copy)
    return copy, test_images.read_labels(copy, data_digest=campaign.data_digest, num_classes=10)


def test_labels_are_those_of_the_test_images(kept, tiny_data):
    assert kept[1].labels.tolist() == np.asarray(tiny_data.test_labels).tolist()
    assert kept[1].classes == tiny_data.classes


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"labels": "%"}, "is damaged: labels: no base64"),
        ({"labels": ""}, "is damaged: labels: of no class"),
        ({"labels": "CgA="}, "is damaged: labels: of no class"),  # 10
        ({"classes": ["one"]}, "is of other data"),
        ({"data_digest": "x"}, "is of other data"),
        ({"classes": [1]}, "is damaged: classes"),
        ({"labels": None}, "is damaged: labels"),
    ],
)
def test_labels_that_are_none(kept, changes, why):
    path = kept[0] / layout.TEST_LABELS
    digest = Campaign.open(kept[0]).data_digest
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=rf"^test_labels\.json {why}"):
        test_images.read_labels(kept[0], data_digest=digest, num_classes=10)


PROBABILITIES = {
    "another shape": (lambda p: p[:-1], "has no probability of each class for each test image"),
    "another type": (lambda p: p.astype(np.float32), "has no probability of each class for each test image"),
    "no number": (lambda p: p * np.float16("nan"), "has numbers that are no probabilities"),
    "too large": (lambda p: p * np.float16(2), "has numbers that are no probabilities"),
    "below 0": (lambda p: p - np.float16(0.5), "has numbers that are no probabilities"),
    "of other images": (lambda p: p[:, ::-1].copy(), r"contradicts correct\.bits"),
}


@pytest.mark.parametrize("damage", PROBABILITIES)
def test_probabilities_that_are_none(kept, damage):
    change, why = PROBABILITIES[damage]
    folder = first(kept[0])
    right = records.read_trial(folder).right
    found = test_images.read_probabilities(folder, right, kept[1])
    content = safetensors.numpy.save({"probabilities": change(found.copy())})
    (folder / layout.PROBABILITIES).write_bytes(content)
    with pytest.raises(ValueError, match=rf"^probabilities\.safetensors {why}$"):
        test_images.read_probabilities(folder, right, kept[1])
    (folder / layout.PROBABILITIES).write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"^probabilities\.safetensors is damaged$"):
        test_images.read_probabilities(folder, right, kept[1])


def test_labels_too_many_to_be_read_are_not_written(tmp_path):
    test_images.write_labels(tmp_path, data_digest="x", classes=["a"], labels=np.zeros(10**6, np.int64))
    assert not list(tmp_path.iterdir())
