"""Fetching and checking archives: small ones made here, served from this machine, with their own md5 sums."""

import gzip
import hashlib
import io
import os
import pickle
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, MNIST

from alexctl.data import archives, download
from alexctl.data.sources import fetch, list_sources, prepare, verify
from alexctl.errors import UserError


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def packed(members: dict[str, bytes], extra: list[tarfile.TarInfo] = ()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info in extra:
            tar.addfile(info, io.BytesIO(b"x" * info.size))
        for name, content in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def members(monkeypatch):
    """Six batches of two images each in the published layout, with torchvision's lists set to their md5 sums."""
    files = {}
    for number, (name, _) in enumerate([*CIFAR10.train_list, *CIFAR10.test_list]):
        planes = np.zeros((2, 3, 32, 32), np.uint8)
        planes[:, 0], planes[:, 1, 5, 7] = number, 99  # red everywhere, green at row 5, column 7
        files[name] = pickle.dumps({"data": planes.reshape(2, -1), "labels": [number, 0]})
    files["batches.meta"] = pickle.dumps({"label_names": [f"class{n}" for n in range(10)]})
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5(files[name])] for name, _ in CIFAR10.train_list])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5(files["test_batch"])]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5(files["batches.meta"])})
    return files


@pytest.fixture
def publish(members, monkeypatch, tmp_path):
    """Make these bytes the published archive, and give the address of its folder."""

    def publish(content: bytes) -> str:
        monkeypatch.setattr(CIFAR10, "tgz_md5", md5(content))
        (tmp_path / "mirror").mkdir(exist_ok=True)
        (tmp_path / "mirror/cifar-10-python.tar.gz").write_bytes(content)
        return (tmp_path / "mirror").as_uri()

    monkeypatch.setattr(CIFAR10, "url", (tmp_path / "no-such-home/cifar-10-python.tar.gz").as_uri())
    monkeypatch.delenv("ALEXCTL_MIRROR", raising=False)
    return publish


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


class Server(ThreadingHTTPServer):
    """Serves one file under any name, `cut` bytes a connection at most, and remembers the ranges asked for."""

    def __init__(self, content: bytes, *, cut: int | None = None, ranges: bool = True):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.cut, self.ranges, self.asked = content, cut, ranges, []

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        rest = self.server.content[start:]
        if not rest:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(self.server.content) - 1}/{len(self.server.content)}"
            )
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.server.cut])

    def log_message(self, *_):
        pass


def test_fetch_unpacks_and_prepare_reads(publish, members, root):
    told = []
    where = fetch("cifar10", root, mirror=publish(packed(members)), progress=lambda *word: told.append(word))
    assert where == root / "cifar-10-batches-py"
    assert {path.name: path.read_bytes() for path in where.iterdir()} == members
    assert told[-1][0] == "unpacking cifar-10-python.tar.gz"
    data = prepare("cifar10", root)
    assert data.name == "cifar10"
    assert data.classes[3] == "class3"
    assert data.train_images.shape == (10, 32, 32, 3)
    assert data.train_images[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]  # the official order
    assert data.train_images[0, 5, 7].tolist() == [0, 99, 0]
    assert data.train_labels.tolist() == [0, 0, 1, 0, 2, 0, 3, 0, 4, 0]
    assert data.test_labels.tolist() == [5, 0]
    assert len(verify("cifar10", root)) == 8
    assert list_sources(root)[0]["state"] == "there"


def test_an_archive_that_lies_ready_needs_no_fetching(publish, members, root):
    content = packed(members)
    publish(content)
    root.mkdir()
    (root / "cifar-10-python.tar.gz").write_bytes(content)
    assert verify("cifar10", root) == [f"cifar-10-python.tar.gz: md5 {md5(content)}, as published"]
    assert len(prepare("cifar10", root).train_labels) == 10


def test_what_is_whole_is_left_untouched(publish, members, root):
    publish(b"not asked for")
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name, content in members.items():
        (folder / name).write_bytes(content)
    assert fetch("cifar10", root) == folder
    prepare("cifar10", root)
    assert not (root / "cifar-10-python.tar.gz").exists()


@pytest.mark.parametrize("content", [b"", b"cos\nsystem\n(S'false'\ntR.", None])
def test_a_batch_is_not_unpickled_before_its_md5_is_right(publish, members, root, content, monkeypatch):
    fetch("cifar10", root, mirror=publish(packed(members)))
    (root / "cifar-10-python.tar.gz").unlink()
    path = root / "cifar-10-batches-py/data_batch_3"
    path.unlink() if content is None else path.write_bytes(content)
    monkeypatch.setattr(pickle, "load", None)
    message = "data_batch_3 is (missing|damaged).*`alexctl data fetch cifar10`"
    for call in (prepare, verify):
        with pytest.raises(UserError, match=message):
            call("cifar10", root)


def test_a_damaged_archive_is_not_opened(publish, members, root, monkeypatch):
    content = packed(members)
    publish(content)
    monkeypatch.setattr(tarfile, "open", None)
    root.mkdir()
    for broken in (content[:100], content[:-1] + b"?"):
        (root / "cifar-10-python.tar.gz").write_bytes(broken)
        with pytest.raises(UserError, match=r"truncated or damaged .*`alexctl data fetch cifar10`"):
            prepare("cifar10", root)
    assert not (root / "cifar-10-batches-py").exists()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, 1 if kind == tarfile.REGTYPE else 0
    return info


@pytest.mark.parametrize(
    "evil",
    [
        member("../outside"),
        member("/tmp/outside"),
        member("cifar-10-batches-py/../../outside"),
        member("cifar-10-batches-py/data_batch_1", tarfile.SYMTYPE, "/etc/passwd"),
        member("cifar-10-batches-py", tarfile.SYMTYPE, "../outside"),
        member("cifar-10-batches-py/data_batch_1", tarfile.LNKTYPE, "/etc/passwd"),
        member("cifar-10-batches-py/pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.type.decode()}",
)
def test_no_member_leaves_the_folder(publish, members, root, tmp_path, evil):
    address = publish(packed(members, [evil]))  # with the right md5: even then
    with pytest.raises(UserError, match="do not use this archive"):
        fetch("cifar10", root, mirror=address)
    assert not (tmp_path / "outside").exists()
    assert not (root / "cifar-10-batches-py").exists()


def test_members_nobody_asked_for_are_not_unpacked(publish, members, root):
    fetch("cifar10", root, mirror=publish(packed(members | {"run-me.py": b"x"})))
    assert not (root / "cifar-10-batches-py/run-me.py").exists()


def test_a_download_that_is_cut_off_goes_on_where_it_stopped(publish, members, root):
    content = packed(members)
    publish(content)
    third = len(content) // 3 + 1
    with Server(content, cut=third) as server:
        fetch("cifar10", root, mirror=server.url)
    assert server.asked == [None, f"bytes={third}-", f"bytes={2 * third}-"]


def test_what_came_is_kept_for_the_next_call(publish, members, root):
    content = packed(members)
    publish(content)
    with Server(content[:100]) as server, pytest.raises(UserError, match=r"could not fetch cifar-10-python.tar.gz"):
        fetch("cifar10", root, mirror=server.url)
    part = root / "cifar-10-python.tar.gz.part"
    part.write_bytes(content[:200])
    with Server(content) as server:
        fetch("cifar10", root, mirror=f"{server.url}/cifar-10-python.tar.gz")
    assert server.asked == ["bytes=200-"]
    assert not part.exists()


@pytest.mark.parametrize("resumed", [True, False])
def test_a_planted_link_is_not_written_through(publish, members, root, tmp_path, resumed):
    """Under the names of the download, of what is unpacked and of the lock, as in a data folder from a stranger."""
    precious = tmp_path / "precious"
    content = packed(members)
    precious.write_bytes(content[:200] if resumed else b"mine")
    before = precious.read_bytes()
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for path in (root / "cifar-10-python.tar.gz.part", folder / "data_batch_1.part", root / ".cifar10.lock"):
        path.symlink_to(precious)
    with Server(content) as server:
        publish(content)
        fetch("cifar10", root, mirror=server.url)
    assert precious.read_bytes() == before
    assert verify("cifar10", root)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on Windows")
def test_a_pipe_in_place_of_a_part_is_not_waited_for(publish, members, root):
    root.mkdir()
    os.mkfifo(root / "cifar-10-python.tar.gz.part")
    fetch("cifar10", root, mirror=publish(packed(members)))
    assert (root / "cifar-10-python.tar.gz").is_file()


def test_a_whole_part_is_only_renamed(publish, members, root):
    content = packed(members)
    publish(content)
    root.mkdir()
    (root / "cifar-10-python.tar.gz.part").write_bytes(content)
    with Server(content) as server:
        fetch("cifar10", root, mirror=server.url)
    assert server.asked == [f"bytes={len(content)}-"]  # answered with 416: nothing more to send


@pytest.mark.parametrize("ranges", [True, False])
def test_a_part_of_something_else_is_thrown_away(publish, members, root, ranges):
    content = packed(members)
    publish(content)
    root.mkdir()
    (root / "cifar-10-python.tar.gz.part").write_bytes(b"another file")
    with Server(content, ranges=ranges) as server:
        fetch("cifar10", root, mirror=server.url)
    assert len(server.asked) == (2 if ranges else 1)


def test_a_wrong_file_is_not_kept(publish, members, root):
    publish(packed(members))
    with Server(b"an error page") as server, pytest.raises(UserError, match=r"not the published file \(md5\)"):
        fetch("cifar10", root, mirror=server.url)
    assert [path.name for path in root.iterdir() if not path.name.startswith(".")] == []


def test_a_server_without_end_is_left(publish, members, root, monkeypatch):
    publish(packed(members))
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    with Server(b"x" * 5000) as server, pytest.raises(UserError, match="sends more than any archive"):
        fetch("cifar10", root, mirror=server.url)
    assert not (root / "cifar-10-python.tar.gz.part").exists()


def test_the_mirror_is_asked_first_and_the_home_server_next(publish, members, root, monkeypatch):
    content = packed(members)
    publish(content)
    with Server(content) as home:
        monkeypatch.setattr(CIFAR10, "url", f"{home.url}/cifar-10-python.tar.gz")
        monkeypatch.setenv("ALEXCTL_MIRROR", (root / "nothing-here").as_uri())
        fetch("cifar10", root)
    assert home.asked == [None]


@pytest.mark.parametrize(
    ("name", "mirror", "message"),
    [
        ("cifar", None, "did you mean 'cifar10'"),
        ("shapes", None, "needs no fetching"),
        ("cifar10", "ftp://example.invalid/", "starts with http://, https:// or file://"),
        ("cifar10", "http://[", "could not fetch"),
        ("cifar10", "http://127.0.0.1:1/", "could not fetch .*refused.*--mirror"),
    ],
)
def test_what_cannot_be_fetched(publish, members, root, name, mirror, message):
    publish(packed(members))
    with pytest.raises(UserError, match=message):
        fetch(name, root, mirror=mirror)


def test_a_folder_that_cannot_be_written(publish, members, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*--data-root"):
        fetch("cifar10", tmp_path / "file/below", mirror=publish(packed(members)))


def idx(array: np.ndarray) -> bytes:
    """The format of MNIST's files: 0, 0, 8 (uint8), number of axes, their lengths, the bytes."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


@pytest.fixture
def digits(monkeypatch, tmp_path):
    """Three and two digits as MNIST's four files, packed in a folder, with the lists set to their md5 sums."""
    files = {}
    for stem, num in (("train", 3), ("t10k", 2)):
        files[f"{stem}-images-idx3-ubyte"] = idx(np.full((num, 28, 28), num, np.uint8))
        files[f"{stem}-labels-idx1-ubyte"] = idx(np.arange(num, dtype=np.uint8))
    packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}
    monkeypatch.setattr(archives, "MNIST_MD5", {name: md5(content) for name, content in files.items()})
    monkeypatch.setattr(MNIST, "resources", [(name, md5(content)) for name, content in packed.items()])
    monkeypatch.setattr(MNIST, "mirrors", [])
    for name, content in packed.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path.as_uri()


def test_mnist_is_padded_to_the_size_asked_for(digits, root):
    assert fetch("mnist", root, mirror=digits) == root / "MNIST/raw"
    data = prepare("mnist", root)
    assert data.train_images.shape == (3, 32, 32, 1)
    assert data.train_images[0, 2:30, 2:30].min() == 3
    assert data.train_images.sum() == 3 * 28 * 28 * 3
    assert data.train_labels.tolist() == [0, 1, 2]
    assert data.classes == tuple("0123456789")
    assert data.notes == ("padded with zeros from 28 to 32 pixels",)
    assert prepare("mnist", root, image_size=28).test_images.shape == (2, 28, 28, 1)
    assert len(verify("mnist", root)) == 6
    (root / "MNIST/raw/train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(UserError, match="train-images-idx3-ubyte is damaged"):
        verify("mnist", root)
