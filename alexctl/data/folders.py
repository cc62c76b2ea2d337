"""Image folders: train/CLASS/* and test/CLASS/* of anybody's making, looked through with distrust; nothing is decoded."""

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from alexctl.ablation.knobs import DATA_NAMES
from alexctl.data import layouts
from alexctl.data.file_faults import FileFaults
from alexctl.data.layouts import NEEDS, SUFFIXES
from alexctl.data.links import Links
from alexctl.data.prepared import safe_name
from alexctl.errors import UserError, printable

IMAGENET_SIZE = 224  # pixels that the paper's net sees; images cut to fewer are other data
IMAGENETS = ("imagenet-2010", "imagenet-2012")  # what claims call the data they were measured on
SHOWN_SUFFIXES = 5


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """What lies in an image folder: for each part (path below the folder, class index) in order; nothing is decoded."""

    path: Path
    name: str
    classes: tuple[str, ...]
    images: dict[str, list[tuple[str, int]]]
    notes: tuple[str, ...]
    fingerprint: str


@dataclass(kw_only=True)
class _Listing:
    """A folder as it is being listed: what is wrong with it, and what is passed over."""

    root: Path
    links: Links
    faults: list[str] = field(default_factory=list)
    loose: Counter[str] = field(default_factory=Counter)  # files beside the class folders of a part
    inner: int = 0  # folders inside class folders
    others: Counter[str] = field(default_factory=Counter)  # files that are no images, by suffix

    def notes(self) -> Iterator[str]:
        """What is passed over, so that nobody misses it unawares."""
        for what, count in (("files outside class folders", self.loose.total()), ("folders inside them", self.inner)):
            if count:
                yield f"skipped {what}: {count:,}"
        if self.others:
            shown = [printable(suffix)[:20] or "no suffix" for suffix, _ in self.others.most_common(SHOWN_SUFFIXES)]
            more = ", ..." if len(self.others) > SHOWN_SUFFIXES else ""
            yield f"skipped files that are not images: {self.others.total():,} ({', '.join(shown)}{more})"


def scan(path: Path) -> ImageFolder:
    """Look through a folder without decoding anything; UserError with a line for every fault found.

    The fingerprint is over (relative path, size, time of change) of every image, and over where the folder is: two
    folders unpacked from one program may agree in all of these and not in a pixel.
    """
    # resolve() would follow a link and lose the name the user knows; Path.expanduser raises on a stray ~
    root = Path(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111
    if not root.is_dir():
        raise UserError(
            f"{path} is a file, not a folder; {NEEDS}" if root.exists() else f"there is no folder {path}; {NEEDS}"
        )
    listing = _Listing(root=root, links=Links(root))
    try:
        parts, layout_notes = layouts.parts_of(root, Path(path))
        listed = {part: _classes(folder, listing) for part, folder in parts.items()}
        faults = layouts.deeper(root, [name for name, files in listed["train"].items() if not files])
    except OSError as error:
        raise UserError(f"cannot read {error.filename}: {error.strerror}") from error
    of_files = [] if faults else [*listing.links.faults(), *listing.faults]
    if not faults and not listing.links.refused:  # what a refused link hides would be missed
        faults = [*_class_faults(parts, listed, listing.loose)]
    if of_files or faults:
        raise FileFaults([*of_files, *(f"{path}: {fault}" for fault in faults)])
    classes = sorted(listed["train"])
    images = {
        part: [(file, label) for label, name in enumerate(classes) for file, _, _ in by_class.get(name, ())]
        for part, by_class in listed.items()
    }
    untested = [f"class {printable(name)} has no test images" for name in classes if not listed["test"].get(name)]
    name = safe_name(root.name)
    if name.casefold() in DATA_NAMES or (name.casefold() in IMAGENETS and not _is_imagenet(classes, images)):
        name += "-folder"  # results on a copy, or a part, must not pass for results on the published files
    return ImageFolder(
        path=root,
        name=name,
        classes=tuple(printable(name) for name in classes),
        images=images,
        notes=(*layout_notes, *listing.notes(), *untested),
        fingerprint=_fingerprint(root, classes, listed),
    )


def _classes(part: str, listing: _Listing) -> dict[str, list[tuple[str, int, int]]]:
    """The images of a part: class name -> (path below the root, bytes, time of change), sorted by file name."""
    found: dict[str, list[tuple[str, int, int]]] = {}
    if not listing.links.allow(listing.root / part):
        return found
    for entry in sorted(os.scandir(listing.root / part), key=lambda e: e.name):
        if entry.name.startswith(".") or (entry.is_symlink() and not listing.links.allow(Path(entry.path))):
            continue
        if not entry.is_dir():
            listing.loose[part] += 1
            continue
        name = layouts.class_name(entry.name)
        if name in found:
            twice = f"{part}/{name}"
            listing.faults.append(f"{twice} is there twice, its accents written in two ways; rename one")
        found[name] = _images(f"{part}/{entry.name}", listing)
    return found


def _images(below: str, listing: _Listing) -> list[tuple[str, int, int]]:
    """The images of one class folder."""
    files = []
    for entry in sorted(os.scandir(listing.root / below), key=lambda e: e.name):
        if entry.name.startswith(".") or (entry.is_symlink() and not listing.links.allow(Path(entry.path))):
            continue
        if entry.is_dir():
            listing.inner += 1
        elif not layouts.is_image(entry.name):
            listing.others[os.path.splitext(entry.name)[1].lower()] += 1  # noqa: PTH122, a name may not be a path
        elif not stat.S_ISREG((about := entry.stat()).st_mode):
            listing.faults.append(f"{below}/{entry.name} is a device or a pipe, not a file; remove it")
        else:
            files.append((f"{below}/{entry.name}", about.st_size, about.st_mtime_ns))
    return files


def _fingerprint(root: Path, classes: list[str], listed: dict[str, dict[str, list[tuple[str, int, int]]]]) -> str:
    hasher = hashlib.sha256(str(root.resolve()).encode(errors="surrogateescape"))
    for part, by_class in listed.items():
        for name in classes:
            for file, size, changed in by_class.get(name, ()):
                hasher.update(f"{part}\0{name}\0{file}\0{size}\0{changed}\n".encode(errors="surrogateescape"))
    return hasher.hexdigest()


def _is_imagenet(classes: list[str], images: dict[str, list]) -> bool:
    """Whether a folder may be called by ImageNet's name: all of its classes, and about as many training images."""
    return len(classes) == 1000 and len(images["train"]) >= 1_200_000


def _class_faults(parts: dict[str, str], listed: dict[str, dict[str, list]], loose: Counter[str]) -> Iterator[str]:
    train, test = listed["train"], listed["test"]
    spellings: dict[str, str] = {}
    for name in [*sorted(train), *sorted(test.keys() - train.keys())]:
        first = spellings.setdefault(name.casefold(), name)
        if first != name:
            yield f"{first} and {name} are two spellings of one class; rename one"
        elif name not in train:
            yield f"class {name} is in {parts['test']}/ but not in train/; add it there or remove it"
    for part, by_class in listed.items():
        folder = parts[part]
        if not by_class and loose[folder]:
            yield f"{folder}/ holds {loose[folder]:,} files but no class folders; sort them into {folder}/CLASS/"
        elif not any(by_class.values()):
            yield f"{folder}/ holds no images ({', '.join(SUFFIXES)}); {NEEDS}"
    if any(train.values()):
        for name in sorted(train):
            if not train[name]:
                yield f"train/{name} holds no images; add some or remove the folder"
        if len(train) == 1:
            yield f"train/ has one class, {next(iter(train))}; it takes two or more to tell apart"
