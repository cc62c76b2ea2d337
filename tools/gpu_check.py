"""`python -m tools.gpu_check`: on a GPU, whether lanes give the numbers they should and how fast they are.

Ends with a table of what was wanted and what was measured, in under eight minutes; all it prints is also in a file.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from torch.nn import functional as F

from alexctl import randomness
from alexctl.ablation.load import load
from alexctl.ablation.setting import Setting
from alexctl.data.sources import DataSet, data_root, prepare
from alexctl.nets.response_norm import ResponseNorm, kernels_for
from alexctl.store import layout
from alexctl.store.records import trials_of
from alexctl.timing.bench import Bench, bench
from alexctl.training.device import choose_device, has_tf32, release_memory
from alexctl.training.graphs import WARM_UPS, launcher_on
from alexctl.training.loop import Training

CPU = torch.device("cpu")
NETS = (("relu-vs-tanh-fan-in", "relu"), ("lrn", "lrn"))  # convnet4, and alexnet32 with everything there is
STEPS = 20
SAMPLE_MS = 200  # between two looks at how busy the GPU is


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the table; `holds` is None where it is only told."""

    what: str
    wanted: str
    measured: str
    holds: bool | None = None

    def __str__(self) -> str:
        mark = {None: "", True: "yes", False: "**no**"}[self.holds]
        return f"| {self.what} | {self.wanted} | {self.measured} | {mark} |"


def setting_of(name: str, arm: str, data: DataSet, **knobs) -> Setting:
    """One of NETS on these data."""
    return load(name, overrides={"lr": 0.001}).setting(arm, data.name, data.digest, lr=0.001, **knobs)


def distance(one: Tensor, other: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    one, other = one.detach().double().cpu(), other.detach().double().cpu()
    return ((one - other).abs().max() / other.abs().max().clamp_min(1e-300)).item()


def draws(device: torch.device) -> Iterator[Line]:
    """Orders, masks and crops are the same numbers here and on a CPU."""
    here, there = (torch.tensor(2**33 + 5, device=place) for place in (device, CPU))
    same = all(
        torch.equal(made(here).cpu(), made(there))
        for made in (
            lambda step: randomness.words(2**60 + 7, step, 100_003),
            lambda step: randomness.permutation(3, step, 50_000),
            lambda step: randomness.happens(3, step, 100_000, 0.5),
            lambda step: randomness.integers(3, step, 100_000, 9),
        )
    )
    yield Line(
        what="draws, to those of a CPU", wanted="the same numbers", measured="same" if same else "OTHER", holds=same
    )
    apart = (randomness.normals(3, here, 100_000).cpu() - randomness.normals(3, there, 100_000)).abs().max().item()
    yield Line(what="normal draws", wanted="within 1e-5", measured=f"{apart:.1e}", holds=apart <= 1e-5)


def gradients(data: DataSet, device: torch.device) -> Iterator[Line]:
    """Of a first step in float64: captured on this device, and step by step on a CPU."""
    for name, arm in NETS:
        setting, found = setting_of(name, arm, data), []
        for place in (device, CPU):
            training = Training(setting, 0, data, device=place)
            training.net.double()
            training.epochs.begin(0)
            images, labels = training.epochs.take(128)
            kept = {key: torch.zeros_like(p) for key, p in training.net.named_parameters()}

            def step(training=training, images=images, labels=labels, kept=kept) -> None:
                F.cross_entropy(training.net(images.double()), labels).backward()
                for key, weight in training.net.named_parameters():
                    kept[key].copy_(weight.grad)
                    weight.grad = None

            launcher = launcher_on(place)
            for _ in range(WARM_UPS + 2 if place is device else 1):
                with launcher.turn():
                    launcher.launch("step", None, step)
            launcher.wait()
            found.append(kept)
        worst = max(distance(found[0][key], found[1][key]) for key in found[1])
        what = f"gradients of a first step of {setting.training.net} in float64, captured, to a CPU's"
        yield Line(what=what, wanted="within 1e-10", measured=f"{worst:.1e}", holds=worst <= 1e-10)


def losses(data: DataSet, device: torch.device) -> Iterator[Line]:
    """After STEPS steps in float32: six lanes side by side, and each by itself, launched step by step."""
    for name, arm in NETS:
        setting = setting_of(name, arm, data)
        lanes = [Training(setting, seed, data, device=device) for seed in range(6)]
        for _ in range(STEPS):
            for lane in lanes:
                with lane.launcher.turn():
                    if lane.step == 0:
                        lane.epochs.begin(0)
                    lane.launch_step(128, 0)
        worst, images = 0.0, 0.0
        for seed, lane in enumerate(lanes):
            lane.launcher.wait()
            alone = Training(setting, seed, data, device=device, launcher=launcher_on(device, captures=False))
            with alone.launcher.turn():
                alone.epochs.begin(0)
                for _ in range(STEPS):
                    alone.launch_step(128, 0)
            alone.launcher.wait()
            worst = max(worst, abs(lane.sums[0].item() / alone.sums[0].item() - 1))
            images = max(images, abs(lane.sums[1].item() - alone.sums[1].item()))
        net = setting.training.net
        yield Line(what=f"{net}: loss after {STEPS} steps of a lane among six, to the same trial alone",
                   wanted="within 1e-4", measured=f"{worst:.1e}", holds=worst <= 1e-4)  # fmt: skip
        yield Line(what=f"{net}: wrong images in those steps", wanted="a few apart", measured=f"{images:.0f} apart")


def normalisation(device: torch.device) -> Iterator[Line]:
    """Our layer on this device, and on a CPU in float64; whether it is the kernels that are asked."""
    built = kernels_for(device) is not None
    measured = "built" if built else "NOT"
    yield Line(what="kernels of response normalisation", wanted="built", measured=measured, holds=built)
    worst = 0.0
    for channels, groups in ((64, 1), (96, 2), (6, 2)):  # groups of 3 maps are not read in fours
        x = torch.randn(16, channels, 15, 15).relu_()
        slope, found = torch.randn_like(x), []
        for place, kind in ((device, torch.float32), (CPU, torch.float64)):
            layer = ResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0, maps="across", divided=False, groups=groups)
            given = x.to(place, kind, memory_format=torch.channels_last).requires_grad_()
            made = layer(given)
            made.backward(slope.to(place, kind))
            found.append((made, given.grad))
        worst = max(worst, *(distance(one, other) for one, other in zip(*found, strict=True)))
    yield Line(what="response normalisation and its gradient, to float64 on a CPU", wanted="within 1e-5",
               measured=f"{worst:.1e}", holds=worst <= 1e-5)  # fmt: skip


def speed(found: Bench) -> Iterator[Line]:
    """What the bench measured, against what was wanted."""
    lines = {(line["net"], line["precision"], line["lanes"]): line for line in found.table()["lanes"]}

    def best(net: str, precision: str) -> dict | None:
        return max(
            (line for (n, p, lanes), line in lines.items() if (n, p) == (net, precision) and lanes >= 6),
            key=lambda line: line["training"], default=None,
        )  # fmt: skip

    if line := best("convnet4", "tf32"):
        times, rate = line["to_tutorial"], line["training"]
        yield Line(what=f"convnet4 in TF32, {line['lanes']} lanes, to the tutorial loop", wanted="16 times",
                   measured=f"{times:.1f} times ({rate:,.0f} images/s)", holds=times >= 16)  # fmt: skip
    for precision in dict.fromkeys(precision for _, precision, _ in lines):
        line, one = best("convnet4", precision), lines["convnet4", precision, 1]
        share = line["to_convolutions"]
        yield Line(what=f"convnet4 in {precision}, {line['lanes']} lanes, to the convolutions alone", wanted="70%",
                   measured=f"{share:.0%}", holds=share >= 0.7)  # fmt: skip
        yield Line(what=f"one trial alone in {precision}, to the tutorial loop", wanted="7 times",
                   measured=f"{one['to_tutorial']:.1f} times", holds=one["to_tutorial"] >= 7)  # fmt: skip
        if (net := lines.get(("alexnet32", precision, 6))) is not None:
            yield Line(what=f"alexnet32 with normalisation in {precision}, 6 lanes", wanted="4 times 34,000 images/s",
                       measured=f"{net['training']:,.0f} images/s", holds=net["training"] >= 136_000)  # fmt: skip
    ratios = found.ratios()
    yield Line(what="a step with normalisation, to one without", wanted="at most 1.10 times",
               measured=f"{ratios['norm_step']:.2f} times", holds=ratios["norm_step"] <= 1.1)  # fmt: skip
    yield Line(what="normalisation, to torch's layer", wanted="3 times",
               measured=f"{ratios['norm_to_torch']:.1f} times", holds=ratios["norm_to_torch"] >= 3)  # fmt: skip


def figure_1(
    spec: str, root: Path, device: torch.device, *, limit: float, smoke: bool, say: Callable
) -> Iterator[Line]:
    """`alexctl ablate relu-vs-tanh` as a user has it, timed, with how busy the GPU was."""
    with TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "alexctl",
            "ablate",
            "relu-vs-tanh",
            "--results",
            folder,
            "--data-root",
            str(root),
        ]
        command += ["--device", str(device)]
        command += ["--smoke"] if smoke else ["--data", spec]
        command += ["--precision", "tf32"] if has_tf32(device) else []
        watcher = None
        busy = Path(folder) / "busy"
        if device.type == "cuda":
            query = [
                "nvidia-smi",
                f"--id={device.index or 0}",
                "--query-gpu=utilization.gpu",
                "--format=csv,noheader,nounits",
                f"-lms={SAMPLE_MS}",
            ]
            watcher = subprocess.Popen(query, stdout=busy.open("w"), stderr=subprocess.DEVNULL)
        began, clock = time.time(), time.monotonic()
        done = subprocess.run(
            ["timeout", "-s", "INT", str(max(1, int(limit))), *command], capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - clock
        if watcher is not None:
            watcher.kill()
        say(done.stderr[-3000:])
        say(done.stdout[-3000:])
        rows = [path.stat().st_mtime for path in Path(folder).glob(f"*/{layout.TRIALS}/*/{layout.ROWS}")]
        over = done.returncode == 0
        yield Line(what="relu-vs-tanh whole, searches and figures included" + " (smoke)" * smoke, wanted="120 s",
                   measured=f"{seconds:.0f} s" + ("" if over else f", NOT OVER (exit code {done.returncode})"),
                   holds=over and seconds <= 120)  # fmt: skip
        epochs = sum(
            record.rows[-1]["epoch"]
            for campaign in Path(folder).glob(f"*/{layout.TRIALS}") for record in trials_of(campaign.parent) if record.rows
        )  # fmt: skip
        yield Line(what="epochs it took", wanted="about 800", measured=f"{epochs:,.0f}")
        if rows:
            yield Line(what="from the command to a first finished stretch of a trial", wanted="8 s and its epochs",
                       measured=f"{min(rows) - began:.1f} s")  # fmt: skip
        if watcher is not None and rows:
            samples = [float(line) for line in busy.read_text().split() if line.strip().isdigit()]
            first, last = ((at - began) * 1000 / SAMPLE_MS for at in (min(rows), max(rows)))
            share = mean(samples[int(first) : int(last) + 1] or [0.0]) / 100
            yield Line(what="GPU busy between the first row and the last", wanted="90%", measured=f"{share:.0%}",
                       holds=share >= 0.9)  # fmt: skip


def main() -> None:
    """Parses the command line, measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="cifar10", help="cifar10, shapes or imagefolder:PATH")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument(
        "--out", type=Path, default=Path("results/gpu-check"), help="the folder for what is printed, and the bench"
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--limit", type=float, default=460.0, help="seconds in all; Figure 1 has what is left of them")
    parser.add_argument("--smoke", action="store_true", help="seconds of everything, to see that it runs")
    told = parser.parse_args()
    began, device, root = time.monotonic(), choose_device(told.device), data_root(told.data_root)
    told.out.mkdir(parents=True, exist_ok=True)
    log = (told.out / "gpu-check.md").open("w", encoding="utf-8")

    def say(text: object) -> None:
        for stream in (sys.stdout, log):
            stream.write(f"{text}\n")
            stream.flush()

    say(f"{torch.cuda.get_device_name(device) if device.type == 'cuda' else device}, torch {torch.__version__}")
    data = prepare(told.data, root)
    lines: list[Line] = []

    def measure(part: Callable[[], Iterator[Line]]) -> None:
        try:
            for line in part():
                lines.append(line)
                say(line)
            release_memory(device)
        except Exception as error:  # the rest is worth its time all the same
            lines.append(
                Line(what=getattr(part, "__name__", "a part"), wanted="", measured=f"failed: {error}", holds=False)
            )
            say(lines[-1])

    def rates() -> Iterator[Line]:
        found = bench(
            data=told.data, root=root, device_name=str(device), rounds=1 if told.smoke else 2, seconds=told.seconds
        )
        found.write(told.out)
        yield from speed(found)

    for part in (draws, normalisation):
        measure(lambda part=part: part(device))
    for part in (gradients, losses):
        measure(lambda part=part: part(data, device))
    measure(rates)
    left = told.limit - (time.monotonic() - began)
    measure(lambda: figure_1(told.data, root, device, limit=left, smoke=told.smoke, say=say))
    say(f"\n{time.monotonic() - began:.0f} s in all\n\n| what | wanted | measured | holds |\n|---|---|---|---|")
    for line in lines:
        say(line)
    sys.exit(any(line.holds is False for line in lines))


if __name__ == "__main__":
    main()
