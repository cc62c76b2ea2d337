"""Who trains: a process a core on a CPU, a process a GPU with as many lanes as fit, and what a person is told of it."""

import pytest
import torch
from conftest import tiny_ablation

from alexctl.campaign import crew as module
from alexctl.campaign.crew import Crew, crew_of, lanes_that_fit
from alexctl.campaign.scheduler import Options
from alexctl.cli.progress import Screen
from alexctl.run import run
from alexctl.store import files
from alexctl.training import device as devices
from alexctl.trials import process_pool

GIB = 2**30
CPU = [torch.device("cpu")]
GPUS = [torch.device("cuda:0"), torch.device("cuda:1")]
USUAL = {"workers": None, "lanes": None, "one_machine": False}


def test_on_a_cpu(monkeypatch):
    monkeypatch.setattr(module, "default_workers", lambda kind: 4)
    assert crew_of(CPU, **USUAL).fitted(0, 0) == Crew(devices=("cpu",), workers=4)
    assert not crew_of(CPU, **USUAL).begins_early
    assert crew_of(CPU, **USUAL | {"workers": 1}).inline
    assert crew_of(CPU, **USUAL | {"workers": 2, "lanes": 3}).at_once == 6
    monkeypatch.setattr(module, "default_workers", lambda kind: 1)
    assert crew_of(CPU, **USUAL).inline


def test_on_gpus():
    """A process each, so that one can be started anew after an error of CUDA's, even where there is but one."""
    found = crew_of(GPUS, **USUAL).fitted(70 * GIB, GIB)
    assert (found.devices, found.workers, found.lanes, found.inline) == (("cuda:0", "cuda:1"), 2, 16, False)
    assert str(found) == "32 lanes on 2 devices (16 at most on each)"
    one = crew_of(GPUS[:1], **USUAL).fitted(16 * GIB, GIB)
    assert (one.workers, one.inline) == (1, False)
    assert str(one) == "6 lanes on cuda:0 (about 2.0 GiB each, 16.0 GiB free)"
    assert crew_of(GPUS, **USUAL | {"lanes": 3}).fitted(70 * GIB, GIB).at_once == 6
    assert one.begins_early
    shared = crew_of(GPUS, **USUAL | {"workers": 4})
    assert shared.fitted(16 * GIB, GIB).lanes == 3  # two processes on each
    assert crew_of(GPUS[:1], **USUAL | {"workers": 1, "lanes": 3}).inline


def test_seconds_that_are_compared_are_those_of_a_trial_alone(monkeypatch):
    monkeypatch.setattr(module, "default_workers", lambda kind: 4)
    alone = USUAL | {"lanes": 8, "one_machine": True}
    assert crew_of(GPUS, **alone | {"workers": 6}).fitted(70 * GIB, GIB).at_once == 2
    assert crew_of(CPU, **alone).at_once == 4


@pytest.mark.parametrize(
    ("free", "step", "lanes"),
    [(16 * GIB, GIB, 6), (GIB, GIB, 1), (0, GIB, 1), (100 * GIB, 0, 16), (10 * GIB, GIB // 2, 8)],
)
def test_lanes_fit_into_the_memory(free, step, lanes):
    """Twice what a step takes, in four fifths of what is free; one there always is."""
    assert lanes_that_fit(free, step)[0] == lanes


def test_auto_takes_all_gpus_that_the_process_may_see(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.choose_devices("auto") == devices.choose_devices("cuda") == GPUS
    assert devices.choose_devices("cuda:1") == GPUS[1:]
    assert devices.choose_devices("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.choose_devices("cpu") == CPU


FAKE = """
import os, torch
from alexctl.trials import worker
def choose(name):
    with open(os.environ["DEVICES"], "a") as file:
        file.write(name + "\\n")
    return torch.device("cpu")
worker.choose_device = choose
worker.main()
"""


@pytest.mark.slow
def test_two_devices_take_trials_each(tiny_root, tmp_path, monkeypatch):
    """Starts a process for each of two devices that do not exist; buys that the parent assigns them, and trials go to both."""
    start = tmp_path / "start.py"
    start.write_text(FAKE)
    monkeypatch.setattr(process_pool, "START", start)
    monkeypatch.setenv("DEVICES", str(tmp_path / "devices"))
    monkeypatch.setenv("PYTHONPATH", str(module.__file__).removesuffix("/alexctl/campaign/crew.py"))
    monkeypatch.setattr("alexctl.run.crew_of", lambda *_, **__: Crew(devices=("cuda:0", "cuda:1"), workers=2, lanes=2))
    options = Options(results=tmp_path / "results", root=tiny_root, device="cpu")
    evidence = run(tiny_ablation(seeds=3, epochs=1), options, Screen(quiet=True))
    assert {record.state for record in evidence.counted} == {"done"}
    assert {files.read_json(record.folder / "env.json")["lanes"] for record in evidence.counted} == {2}
    assert sorted((tmp_path / "devices").read_text().split()) == ["cuda:0", "cuda:1"]
