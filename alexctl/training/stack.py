"""Several trainings of one net as one: on an accelerator six seeds, or all rates of a search, cost little more than one.

Their weights lie side by side in tensors with one dimension more, and `torch.func.vmap` makes one net of them, whose
convolutions are grouped ones. Each member has its own initial weights, order, crops, masks and learning rate, drawn as
if it were alone, so that it gives the rows it would give alone, but for float rounding.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F

from alexctl.ablation.own_net import is_own
from alexctl.ablation.setting import Setting
from alexctl.data.batches import Batches
from alexctl.data.sources import DataSet
from alexctl.nets.layers import Dropout, purpose
from alexctl.training.clock import Clock
from alexctl.training.device import arithmetic, synchroniser
from alexctl.training.loop import Diverged, Loop, Row, Training, evaluation_columns


def stackable(setting: Setting) -> bool:
    """Whether trainings of this setting can share a stack; a user's own net may draw from torch's one generator."""
    return not is_own(setting.training.net)


def shape_of(setting: Setting) -> tuple:
    """What members of one stack have in common: all but the learning rate and the seed."""
    table = {key: value for key, value in setting.flat().items() if key not in ("lr", "seed_offset")}
    return tuple(sorted((key, repr(value)) for key, value in table.items()))


@dataclass(eq=False)
class Member:
    """One training in a stack: what it was begun with."""

    setting: Setting
    seed: int  # with its offset

    @property
    def lr(self) -> float:
        return self.setting.training.lr


class Stack(Loop):
    """Trainings of equal shape on their way; iterating yields a list with each member's Row, or Diverged.

    `states` are checkpoints as `Training.state()` gives them, all at one step, or None. Between two rows `leave` takes
    members out; what is left goes on. Raises ValueError for members of different shapes or steps.
    """

    def __init__(
        self, settings: Sequence[Setting], seeds: Sequence[int], data: DataSet, *, device: torch.device,
        on_batch: Callable[["Stack"], None] = lambda stack: None, clock: Clock | None = None,
        states: Sequence[dict[str, Any] | None] | None = None,
    ):  # fmt: skip
        if len({shape_of(setting) for setting in settings}) != 1:
            raise ValueError("members of a stack differ in nothing but their learning rate and seed")
        self.data, self.device, self.on_batch = data, device, on_batch
        self.setting = settings[0]
        self.members: list[Member] = []
        weights: list[dict[str, Tensor]] = []
        buffers: list[dict[str, Tensor]] = []
        velocities: list[dict[str, Tensor]] = []
        sums, steps, self.seconds_before = [], set(), {}
        rights, probabilities = [], []
        batches: Batches | None = None
        for setting, seed, state in zip(settings, seeds, states or [None] * len(settings), strict=True):
            one = Training(setting, seed, data, device=device, state=state, batches=batches)
            batches = one.batches
            member = Member(setting=setting, seed=one.seed)
            self.members.append(member)
            weights.append({name: weight.detach() for name, weight in one.net.named_parameters()})
            buffers.append(dict(one.net.named_buffers()))
            velocities.append(one.optimiser.velocity)
            sums.append(one.sums)
            rights.append(one.right)
            probabilities.append(one.probabilities)
            steps.add(one.step)
            self.seconds_before[member] = dict(one.clock.seconds)
        if len(steps) != 1:
            raise ValueError("members of a stack are at one step")
        self.batches, self.alike = batches, one.optimiser.alike
        self.momentum, self.schedule = one.optimiser.momentum, one.optimiser.schedule
        self.net = copy.deepcopy(one.net).to("meta")
        self.dropped = _dropped_shapes(one.net, batches)
        (self.step,) = steps
        self.weights = {name: torch.stack([each[name] for each in weights]).requires_grad_() for name in weights[0]}
        self.buffers = {name: torch.stack([each[name] for each in buffers]) for name in buffers[0]}
        self.velocity = {name: torch.stack([each[name] for each in velocities]) for name in velocities[0]}
        self.sums = torch.stack(sums)
        self.right = _together(rights)  # as a Training has them, with a dimension of members before
        self.probabilities = _together(probabilities)
        self.keeps_probabilities = False
        self.rates = torch.tensor([member.lr for member in self.members], dtype=torch.float64)
        self.clock = clock or Clock(sync=synchroniser(device))

    def leave(self, members: Sequence[Member]) -> None:
        """Takes these members out of the stack."""
        kept = [i for i, member in enumerate(self.members) if member not in members]
        self.members = [self.members[i] for i in kept]
        index = torch.tensor(kept, dtype=torch.long)
        self.rates = self.rates[index]
        index = index.to(self.device)
        self.weights = {name: weight.detach()[index].requires_grad_() for name, weight in self.weights.items()}
        self.buffers = {name: buffer[index] for name, buffer in self.buffers.items()}
        self.velocity = {name: velocity[index] for name, velocity in self.velocity.items()}
        self.sums = self.sums[index]
        self.right = None if self.right is None else self.right[index]
        self.probabilities = None if self.probabilities is None else self.probabilities[index]

    def state(self, member: Member) -> dict[str, Any]:
        """The member's checkpoint, which it could go on from alone."""
        i = self.members.index(member)
        whole = {**self.weights, **self.buffers}
        return {
            "step": self.step,
            "sums": self.sums[i].clone(),
            "seconds": self.seconds(member),
            "net": {name: whole[name][i].detach().clone() for name in self.net.state_dict()},
            "velocity": {name: velocity[i].clone() for name, velocity in self.velocity.items()},
            "right": None if self.right is None else self.right[i].clone(),
            "probabilities": None if self.probabilities is None else self.probabilities[i].clone(),
        }

    def seconds(self, member: Member) -> dict[str, float]:
        """Seconds of the member so far; in a stack each has the whole stack's."""
        before = self.seconds_before[member]
        return {part: before[part] + spent for part, spent in self.clock.seconds.items()}

    def alone(self, member: Member, **options: Any) -> Training:
        """The member as a training of its own, which goes on from here."""
        offset = member.setting.training.seed_offset
        return Training(
            member.setting, member.seed - offset, self.data, device=self.device, state=self.state(member),
            batches=self.batches, **options,
        )  # fmt: skip

    def _num_counted(self) -> float:
        return float(self.sums[0, 2])

    def _epoch(self, epoch: int, first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(members, batch, channels, height, width) images and (members, batch) labels, each member's in its order."""
        each = {member: self.batches.epoch(member.seed, epoch, first_step=first_step) for member in self.members}
        for _ in range(first_step, self.batches.steps_per_epoch):
            if not self.members:
                return
            parts = [next(each[member]) for member in self.members]
            yield torch.stack([images for images, _ in parts]), torch.stack([labels for _, labels in parts])

    def _learn(self, images: Tensor, labels: Tensor, epoch: int) -> None:
        masks = {
            f"{name}.mask": torch.stack(
                [module.draw((labels.shape[1], *shape), *purpose(member.seed, name, self.step)) for member in self.members]
            ).to(self.device)
            for name, (module, shape) in self.dropped.items()
        }  # fmt: skip
        logits = self._call(images, {**self.buffers, **masks}, images_each=True)
        losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels).mean(1)
        losses.sum().backward()
        self._update(epoch)
        with torch.no_grad():
            count = labels.shape[1]
            wrong = (logits.argmax(2) != labels).sum(1)
            self.sums += torch.stack([losses * count, wrong, torch.full_like(losses, count)], 1)

    def _call(self, images: Tensor, buffers: dict[str, Tensor], *, images_each: bool) -> Tensor:
        """(members, batch, classes); every member sees its own images, or all see the same."""

        def one(weights: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor) -> Tensor:
            return functional_call(self.net, (weights, buffers), (images,))

        with arithmetic(self.setting, self.device):
            return vmap(one, in_dims=(0, 0, 0 if images_each else None))(self.weights, buffers, images).float()

    @torch.no_grad()
    def _update(self, epoch: int) -> None:
        """As Momentum does it, each member at its own rate."""
        for alike, names in self.alike.items():
            weights = [self.weights[name] for name in names]
            if factor := alike.factor(self.schedule, epoch):
                velocities = [self.velocity[name] for name in names]
                lr = self.rates * alike.rate * factor
                rates = [lr.to(weight).view(-1, *[1] * (weight.dim() - 1)) for weight in weights]
                torch._foreach_mul_(velocities, self.momentum)
                slopes = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
                torch._foreach_sub_(velocities, torch._foreach_mul(slopes, rates))
                if alike.decay:
                    decayed = torch._foreach_mul(torch._foreach_mul(weights, rates), alike.decay)
                    torch._foreach_sub_(velocities, decayed)
                torch._foreach_add_(weights, velocities)
            for weight in weights:
                weight.grad = None

    def _row(self) -> list[Row | Diverged]:
        sums = self.sums.tolist()
        self.clock.switch("eval")
        found = self.errors_on(self.evaluated) if self._evaluates() else None
        passes = self.errors_on("train") if self.setting.training.train_error_from == "pass" else None
        self.clock.switch(None)
        self.sums.zero_()  # last: a checkpoint written in the evaluation still owes the row
        rows: list[Row | Diverged] = []
        for i, (member, (loss_sum, wrong, count)) in enumerate(zip(self.members, sums, strict=True)):
            seconds = self.seconds(member)
            if not math.isfinite(loss_sum):
                rows.append(Diverged(f"the training loss is {loss_sum} at epoch {self.epoch:.2f}, step {self.step}"))
                continue
            rows.append(Row(
                epoch=self.epoch, step=self.step, train_loss=loss_sum / count,
                train_error=wrong / count if passes is None else passes[i][0],
                train_seconds=seconds["train"], eval_seconds=seconds["eval"],
                **({"test_error": None} | (evaluation_columns(self.evaluated, found[i]) if found else {})),
            ))  # fmt: skip
        return rows

    @torch.inference_mode()
    def errors_on(self, part: str) -> list[tuple[float, float]]:
        """Each member's (error, top-5 error), fractions, on all of `train`, `validation` or `test`."""
        views = 1 if part == "train" else self.setting.training.test_views
        self.net.eval()
        wrong, wrong5 = 0, 0
        rights: list[Tensor] = []
        probabilities: list[Tensor] = []
        for seen, labels in self.batches.in_order(part, views=views):
            scores = [self._call(view, self.buffers, images_each=False) for view in seen]
            total = sum(one.softmax(2) for one in scores) if views > 1 else scores[0]
            rights.append(total.argmax(2) == labels)
            wrong = wrong + (~rights[-1]).sum(1)
            if part == "test" and self.keeps_probabilities:
                probabilities.append((total / views if views > 1 else total.softmax(2)).half())
            best = total.topk(min(5, total.shape[2])).indices
            wrong5 = wrong5 + (best != labels[:, None]).all(2).sum(1)
            self.on_batch(self)
        self.net.train()
        if part == "test":
            self.right = torch.cat(rights, 1)
            self.probabilities = torch.cat(probabilities, 1) if probabilities else None
        count = len(getattr(self.batches, f"{part}_labels"))
        return [(one / count, five / count) for one, five in zip(wrong.tolist(), wrong5.tolist(), strict=True)]


def _together(each: Sequence[Tensor | None]) -> Tensor | None:
    """What all members know, as one tensor; None where one does not."""
    return None if any(one is None for one in each) else torch.stack(list(each))


@torch.no_grad()
def _dropped_shapes(net: nn.Module, batches: Batches) -> dict[str, tuple[Dropout, tuple[int, ...]]]:
    """Each Dropout of a net by its name, and the shape of what it is given for one image."""
    found: dict[str, tuple[Dropout, tuple[int, ...]]] = {}
    hooks = [
        module.register_forward_hook(lambda m, given, made, name=name: found.update({name: (m, tuple(given[0].shape[1:]))}))
        for name, module in net.named_modules() if isinstance(module, Dropout)
    ]  # fmt: skip
    if not hooks:
        return {}
    training = net.training
    net.eval()
    images, _ = next(batches.in_order("test", batch_size=2))
    net(images[0])
    net.train(training)
    for hook in hooks:
        hook.remove()
    return found
