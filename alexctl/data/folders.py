"""Image folders: train/CLASS/* and test/CLASS/* of anybody's making, looked through with distrust and decoded once."""

import hashlib
import os
import stat
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alexctl.ablation.knobs import DATA_NAMES
from alexctl.data.prepared import Part, Reading, safe_name
from alexctl.errors import UserError, printable

# By content, not by suffix; left out are formats whose readers start other programs (EPS) or are rarely tried.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
MAX_PIXELS = 50_000_000
SHOWN_FAULTS = 10
BLOCK = 128  # images in memory at a time
IMAGENET_SIZE = 224  # pixels that the paper's net sees; images cut to fewer are other data
IMAGENETS = ("imagenet-2010", "imagenet-2012")  # what claims call the data they were measured on
NEEDS = "an image folder holds train/CLASS/*.jpg and test/CLASS/*.jpg"


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """What lies in an image folder: for each part (path below the folder, class index) in order; nothing is decoded."""

    path: Path
    name: str
    classes: tuple[str, ...]
    images: dict[str, list[tuple[str, int]]]
    notes: tuple[str, ...]
    fingerprint: str


def scan(path: Path) -> ImageFolder:
    """Look through a folder without decoding anything; UserError with a line for every fault found.

    The fingerprint is over (relative path, size, time of change) of every image, and over where the folder is: two
    folders unpacked from one program may agree in all of these and not in a pixel.
    """
    # resolve() would follow a link and lose the name the user knows; Path.expanduser raises on a stray ~
    root = Path(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111
    shown = printable(str(path))
    if not root.is_dir():
        raise UserError(
            f"{shown} is a file, not a folder; {NEEDS}" if root.exists() else f"there is no folder {shown}; {NEEDS}"
        )
    faults: list[str] = []
    ignored: Counter[str] = Counter()
    parts = {"train": "train", "test": "test" if (root / "test").is_dir() else "val"}
    if missing := [f"{part}/" for part, folder in parts.items() if not (root / folder).is_dir()]:
        raise UserError(f"{shown} has no folder {' and no folder '.join(missing)}; {NEEDS}")
    try:
        listed = {part: _classes(root, folder, faults, ignored) for part, folder in parts.items()}
    except OSError as error:
        raise UserError(f"cannot read {printable(str(error.filename))}: {error.strerror}") from error
    classes = sorted(listed["train"])
    faults += _class_faults(shown, listed)
    if faults:
        raise UserError(*_few(faults))
    hasher = hashlib.sha256(str(root.resolve()).encode(errors="surrogateescape"))
    images: dict[str, list[tuple[str, int]]] = {}
    for part, by_class in listed.items():
        images[part] = []
        for label, name in enumerate(classes):
            for file, size, changed in by_class.get(name, ()):
                images[part].append((file, label))
                hasher.update(f"{part}\0{name}\0{file}\0{size}\0{changed}\n".encode(errors="surrogateescape"))
    notes = [f"skipped {n:,} {what}" for what, n in sorted(ignored.items())]
    notes += [f"class {printable(name)} has no test images" for name in classes if not listed["test"].get(name)]
    name = safe_name(root.name)
    if name.casefold() in DATA_NAMES or (name.casefold() in IMAGENETS and not _is_imagenet(classes, images)):
        name += "-folder"  # results on a copy, or a part, must not pass for results on the published files
    return ImageFolder(
        path=root,
        name=name,
        classes=tuple(printable(name) for name in classes),
        images=images,
        notes=tuple(notes),
        fingerprint=hasher.hexdigest(),
    )


def _classes(root: Path, part: str, faults: list[str], ignored: Counter) -> dict[str, list[tuple[str, int, int]]]:
    """The images of a part: class name -> (path below the root, bytes, time of change), sorted by file name."""
    found: dict[str, list[tuple[str, int, int]]] = {}
    if not _inside(root, root / part, faults):
        return found
    for entry in sorted(os.scandir(root / part), key=lambda e: e.name):
        if entry.name.startswith(".") or not _inside(root, Path(entry.path), faults):
            continue
        if not entry.is_dir():
            ignored["files outside class folders"] += 1
            continue
        name = unicodedata.normalize("NFC", entry.name)  # macOS and Linux write an accent in two ways
        if name in found:
            faults.append(f"{printable(f'{part}/{name}')} is there twice, its accents written in two ways; rename one")
        files = found[name] = []
        for file in sorted(os.scandir(entry.path), key=lambda e: e.name):
            if file.name.startswith(".") or not _inside(root, Path(file.path), faults):
                continue
            if file.is_dir():
                ignored["folders inside class folders"] += 1
            elif not file.name.lower().endswith(SUFFIXES):
                ignored["files that are not images"] += 1
            else:
                about = file.stat()
                below = f"{part}/{entry.name}/{file.name}"
                if stat.S_ISREG(about.st_mode):
                    files.append((below, about.st_size, about.st_mtime_ns))
                else:
                    faults.append(f"{printable(below)} is no file but a device or a pipe; remove it")
    return found


def _inside(root: Path, path: Path, faults: list[str]) -> bool:
    """Whether a path is no symbolic link, or one that stays within the folder."""
    if not path.is_symlink():
        return True
    below = printable(str(path.relative_to(root)))
    target = Path(os.path.realpath(path))  # unlike Path.resolve it takes a link to itself in its stride
    if not target.is_relative_to(os.path.realpath(root)):
        faults.append(f"{below} is a symbolic link that leads outside the folder; copy there what it points to")
    elif not target.exists():
        faults.append(f"{below} is a symbolic link to nothing; remove it")
    else:
        return True
    return False


def _is_imagenet(classes: list[str], images: dict[str, list]) -> bool:
    """Whether a folder may be called by ImageNet's name: all of its classes, and about as many training images."""
    return len(classes) == 1000 and len(images["train"]) >= 1_200_000


def _class_faults(shown: str, listed: dict[str, dict[str, list]]) -> Iterator[str]:
    train, test = listed["train"], listed["test"]
    spellings: dict[str, str] = {}
    for name in [*sorted(train), *sorted(test.keys() - train.keys())]:
        first = spellings.setdefault(name.casefold(), name)
        if first != name:
            yield f"{shown}: {printable(first)} and {printable(name)} are two spellings of one class; rename one"
        elif name not in train:
            yield f"{shown}: class {printable(name)} is in test/ but not in train/; add it there or remove it"
    for part, by_class in listed.items():
        if not any(by_class.values()):
            yield f"{shown}: {part}/ holds no images; {NEEDS} (or {', '.join(SUFFIXES[1:])})"
    if any(train.values()):
        for name in sorted(train):
            if not train[name]:
                yield f"{shown}: train/{printable(name)} holds no images; add some or remove the folder"
        if len(train) == 1:
            yield f"{shown}: train/ has one class, {printable(next(iter(train)))}; it takes two or more to tell apart"


def _few(faults: list[str]) -> list[str]:
    more = len(faults) - SHOWN_FAULTS
    return faults[:SHOWN_FAULTS] + ([f"... and {more} more"] if more > 0 else [])


def read(folder: ImageFolder, image_size: int) -> Reading:
    """The folder's images, (image_size, image_size, 3) each, decoded as the blocks are taken.

    Broken images are collected, and named in one UserError when the last block of a part has been asked for; the
    parts still to come are then looked through as well, so that all faults are told in one go.
    """
    counts: Counter[str] = Counter()
    parts = {}
    files = {name: [file for file, _ in images] for name, images in folder.images.items()}
    for i, (name, images) in enumerate(folder.images.items()):
        labels = np.array([label for _, label in images], dtype=np.int64)
        later = [file for other in list(files)[i + 1 :] for file in files[other]]
        blocks = _decode_all(folder.path, files[name], later, image_size, counts)
        parts[name] = Part(labels=labels, shape=(image_size, image_size, 3), blocks=blocks)
    return Reading(
        classes=folder.classes,
        parts=parts,
        notes=lambda: [*folder.notes, *(f"{what}: {n:,} of the images" for what, n in sorted(counts.items()))],
    )


def _decode_all(
    root: Path, files: list[str], later: list[str], image_size: int, counts: Counter
) -> Iterator[np.ndarray]:
    """The images in blocks; after a broken one no block, and in the end one UserError for it and those in `later`."""
    from PIL import Image

    Image.init()  # else Pillow knows only its five commonest formats
    faults: list[str] = []
    # Pillow lets other threads run while it decodes; few of them, since each may hold an image of 50 megapixels.
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        for start in range(0, len(files), BLOCK):
            pixels = _decode_block(pool, root, files[start : start + BLOCK], image_size, faults, counts)
            if not faults:
                yield np.stack(pixels)
        for start in range(0, len(later) if faults else 0, BLOCK):
            _decode_block(pool, root, later[start : start + BLOCK], image_size, faults, counts)
    if faults:
        raise UserError(*_few(faults))


def _decode_block(
    pool: ThreadPoolExecutor, root: Path, files: list[str], image_size: int, faults: list[str], counts: Counter
) -> list[np.ndarray]:
    pixels = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata
        for image, remarks in pool.map(lambda file: _decode(root, file, image_size), files):
            counts.update(remarks)
            if isinstance(image, str):
                faults.append(image)
            else:
                pixels.append(image)
    return pixels


def _decode(root: Path, file: str, size: int) -> tuple[np.ndarray | str, list[str]]:
    """One image, (size, size, 3) uint8, or one line that says why not; and what was done to it."""
    from PIL import Image

    remarks: list[str] = []
    below = printable(file)
    try:
        if not (root / file).stat().st_size:
            return f"{below} is empty (0 bytes); remove it or replace it", remarks
        with Image.open(root / file, formats=[kind for kind in FORMATS if kind in Image.OPEN]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            return np.asarray(_square(_rgb(image, remarks), size, remarks)), remarks
    except Image.DecompressionBombError:
        fault = f"has more than {MAX_PIXELS // 10**6} million pixels; scale it down"
    except Image.UnidentifiedImageError:
        fault = "is no image of a known kind; remove it or replace it"
    except PermissionError:
        fault = "may not be read; change its permissions"
    except Exception as error:  # a decoder on hostile bytes raises whatever it meets; the file is named, not lost
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        fault = f"is broken ({printable(what)[:80]}); remove it or replace it"
    return f"{below} {fault}", remarks


def _rgb(image, remarks: list[str]):
    """The first frame, upright, as 8-bit RGB."""
    from PIL import Image, ImageOps

    if getattr(image, "is_animated", False):
        remarks.append("first of several frames taken")
        image.seek(0)
    image.load()
    try:
        turned = image.getexif().get(0x0112, 1) != 1
    except Exception:  # broken metadata beside whole pixels
        turned = False
    if turned:
        image = ImageOps.exif_transpose(image)
    if image.mode == "F" or (image.mode == "I" and not 0 <= image.getextrema()[0] <= image.getextrema()[1] < 65536):
        raise ValueError("32-bit pixels; save it with 8 bits")
    if image.mode.startswith("I"):
        remarks.append("16-bit made 8-bit")
        # The high byte: Pillow's own conversion would clip everything above 255 to white.
        image = Image.fromarray((np.asarray(image).astype(np.int32) >> 8).astype(np.uint8))
    elif image.has_transparency_data:
        remarks.append("transparency dropped")
    if image.mode not in ("RGB", "RGBA"):
        kinds = {"L": "grey", "LA": "grey", "1": "grey", "P": "palette", "PA": "palette"}
        remarks.append(f"{kinds.get(image.mode, image.mode)} converted to RGB")
    return image.convert("RGB")


def _square(image, size: int, remarks: list[str]):
    """The shorter side resized to `size` and the centre cut out (paper, section 2), in one step."""
    from PIL import Image

    if image.size == (size, size):
        return image
    remarks.append(f"resized to {size} x {size}, centre kept")
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    # Cut and resized at once: a strip of 1 x 20,000 is never blown up whole.
    return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
