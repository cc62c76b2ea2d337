"""What is kept beside the weights for Figures 3 and 4, and what a report draws from it."""

import csv
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.numpy
import torch
from conftest import tiny_ablation
from torch import nn
from torch.nn import functional as F

from alexctl.ablation.parse import parse
from alexctl.ablation.setting import Setting
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.scheduler import Options
from alexctl.cli.progress import Screen
from alexctl.data import shapes
from alexctl.data.batches import Batches
from alexctl.data.sources import DataSet
from alexctl.nets import build
from alexctl.report.page import page
from alexctl.report.rebuild import rebuild
from alexctl.run import run
from alexctl.store import inspection as stored
from alexctl.store import layout, records, reference
from alexctl.trials import inspection
from alexctl.trials.trial import Keeping


@pytest.fixture(scope="module")
def kept(tmp_path_factory, tiny_root):
    """A campaign whose trials kept their weights: the paper's net at 32 px in two towers and in one."""
    options = Options(
        results=tmp_path_factory.mktemp("results"), root=tiny_root, device="cpu", workers=1,
        keeping=Keeping(weights=True),
    )  # fmt: skip
    table = {
        "title": "Towers", "control": "one", "varies": ["towers"], "measure": "test_error", "margin": 1.0,
        "claim": {"section": "3.2", "says": "two are better", "direction": "positive", "data": "imagenet-2012"},
        "base": {"data": "shapes", "net": "alexnet32", "lr": 0.01, "epochs": 1, "seeds": 2, "batch_size": 128},
        "arms": {"one": {"towers": 1}, "two": {"towers": 2}},
        "smoke": {"epochs": 1},
    }  # fmt: skip
    ablation, faults = parse(table, name="pair", overrides={}, smoke=False)
    assert not faults, faults
    with pytest.MonkeyPatch.context() as patch:  # as in tiny_data
        patch.setattr(shapes, "NUM_TRAIN", 70)
        patch.setattr(shapes, "NUM_TEST", 20)
        evidence = run(ablation, options, Screen(quiet=True))
    return Campaign.open(evidence.folder)


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def net_of(record, data):
    setting = Setting.from_flat(record.setting)
    about = {"image_shape": data.train_images.shape[1:], "num_classes": len(data.classes)}
    net = build(setting.training.net, setting.net, **about, seed=0)
    weights = safetensors.numpy.load_file(record.folder / layout.WEIGHTS)
    net.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return net.eval()


def test_only_the_first_seed_is_looked_at(kept):
    for record in records.trials_of(kept.folder):
        there = [(record.folder / name).exists() for name in layout.INSPECTION]
        assert there == [record.seed == 0] * 3


def test_what_is_kept_is_what_the_net_does(kept, tiny_data):
    """Probabilities of a forward pass; neighbours of a loop over all training images, in what fc8 sees."""
    record = next(r for r in records.trials_of(kept.folder) if r.arm == "two" and r.seed == 0)
    net = net_of(record, tiny_data)
    batches = Batches(tiny_data, device=torch.device("cpu"), scaling=net.input_scaling, batch_size=1)
    predictions, neighbours = (table(record.folder / name) for name in layout.INSPECTION[1:])
    images = list(dict.fromkeys(int(row["image"]) for row in predictions))
    assert len(images) == 8
    assert [tiny_data.test_labels[i] for i in images] == [0, 1, 2, 3, 5, 6, 7, 8]  # eight of ten classes
    with torch.inference_mode():
        inputs = batches.scaled(batches.test_images[images])
        probabilities = net(inputs).softmax(1)
        for i, image in enumerate(images):
            mine = [row for row in predictions if row["image"] == str(image)]
            assert [float(row["probability"]) for row in mine] == pytest.approx(
                sorted(probabilities[i].tolist(), reverse=True)[:5], rel=1e-4
            )
            assert {row["truth"] for row in mine} == {tiny_data.classes[tiny_data.test_labels[image]]}
            best = tiny_data.classes[int(probabilities[i].argmax())]
            assert mine[0]["class"] == best
        seen: list[torch.Tensor] = []
        net.fc8.register_forward_hook(lambda module, given, made: seen.append(given[0]))
        net(inputs[:5])
        net(batches.scaled(batches.train_images))
    for query, image in zip(seen[0], images, strict=False):
        distances = [float((query - other).square().sum().sqrt()) for other in seen[1]]
        mine = [row for row in neighbours if row["image"] == str(image)]
        assert [float(row["distance"]) for row in mine] == pytest.approx(sorted(distances)[:6], rel=1e-4)
        for row in mine:
            assert distances[int(row["neighbour"])] == pytest.approx(float(row["distance"]), rel=1e-4)
            assert row["class"] == tiny_data.classes[tiny_data.train_labels[int(row["neighbour"])]]
    tensors = safetensors.numpy.load_file(record.folder / layout.INSPECTION[0])
    assert np.array_equal(tensors["kernels"], net.conv1.weight.detach().permute(0, 2, 3, 1).numpy())
    assert tensors["towers"].tolist() == [2]
    assert np.array_equal(tensors["images"], tiny_data.test_images[images])
    assert np.array_equal(tensors["near"][0, 0], tiny_data.train_images[int(neighbours[0]["neighbour"])])


@pytest.mark.parametrize("side", [2, 70])
def test_a_crop_is_kept_as_the_net_sees_it(tmp_path, side):
    """The centre of each image, pixel by pixel; of more than 64 pixels a side each mean of what becomes one pixel."""
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(12, side + 3, side + 4, 3), dtype=np.uint8)
    labels = np.arange(12) % 2
    data = DataSet(
        name="crops", digest="0" * 16, classes=("a", "b"), notes=(),
        train_images=images[:8], train_labels=labels[:8], test_images=images[8:], test_labels=labels[8:],
    )  # fmt: skip
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    batches = Batches(data, device=torch.device("cpu"), scaling="standardised", batch_size=4, crop=side)
    training = SimpleNamespace(net=net.to(memory_format=torch.channels_last), batches=batches)
    stored.write(tmp_path, inspection.inspect(training, data.classes))
    tensors = safetensors.numpy.load_file(tmp_path / "gallery.safetensors")
    predictions, neighbours = table(tmp_path / "predictions.csv"), table(tmp_path / "neighbours.csv")
    kept = images[:, 1 : side + 1, 2 : side + 2]
    if side > 64:
        channels_first = torch.from_numpy(kept).permute(0, 3, 1, 2).float()
        kept = F.interpolate(channels_first, 64, mode="area").round().byte().permute(0, 2, 3, 1).numpy()
    shown = list(dict.fromkeys(int(row["image"]) for row in predictions))
    assert np.array_equal(tensors["images"], kept[8:][shown])
    near = [int(row["neighbour"]) for row in neighbours if row["image"] == str(shown[0])]
    assert np.array_equal(tensors["near"][0], kept[near])
    assert np.array_equal(tensors["kernels"], net[0].weight.detach().permute(0, 2, 3, 1).numpy())


def test_the_report_shows_it(kept):
    folder = kept.folder
    for stem in ("kernels", "predictions", "neighbours"):
        assert (folder / f"{stem}.svg").stat().st_size < 250_000
    assert {row["arm"] for row in table(folder / "predictions.csv")} == {"two"}  # the arm that is not the control
    assert "Zero is mid grey" in (folder / "kernels.svg").read_text(encoding="utf-8")
    html = page(reference.campaigns(folder.parent))
    towers = [row for row in table(folder / "kernels.csv") if (row["arm"], row["seed"]) == ("two", "0")]
    coloured = [f"{row['num_coloured']} of {row['num_kernels']} coloured" for row in towers]
    for words in (
        f"two, tower 1: {coloured[0]}",
        f"two, tower 2: {coloured[1]}",
        "Inside the trained nets",
        "pair-neighbours-title",
        ">conv5<",
        "data:image/png",
    ):
        assert words in html
    before = {path.name: path.read_bytes() for path in folder.glob("*.*")}
    rebuild(kept.evidence())
    assert {path.name: path.read_bytes() for path in folder.glob("*.*")} == before


DAMAGES = {  # of the tensors, and why they are not shown
    "no images": (lambda t: t.pop("images"), "has no images as alexctl keeps them"),
    "no towers": (lambda t: t.pop("towers"), "has kernels that can't be shown"),
    "odd shapes": (lambda t: t.update(near=t["images"]), "has no near as alexctl keeps them"),
    "not finite": (lambda t: t.update(kernels=t["kernels"] * np.float32("nan")), "has kernels that can't be shown"),
    "empty": (lambda t: t.update(kernels=t["kernels"][:0]), "has no kernels as alexctl keeps them"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_named_and_the_rest_is_shown(kept, tmp_path, damage):
    """Figures of the other arm, and all tables; what was drawn of the damaged one before is gone."""
    copy = shutil.copytree(kept.folder, tmp_path / "pair")
    change, why = DAMAGES[damage]
    file = next(copy.glob("trials/two-s0-*/gallery.safetensors"))
    tensors = safetensors.numpy.load(file.read_bytes())
    change(tensors)
    file.write_bytes(safetensors.numpy.save(tensors))
    problems = []
    rebuild(Campaign.open(copy).evidence(), problems=problems)
    (line,) = problems
    assert line.startswith(
        f"{file.parent.name}: gallery.safetensors {why}, so pair goes without its images; delete that file"
    )
    left = {path.name for stem in ("kernels", "predictions", "neighbours") for path in copy.glob(f"{stem}.*")}
    assert left == {"kernels.svg", "kernels.png", "kernels.csv"}  # the table is of the trials, not of the gallery
    html = page([copy])
    assert "two, tower 1" not in html
    assert "pair-kernels-title" in html
    assert "Every seed" in html
    file.unlink()  # as the line says
    rebuild(Campaign.open(copy).evidence(), problems=(none := []))
    assert none == []


def test_kernels_that_would_make_a_figure_too_tall_are_left_out(kept, tmp_path):
    copy = shutil.copytree(kept.folder, tmp_path / "pair")
    file = next(copy.glob("trials/two-s0-*/gallery.safetensors"))
    tensors = safetensors.numpy.load(file.read_bytes())
    tensors |= {"kernels": np.zeros((4096, 1, 1, 3), np.float32), "towers": np.array([4096])}
    file.write_bytes(safetensors.numpy.save(tensors))
    rebuild(Campaign.open(copy).evidence(), problems=(problems := []))
    assert problems == ["pair: the kernels of two are left out, since the figure would be too tall"]
    assert "two, tower" not in (copy / "kernels.svg").read_text(encoding="utf-8")
    assert (copy / "predictions.svg").exists()


def test_an_image_with_more_guesses_than_we_keep(kept, tmp_path):
    copy = shutil.copytree(kept.folder, tmp_path / "pair")
    file = next(copy.glob("trials/two-s0-*/predictions.csv"))
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines, *[lines[-1]] * 50]))
    rebuild(Campaign.open(copy).evidence(), problems=(problems := []))
    assert "predictions.csv has more classes an image than alexctl keeps" in problems[0]


def test_without_weights_there_is_none(tmp_path, tiny_root, tiny_data):
    options = Options(results=tmp_path, root=tiny_root, device="cpu", workers=1)
    folder = run(tiny_ablation(epochs=1, seeds=1), options, Screen(quiet=True)).folder
    assert not list(folder.rglob("*.safetensors"))
    assert not (folder / "predictions.csv").exists()
    assert "Inside the trained nets" not in page(reference.campaigns(tmp_path))


@pytest.mark.parametrize(
    ("labels", "num_classes", "chosen"),
    [([1, 0, 0, 1, 2, 1], 3, [1, 0, 4, 2, 3]), ([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], 10, [9, 7, 5, 3, 1]), ([0], 4, [0])],
)
def test_images_are_spread_over_the_classes(labels, num_classes, chosen):
    """Five of them: of three classes the second ones follow; of ten every other one; what is missing is left out."""
    assert inspection.spread(np.array(labels), num_classes, 5).tolist() == chosen


def test_large_images_are_kept_small():
    small = inspection._small(torch.randint(256, (2, 200, 100, 3), dtype=torch.uint8))
    assert small.shape == (2, 64, 32, 3)
    assert small.dtype == np.uint8


def test_how_coloured_each_tower_is(kept):
    """Of every seed, from the weights that were kept; of nets that are not in towers, or see no colours, nothing."""
    rows = table(kept.folder / "kernels.csv")
    assert [(row["arm"], row["seed"], row["tower"]) for row in rows] == [
        ("one", "0", "1"), ("one", "1", "1"), ("two", "0", "1"), ("two", "0", "2"), ("two", "1", "1"), ("two", "1", "2"),
    ]  # fmt: skip
    record = next(r for r in records.trials_of(kept.folder) if r.arm == "two" and r.seed == 1)
    weights = safetensors.numpy.load_file(record.folder / layout.WEIGHTS)["conv1.weight"]
    for row, part in zip(rows[4:], np.split(weights.astype(np.float64), 2), strict=True):
        off = np.square(part - part.mean(1, keepdims=True)).sum((1, 2, 3))
        whole = np.square(part).sum((1, 2, 3))
        assert float(row["colour_share"]) == pytest.approx(off.sum() / whole.sum())
        assert (int(row["num_kernels"]), int(row["num_coloured"])) == (len(part), (off > whole / 2).sum())
    for net in (nn.Linear(3, 3), nn.Sequential(nn.Conv2d(3, 4, 1)), nn.Conv2d(1, 4, 1)):
        assert inspection.kernel_colours(net) is None
    for net, towers in (
        (nn.Conv2d(1, 4, 1), 2),
        (nn.Conv2d(3, 3, 1), 2),
        (nn.Conv2d(3, 4, 1), "2"),
        (nn.Conv2d(3, 4, 1), 0),
    ):
        net.num_towers = towers
        assert inspection.kernel_colours(net) is None
