"""Response normalisation: our layer beside torch's, and what it adds to a training step of the paper's net at 32 px."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from alexctl.ablation.load import load
from alexctl.data.sources import DataSet
from alexctl.nets.response_norm import ResponseNorm
from alexctl.timing.throughput import Alone
from alexctl.timing.timer import per_second
from alexctl.training.graphs import WARM_UPS, launcher_on

SHAPE = (128, 64, 15, 15)  # the second one of alexnet32


class Norms:
    """Both layers on the same maps, and the net with and without."""

    def __init__(
        self, data: DataSet, device: torch.device, sync: Callable[[], None], *, batch_size: int, precision: str
    ):
        generator = torch.Generator().manual_seed(0)
        like = {"device": device, "memory_format": torch.channels_last}
        self.sync, self.launcher, self.is_warm = sync, launcher_on(device), False
        self.maps = torch.randn(SHAPE, generator=generator).relu().to(**like).requires_grad_()
        self.slope = torch.randn(SHAPE, generator=generator).to(**like)
        self.layers = {
            "norm": ResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0, maps="across", divided=True),
            "norm_torch": nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0),
        }
        ablation = load("lrn", overrides={"lr": 0.001, "precision": precision})
        self.nets = {
            what: Alone(ablation.setting(arm, data.name, data.digest, lr=0.001, batch_size=batch_size), data, device)
            for what, arm in (("net_with_norm", "lrn"), ("net_without", "none"))
        }

    def rates(self, seconds: float) -> dict[str, float]:
        """Elements a second, forward and backward, of either layer; images a second of either net."""
        self._warm_up()
        found = {what: self.maps.numel() * per_second(partial(self._once, what), self.launcher.wait, seconds)
                 for what in self.layers}  # fmt: skip
        return found | {what: net.rate(seconds) for what, net in self.nets.items()}

    def _warm_up(self) -> None:
        """Passes until they are captured, where they are."""
        for what in self.layers if self.launcher.captures and not self.is_warm else ():
            for _ in range(WARM_UPS + 1):
                self._once(what)
        self.launcher.wait()
        self.is_warm = True

    def _once(self, what: str) -> None:
        with self.launcher.turn():
            self.launcher.launch(what, None, partial(self._pass, self.layers[what]))

    def _pass(self, layer: nn.Module) -> None:
        layer(self.maps).backward(self.slope)
        self.maps.grad = None
