"""THE training loop: one setting, one seed, rows out. It knows no file, no console and no figure.

A step does all it has to do on the device: it finds its place in the epoch, its masks and its rate there, so that it can
be captured once and replayed.
"""

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from alexctl.ablation.own_net import is_own
from alexctl.ablation.setting import Setting
from alexctl.data.batches import Batches
from alexctl.data.epochs import Epochs
from alexctl.data.sources import DataSet
from alexctl.errors import UserError
from alexctl.nets import build
from alexctl.nets.layers import set_step
from alexctl.nets.own import check_logits
from alexctl.randomness import derived_seed
from alexctl.training.clock import Clock
from alexctl.training.device import arithmetic, keep_float32_exact, multiplying
from alexctl.training.evaluation import Evaluator
from alexctl.training.graphs import Launcher, launcher_on, waited
from alexctl.training.optimiser import OPTIMISERS
from alexctl.training.schedule import Schedule

AHEAD = 32  # steps that are launched before the device is waited for: what waits in its queue keeps others waiting


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement: errors are fractions of 1, seconds count from the trial's first step."""

    epoch: float
    step: int
    train_loss: float
    train_error: float
    test_error: float | None
    train_seconds: float
    eval_seconds: float
    top5_error: float | None = None  # on the test data: the right class is not among the five most probable
    validation_error: float | None = None  # on held-out training images, of a search trial at the end of its schedule
    validation_top5_error: float | None = None
    train_error_pass: float | None = None  # on a full pass of the images trained on, then too


class Diverged(Exception):
    """The loss is no longer a number: a result, not a crash."""


def evaluation_columns(part: str, errors: tuple[float, float]) -> dict[str, float]:
    """A row's columns for the (error, top-5 error) on `test` or `validation`."""
    names = ("test_error", "top5_error") if part == "test" else ("validation_error", "validation_top5_error")
    return dict(zip(names, errors, strict=True))


def num_wrong(logits: Tensor, labels: Tensor) -> Tensor:
    """How many images are taken for another class than theirs; of mixed images (labels images x classes) their shares of
    the classes that were not found."""
    if labels.dim() == 1:
        return (logits.argmax(1) != labels).sum()
    return (1 - labels.gather(1, logits.argmax(1, keepdim=True))).sum()


class Training:
    """One setting with one seed on its way; iterating yields Rows, `state()` at any step is a complete checkpoint.

    `work()` is the same in small pieces, for whoever has more to do meanwhile: to save, to stop, or to let other
    trainings have their turn. `batches` are those of another training of the same data and knobs, if there is one.
    What it gives the device goes through `launcher`: on a CUDA device, unless it is told otherwise, a stream of its own
    and graphs that are captured once; the numbers are those of an eager loop.
    Raises Diverged when the loss is not finite at a row, UserError for images or a weight decay that the net can't take.
    """

    def __init__(
        self,
        setting: Setting,
        seed: int,
        data: DataSet,
        *,
        device: torch.device,
        clock: Clock | None = None,
        state: dict[str, Any] | None = None,
        batches: Batches | None = None,
        launcher: Launcher | None = None,
    ):
        keep_float32_exact()
        knobs = setting.training
        seed += knobs.seed_offset
        self.setting, self.seed, self.device = setting, seed, device
        height, width, channels = data.train_images.shape[1:]
        shape = (height, width, channels) if knobs.crop is None else (knobs.crop, knobs.crop, channels)
        self.net = build(knobs.net, setting.net, image_shape=shape, num_classes=len(data.classes), seed=seed)
        decay = self.net.weight_costs if knobs.weight_decay == "file" else knobs.weight_decay
        if decay is None:
            raise UserError(
                f"weight_decay: 'file' asks for each layer's own, and {knobs.net} has no weight_costs; write a number"
            )
        self.num_parameters = sum(parameter.numel() for parameter in self.net.parameters())
        self._cut()
        self.net.to(device=device, memory_format=torch.channels_last)
        self.batches = batches or Batches(
            data, device=device, scaling=self.net.input_scaling, batch_size=knobs.batch_size, num_train=knobs.num_train,
            held_out=knobs.held_out, order=knobs.order, crop=knobs.crop, random_crops=knobs.random_crops, flips=knobs.flips, colour_noise=knobs.colour_noise,
            colour_noise_until=knobs.colour_noise_until, pad_crop=knobs.pad_crop, cutout=knobs.cutout, mixup=knobs.mixup,
        )  # fmt: skip
        self.epochs = Epochs(self.batches, self.seed)
        self.step = 0
        self.step_on_device = torch.zeros((), dtype=torch.int64, device=device)
        per_epoch = self.batches.steps_per_epoch
        self.optimiser = OPTIMISERS[knobs.optimizer](
            self.net, lr=knobs.lr, momentum=knobs.momentum, weight_decay=decay, bias_rate=self.net.bias_rate,
            steps=self.step_on_device,
            schedule=Schedule(
                drops=knobs.lr_drops, bias_drops=knobs.bias_drops,
                first_drops=knobs.first_layer_drops, first_until=knobs.first_layer_until, curve=knobs.lr_schedule,
                num_steps=knobs.epochs * per_epoch, warm_up_steps=round(knobs.warmup_epochs * per_epoch),
            ),
        )  # fmt: skip
        self.own, self.num_classes = is_own(knobs.net), len(data.classes)
        set_step(self.net, self.seed, self.step_on_device)
        self.evaluator = Evaluator(
            self.net, self.batches, setting, self.num_classes, own_seed=self.seed if self.own else None
        )
        self.sums = torch.zeros(3, dtype=torch.float64 if device.type == "cpu" else torch.float32, device=device)
        if state is not None:
            self._load(state)
        self.launcher = launcher or launcher_on(device, captures=self.is_capturable)
        self.clock = clock or Clock(sync=self.launcher.wait)
        if clock is None and state is not None:
            self.clock.seconds.update(state["seconds"])

    def _cut(self) -> None:
        """Leaves the net that was built what this process trains of it: here all."""

    @property
    def is_capturable(self) -> bool:
        """Whether a step can be a graph, which can't fetch images from the CPU, nor tell what a net of the user's own does
        in Python at each step."""
        return self.batches.store.type == self.device.type and not self.own

    def reunite(self) -> None:
        """Once all is trained and evaluated: makes `net` whole, which it is here."""

    @property
    def epoch(self) -> float:
        """Passes over the training images so far."""
        whole, step = divmod(self.step, self.batches.steps_per_epoch)
        return whole + min(step * self.batches.batch_size, self.batches.num_train) / self.batches.num_train

    @property
    def evaluated(self) -> str:
        """The part of the data that evaluations are made on: a trial with images held out never sees the test data."""
        return "validation" if self.setting.training.held_out else "test"

    def __iter__(self) -> Iterator[Row]:
        return (piece for piece in self.work() if isinstance(piece, Row))

    def work(self) -> Iterator[Row | object | None]:
        """Trains to the end of the budget: yields None after each batch it has launched, of training or of an
        evaluation, WAITING while it waits, and a Row where one ends."""
        return self.in_turns(self._work())

    def in_turns(self, pieces: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
        """The same pieces, each within the launcher's turn; returns what they return."""
        while True:
            with self.launcher.turn():
                try:
                    piece = next(pieces)
                except StopIteration as end:
                    return end.value
            yield piece

    def _work(self) -> Generator[Row | object | None, None, None]:
        knobs, per_epoch = self.setting.training, self.batches.steps_per_epoch
        row_steps = {round(k * per_epoch / knobs.rows_per_epoch) for k in range(1, knobs.rows_per_epoch + 1)} - {0}
        if float(self.sums[2]) > 0 and self._ends_row(row_steps):  # stopped in that row's evaluation
            yield from self._row()
        while self.step < knobs.epochs * per_epoch:
            self.clock.switch("train")
            epoch, first_step = divmod(self.step, per_epoch)
            self.epochs.begin(epoch, first_step)
            for size in self.batches.sizes(first_step):
                self.launch_step(size, epoch)
                if self._ends_row(row_steps):
                    yield from self._row()
                    self.clock.switch("train")
                yield None
                if self.step % AHEAD == 0:
                    yield from waited(self.launcher)
        self.clock.switch(None)

    def _ends_row(self, row_steps: set[int]) -> bool:
        return (self.step - 1) % self.batches.steps_per_epoch + 1 in row_steps

    def _evaluates(self) -> bool:
        """Whether the row at this step has test errors."""
        every = self.setting.training.evaluate_every
        return bool(every) and self.step % self.batches.steps_per_epoch == 0 and round(self.epoch) % every == 0

    def launch_step(self, size: int, epoch: int) -> None:
        """Gives the device one step on the epoch's next `size` images; `epoch` is that of the schedule."""
        if self.own:  # its nn.Dropout and the like draw from torch's own generator
            torch.manual_seed(derived_seed(self.seed, "step", self.step))
        variant = (self.optimiser.factors(epoch), self.epochs.shifts_colours)
        self.launcher.launch(size, variant, lambda: self.learn(*self.epochs.take(size), epoch))
        self.step += 1

    def learn(self, images: Tensor, labels: Tensor, epoch: int) -> None:
        """One step on these images, all of it on the device."""
        precision = self.setting.training.precision
        self.optimiser.forget_gradients()  # of a step that was broken off for want of memory
        with multiplying(precision, self.device):
            with arithmetic(precision, self.device):
                logits = self.net(images)
            if self.own:  # what it gave when it was built, it gave in eval mode
                check_logits(self.setting.training.net, logits, len(labels), self.num_classes, "while it trains")
            loss = F.cross_entropy(logits.float(), labels, label_smoothing=self.setting.training.label_smoothing)
            loss.backward()
        self.optimiser.step(epoch=epoch)
        with torch.no_grad():
            # Before the update, on the minibatch itself: what the 2012 code logged and Figure 1 most likely shows.
            wrong = num_wrong(logits, labels)
            self.sums += torch.stack([loss * len(labels), wrong, torch.full_like(loss, len(labels))])
            self.step_on_device += 1

    def _row(self) -> Generator[Row | object | None, None, None]:
        yield from waited(self.launcher)
        loss_sum, wrong, count = self.sums.tolist()
        if not math.isfinite(loss_sum):
            self.clock.switch(None)
            raise Diverged(f"the training loss is {loss_sum} at epoch {self.epoch:.2f}, step {self.step}")
        train_error, evaluation = wrong / count, {"test_error": None}
        self.clock.switch("eval")
        if self._evaluates():
            evaluation |= evaluation_columns(
                self.evaluated, (yield from self.evaluator.errors_on(self.evaluated, self.launcher))
            )
        if self.setting.training.train_error_from == "pass":
            train_error, _ = yield from self.evaluator.errors_on("train", self.launcher)
        self.clock.switch(None)
        self.sums.zero_()  # last: a checkpoint written in the evaluation still owes the row
        yield Row(
            epoch=self.epoch,
            step=self.step,
            train_loss=loss_sum / count,
            train_error=train_error,
            train_seconds=self.clock.seconds["train"],
            eval_seconds=self.clock.seconds["eval"],
            **evaluation,
        )

    def errors_on(self, part: str) -> Generator[object | None, None, tuple[float, float]]:
        """As the Evaluator's, in pieces as `work` is."""
        return self.in_turns(self.evaluator.errors_on(part, self.launcher))

    def state(self) -> dict[str, Any]:
        """Tensors and plain numbers from which a new Training goes on bit for bit (on a CPU)."""
        self.launcher.wait()
        return {
            "step": self.step,
            "sums": self.sums,
            "seconds": dict(self.clock.seconds),
            "net": self.net.state_dict(),
            **self.optimiser.state(),
            "right": self.evaluator.right,
            "probabilities": self.evaluator.probabilities,
        }

    def _load(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.step_on_device.fill_(self.step)
        self.sums.copy_(state["sums"])
        for name in ("right", "probabilities"):
            found = state[name]
            setattr(self.evaluator, name, None if found is None else found.to(self.device))
        self.net.load_state_dict(state["net"])
        self.optimiser.load(state)
