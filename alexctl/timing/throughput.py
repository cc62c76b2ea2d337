"""What alexctl trains a second: the loop of `train.py` in this process, and in worker processes all at once."""

import itertools
import multiprocessing
import os
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from alexctl.ablation.setting import Setting
from alexctl.data.sources import DataSet, open_prepared
from alexctl.nets.layers import set_step
from alexctl.timing.peaks import Convolutions, conv_shapes, gemm_flops
from alexctl.training.device import synchroniser
from alexctl.training.loop import Training
from alexctl.trials.process_pool import worker_environment

PARTS = ("data", "forward", "backward", "optimiser")


class Alone:
    """One trial on its way in this process."""

    def __init__(self, setting: Setting, data: DataSet, device: torch.device):
        self.training = Training(setting, 0, data, device=device)
        self.sync = synchroniser(device)
        self.batch_size = min(self.training.batches.batch_size, self.training.batches.num_train)
        self.batches = self._endless()
        images, _ = next(self.batches)
        self.convolutions = Convolutions(conv_shapes(self.training.net, images), device)
        self.device = device

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        for epoch in itertools.count():
            for images, labels in self.training.batches.epoch(0, epoch):
                if len(labels) == self.batch_size:  # the last of an epoch may be smaller
                    yield images, labels

    def step(self) -> None:
        """One step as `Training` takes it."""
        images, labels = next(self.batches)
        self.training._learn(images, labels, 1.0)
        self.training.step += 1

    def rate(self, seconds: float) -> float:
        """Images a second, the first step not counted."""
        self.step()
        self.sync()
        count, began = 0, time.perf_counter()
        while True:
            self.step()
            count += self.batch_size
            self.sync()
            if (took := time.perf_counter() - began) > seconds:
                return count / took

    def shares(self, seconds: float) -> dict[str, float]:
        """Which share of a step each of PARTS takes; they add up to 1."""
        training, spent = self.training, dict.fromkeys(PARTS, 0.0)
        end = time.perf_counter() + seconds

        def lap(part: str, since: float) -> float:
            self.sync()
            now = time.perf_counter()
            spent[part] += now - since
            return now

        while (now := time.perf_counter()) < end or not all(spent.values()):
            images, labels = next(self.batches)
            now = lap("data", now)
            set_step(training.net, 0, training.step)
            logits = training.net(images)
            loss = F.cross_entropy(logits, labels)
            now = lap("forward", now)
            loss.backward()
            now = lap("backward", now)
            training.optimiser.step()
            (logits.argmax(1) != labels).sum()
            lap("optimiser", now)
            training.step += 1
        whole = sum(spent.values())
        return {part: took / whole for part, took in spent.items()}

    def evaluation_share(self) -> float:
        """Which share of an epoch one evaluation on the test images adds, at the speed of training now."""
        began = time.perf_counter()
        self.training.errors_on("test")
        self.sync()
        evaluation = time.perf_counter() - began
        epoch = self.training.batches.num_train / self.rate(0.0)
        return evaluation / (evaluation + epoch)

    def convolution_rate(self, seconds: float) -> float:
        """Images a second if a step were its convolutions and nothing else."""
        count, began = 0, time.perf_counter()
        self.convolutions.once()
        self.sync()
        began = time.perf_counter()
        while True:
            self.convolutions.once()
            count += self.batch_size
            self.sync()
            if (took := time.perf_counter() - began) > seconds:
                return count / took


class Crew:
    """Worker processes with one thread each, as `alexctl ablate` has them; they train, or convolve, all at once."""

    def __init__(self, setting: Setting, data: DataSet, root: Path, *, workers: int, threads: int):
        context = multiprocessing.get_context("spawn")
        self.lines: list[Connection] = []
        self.processes = []
        about = (setting.flat(), data.name, data.digest, root, threads)
        environment = worker_environment(threads)
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
        said = [line.recv() for line in self.lines]
        return sum(rate for rate, _ in said), sum(idle for _, idle in said) / len(said)

    def close(self) -> None:
        for line in self.lines:
            line.close()
        for process in self.processes:
            process.join(5)
            if process.is_alive():
                process.kill()

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _serve(line: Connection, flat: dict, name: str, digest: str, root: Path, threads: int) -> None:
    torch.set_num_threads(threads)
    alone = Alone(Setting.from_flat(flat), open_prepared(name, digest, root), torch.device("cpu"))
    work = {
        "train": alone.rate,
        "convolve": alone.convolution_rate,
        "multiply": lambda seconds: gemm_flops(alone.device, seconds, alone.sync),
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
