"""Images of an image folder decoded with distrust: upright, 8-bit RGB, square; a broken one is named, not lost."""

import os
import queue
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from alexctl.data.building import Looked, Part, Reading
from alexctl.data.file_faults import FileFaults
from alexctl.data.folders import ImageFolder
from alexctl.regular_files import open_regular

# By content, not by suffix; left out are formats whose readers start other programs (EPS) or are rarely tried.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "AVIF", "TIFF", "PPM")
MAX_PIXELS = 50_000_000
MAX_JPEG_PIXELS = 400_000_000  # twice what a phone takes; a JPEG can be decoded at a fraction of its size
BLOCK = 128  # images in memory at a time
THREADS = 4  # few, since each may hold an image of 50 megapixels
# What stands in place of an image whose content was not fetched: how the file begins, what it is, what fetches it.
POINTERS = ((b"version https://git-lfs", "Git LFS", "git lfs pull"), (b"/annex/objects/", "git-annex", "datalad get"))

_one_large = threading.Lock()  # a progressive JPEG is held whole before it is scaled down


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
) -> Iterator[np.ndarray | Looked]:
    """The images in blocks; after a broken one none, but how far it got, and in the end one UserError for all of them.

    Those in `later` are then looked at too.
    """
    faults: list[str] = []
    with _threads(lambda file: _decode(root, file, image_size)) as decoded:

        def block(chosen: list[str]) -> list[np.ndarray]:
            pixels = []
            with _pillow():
                for image, remarks in decoded(chosen):
                    counts.update(remarks)
                    (faults if isinstance(image, str) else pixels).append(image)
            return pixels

        for start in range(0, len(files), BLOCK):
            pixels = block(files[start : start + BLOCK])
            if faults:
                yield Looked(done=min(start + BLOCK, len(files)), total=len(files) + len(later))
            else:
                yield np.stack(pixels)
        for start in range(0, len(later) if faults else 0, BLOCK):
            block(later[start : start + BLOCK])
            yield Looked(done=len(files) + min(start + BLOCK, len(later)), total=len(files) + len(later))
    if faults:
        raise FileFaults(faults)


@contextmanager
def _pillow() -> Iterator[None]:
    """Pillow with all its formats, silent on odd metadata, and with the limits of `_fitted` in place of its own."""
    from PIL import Image

    Image.init()  # else it knows only its five commonest formats
    limit = Image.MAX_IMAGE_PIXELS
    try:
        Image.MAX_IMAGE_PIXELS = MAX_JPEG_PIXELS // 2  # it raises above twice as many
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def _threads(work: Callable[[str], Any]) -> Iterator[Callable[[Sequence[str]], Iterator]]:
    """Gives a function that works through some files at once and yields the results in order.

    Pillow lets other threads run while it decodes. Nobody waits for these threads, as an executor would at its end and
    again at that of the process: Ctrl-C has not to wait until an image that takes minutes is decoded.
    """
    orders: queue.SimpleQueue = queue.SimpleQueue()
    ended = threading.Event()

    def serve() -> None:
        while (order := orders.get()) is not None and not ended.is_set():
            file, future = order
            try:
                future.set_result(work(file))
            except BaseException as error:
                future.set_exception(error)

    def give(files: Sequence[str]) -> Iterator:
        given = [(file, Future()) for file in files]
        for order in given:
            orders.put(order)
        for _, future in given:
            while not future.done():  # a signal that comes just before a wait without end would not be heard
                wait([future], timeout=0.2)
            yield future.result()

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(min(THREADS, os.cpu_count() or 1))]
    for thread in threads:
        thread.start()
    try:
        yield give
    finally:
        ended.set()
        for _ in threads:
            orders.put(None)


def _decode(root: Path, file: str, size: int) -> tuple[np.ndarray | str, list[str]]:
    """One image, (size, size, 3) uint8, or one line that says why not; and what was done to it."""
    from PIL import Image

    remarks: list[str] = []
    begins = b""
    try:
        with open_regular(Path(os.path.realpath(root / file))) as stream:
            if not (begins := stream.read(32)):
                return f"{file} is empty (0 bytes); remove it or replace it", remarks
            stream.seek(0)
            with Image.open(stream, formats=[kind for kind in FORMATS if kind in Image.OPEN]) as image:
                with _fitted(image, remarks):
                    upright = _rgb(image, remarks)
                return np.asarray(_square(upright, size, remarks)), remarks
    except Image.DecompressionBombError:
        fault = f"has more than {MAX_PIXELS // 10**6} million pixels; scale it down"
    except Image.UnidentifiedImageError:
        fault = _instead(begins)
    except PermissionError:
        fault = "may not be read; change its permissions"
    except Exception as error:  # a decoder on hostile bytes raises whatever it meets; the file is named, not lost
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        fault = f"is broken ({what[:80]}); remove it or replace it"
    return f"{file} {fault}", remarks


def _instead(begins: bytes) -> str:
    """What a file is that is no image."""
    for start, store, command in POINTERS:
        if begins.startswith(start):
            return f"is a {store} pointer and not the image itself; fetch that with `{command}`"
    if begins[4:11] == b"ftypavi":
        return "is AVIF, which this Pillow can't read; bring Pillow up to date or save it as another format"
    return "is no image of a known kind; remove it or replace it"


def _fitted(image, remarks: list[str]):
    """A context to load the image in: a JPEG too large to be decoded whole is decoded at a fraction of its size.

    Raises DecompressionBombError where it is too large even so.
    """
    from PIL import Image

    pixels = image.width * image.height
    if pixels <= MAX_PIXELS:
        return nullcontext()
    if image.format in ("JPEG", "MPO") and pixels <= MAX_JPEG_PIXELS:
        part = next(part for part in (2, 4, 8) if pixels <= MAX_PIXELS * part**2)
        image.draft(None, (image.width // part, image.height // part))
        remarks.append(f"too large to decode whole, decoded at 1/{part}")
        return _one_large
    raise Image.DecompressionBombError


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
