"""Many images decoded at once: whoever decodes them, the same comes of it, and nothing of it outlasts its end."""

import os
import signal
import subprocess
import sys
import threading
from itertools import islice

import numpy as np
import pytest
from PIL import Image
from small_folders import faults, image, load, pets

from alexctl.data import decoders, one_image

NUM = 90  # training images: two blocks with those of `pets`, several orders for each process


@pytest.fixture
def folder(tmp_path):
    """Images of noise, of several kinds and sizes."""
    root, kinds = pets(tmp_path), [("RGB", "jpg", 8), ("L", "jpg", 9), ("RGBA", "png", 8), ("RGB", "png", 20)]
    rng = np.random.default_rng(0)
    for number in range(NUM):
        mode, suffix, side = kinds[number % 4]
        pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(root / f"train/dog/{number:03}.{suffix}")
    return root


@pytest.fixture
def use(monkeypatch):
    """Sets how many threads decode, and whether each has a process; returns the processes that were started."""
    started = []
    make = decoders._Process.__init__

    def noted(process, *args):
        make(process, *args)
        started.append(process)

    def use(threads: int, processes: bool) -> list:
        monkeypatch.setattr(decoders, "default_workers", lambda: threads)
        monkeypatch.setattr(decoders, "MANY", 1 if processes else 10**9)
        monkeypatch.setattr(decoders, "ORDER_FILES", 7)
        monkeypatch.setattr(decoders._Process, "__init__", noted)
        started.clear()
        return started

    return use


def touched(folder):
    """The folder, which now has to be prepared anew."""
    (folder / "train/cat/1.png").touch()
    return folder


WAYS = [(3, False), (2, True), (3, True)]


@pytest.fixture
def by_threads(monkeypatch):
    """The files that were decoded in this process."""
    decoded, decode = [], one_image.decode

    def noted(root, file, size):
        decoded.append(file)
        return decode(root, file, size)

    monkeypatch.setattr(one_image, "decode", noted)
    return decoded


@pytest.mark.parametrize(("threads", "processes"), WAYS)
def test_the_same_comes_of_it_whoever_decodes(folder, tmp_path, use, by_threads, threads, processes):
    def prepared():
        told = []
        data = load(touched(folder), tmp_path, progress=lambda *words: told.append(words))
        return data, told

    assert not use(1, False)
    alone, told_alone = prepared()
    assert len(by_threads) == NUM + 5
    by_threads.clear()
    started = use(threads, processes)
    data, told = prepared()
    assert len(started) == (2 * threads if processes else 0)  # for either part
    assert len(by_threads) == (0 if processes else NUM + 5)
    assert data.digest == alone.digest
    assert data.train_images.tobytes() == alone.train_images.tobytes()
    assert data.test_images.tobytes() == alone.test_images.tobytes()
    assert data.notes == alone.notes
    assert len(data.notes) == 3
    assert told == told_alone


@pytest.mark.parametrize(("threads", "processes"), WAYS)
def test_broken_images_are_told_of_alike(folder, tmp_path, use, threads, processes):
    for number in (5, 50, 51):
        (folder / f"train/dog/{number:03}.jpg").write_bytes(b"\xff\xd8\xff nonsense")
    (folder / "train/dog/044.jpg").write_bytes(b"")
    (folder / "test/dog/1.png").write_text("no image")
    use(1, False)
    alone = faults(folder, tmp_path)
    assert len(alone) == 5
    started = use(threads, processes)
    assert faults(folder, tmp_path) == alone
    assert bool(started) == processes


def test_large_images_are_left_to_the_threads(folder, tmp_path, use, by_threads, monkeypatch):
    use(2, True)
    whole = load(folder, tmp_path)
    monkeypatch.setattr(decoders, "LARGE", 100)
    started = use(2, True)
    data = load(touched(folder), tmp_path)
    assert started
    assert sorted(by_threads) == [f"train/dog/{number:03}.png" for number in range(NUM) if number % 4 == 3]
    assert data.digest == whole.digest


def test_a_process_that_is_killed_is_done_without(folder, tmp_path, use, by_threads, monkeypatch):
    use(2, True)
    whole = load(folder, tmp_path)
    assert not by_threads
    started, make = use(2, True), decoders._Process.__init__

    def shot(process, *args):
        make(process, *args)
        process.child.kill()
        process.child.wait()

    monkeypatch.setattr(decoders._Process, "__init__", shot)
    assert load(touched(folder), tmp_path).digest == whole.digest
    assert started
    assert len(by_threads) == NUM + 5


@pytest.mark.parametrize("first", ["nonsense", "[]", "7", ""])
def test_an_answer_that_cannot_be_read_is_the_last(folder, tmp_path, use, by_threads, monkeypatch, first):
    """It begins with something else, and what follows would pass for black images."""
    use(2, True)
    whole = load(folder, tmp_path)
    script = tmp_path / "garbling.py"
    script.write_text(f"""
import json, sys
sys.stdin.readline()
print({first!r}, flush=True)
for line in sys.stdin:
    files = json.loads(line)
    print(json.dumps([[None, []]] * len(files)) + "\\n" + "\\0" * (3 * 64 * len(files)), end="", flush=True)
""")
    monkeypatch.setattr(decoders, "SCRIPT", script)
    assert use(2, True) == []
    assert load(touched(folder), tmp_path).digest == whole.digest
    assert len(by_threads) == NUM + 5


def test_no_process_to_be_had(folder, tmp_path, use, by_threads, monkeypatch):
    use(2, True)

    def none(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", none)
    assert len(load(folder, tmp_path).train_images) == NUM + 3
    assert len(by_threads) == NUM + 5


def test_what_breaks_it_off_leaves_nothing(folder, tmp_path, use):
    class Broken(Exception):
        pass

    def told(*_):
        raise Broken

    started = use(2, True)
    with pytest.raises(Broken) as caught:  # which holds on to the frames that were broken off
        load(folder, tmp_path, progress=told)
    assert len(started) == 2
    for process in started:
        process.child.wait(30)
    assert not list((tmp_path / "root/prepared").glob("*pets*/*"))
    assert not (tmp_path / "root/prepared/.pets.tmp").exists()
    assert Image.MAX_IMAGE_PIXELS == 89_478_485
    assert caught.tb


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_their_parent(folder, tmp_path, number):
    """Interrupted, or killed, while it holds a block."""
    code = """
import os, signal, sys, time
from pathlib import Path
from alexctl.data import decoders, prepared, sources

class Process(decoders._Process):
    def __init__(self, *args):
        super().__init__(*args)
        os.write(1, f"{self.child.pid} ".encode())

def slow(*_):
    os.write(1, b"\\n")
    time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may ignore it
decoders._Process, decoders.MANY, decoders.default_workers, prepared.Digest.add = Process, 1, lambda: 2, slow
try:
    sources.prepare("imagefolder:" + sys.argv[1], Path(sys.argv[2]))
except KeyboardInterrupt:
    sys.exit(130)
"""
    command = [sys.executable, "-c", code, folder, tmp_path / "root"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as parent:
        processes = [int(word) for word in parent.stdout.readline().split()]
        assert len(processes) == 2
        parent.send_signal(number)
        parent.communicate(timeout=60)  # until no process is left that has stderr open
        assert parent.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert (tmp_path / "root/prepared/.pets.tmp").exists() == (number == signal.SIGKILL)


def test_few_results_are_ahead(tmp_path, use, by_threads):
    path = image(tmp_path / "1.png")
    use(2, False)
    with decoders.decoders(tmp_path, 8, 1) as decoded:
        results = decoded([path.name] * 1000)
        assert len(list(islice(results, 10))) == 10
        assert len(by_threads) <= decoders.THREAD_AHEAD + 10
        assert len(list(results)) == 990


def test_threads_hold_so_many_pixels_at_once(monkeypatch):
    """Three of a quarter, and then a whole, which waits for them; one that is larger than all room has it for itself."""
    monkeypatch.setattr(one_image, "MAX_PIXELS", 100)
    room, inside = one_image._Room(), threading.Event()

    def whole():
        with room.of(400):
            inside.set()

    thread = threading.Thread(target=whole)
    with room.of(100), room.of(100), room.of(100):
        assert room.held == 300
        thread.start()
        assert not inside.wait(0.1)
    assert inside.wait(60)
    thread.join()
    with room.of(1000):
        assert room.held == 1000
    assert room.held == 0
