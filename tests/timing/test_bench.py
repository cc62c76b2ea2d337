"""`alexctl bench`: everything is measured, ratios come from rounds, and the page says what the file says."""

import json
from pathlib import Path

import pytest
import torch

from alexctl.errors import UserError
from alexctl.store import layout
from alexctl.timing import bench as module
from alexctl.timing import crowding, peaks
from alexctl.timing.bench import UNITS, Bench, Measured, bench
from alexctl.timing.tutorial import Tutorial
from tools import performance_page

TOP = Path(__file__).parents[2]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def made(tiny_root) -> Bench:
    return bench(data="shapes", root=tiny_root, device_name="cpu", workers=2, rounds=2, seconds=0.05)


@pytest.fixture(autouse=True)
def _small(tiny_data):
    """Few images, drawn once."""


@pytest.mark.slow
def test_everything_is_measured(made, tmp_path):
    """Starts two worker processes; buys that the whole of the command runs."""
    assert {one.what for one in made.measured} == set(UNITS)
    assert all(len([m for m in made.measured if m.what == what]) == 2 for what in UNITS)
    medians = made.medians()
    assert all(value > 0 for what, value in medians.items() if what != "idle")
    for number in (0, 1):
        shares = [m.value for m in made.measured if m.what in module.PARTS and m.round == number]
        assert sum(shares) == pytest.approx(1)
    assert 0 <= medians["idle"] <= 1
    made.write(tmp_path)
    assert crowding.latest(tmp_path) == json.loads(json.dumps(made.table()))
    lines = (tmp_path / "bench.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "what,round,value,unit"
    assert len(lines) == 1 + len(made.measured)
    assert "of the net's convolutions alone" in performance_page.block(crowding.latest(tmp_path))


def test_ratios_are_of_rounds():
    """In a slow round both are slow: 2, 3 and 4 times, where the medians by themselves would say 2."""
    values = {"tutorial": [100, 10, 50], "alone": [200, 30, 200]}
    found = [Measured(what=what, round=i, value=v) for what, rounds in values.items() for i, v in enumerate(rounds)]
    made = Bench(
        net="n",
        batch_size=1,
        data="d",
        precision="float32",
        workers=1,
        tutorial_workers=0,
        environment={},
        measured=tuple(found),
    )
    assert made.ratios() == {"alone_to_tutorial": 3}
    assert made.medians() == {"tutorial": 50, "alone": 200}
    assert crowding.latest(Path("nowhere")) is None


def test_the_tutorial_trains_what_the_tutorial_trains(tiny_data):
    """Images from -1 to 1, as its Normalize makes them, and weights that move."""
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 10))
    before = net[1].weight.clone()
    tutorial = Tutorial(
        net, tiny_data.train_images, tiny_data.train_labels, batch_size=16, device=torch.device("cpu"), threads=1
    )
    image, label = tutorial.data[3]
    assert torch.equal(image, torch.from_numpy(tiny_data.train_images[3].copy()).permute(2, 0, 1) / 255 * 2 - 1)
    assert label == tiny_data.train_labels[3]
    assert tutorial.rate(0.01, workers=0) > 0
    assert not torch.equal(net[1].weight, before)


def test_convolutions_and_their_work():
    """Of a 3x3 convolution of 2 maps to 4 on 8x8: 4 * 64 * 18 multiply-accumulates an image; the first has two passes."""
    net = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3, groups=2))
    first, second = peaks.conv_shapes(net, torch.zeros(5, 2, 8, 8))
    assert first.flops == 5 * 4 * 64 * 18 * 2 * 2
    assert second.flops == 5 * 4 * 36 * 18 * 2 * 3
    both = peaks.Convolutions([first, second], torch.device("cpu"))
    assert both.flops == first.flops + second.flops
    both.once()


def test_bad_words():
    with pytest.raises(UserError, match="--rounds 0: measure at least 1"):
        bench(data="shapes", root=Path("nowhere"), rounds=0)


def test_the_page_says_what_the_bench_says():
    text = (TOP / "docs" / "performance.md").read_text(encoding="utf-8")
    assert performance_page.written(text, TOP / "results" / "reference" / "bench") == text, "run `make performance`"
    with pytest.raises(UserError, match="should have the marks"):
        performance_page.written("", TOP / "results" / "reference" / "bench")
    with pytest.raises(UserError, match="no bench in"):
        performance_page.written(text, TOP)


def test_a_bench_folder_that_is_a_link_is_not_followed(tmp_path):
    """Neither to read, although what lies there is a bench, nor to write."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    table = {"schema": 1, "workers": 2, "ratios": {"workers_to_alone": 1.6}}
    table |= {"environment": {"cpu": torch.backends.cpu.get_cpu_capability()}}
    (elsewhere / layout.BENCH_JSON).write_text(json.dumps(table), encoding="utf-8")
    assert crowding.crowding(elsewhere, 2, CPU) == 1.25
    (tmp_path / "bench").symlink_to(elsewhere)
    assert crowding.crowding(tmp_path / "bench", 2, CPU) is None
    one = Bench(
        net="n", batch_size=1, data="d", precision="float32", workers=1, tutorial_workers=0, environment={}, measured=()
    )
    with pytest.raises(UserError, match="bench is a link, which alexctl does not follow"):
        one.write(tmp_path / "bench")
    assert [path.name for path in elsewhere.iterdir()] == [layout.BENCH_JSON]


def test_estimates_know_how_workers_slow_each_other(tmp_path):
    """Two workers that reach 1.6 times one alone take 1.25 times as long a step; four, in proportion, 1.75 times."""
    cpu = {"cpu": torch.backends.cpu.get_cpu_capability()}

    def keep(ratio: float, **environment) -> None:
        table = {"schema": 1, "workers": 2, "ratios": {"workers_to_alone": ratio}, "environment": environment}
        (tmp_path / layout.BENCH_JSON).write_text(json.dumps(table), encoding="utf-8")

    keep(1.6, **cpu)
    assert [crowding.crowding(tmp_path, workers, CPU) for workers in (1, 2, 4)] == pytest.approx([1, 1.25, 1.75])
    assert crowding.crowding(tmp_path, 4, torch.device("cuda")) == 1
    keep(2.2, **cpu)
    assert crowding.crowding(tmp_path, 2, CPU) == 1, "a lucky round is no gain"
    keep(1.6, cpu="another kind")
    assert crowding.crowding(tmp_path, 2, CPU) is None
    (tmp_path / layout.BENCH_JSON).write_text('{"schema": 1}', encoding="utf-8")
    assert crowding.crowding(tmp_path, 2, CPU) is None
    assert crowding.crowding(tmp_path / "nowhere", 2, CPU) is None
