"""Two devices for each trial: which ones, who shares them, and what is refused in one line."""

import pytest
import torch
from conftest import tiny_ablation

from alexctl import machine
from alexctl.ablation.load import find, load
from alexctl.campaign import pairs
from alexctl.campaign.crew import crew_of
from alexctl.campaign.scheduler import Options
from alexctl.errors import UserError
from alexctl.store import layout, reference

CPU = torch.device("cpu")


def options(tmp_path, **about):
    return Options(results=tmp_path, **about)


def test_a_file_of_seconds_takes_two_devices_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "usable_cores", lambda: 2)
    monkeypatch.setattr(machine, "cpu_quota", lambda: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    seconds, errors = load("one-vs-two-gpus-seconds"), load("one-vs-two-gpus")
    assert pairs.devices_for(seconds, options(tmp_path)) == (CPU, CPU)
    assert pairs.devices_for(errors, options(tmp_path)) == [CPU]
    assert pairs.devices_for(errors, options(tmp_path, devices="cpu,cpu")) == (CPU, CPU)
    monkeypatch.setattr(machine, "usable_cores", lambda: 1)
    with pytest.raises(UserError, match="here is one core: its seconds stay empty; run it where there are two"):
        pairs.devices_for(seconds, options(tmp_path))


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (
            {"devices": "cpu,cpu", "device": "cuda"},
            "--devices cpu,cpu: can't be combined with --device cuda; leave that out",
        ),
        ({"devices": "cpu,cpu", "lanes": 2}, "--lanes 2: trials on two devices each have no lanes"),
        ({"devices": "cpu"}, "--devices cpu: should be two, such as cpu,cpu"),
    ],
)
def test_what_does_not_go_with_two_devices(tmp_path, monkeypatch, about, words):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError) as refused:
        pairs.devices_for(load("one-vs-two-gpus"), options(tmp_path, **about))
    assert words in str(refused.value)


def test_a_net_without_towers_is_refused(tmp_path):
    with pytest.raises(UserError, match="no arm of tiny has a network in two towers, which alone can be shared; use"):
        pairs.devices_for(tiny_ablation(), options(tmp_path, devices="cpu,cpu"))
    assert pairs.in_two_towers(load("one-vs-two-gpus")) == ["two"]
    assert pairs.in_two_towers(load("tower-links")) == ["paper", "last-only", "without-3", "4-for-3"]


def test_who_trains_on_two_devices(monkeypatch):
    """On CPUs a worker for two cores, one where seconds count; on GPUs one, whose ranks have a GPU each."""
    monkeypatch.setattr("alexctl.campaign.crew.default_workers", lambda kind: 4)
    usual = {"workers": None, "lanes": None, "one_machine": False, "paired": True}
    crew = crew_of([CPU, CPU], **usual)
    assert (crew.devices, crew.workers, crew.lanes, crew.inline, crew.pair) == (("cpu",), 2, 1, False, "cpu,cpu")
    assert str(crew) == "2 workers, each on cpu,cpu"
    assert crew_of([CPU, CPU], **usual | {"one_machine": True}).workers == 1
    gpus = crew_of([torch.device("cuda:0"), torch.device("cuda:1")], **usual)
    assert (gpus.workers, gpus.lanes, gpus.pair, gpus.fills) == (1, 1, "cuda:0,cuda:1", False)


def test_the_old_name_still_answers(tmp_path):
    assert find("towers").stem == load("towers").name == "one-vs-two-gpus"
    for name in ("towers", "one-vs-two-gpus"):
        assert layout.is_of(tmp_path / "towers@shapes", name)
        assert layout.is_of(tmp_path / "one-vs-two-gpus", name)
    assert not layout.is_of(tmp_path / "towers-equal-macs", "towers")
    for folder in ("towers", "one-vs-two-gpus@shapes"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / layout.PLAN).write_text("{}")
    found = [path.name for path in reference.campaigns(tmp_path, "towers")]
    assert found == [path.name for path in reference.campaigns(tmp_path, "one-vs-two-gpus")] == [
        "one-vs-two-gpus@shapes", "towers",
    ]  # fmt: skip
