"""Folders as other people lay them out: taken, or said as what they are, with a remedy that works."""

import subprocess

import pytest
from small_folders import faults, image, load, pets

from alexctl.data.layouts import NEEDS


@pytest.fixture
def folder(tmp_path):
    return pets(tmp_path)


def test_val_stands_in_for_test(folder, tmp_path):
    (folder / "test").rename(folder / "val")
    assert load(folder, tmp_path).test_images[:, 0, 0, 0].tolist() == [4, 5]


def test_imagenets_test_without_labels_gives_way_to_val(folder, tmp_path):
    (folder / "test").rename(folder / "val")
    image(folder / "test/000.png")
    data = load(folder, tmp_path)
    assert data.test_images[:, 0, 0, 0].tolist() == [4, 5]
    assert data.notes[0] == "test/ has no folder of any class in train/: val/ is used in its place"
    (folder / "val/cat").rename(folder / "test/cat")
    assert load(folder, tmp_path).test_images[:, 0, 0, 0].tolist() == [4]


def test_imagenet_as_unpacked_has_no_class_folders_in_val_either(folder, tmp_path):
    """The labels of val/ stand in a file, those of test/ nowhere: it is val/ that has to be sorted."""
    for name in ("cat", "dog"):
        image(folder / f"val/{name}.png")
        (folder / f"test/{name}/1.png").rename(folder / f"test/{name}.png")
        (folder / f"test/{name}").rmdir()
    (line,) = faults(folder, tmp_path)
    assert line == f"{folder}: val/ holds 2 files but no class folders; sort them into val/CLASS/"


@pytest.mark.parametrize("part", ["test", "val", "train"])
def test_a_part_without_class_folders(folder, tmp_path, part):
    if part == "val":
        (folder / "test").rename(folder / "val")
    for path in list((folder / part).rglob("*.png")):
        path.rename(folder / part / f"{path.parent.name}-{path.name}")
    for name in ("cat", "dog"):
        (folder / part / name).rmdir()
    count = 3 if part == "train" else 2
    line = f"{folder}: {part}/ holds {count} files but no class folders; sort them into {part}/CLASS/"
    assert line in faults(folder, tmp_path)


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ("Train", "Test", "no folder train/ and no folder test/ but Train/ and Test/: rename Train/ to train/ and Test/ to test/"),
        ("train", "valid", "no folder test/ but valid/: rename valid/ to val/"),
        ("train", "validation", "no folder test/ but validation/: rename validation/ to val/"),
        ("Training", "Testing", "Training/ and Testing/: rename Training/ to train/ and Testing/ to test/"),
        ("TRAIN", "val", "no folder train/ but TRAIN/: rename TRAIN/ to train/"),
    ],
)  # fmt: skip
def test_parts_under_other_names(folder, tmp_path, train, test, said):
    (folder / "train").rename(folder / "t1")
    (folder / "t1").rename(folder / train)
    (folder / "test").rename(folder / test)
    (line,) = faults(folder, tmp_path)
    assert line.endswith(f"{said}; {NEEDS}")
    for rename in said.partition(": rename ")[2].split(" and "):
        old, _, new = rename.partition(" to ")
        (folder / old).rename(folder / new)
    load(folder, tmp_path)


def test_one_folder_too_deep_or_not_deep_enough(folder, tmp_path, monkeypatch):
    (line,) = faults(folder / "train", tmp_path)
    assert f"it is a part itself, so give {folder}, not {folder}/train; " in line
    (line,) = faults(tmp_path, tmp_path)
    assert f"they lie one folder deeper, so give {folder}; " in line
    monkeypatch.chdir(folder / "test")
    assert f"it is a part itself, so give {folder}, not .; " in faults(".", tmp_path)[0]
    monkeypatch.chdir(tmp_path)
    assert "so give pets, not pets/train; " in faults("pets/train", tmp_path)[0]


def test_classes_in_no_part(folder, tmp_path):
    image(tmp_path / "all/cat/1.png")
    (line,) = faults(tmp_path / "all", tmp_path)
    assert (
        "its class folders are in no part, so put some images of each class into train/ and the rest into test/" in line
    )
    (tmp_path / "empty").mkdir()
    assert faults(tmp_path / "empty", tmp_path) == (
        f"{tmp_path}/empty has no folder train/ and no folder test/; {NEEDS}",
    )


def test_tiny_imagenet_is_taken_once_its_remedies_are_followed(tmp_path):
    """train/CLASS/images/, a flat val/images/ with its classes in a table, and a test/images/ without labels."""
    root = tmp_path / "tiny imagenet"
    for number, name in enumerate(("n01", "n02"), start=1):
        for file in range(2):
            image(root / f"train/{name}/images/{name}_{file}.png", (number, 0, 0))
        (root / f"train/{name}/{name}_boxes.txt").write_text("")
    for number in range(4):
        image(root / f"val/images/val_{number}.png", (10 + number, 0, 0))
        image(root / f"test/images/test_{number}.png")
    table = "".join(f"val_{number}.png\tn0{1 + number % 2}\t0\t0\t7\t7\n" for number in range(4))
    (root / "val/val_annotations.txt").write_text(table)
    lines = faults(root, tmp_path)
    assert len(lines) == 2
    for line in lines:
        subprocess.run(["sh", "-ec", line.split("`")[1]], check=True)
    data = load(root, tmp_path)
    assert data.classes == ("n01", "n02")
    assert data.train_images[:, 0, 0, 0].tolist() == [1, 1, 2, 2]
    assert data.test_images[:, 0, 0, 0].tolist() == [10, 12, 11, 13]
    assert data.notes[0] == "test/ has no folder of any class in train/: val/ is used in its place"
