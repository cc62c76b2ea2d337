"""One image file decoded with distrust: upright, 8-bit RGB, square; a broken one is told of in a line."""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from alexctl.regular_files import open_regular

# By content, not by suffix; left out are formats whose readers start other programs (EPS) or are rarely tried.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "AVIF", "TIFF", "PPM")
MAX_PIXELS = 50_000_000
MAX_JPEG_PIXELS = 400_000_000  # twice what a phone takes; a JPEG can be decoded at a fraction of its size
AT_ONCE = 4  # of the largest images; threads that decode smaller ones hold as many pixels between them
Decoded = tuple[np.ndarray | str, list[str]]  # the image, or what is wrong with it; what was done to it
# What stands in place of an image whose content was not fetched: how the file begins, what it is, what fetches it.
POINTERS = ((b"version https://git-lfs", "Git LFS", "git lfs pull"), (b"/annex/objects/", "git-annex", "datalad get"))

_one_large = threading.Lock()  # a progressive JPEG is held whole before it is scaled down


class _Room:
    """Bounds the pixels that the threads of this process hold at once, however many cores there are."""

    def __init__(self):
        self.held, self.changed = 0, threading.Condition()

    @contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        """Waits until there is room for so many."""
        with self.changed:
            self.changed.wait_for(lambda: not self.held or self.held + pixels <= AT_ONCE * MAX_PIXELS)
            self.held += pixels
        try:
            yield
        finally:
            with self.changed:
                self.held -= pixels
                self.changed.notify_all()


_room = _Room()


@contextmanager
def pillow() -> Iterator[None]:
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


def decode(root: Path, file: str, size: int, most: int | None = None) -> Decoded | None:
    """One image, (size, size, 3) uint8, or one line that says why not; and what was done to it.

    None, and nothing is decoded, where it has more than `most` pixels.
    """
    from PIL import Image

    remarks: list[str] = []
    begins = b""
    try:
        path = root / file
        # A link among folders is followed by any open; one to the file itself, which `folders` allowed, is resolved here.
        with open_regular(Path(os.path.realpath(path)) if path.is_symlink() else path) as stream:
            if not (begins := stream.read(32)):
                return f"{file} is empty (0 bytes); remove it or replace it", remarks
            stream.seek(0)
            with Image.open(stream, formats=[kind for kind in FORMATS if kind in Image.OPEN]) as image:
                if most is not None and image.width * image.height > most:
                    return None
                with _fitted(image, remarks):
                    return np.asarray(_square(_rgb(image, remarks), size, remarks)), remarks
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
        return _room.of(pixels)
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
    return image if image.mode == "RGB" else image.convert("RGB")


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
