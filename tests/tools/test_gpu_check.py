"""`make gpu-check`, as far as a CPU can: its table says what was measured, and a failed part is a line of it."""

import torch

from alexctl.timing.bench import Bench, Measured
from alexctl.timing.side_by_side import LaneRate, medians
from tools.gpu_check import Line, distance, draws, normalisation, speed

CPU = torch.device("cpu")


def lane(precision, lanes, training, convolutions, net="convnet4"):
    about = {"net": net, "precision": precision, "lanes": lanes, "round": 0}
    return [
        LaneRate(**about, what="training", value=training),
        LaneRate(**about, what="convolutions", value=convolutions),
    ]


RATES = (
    LaneRate(net="convnet4", precision="tf32", lanes=1, what="tutorial", round=0, value=25.0),
    *lane("tf32", 1, 200.0, 400.0), *lane("tf32", 6, 350.0, 500.0), *lane("tf32", 12, 450.0, 600.0),
    *lane("tf32", 6, 150_000.0, 300_000.0, net="alexnet32"),
)  # fmt: skip


def test_rates_by_hand():
    found = {(line["net"], line["lanes"]): line for line in medians(RATES)}
    assert (found["convnet4", 12]["to_tutorial"], found["convnet4", 12]["to_convolutions"]) == (18.0, 0.75)
    assert found["alexnet32", 6]["to_tutorial"] is None
    assert found["convnet4", 1]["to_tutorial"] == 8.0


def test_the_table_says_what_holds():
    measured = {"norm": 4.0, "norm_torch": 1.0, "net_without": 6.0, "net_with_norm": 5.0}
    bench = Bench(
        net="convnet4", batch_size=128, data="d", precision="float32", workers=1, tutorial_workers=0, environment={},
        measured=tuple(Measured(what=what, round=0, value=value) for what, value in measured.items()), lanes=RATES,
    )  # fmt: skip
    assert [(line.measured, line.holds) for line in speed(bench)] == [
        ("18.0 times (450 images/s)", True),
        ("75%", True),
        ("8.0 times", True),
        ("150,000 images/s", True),
        ("1.20 times", False),
        ("4.0 times", True),
    ]
    assert str(Line(what="a", wanted="b", measured="c", holds=False)) == "| a | b | c | **no** |"


def test_a_device_agrees_with_itself():
    kernels, *compared = normalisation(CPU)
    assert (kernels.measured, kernels.holds) == ("NOT", False)  # they are for GPUs
    assert all(line.holds for line in (*compared, *draws(CPU)))
    assert distance(torch.tensor([1.0, -4.0]), torch.tensor([1.5, -4.0])) == 0.125
