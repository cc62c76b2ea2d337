"""Image folders looked through: what is taken, passed over, and refused with one line that names it."""

import os

import numpy as np
import pytest
import torch
from small_folders import faults, image, load, pets

from alexctl.data import folders, one_image
from alexctl.data.batches import Batches
from alexctl.data.sources import open_prepared, verify
from alexctl.errors import UserError


@pytest.fixture
def folder(tmp_path):
    return pets(tmp_path)


def test_reads_classes_and_files_in_order(folder, tmp_path):
    told = []
    data = load(f"{folder}/", tmp_path, progress=lambda *word: told.append(word))
    assert data.name == "pets"
    assert data.classes == ("cat", "dog")
    assert data.train_images.shape == (3, 8, 8, 3)
    assert data.train_images.dtype == np.uint8
    assert data.train_images[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert data.train_labels.tolist() == [0, 0, 1]
    assert data.test_images[:, 7, 7, 0].tolist() == [4, 5]
    assert data.test_labels.dtype == np.int64
    assert data.notes == ()
    assert told == [("decoding pets, train", 3, 3), ("decoding pets, test", 2, 2)]


def test_a_second_call_decodes_nothing_and_a_change_does(folder, tmp_path, monkeypatch):
    first = load(folder, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(one_image, "decode", None)
        assert load(folder, tmp_path).digest == first.digest
    image(folder / "train/dog/1.png", (9, 0, 0))
    os.utime(folder / "train/dog/1.png", ns=(1, 1))
    changed = load(folder, tmp_path)
    assert changed.digest != first.digest
    assert changed.train_images[2, 0, 0, 0] == 9


def test_the_same_pixels_have_the_same_digest_wherever_they_lie(folder, tmp_path):
    first = load(folder, tmp_path)
    (tmp_path / "elsewhere").mkdir()
    folder.rename(tmp_path / "elsewhere/pets")
    os.utime(tmp_path / "elsewhere/pets/test/dog/1.png", ns=(1, 1))
    assert load(tmp_path / "elsewhere/pets", tmp_path).digest == first.digest
    text = next((tmp_path / "root/prepared").glob("pets-*/dataset.json")).read_text()
    assert str(tmp_path) not in text


def test_the_name_is_the_folders_own_and_never_that_of_a_published_set(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    assert load(".", tmp_path).name == "pets"
    renamed = folder.rename(tmp_path / "cifar10")
    assert load(renamed, tmp_path).name == "cifar10-folder"
    renamed = renamed.rename(tmp_path / "=cmd|x\x1b[31m")
    data = load(renamed, tmp_path)
    assert data.name == "_cmd_x__31m"
    assert open_prepared(data.name, data.digest, tmp_path / "root").classes == ("cat", "dog")


def test_links_inside_are_followed_and_links_outside_are_refused_by_name(folder, tmp_path):
    outside = image(tmp_path / "secret/1.png")
    (folder / "train/cat/0.png").symlink_to(folder / "train/dog/1.png")
    assert load(folder, tmp_path).train_images[:, 0, 0, 0].tolist() == [3, 1, 2, 3]
    (folder / "train/cat/a.png").symlink_to(outside)
    (folder / "train/cat/b.png").symlink_to("b.png")
    (folder / "train/cow").symlink_to(outside.parent, target_is_directory=True)
    assert faults(folder, tmp_path) == (
        f"train/cat/a.png and 1 more are symbolic links that lead outside the folder, to {outside}; copy what it "
        "points to into the folder",  # to allow the folder of both would be to allow this one's own surroundings
        "train/cat/b.png is a symbolic link that points to nothing; fetch what is missing (`dvc pull`, `datalad get`), "
        "or remove it",
    )


def test_a_part_that_is_a_link_to_the_outside(folder, tmp_path):
    (folder / "test").rename(tmp_path / "elsewhere")
    (folder / "test").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    line = f"test is a symbolic link that leads outside the folder, to {tmp_path}/elsewhere; copy what it points to "
    assert faults(folder, tmp_path)[0] == f"{line}into the folder"


@pytest.mark.parametrize("store", [".dvc/cache/files/md5", ".git/annex/objects", "blobs"])
def test_links_into_a_store_are_allowed_by_naming_it(folder, tmp_path, store, monkeypatch):
    """As DVC, datalad and the Hugging Face cache lay them out: each image under its content's name, in a folder of two."""
    for number, path in enumerate(sorted(folder.rglob("*.png"))):
        kept = tmp_path / store / f"{number:02}" / f"md5-{number}"
        kept.parent.mkdir(parents=True)
        path.rename(kept)
        path.symlink_to(kept)
    (line,) = faults(folder, tmp_path)
    assert line.startswith("train/cat/1.png and 4 more are symbolic links that lead outside the folder, to ")
    remedy = line.rpartition(": ")[2]
    assert remedy == f"ALEXCTL_LINKS={tmp_path / store}"
    monkeypatch.setenv(*remedy.split("="))
    assert load(folder, tmp_path).train_images[:, 0, 0, 0].tolist() == [1, 2, 3]
    (tmp_path / "link").symlink_to(tmp_path / store)
    monkeypatch.setenv("ALEXCTL_LINKS", f"/nowhere:{tmp_path}/link")
    assert load(folder, tmp_path).test_images[:, 0, 0, 0].tolist() == [4, 5]
    (tmp_path / store / "00" / "md5-0").unlink()
    assert "test/cat/1.png is a symbolic link that points to nothing; fetch" in faults(folder, tmp_path)[0]


def test_what_is_no_image_is_skipped_and_counted(folder, tmp_path):
    (folder / "train/cat/notes.txt").write_text("")
    (folder / "train/cat/.DS_Store").write_text("")
    (folder / "train/README").write_text("")
    (folder / "train/cat/more").mkdir()
    (folder / "test/dog/1.png").unlink()
    assert load(folder, tmp_path).notes == (
        "skipped files outside class folders: 1",
        "skipped folders inside them: 1",
        "skipped files that are not images: 1 (.txt)",
        "class dog has no test images",
    )


def test_what_is_left_out_is_named_by_its_suffix_the_commonest_first(folder, tmp_path):
    for name in ("a.heic", "b.HEIC", "c.json", "d", "e.\x1b[2J", *(f"x{i}.x{i}" for i in range(3))):
        (folder / "train/cat" / name).write_text("")
    assert load(folder, tmp_path).notes == (
        r"skipped files that are not images: 8 (.heic, .json, no suffix, .\x1b[2j, .x0, ...)",
    )


def test_what_was_skipped_is_told_where_there_are_too_few_images(folder, tmp_path):
    (folder / "train/cat/a.heic").write_text("")
    data = load(folder, tmp_path)
    with pytest.raises(UserError) as caught:
        Batches(data, device=torch.device("cpu"), scaling="lenet", batch_size=1, num_train=4)
    skipped = "skipped files that are not images: 1 (.heic)"
    assert str(caught.value) == f"num_train: 4 images asked for, the data has 3; {skipped}"


@pytest.mark.parametrize("suffix", [".jfif", ".JPE", ".jif", ".pjpeg", ".apng", ".pnm"])
def test_images_under_their_other_names_are_read(folder, tmp_path, suffix):
    """What a file is, its content tells: here a PNG in each."""
    path = folder / "train/dog/1.png"
    path.rename(path.with_suffix(suffix))
    assert load(folder, tmp_path).train_images[:, 0, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on Windows")
def test_a_pipe_is_refused_and_not_waited_for(folder, tmp_path):
    os.mkfifo(folder / "train/cat/3.png")
    assert faults(folder, tmp_path) == ("train/cat/3.png is a device or a pipe, not a file; remove it",)


def test_folders_of_the_wrong_shape(folder, tmp_path):
    assert faults(tmp_path / "nowhere", tmp_path)[0].startswith(f"there is no folder {tmp_path}/nowhere; ")
    assert "has no folder train/" in faults(folder / "test", tmp_path)[0]
    (folder / "test").rename(tmp_path / "test")
    assert "has no folder test/" in faults(folder, tmp_path)[0]
    (folder / "test").mkdir()
    assert "test/ holds no images" in faults(folder, tmp_path)[0]


def test_classes_that_do_not_fit(folder, tmp_path):
    image(folder / "test/cow/1.png")
    image(folder / "test/Dog/1.png")
    (folder / "train/hen").mkdir()
    lines = [line.removeprefix(f"{folder}: ") for line in faults(folder, tmp_path)]
    assert lines == [
        "dog and Dog are two spellings of one class; rename one",
        "class cow is in test/ but not in train/; add it there or remove it",
        "train/hen holds no images; add some or remove the folder",
    ]


def test_one_class_is_too_few(folder, tmp_path):
    for part in ("train", "test"):
        (folder / part / "dog").rename(tmp_path / part)
    assert "train/ has one class, cat" in faults(folder, tmp_path)[0]


def test_an_accent_written_in_two_ways(folder, tmp_path):
    image(folder / "train/chaton-e\u0301/1.png")
    image(folder / "test/chaton-\u00e9/1.png")
    assert load(folder, tmp_path).classes == ("cat", "chaton-\u00e9", "dog")
    image(folder / "train/chaton-\u00e9/1.png")
    assert "is there twice" in faults(folder, tmp_path)[0]


def test_a_folder_called_imagenet_that_is_not(folder, tmp_path):
    """A proxy must not pass for the paper's data: 1000 classes and over 1.2 million training images are asked for."""
    assert load(folder.rename(folder.with_name("imagenet-2012")), tmp_path).name == "imagenet-2012-folder"
    assert folders._is_imagenet([""] * 1000, {"train": range(1_281_167)})


def test_imagenet_cut_to_small_images_says_so(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_is_imagenet", lambda *_: True)
    place = folder.rename(folder.with_name("imagenet-2012"))
    assert load(place, tmp_path).name == "imagenet-2012-8px"
    assert load(place, tmp_path, image_size=224).name == "imagenet-2012"


def test_verify_lists_all_faults_too(folder, tmp_path):
    for number in range(11):
        image(folder / f"test/cow{number:02}/1.png")
    with pytest.raises(UserError, match=r"\.\.\. and 1 more, 11 in all: all are listed in .*/pets-faults.txt"):
        verify(f"imagefolder:{folder}", tmp_path / "root")
    lines = (tmp_path / "root/prepared/pets-faults.txt").read_text("utf-8").splitlines()
    assert lines[10] == f"{folder}: class cow10 is in test/ but not in train/; add it there or remove it"
