"""Image folders laid out otherwise than train/CLASS/* and test/CLASS/*: said as what they are, with the way out."""

import os
import shlex
import unicodedata
from pathlib import Path

from alexctl.errors import UserError

NEEDS = "an image folder holds train/CLASS/*.jpg and test/CLASS/*.jpg (or val/CLASS/*.jpg)"
# What a file may be called to be looked at; what it then is, its content tells.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg", ".pjp", ".png", ".apng", ".gif", ".bmp", ".webp", ".avif"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)
# What others call the two parts -> what they are called here.
TRAIN = dict.fromkeys(("train", "training", "trainset"), "train")
TEST = {**dict.fromkeys(("test", "testing", "testset"), "test"), **dict.fromkeys(("val", "valid", "validation"), "val")}


def is_image(name: str) -> bool:
    """Whether a file goes by the name of an image."""
    return name.lower().endswith(SUFFIXES)


def class_name(folder: str) -> str:
    """The class that a folder stands for; macOS and Linux write an accent in two ways."""
    return unicodedata.normalize("NFC", folder)


def parts_of(root: Path, given: Path) -> tuple[dict[str, str], list[str]]:
    """Where the training and the test images lie, and a note if that takes one; `given` is how the user wrote root.

    ImageNet and Tiny-ImageNet have a test/ without labels beside a val/ with them. UserError where a part is missing.
    """
    found = {part: (root / part).is_dir() for part in ("train", "test", "val")}
    parts, notes = {"train": "train", "test": "test" if found["test"] else "val"}, []
    if all(found.values()):
        classes, tested, validated = (set(_folders(root / part)) for part in ("train", "test", "val"))
        if not tested or (classes.isdisjoint(tested) and not classes.isdisjoint(validated)):
            parts["test"] = "val"
            notes = ["test/ has no folder of any class in train/: val/ is used in its place"]
    missing = [part for part, folder in parts.items() if not found[folder]]
    if missing:
        without = " and no folder ".join(f"{part}/" for part in missing)
        raise UserError(f"{given} has no folder {without}{_instead(root, given, missing)}; {NEEDS}")
    return parts, notes


def _folders(place: Path) -> list[str]:
    return [class_name(entry.name) for entry in os.scandir(place) if entry.is_dir() and not entry.name.startswith(".")]


def _instead(root: Path, given: Path, missing: list[str]) -> str:
    """What lies there in place of the missing parts, and what to do about it; empty where nothing is recognised."""
    there = sorted(_folders(root))
    renames = []
    for part in missing:
        wanted = TRAIN if part == "train" else TEST
        renames += [(name, wanted[name.casefold()]) for name in there if name.casefold() in wanted][:1]
    if renames:
        names = " and ".join(f"{name}/" for name, _ in renames)
        return f" but {names}: rename " + " and ".join(f"{name}/ to {to}/" for name, to in renames)
    above = given.parent if given.name == root.name else root.parent
    if root.name.casefold() in {**TRAIN, **TEST} and len(_known_parts(root.parent)) == 2:
        return f": it is a part itself, so give {above}, not {given}"
    if inner := next((name for name in there if len(_known_parts(root / name)) == 2), None):
        return f": they lie one folder deeper, so give {given / inner}"
    if any(has_images(root / name) for name in there):
        return (
            ": its class folders are in no part, so put some images of each class into train/ and the rest into test/"
        )
    return ""


def _known_parts(place: Path) -> set[str]:
    """Which of the two parts lie in a folder, under whatever name."""
    try:
        names = {name.casefold() for name in _folders(place)}
    except OSError:  # it may not be read, so it is no help
        return set()
    return {part for part, known in (("train", TRAIN), ("test", TEST)) if names & known.keys()}


def has_images(place: Path) -> bool:
    """Whether images lie in a folder itself."""
    try:
        return any(map(is_image, os.listdir(place)))  # noqa: PTH208, names are enough
    except OSError:
        return False


def deeper(root: Path, empty: list[str]) -> list[str]:
    """Faults with their remedies where training images lie one folder deeper than they should, as in Tiny-ImageNet.

    `empty` are the training classes without an image of their own; no fault unless all of them are laid out so.
    """
    inner = [_inner(root / "train" / name) for name in empty]
    if not inner or None in inner or len(set(inner)) > 1:
        return []
    name, there = inner[0], f"cd {shlex.quote(str(root))}"
    lines = [
        f"train/CLASS/{name}/ holds the images, one folder deeper than it should be; move them up: "
        f'`{there}; for d in train/*/{name}; do mv "$d"/* "$d/.."; rmdir "$d"; done`'
    ]
    if (root / "val" / "val_annotations.txt").is_file() and has_images(root / "val" / "images"):
        lines.append(
            "val/images/ holds images whose classes stand in val/val_annotations.txt; sort them: "
            f'`{there}/val; while read -r file class _; do mkdir -p "$class"; mv "images/$file" "$class"; done '
            "< val_annotations.txt; rmdir images`"
        )
    return lines


def _inner(place: Path) -> str | None:
    """The name of the one folder with images in a folder without any."""
    found = [entry.name for entry in os.scandir(place) if entry.is_dir() and has_images(Path(entry.path))]
    return found[0] if len(found) == 1 else None
