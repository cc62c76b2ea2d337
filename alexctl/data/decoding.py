"""The images of an image folder, read in blocks: broken ones are collected and named together, none is lost."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from alexctl.data.building import Looked, Part, Reading
from alexctl.data.decoders import decoders
from alexctl.data.file_faults import FileFaults
from alexctl.data.folders import ImageFolder
from alexctl.data.one_image import pillow

BLOCK = 128  # images that are handed on together


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
    with pillow(), decoders(root, image_size, len(files)) as decoded:

        def blocks(chosen: list[str]) -> Iterator[tuple[int, list[np.ndarray]]]:
            results = decoded(chosen)
            for start in range(0, len(chosen), BLOCK):
                pixels = []
                for image, remarks in islice(results, BLOCK):
                    counts.update(remarks)
                    (faults if isinstance(image, str) else pixels).append(image)
                yield min(start + BLOCK, len(chosen)), pixels

        for done, pixels in blocks(files):
            if faults:
                yield Looked(done=done, total=len(files) + len(later))
            else:
                yield np.stack(pixels)
        for done, _ in blocks(later if faults else []):
            yield Looked(done=len(files) + done, total=len(files) + len(later))
    if faults:
        raise FileFaults(faults)
