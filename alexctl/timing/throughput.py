"""What alexctl trains a second: the loop of `training/` in this process, and in worker processes all at once."""

import multiprocessing
import os
import time
from collections.abc import Callable
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from alexctl.ablation.setting import Setting
from alexctl.data.sources import DataSet, open_prepared
from alexctl.machine import worker_environment
from alexctl.timing.peaks import Convolutions, conv_shapes, gemm_flops
from alexctl.timing.timer import per_second, seconds_of
from alexctl.training.clock import Clock
from alexctl.training.device import arithmetic, multiplying
from alexctl.training.graphs import WARM_UPS, finished
from alexctl.training.loop import Training, num_wrong

PARTS = ("data", "forward", "backward", "optimiser")


class Alone:
    """One trial on its way in this process: whole batches, epoch after epoch."""

    def __init__(self, setting: Setting, data: DataSet, device: torch.device, *, beside: "Alone | None" = None):
        batches = None if beside is None else beside.training.batches
        self.training = Training(setting, 0, data, device=device, batches=batches)
        self.sync = self.training.launcher.wait
        batches = self.training.batches
        self.batch_size = min(batches.batch_size, batches.num_train)
        self.epoch = self.left = 0
        self.is_warm = not self.training.launcher.captures

    def warm_up(self) -> None:
        """Steps until they are captured, where they are: what is measured then is a replay."""
        if not self.is_warm:
            for _ in range(WARM_UPS + 1):
                self.step()
                self.convolve()
            self.sync()
            self.is_warm = True

    def _batch(self) -> None:
        """Goes on to the next epoch where this one has no whole batch left."""
        if self.left == 0:
            self.training.epochs.begin(self.epoch)
            self.epoch, self.left = self.epoch + 1, self.training.batches.num_train // self.batch_size
        self.left -= 1

    @cached_property
    def images(self) -> Tensor:
        """A batch as the net takes it."""
        self._batch()
        return self.training.epochs.take(self.batch_size)[0]

    @cached_property
    def convolutions(self) -> Convolutions:
        """Those of the net, for a batch of these images."""
        shapes, training = conv_shapes(self.training.net, self.images), self.training
        return Convolutions(shapes, training.device, training.setting.training.precision)

    def convolve(self) -> None:
        """The convolutions of a step, launched as a step is."""
        launcher = self.training.launcher
        with launcher.turn():
            launcher.launch("convolutions", None, self.convolutions.once)

    def step(self) -> None:
        """One step as `Training` takes it."""
        with self.training.launcher.turn():
            self._batch()
            self.training.launch_step(self.batch_size, 0)

    def evaluator(self) -> Callable[[], Tensor]:
        """A forward pass of one batch as an evaluation has it."""
        training, images = self.training, self.images
        precision, device = training.setting.training.precision, training.device
        training.net.eval()

        def forward() -> Tensor:
            with (
                training.launcher.turn(), torch.inference_mode(),
                multiplying(precision, device), arithmetic(precision, device),
            ):  # fmt: skip
                return training.net(images)

        return forward

    def rate(self, seconds: float) -> float:
        """Images a second."""
        self.warm_up()
        return self.batch_size * per_second(self.step, self.sync, seconds)

    def convolution_rate(self, seconds: float) -> float:
        """Images a second if a step were its convolutions and nothing else."""
        self.warm_up()
        return self.batch_size * per_second(self.convolve, self.sync, seconds)

    def shares(self, seconds: float) -> dict[str, float]:
        """Which share of an eager step each of PARTS takes; they add up to 1."""
        training, clock = self.training, Clock(sync=self.sync, parts=PARTS)
        precision = training.setting.training.precision
        with training.launcher.turn():
            while sum(clock.seconds.values()) < seconds or not all(clock.seconds.values()):
                clock.switch("data")
                self._batch()
                images, labels = training.epochs.take(self.batch_size)
                clock.switch("forward")
                with multiplying(precision, training.device):
                    with arithmetic(precision, training.device):
                        logits = training.net(images)
                    loss = F.cross_entropy(logits.float(), labels)
                    clock.switch("backward")
                    loss.backward()
                clock.switch("optimiser")
                training.optimiser.step()
                num_wrong(logits, labels)
                clock.switch(None)
        whole = sum(clock.seconds.values())
        return {part: spent / whole for part, spent in clock.seconds.items()}

    def evaluation_share(self) -> float:
        """Which share of an epoch one evaluation on the test images adds, at the speed of training now."""
        evaluation = seconds_of(lambda: finished(self.training.errors_on("test")), self.sync)
        epoch = self.training.batches.num_train / self.rate(0.0)
        return evaluation / (evaluation + epoch)


class Workers:
    """Worker processes with one thread each, as `alexctl ablate` has them; they train, or convolve, all at once."""

    def __init__(self, setting: Setting, data: DataSet, root: Path, *, workers: int, threads: int):
        context = multiprocessing.get_context("spawn")
        self.lines: list[Connection] = []
        self.processes = []
        about = (setting.flat(), data.name, data.digest, root, threads)
        environment = worker_environment(threads) | {"PYTHONSAFEPATH": "1"}  # as `-P`, which workers start with
        before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, *about), daemon=True)
            process.start()
            theirs.close()
            self.lines.append(ours)
            self.processes.append(process)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        for line in self.lines:  # each has its net and its images
            line.recv()

    def ask(self, what: str, seconds: float) -> tuple[float, float]:
        """(what all of them do a second, added up; the share of the time that they were not computing)."""
        for line in self.lines:
            line.send((what, seconds))
        answers = [line.recv() for line in self.lines]
        return sum(rate for rate, _ in answers), sum(idle for _, idle in answers) / len(answers)

    def close(self) -> None:
        for line in self.lines:
            line.close()
        for process in self.processes:
            process.join(5)
            if process.is_alive():
                process.kill()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _serve(line: Connection, flat: dict, name: str, digest: str, root: Path, threads: int) -> None:
    torch.set_num_threads(threads)
    alone = Alone(Setting.from_flat(flat), open_prepared(name, digest, root), torch.device("cpu"))
    work = {
        "train": alone.rate,
        "convolve": alone.convolution_rate,
        "multiply": lambda seconds: gemm_flops(alone.training.device, seconds),
    }
    line.send("ready")
    while True:
        try:
            what, seconds = line.recv()
        except (EOFError, OSError):
            os._exit(0)
        before, began = time.process_time(), time.perf_counter()
        rate = work[what](seconds)
        took = time.perf_counter() - began
        line.send((rate, max(0.0, 1.0 - (time.process_time() - before) / took / threads)))
