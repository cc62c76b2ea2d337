"""Folders of drawn images that a test may spoil."""

from pathlib import Path

from PIL import Image

CLASSES = ("bars", "dots", "rings")


def draw_folder(folder: Path, *, classes: tuple[str, ...] = CLASSES, untested: tuple[str, ...] = ()) -> Path:
    """train/ with 20 and test/ with 5 images a class; `untested` classes are in train/ alone."""
    for part, count in (("train", 20), ("test", 5)):
        for number, name in enumerate((*classes, *(untested if part == "train" else ()))):
            place = folder / part / name
            place.mkdir(parents=True)
            for i in range(count):
                image(number, i if part == "train" else 100 + i).save(place / f"{i}.png")
    return folder


def image(kind: int, i: int) -> Image.Image:
    """32 x 32 pixels, of which kind tells the pattern and i the place and the colour."""
    drawn = Image.new("RGB", (32, 32))
    for x in range(32):
        for y in range(32):
            on = ((x + i) * (kind + 1) + y * (3 - kind)) % 8 < 4
            drawn.putpixel((x, y), (200 if on else 30, (17 * i) % 256, 90 * (kind % 3)))
    return drawn
