"""Image folders of a few pixels, laid out for a test that spoils them."""

from pathlib import Path

import pytest
from PIL import Image

from alexctl.data.sources import DataSet, prepare
from alexctl.errors import UserError

RED, BLUE = (200, 10, 20), (10, 20, 200)


def image(path: Path, colour=RED, size=(8, 8), mode="RGB", **options) -> Path:
    """One image of one colour; options are Pillow's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)
    return path


def pets(place: Path) -> Path:
    """Two classes, three training and two test images of 8 x 8 pixels, kept without loss; red says which is which."""
    root = place / "pets"
    image(root / "train/cat/2.png", (2, 0, 0))
    image(root / "train/cat/1.png", (1, 0, 0))
    image(root / "train/dog/1.png", (3, 0, 0))
    image(root / "test/cat/1.png", (4, 0, 0))
    image(root / "test/dog/1.png", (5, 0, 0))
    return root


def load(folder, tmp_path: Path, image_size: int = 8, **options) -> DataSet:
    """The folder, prepared below `tmp_path`."""
    return prepare(f"imagefolder:{folder}", tmp_path / "root", image_size=image_size, **options)


def faults(folder, tmp_path: Path) -> tuple[str, ...]:
    """The lines with which the folder is refused."""
    with pytest.raises(UserError) as caught:
        load(folder, tmp_path)
    assert "\n" not in "".join(caught.value.faults)
    return caught.value.faults
