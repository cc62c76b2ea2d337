"""What every test may lean on: a tiny data set, one thread, no network."""

import os
import shutil
import signal
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from alexctl import process
from alexctl.ablation import own_code as own_code_module
from alexctl.ablation import own_net
from alexctl.ablation.model import Ablation
from alexctl.ablation.parse import parse
from alexctl.data import shapes
from alexctl.data.sources import DataSet, prepare
from alexctl.timing import probe

CHROMIUM = os.environ.get("ALEXCTL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
TINY = {
    "title": "ReLU vs tanh",
    "control": "tanh",
    "varies": ["activation"],
    "measure": "epochs_to_target",
    "margin": 1.25,
    "claim": {"section": "3.1", "says": "reaches it sooner", "effect": 6.0, "data": "cifar10"},
    "base": {
        "data": "shapes",
        "net": "convnet4",
        "init": "fan-in",
        "input_scaling": "standardised",
        "bias_rate": 1.0,
        "lr": 0.01,
        "batch_size": 16,
        "epochs": 2,
        "target": {"metric": "train_error", "at_most": 0.25},
        "epochs_after_target": None,  # all of them, which no file can say but by a large number
        "seeds": 2,
    },
    "arms": {"relu": {"activation": "relu"}, "tanh": {"activation": "tanh"}},
}


def tiny_ablation(**overrides) -> Ablation:
    """The comparison above, its base changed."""
    ablation, faults = parse(TINY, name="tiny", overrides=overrides, smoke=False)
    assert not faults, "; ".join(map(str, faults))
    return ablation


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _one_timed_step(monkeypatch):
    """An estimate rests on a single step here: how long things take is of no matter to most tests."""
    monkeypatch.setattr(probe, "NUM_STEPS", 1)


@pytest.fixture(autouse=True)
def _signal_handlers():
    """`main` sets them for its whole process, which here goes on to the next test."""
    before = {number: signal.getsignal(number) for number in process.STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "localhost", "::1"):
            raise AssertionError(f"a test tried to reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory) -> Path:
    """A data root with 70 + 20 drawn images in it."""
    root = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "NUM_TRAIN", 70)
        patch.setattr(shapes, "NUM_TEST", 20)
        prepare("shapes", root)
    return root


@pytest.fixture
def tiny_data(tiny_root, monkeypatch) -> DataSet:
    monkeypatch.setattr(shapes, "NUM_TRAIN", 70)
    monkeypatch.setattr(shapes, "NUM_TEST", 20)
    return prepare("shapes", tiny_root)


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    """The current folder, where a test may write modules; what is imported from there is forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.setattr(own_net, "_registered", {})
    monkeypatch.setattr(own_code_module, "_RAN", {})
    monkeypatch.setattr(own_code_module, "_OWN", set())
    monkeypatch.setattr(os, "_exit", os._exit)  # importing replaces it
    monkeypatch.setattr(own_code_module, "_BESIDE", [])
    yield tmp_path
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def cifar10_jpeg() -> Path:
    """The folder with CIFAR-10 as JPEG copies, where there is one."""
    folder = os.environ.get("ALEXCTL_TEST_CIFAR10_JPEG")
    if not folder:
        pytest.skip("ALEXCTL_TEST_CIFAR10_JPEG names no folder")
    return Path(folder)


def _no_browser() -> str | None:
    if not CHROMIUM:
        return "no chromium here: apt-get install chromium, or name one in ALEXCTL_CHROMIUM"
    absent = [name for name in ("playwright", "axe_playwright_python", "zensical") if find_spec(name) is None]
    return f"not installed: {', '.join(absent)}; `make page-test` does it" if absent else None


@pytest.fixture(scope="session")
def browser():
    """Chromium, for the tests marked `browser`."""
    if reason := _no_browser():
        pytest.fail(reason) if os.environ.get("ALEXCTL_PAGE_TEST") else pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tools:
        started = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()
