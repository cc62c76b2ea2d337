"""The published archives, CIFAR-10 and MNIST: fetched on request only, checked by md5 before anything reads them."""

import gzip
import os
import shutil
import tarfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import filelock
import numpy as np

from alexctl.data.download import Progress, download, md5_of
from alexctl.errors import UserError, nearest
from alexctl.regular_files import new_file, no_link

# channels, classes, training and test images, as published
CONTENTS = {"cifar10": (3, 10, 50_000, 10_000), "mnist": (1, 10, 60_000, 10_000)}
CIFAR10_FOLDER = "cifar-10-batches-py"
CIFAR10_ARCHIVE = "cifar-10-python.tar.gz"
MNIST_FOLDER = "MNIST/raw"
# md5 of the unpacked files; torchvision lists those of the .gz files only.
MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def files_of(name: str) -> dict[str, str]:
    """What an archive unpacks to: path below the data root -> md5."""
    if name == "mnist":
        return {f"{MNIST_FOLDER}/{file}": md5 for file, md5 in MNIST_MD5.items()}
    from torchvision.datasets import CIFAR10

    listed = [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]
    return {f"{CIFAR10_FOLDER}/{file}": md5 for file, md5 in listed}


def _packed(name: str) -> dict[str, str]:
    """What is downloaded: path below the data root -> md5."""
    if name == "mnist":
        from torchvision.datasets import MNIST

        return {f"{MNIST_FOLDER}/{file}": md5 for file, md5 in MNIST.resources}
    from torchvision.datasets import CIFAR10

    return {CIFAR10_ARCHIVE: CIFAR10.tgz_md5}


def _home(name: str) -> list[str]:
    """The folders on the net where the publisher keeps the files."""
    if name == "mnist":
        from torchvision.datasets import MNIST

        return list(MNIST.mirrors)
    from torchvision.datasets import CIFAR10

    return [CIFAR10.url.rpartition("/")[0]]


def require(name: str, root: Path) -> None:
    """See that every file is there and is the published one, unpacking an archive that lies ready."""
    if faults := _faults(name, root):
        if all((root / path).is_file() for path in _packed(name)):
            with _changing(name, root):
                _unpack(name, root, None)
        elif any((root / path).exists() for path in files_of(name)):
            raise UserError(f"{name}: {faults[0]}; put it right with `alexctl data fetch {name}`")
        else:
            raise UserError(
                f"{name} is not in {root}: get it with `alexctl data fetch {name}`, "
                "or use --data imagefolder:PATH, or --data shapes (drawn by code, which is not CIFAR)"
            )


def check(name: str, root: Path) -> list[str]:
    """A line for each file that is the published one, bit for bit; UserError, with a line for each that is not."""
    sums = files_of(name)
    if not any((root / path).exists() for path in sums) and all((root / path).is_file() for path in _packed(name)):
        sums = _packed(name)
    if not any((root / path).exists() for path in sums):
        require(name, root)
    if faults := _faults(name, root, sums):
        raise UserError(*(f"{name}: {fault}; put it right with `alexctl data fetch {name}`" for fault in faults))
    return [f"{path}: md5 {md5}, as published" for path, md5 in sums.items()]


def _faults(name: str, root: Path, sums: dict[str, str] | None = None) -> list[str]:
    faults = []
    for path, md5 in (sums or files_of(name)).items():
        file = root / path
        if not file.is_file():
            faults.append(f"{path} is missing")
        elif (found := md5_of(file)) != md5:
            faults.append(f"{path} is damaged (md5 {found}, published {md5})")
    return faults


def read_cifar10(root: Path) -> tuple[tuple[str, ...], dict[str, tuple[np.ndarray, np.ndarray]]]:
    """CIFAR-10 in its published order: class names, and images (n, 32, 32, 3) with labels for each part."""
    from torchvision.datasets import CIFAR10

    require("cifar10", root)  # md5 first: these files are pickles, and a pickle can run code
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's remark on how pickles of 2009 spell their dtypes
        train, test = CIFAR10(str(root), train=True), CIFAR10(str(root), train=False)
    parts = {
        part: (np.ascontiguousarray(d.data), np.array(d.targets)) for part, d in (("train", train), ("test", test))
    }
    return tuple(train.classes), parts


def read_mnist(root: Path, image_size: int) -> tuple[tuple[str, ...], dict[str, tuple[np.ndarray, np.ndarray]]]:
    """MNIST padded with zeros to image_size: class names, and images (n, size, size, 1) with labels for each part."""
    from torchvision.datasets.mnist import read_image_file, read_label_file

    require("mnist", root)
    parts = {}
    for part, stem in (("train", "train"), ("test", "t10k")):
        images = read_image_file(str(root / MNIST_FOLDER / f"{stem}-images-idx3-ubyte")).numpy()
        labels = read_label_file(str(root / MNIST_FOLDER / f"{stem}-labels-idx1-ubyte")).numpy()
        before = (image_size - images.shape[1]) // 2
        after = image_size - images.shape[1] - before
        parts[part] = (np.pad(images, ((0, 0), (before, after), (before, after)))[..., None], labels)
    return tuple("0123456789"), parts


def fetch(name: str, root: Path, *, mirror: str | None = None, progress: Progress | None = None) -> Path:
    """Download and unpack a published archive below the data root; the folder where its files then are.

    A download that was cut off goes on where it stopped. `mirror` (or ALEXCTL_MIRROR) is the address of the file or
    of its folder (http, https or file); it is asked before the publisher's own server.
    """
    if name.startswith("shapes") or name.startswith("imagefolder:"):
        raise UserError(f"{name} needs no fetching: use it with --data {name}")
    if name not in ("cifar10", "mnist"):
        raise UserError(f"no archive is called '{name}': {nearest(name, ('cifar10', 'mnist'))}")
    mirror = mirror or os.environ.get("ALEXCTL_MIRROR")
    if mirror and not mirror.startswith(("http://", "https://", "file://")):
        raise UserError(f"the mirror {mirror} is no address: it starts with http://, https:// or file://")
    target = (root / next(iter(files_of(name)))).parent
    with _changing(name, root):
        if _faults(name, root):
            for path, md5 in _packed(name).items():
                file = root / path
                if not (file.is_file() and md5_of(file) == md5):
                    download(file, md5, [*([mirror] if mirror else []), *_home(name)], progress)
            _unpack(name, root, progress)
    return target


@contextmanager
def _changing(name: str, root: Path) -> Iterator[None]:
    """Write below the data root, alone; what the disk refuses is a UserError."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(no_link(root / f".{name}.lock")):
            yield
    except OSError as error:
        where = error.filename or root
        raise UserError(f"cannot write {where}: {error.strerror}; make room there, or choose --data-root") from error


def _unpack(name: str, root: Path, progress: Progress | None) -> None:
    """Unpack what was downloaded: md5 first, only the files that are listed, each checked and then renamed."""
    for path, md5 in _packed(name).items():
        if (found := md5_of(root / path)) != md5:
            raise UserError(
                f"{path} is truncated or damaged (md5 {found}, published {md5}); "
                f"fetch it again with `alexctl data fetch {name}`"
            )
        if progress:
            progress(f"unpacking {Path(path).name}", 0, 0)
        if name == "mnist":
            target = path.removesuffix(".gz")
            with gzip.open(root / path) as stream:
                _keep(stream, root / target, files_of(name)[target])
        else:
            _unpack_tar(root / path, root, files_of(name))


def _unpack_tar(archive: Path, root: Path, wanted: dict[str, str]) -> None:
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
                raise UserError(
                    f"{archive.name}: its member {member.name} is a link or leads out of the folder; "
                    "do not use this archive"
                )
            if str(path) in wanted:
                _keep(tar.extractfile(member), root / path, wanted[str(path)])
    if missing := [path for path in wanted if not (root / path).is_file()]:
        raise UserError(f"{archive.name} holds no {missing[0]}; fetch it again with `alexctl data fetch cifar10`")


def _keep(stream, target: Path, md5: str) -> None:
    """Write a member to its place, unless what is there or what comes is not the published file."""
    if target.is_file() and md5_of(target) == md5:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with new_file(part) as out:
        shutil.copyfileobj(stream, out)
    if (found := md5_of(part)) != md5:
        part.unlink()
        raise UserError(f"{target.name} in its archive is damaged (md5 {found}, published {md5}); fetch it again")
    part.replace(target)
