"""The doctor finds what is broken, says what to do, and never breaks itself."""

import io
import os
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from alexctl import machine
from alexctl.cli import doctor, packages


def test_checks_on_this_machine(tmp_path):
    found = doctor.checks(tmp_path / "new" / "results", tmp_path)
    by_name = {check.name: check for check in found}
    assert list(by_name) == [
        "Python", "torch", "packages", "device", "cores", "threads", "memory",
        "results folder", "data folder", "data", "terminal",
    ]  # fmt: skip
    assert {check.state for check in found} <= {"ok", "note", "fail"}
    assert by_name["Python"].state == by_name["torch"].state == by_name["packages"].state == "ok"
    assert "can be made" in by_name["results folder"].found
    assert "can be written" in by_name["data folder"].found
    assert list(tmp_path.iterdir()) == []  # looking leaves nothing behind


def test_a_check_that_breaks_is_told_and_the_others_go_on(tmp_path, monkeypatch):
    def broken():
        raise ValueError("boom\nand more")

    monkeypatch.setattr(doctor, "memory", broken)
    by_name = {check.name: check for check in doctor.checks(tmp_path, tmp_path)}
    assert by_name["memory"].state == "note"
    assert by_name["memory"].found == "could not be checked: ValueError: boom"
    assert by_name["terminal"]


def test_importing_the_doctor_imports_nothing_heavy():
    lines = [line for file in (doctor, packages) for line in Path(file.__file__).read_text("utf-8").splitlines()]
    top = [line for line in lines if line.startswith(("import ", "from "))]
    outside = {line.split()[1].split(".")[0] for line in top} - set(sys.stdlib_module_names)
    assert outside == {"alexctl"}


# --- the machine


def test_device_is_left_alone_while_torch_is_broken(monkeypatch):
    def broken(name):
        raise OSError("no")

    monkeypatch.setattr(doctor, "quiet_import", broken)
    assert doctor.device() == ("note", "not known while torch cannot be imported", "")


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(doctor.sys, "version_info", (3, 10, 9))
    assert doctor.python()[0] == "fail"


@pytest.mark.parametrize(
    ("device", "state", "told"),
    [
        ("cpu", "note", "no GPU"),
        ("meta", "fail", "meta is there but does not compute"),  # it holds no numbers: as good as a broken GPU
    ],
)
def test_device(monkeypatch, device, state, told):
    import torch

    monkeypatch.setattr("alexctl.training.device.choose_device", lambda name: torch.device(device))
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    found = doctor.device()
    assert found[0] == state
    assert told in found[1]
    assert found[2]


@pytest.mark.parametrize(("kernels", "state", "told"), [(object(), "ok", "80 GiB"), (None, "note", "Triton builds no")])
def test_a_gpu_with_and_without_triton(monkeypatch, kernels, state, told):
    import torch

    class Chosen:
        type = "cuda"
        __str__ = lambda self: "cuda:0"  # noqa: E731

    ones = torch.ones
    monkeypatch.setattr("alexctl.training.device.choose_device", lambda name: Chosen())
    about = SimpleNamespace(name="NVIDIA H100", total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: about)
    monkeypatch.setattr(torch, "ones", lambda *size, device: ones(*size))
    monkeypatch.setattr("alexctl.nets.response_norm.kernels_for", lambda device: kernels)
    found = doctor.device()
    assert found[0] == state
    assert told in found[1]
    assert bool(found[2]) == (state == "note")


def test_a_driver_that_torch_warns_about(monkeypatch):
    import torch

    def choose(name):
        warnings.warn("CUDA initialization: The NVIDIA driver on your system is too old\n(found 1)", stacklevel=1)
        return torch.device("cpu")

    monkeypatch.setattr("alexctl.training.device.choose_device", choose)
    state, found, action = doctor.device()
    assert (state, action) == ("note", "update the NVIDIA driver")
    assert found.endswith("The NVIDIA driver on your system is too old")


def test_an_nvidia_driver_beside_a_torch_without_cuda(monkeypatch):
    import torch

    monkeypatch.setattr("alexctl.training.device.choose_device", lambda name: torch.device("cpu"))
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "built without CUDA" in doctor.device()[1]


@pytest.mark.parametrize(
    ("usable", "files", "state", "told"),
    [
        (8, {}, "ok", "8 usable"),
        (1, {}, "note", "1 usable"),
        (8, {"cpu.max": "150000 100000\n"}, "note", "the time of 1.5 only"),
        (8, {"cpu.max": "max 100000\n"}, "ok", "8 usable"),
        (2, {"cpu.max": "800000 100000\n"}, "ok", "2 usable"),
        (8, {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, "note", "the time of 0.5 only"),
        (8, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, "ok", "8 usable"),
    ],
)
def test_cores_and_a_container_s_quota(monkeypatch, tmp_path, usable, files, state, told):
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(machine, "usable_cores", lambda: usable)
    found = doctor.cores()
    assert found[0] == state
    assert told in found[1]
    if "only" in told:
        assert found[2].startswith("--workers 1:")


def test_cores_are_those_this_process_may_use():
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert machine.usable_cores() == allowed


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("", "ok"),
        ("1", "ok"),
        ("4", "ok"),
        ("2,1", "ok"),
        ("5", "note"),
        ("0", "note"),
        ("-1", "note"),
        ("all", "note"),
    ],
)
def test_thread_variables(monkeypatch, value, state):
    monkeypatch.setattr(machine, "usable_cores", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    found = doctor.threads()
    assert found[0] == state
    assert found[2] == ("unset OMP_NUM_THREADS" if state == "note" else "")


@pytest.mark.parametrize(
    ("gib", "state"), [((16.0, 9.0), "ok"), ((2.0, None), "note"), ((16.0, 0.4), "note"), ((None, None), "ok")]
)
def test_memory(monkeypatch, gib, state):
    monkeypatch.setattr(machine, "memory_gib", lambda: gib)
    assert doctor.memory()[0] == state


def test_memory_a_container_allows(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text(f"{512 * 2**20}\n")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine.memory_gib() == (0.5, None)


# --- folders, data, terminal


def test_results_that_cannot_be_written_because_a_file_is_in_the_way(tmp_path):
    (tmp_path / "results").write_text("a file")
    for wanted in (tmp_path / "results", tmp_path / "results" / "deeper"):
        state, found, action = doctor.folder(wanted, "--results")
        assert state == "fail"
        assert found == f"{wanted} cannot be written: {tmp_path / 'results'} is not a folder"
        assert "--results" in action


def test_results_on_a_disk_that_refuses(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(doctor.tempfile, "NamedTemporaryFile", refuse)
    assert doctor.folder(tmp_path, "--results")[1] == f"{tmp_path} cannot be written: No space left on device"


def test_little_room(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: SimpleNamespace(free=2**29))
    state, found, action = doctor.folder(tmp_path, "--data-root")
    assert state == "note"
    assert found.endswith("0.5 GiB free")
    assert "--data-root" in action


def test_no_data(tmp_path):
    state, found, action = doctor.data(tmp_path / "nowhere")
    assert state == "note"
    assert "cifar10 missing" in found
    assert action.startswith("alexctl data fetch cifar10")


def test_terminal_encoding(monkeypatch):
    for encoding, state in (("utf8", "ok"), ("cp1252", "note")):
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
        assert doctor.terminal()[0] == state
    monkeypatch.setattr(sys, "stdout", None)
    assert doctor.terminal()[0] == "ok"
