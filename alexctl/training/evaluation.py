"""Which images of a part of the data a net gets right."""

from collections.abc import Generator
from functools import partial

import torch
from torch import Tensor, nn

from alexctl.ablation.setting import Setting
from alexctl.data.batches import Batches
from alexctl.randomness import derived_seed
from alexctl.training.device import arithmetic, multiplying
from alexctl.training.graphs import Launcher, waited

AT_A_TIME = 500  # images


class Evaluator:
    """The evaluations of one net on its way.

    `own_seed` is the trial's where the net is the user's own.
    `right` (images,) bool says which test images the last evaluation of them found right, `probabilities` (images,
    classes) float16 how probable each class was, if they are kept.
    """

    def __init__(
        self, net: nn.Module, batches: Batches, setting: Setting, num_classes: int, *, own_seed: int | None = None
    ):
        self.net, self.batches, self.setting, self.num_classes = net, batches, setting, num_classes
        self.own_seed = own_seed
        self.keeps_probabilities = False
        self.right: Tensor | None = None
        self.probabilities: Tensor | None = None
        self._found: dict[str, Judgements] = {}

    def errors_on(self, part: str, launcher: Launcher) -> Generator[object | None, None, tuple[float, float]]:
        """Returns (error, top-5 error), fractions, on all of `train`, `validation` or `test`.

        Several views' probabilities are averaged. Yields after each batch, as `Training.work` does.
        """
        found, count = self._judgements(part), self.batches.num_of(part)
        found.at.zero_()
        self.net.eval()
        for start in range(0, count, AT_A_TIME):
            size = min(AT_A_TIME, count - start)
            if self.own_seed is not None:  # a net of the user's own may draw from torch's generator here too
                torch.manual_seed(derived_seed(self.own_seed, "evaluation", part, start))
            launcher.launch((part, size), found, partial(self._judge, part, size, found))
            yield None
        yield from waited(launcher)
        self.net.train()
        if part == "test":
            self.right = found.right.clone()
            self.probabilities = None if found.probabilities is None else found.probabilities.clone()
        wrong, wrong5 = (count - right.sum().item() for right in (found.right, found.right5))
        return wrong / count, wrong5 / count

    def _judgements(self, part: str) -> "Judgements":
        keeps = part == "test" and self.keeps_probabilities
        found = self._found.get(part)
        if found is None or (found.probabilities is not None) != keeps:
            found = self._found[part] = Judgements(self.batches, part, self.num_classes if keeps else None)
        return found

    @torch.no_grad()
    def _judge(self, part: str, size: int, found: "Judgements") -> None:
        """What the net makes of the next `size` images of a part; all of it on the device."""
        device, views = self.batches.device, 1 if part == "train" else self.setting.training.test_views
        index = found.at + torch.arange(size, device=found.at.device)
        seen, labels = self.batches.seen(part, index, views=views)
        precision = self.setting.training.precision
        with multiplying(precision, device), arithmetic(precision, device):
            each = [self.net(view).float() for view in seen]
        scores = sum(one.softmax(1) for one in each) if views > 1 else each[0]
        best, index = scores.topk(min(5, scores.shape[1])).indices, index.to(device)
        found.right.index_copy_(0, index, scores.argmax(1) == labels)
        found.right5.index_copy_(0, index, (best == labels[:, None]).any(1))
        if found.probabilities is not None:
            found.probabilities.index_copy_(0, index, (scores / views if views > 1 else scores.softmax(1)).half())
        found.at += size


class Judgements:
    """What an evaluation finds of each image of a part, in tensors that stay where they are."""

    def __init__(self, batches: Batches, part: str, num_classes: int | None):
        count, device = batches.num_of(part), batches.device
        self.at = torch.zeros((), dtype=torch.int64, device=batches.store)  # the next image
        self.right, self.right5 = (torch.zeros(count, dtype=torch.bool, device=device) for _ in range(2))
        self.probabilities = None
        if num_classes is not None:
            self.probabilities = torch.zeros(count, num_classes, dtype=torch.float16, device=device)
