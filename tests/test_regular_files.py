"""Files that may be something else: what is opened, what is refused, and what is never touched."""

import os
import socket

import pytest

from alexctl.regular_files import new_file, no_link, open_regular, read_regular, replacing


def odd(kind, path, target):
    """Lays down something under that name which is no regular file."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.fsencode(path))
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"link": target, "link to a device": "/dev/zero", "link to itself": path}[kind])


KINDS = ("pipe", "socket", "folder", "link", "link to a device", "link to itself")


@pytest.fixture
def precious(tmp_path):
    path = tmp_path / "precious"
    path.write_text("mine")
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX only")
@pytest.mark.parametrize("kind", KINDS)
def test_only_regular_files_are_opened(tmp_path, precious, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's name has to be short
    odd(kind, path := precious.with_name("file"), precious)
    for append in (False, True):
        with pytest.raises((ValueError, IsADirectoryError)):
            open_regular(path, append=append)
    assert precious.read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX only")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "folder"])
def test_writing_takes_the_name_and_nothing_else(tmp_path, precious, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, write in enumerate((new_file, replacing)):
        odd(kind, path := precious.with_name(f"file{number}"), precious)
        with write(path) as file:
            file.write(b"new")
        assert not path.is_symlink()
        assert path.read_bytes() == b"new"
    assert precious.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file0", "file1", "precious"]


def test_read_append_and_the_size_limit(precious):
    with open_regular(precious, append=True) as file:
        file.write(b" own")
    assert read_regular(precious, 8) == b"mine own"
    with pytest.raises(ValueError, match="precious is larger than 7 bytes"):
        read_regular(precious, 7)
    with pytest.raises(FileNotFoundError):
        open_regular(precious.with_name("nothing"))


def test_what_cannot_be_written_whole_leaves_what_was_there(precious):
    with pytest.raises(KeyboardInterrupt), replacing(precious) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert precious.read_text() == "mine"
    assert [*precious.parent.iterdir()] == [precious]


def test_a_link_loses_its_name(tmp_path, precious):
    link = tmp_path / "link"
    link.symlink_to(precious)
    assert no_link(link) is link
    assert not os.path.lexists(link)
    assert no_link(precious).read_text() == "mine"
