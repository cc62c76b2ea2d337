"""THE training loop: one setting, one seed, rows out. It knows no file, no console and no figure."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from alexctl.ablation.own_net import is_own
from alexctl.ablation.setting import Setting
from alexctl.data.batches import Batches
from alexctl.data.sources import DataSet
from alexctl.errors import UserError
from alexctl.nets import build
from alexctl.nets.layers import set_step
from alexctl.nets.own import check_logits
from alexctl.randomness import derived_seed
from alexctl.training.clock import Clock
from alexctl.training.device import arithmetic, keep_float32_exact, synchroniser
from alexctl.training.optimiser import Momentum, Schedule


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


class Loop:
    """What one trial and a stack of them share: the steps there are, and where rows end.

    Who inherits has `setting`, `batches`, `clock`, `step` and `on_batch`, and says what a batch is, what to learn from
    it, how many images count for the next row, and what a row is.
    """

    setting: Setting
    batches: Batches
    clock: Clock
    step: int
    on_batch: Callable[[Any], None]

    @property
    def epoch(self) -> float:
        """Passes over the training images so far."""
        whole, step = divmod(self.step, self.batches.steps_per_epoch)
        return whole + min(step * self.batches.batch_size, self.batches.num_train) / self.batches.num_train

    def __iter__(self) -> Iterator[Any]:
        knobs, per_epoch = self.setting.training, self.batches.steps_per_epoch
        row_steps = {round(k * per_epoch / knobs.rows_per_epoch) for k in range(1, knobs.rows_per_epoch + 1)} - {0}
        if self._num_counted() > 0 and self._ends_row(row_steps):  # stopped in that row's evaluation
            yield self._row()
        while self.step < knobs.epochs * per_epoch:
            self.clock.switch("train")
            epoch, first_step = divmod(self.step, per_epoch)
            for images, labels in self._epoch(epoch, first_step):
                self._learn(images, labels, epoch)
                self.step += 1
                if self._ends_row(row_steps):
                    yield self._row()
                    self.clock.switch("train")
                self.on_batch(self)
        self.clock.switch(None)

    def _ends_row(self, row_steps: set[int]) -> bool:
        return (self.step - 1) % self.batches.steps_per_epoch + 1 in row_steps

    def _evaluates(self) -> bool:
        """Whether the row at this step has test errors."""
        every = self.setting.training.evaluate_every
        return bool(every) and self.step % self.batches.steps_per_epoch == 0 and round(self.epoch) % every == 0

    @property
    def evaluated(self) -> str:
        """The part of the data that evaluations are made on: a trial with images held out never sees the test data."""
        return "validation" if self.setting.training.held_out else "test"

    def _num_counted(self) -> float:
        raise NotImplementedError

    def _epoch(self, epoch: int, first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        raise NotImplementedError

    def _learn(self, images: Tensor, labels: Tensor, epoch: int) -> None:
        raise NotImplementedError

    def _row(self) -> Any:
        raise NotImplementedError


def evaluation_columns(part: str, errors: tuple[float, float]) -> dict[str, float]:
    """A row's columns for the (error, top-5 error) on `test` or `validation`."""
    names = ("test_error", "top5_error") if part == "test" else ("validation_error", "validation_top5_error")
    return dict(zip(names, errors, strict=True))


class Training(Loop):
    """One setting with one seed on its way; iterating yields Rows, `state()` at any step is a complete checkpoint.

    `on_batch(training)` is called after every batch, of training or of an evaluation, so that the caller can save,
    report or stop (by raising). `batches` are those of another training of the same data and knobs, if there is one.
    Raises Diverged when the loss is not finite at a row, UserError for images or a weight decay that the net can't take.
    """

    def __init__(
        self,
        setting: Setting,
        seed: int,
        data: DataSet,
        *,
        device: torch.device,
        on_batch: Callable[["Training"], None] = lambda training: None,
        clock: Clock | None = None,
        state: dict[str, Any] | None = None,
        batches: Batches | None = None,
    ):
        keep_float32_exact()
        knobs = setting.training
        seed += knobs.seed_offset
        self.setting, self.seed, self.device, self.on_batch = setting, seed, device, on_batch
        height, width, channels = data.train_images.shape[1:]
        shape = (height, width, channels) if knobs.crop is None else (knobs.crop, knobs.crop, channels)
        self.net = build(knobs.net, setting.net, image_shape=shape, num_classes=len(data.classes), seed=seed)
        decay = self.net.weight_costs if knobs.weight_decay == "file" else knobs.weight_decay
        if decay is None:
            raise UserError(
                f"weight_decay: 'file' asks for each layer's own, and {knobs.net} has no weight_costs; write a number"
            )
        self.net.to(device=device, memory_format=torch.channels_last)
        self.batches = batches or Batches(
            data, device=device, scaling=self.net.input_scaling, batch_size=knobs.batch_size, num_train=knobs.num_train,
            held_out=knobs.held_out, order=knobs.order, crop=knobs.crop, random_crops=knobs.random_crops, flips=knobs.flips, colour_noise=knobs.colour_noise,
            colour_noise_until=knobs.colour_noise_until,
        )  # fmt: skip
        self.optimiser = Momentum(
            self.net, lr=knobs.lr, momentum=knobs.momentum, weight_decay=decay, bias_rate=self.net.bias_rate,
            schedule=Schedule(
                drops=knobs.lr_drops, bias_drops=knobs.bias_drops,
                first_drops=knobs.first_layer_drops, first_until=knobs.first_layer_until,
            ),
        )  # fmt: skip
        self.own, self.num_classes = is_own(knobs.net), len(data.classes)
        self.clock = clock or Clock(sync=synchroniser(device))
        self.step = 0
        self.right: Tensor | None = None  # (images,) bool: which test images the last evaluation of them found right
        self.probabilities: Tensor | None = None  # (images, classes) float16 of it, if they are kept
        self.keeps_probabilities = False
        self.sums = torch.zeros(3, dtype=torch.float64 if device.type == "cpu" else torch.float32, device=device)
        if state is not None:
            self._load(state)

    def _num_counted(self) -> float:
        return float(self.sums[2])

    def _epoch(self, epoch: int, first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        return self.batches.epoch(self.seed, epoch, first_step=first_step)

    def _learn(self, images: Tensor, labels: Tensor, epoch: int) -> None:
        set_step(self.net, self.seed, self.step)
        if self.own:  # its nn.Dropout and the like draw from torch's own generator
            torch.manual_seed(derived_seed(self.seed, "step", self.step))
        with arithmetic(self.setting, self.device):
            logits = self.net(images)
        if self.own:  # what it gave when it was built, it gave in eval mode
            check_logits(self.setting.training.net, logits, len(labels), self.num_classes, "while it trains")
        loss = F.cross_entropy(logits.float(), labels)
        loss.backward()
        self.optimiser.step(epoch=epoch)
        with torch.no_grad():
            # Before the update, on the minibatch itself: what the 2012 code logged and Figure 1 most likely shows.
            wrong = (logits.argmax(1) != labels).sum()
            self.sums += torch.stack([loss * len(labels), wrong, torch.full_like(loss, len(labels))])

    def _row(self) -> Row:
        loss_sum, wrong, count = self.sums.tolist()
        if not math.isfinite(loss_sum):
            self.clock.switch(None)
            raise Diverged(f"the training loss is {loss_sum} at epoch {self.epoch:.2f}, step {self.step}")
        knobs = self.setting.training
        train_error, evaluation = wrong / count, {"test_error": None}
        self.clock.switch("eval")
        if self._evaluates():
            evaluation |= evaluation_columns(self.evaluated, self.errors_on(self.evaluated))
        if knobs.train_error_from == "pass":
            train_error, _ = self.errors_on("train")
        self.clock.switch(None)
        self.sums.zero_()  # last: a checkpoint written in the evaluation still owes the row
        return Row(
            epoch=self.epoch,
            step=self.step,
            train_loss=loss_sum / count,
            train_error=train_error,
            train_seconds=self.clock.seconds["train"],
            eval_seconds=self.clock.seconds["eval"],
            **evaluation,
        )

    @torch.inference_mode()
    def errors_on(self, part: str) -> tuple[float, float]:
        """(error, top-5 error), fractions, on all of `train`, `validation` or `test`; several views' probabilities are averaged."""
        views = 1 if part == "train" else self.setting.training.test_views
        self.net.eval()
        wrong, wrong5 = 0, 0
        rights: list[Tensor] = []
        probabilities: list[Tensor] = []
        for seen, labels in self.batches.in_order(part, views=views):
            with arithmetic(self.setting, self.device):
                each = [self.net(view).float() for view in seen]
            scores = sum(one.softmax(1) for one in each) if views > 1 else each[0]
            rights.append(scores.argmax(1) == labels)
            wrong = wrong + (~rights[-1]).sum()
            if part == "test" and self.keeps_probabilities:
                probabilities.append((scores / views if views > 1 else scores.softmax(1)).half())
            best = scores.topk(min(5, scores.shape[1])).indices
            wrong5 = wrong5 + (best != labels[:, None]).all(1).sum()
            self.on_batch(self)
        self.net.train()
        if part == "test":
            self.right = torch.cat(rights)
            self.probabilities = torch.cat(probabilities) if probabilities else None
        count = len(getattr(self.batches, f"{part}_labels"))
        return wrong.item() / count, wrong5.item() / count

    def state(self) -> dict[str, Any]:
        """Tensors and plain numbers from which a new Training goes on bit for bit (on a CPU)."""
        return {
            "step": self.step,
            "sums": self.sums,
            "seconds": dict(self.clock.seconds),
            "net": self.net.state_dict(),
            "velocity": self.optimiser.velocity,
            "right": self.right,
            "probabilities": self.probabilities,
        }

    def _load(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.sums.copy_(state["sums"])
        known = (state.get(name) for name in ("right", "probabilities"))  # a checkpoint of before has neither
        self.right, self.probabilities = (None if one is None else one.to(self.device) for one in known)
        self.clock.seconds.update(state["seconds"])
        self.net.load_state_dict(state["net"])
        for name, velocity in self.optimiser.velocity.items():
            velocity.copy_(state["velocity"][name])
