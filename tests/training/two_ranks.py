"""Two ranks for tests: this process and one that is started once, which do the same functions at the same time.

Run by its path, this file is rank 1: it does what it is sent, by name, and sends back what came of it.
"""

import os
import pickle
import subprocess
import sys
import traceback
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Client, Listener
from pathlib import Path

import torch
from torch.nn import functional as F

from alexctl.ablation.knobs import NETS
from alexctl.ablation.setting import Setting
from alexctl.data.sources import open_prepared
from alexctl.nets import build
from alexctl.nets.layers import set_step
from alexctl.nets.split import keep_half
from alexctl.training.ranks import Apart, Crossing, RankedTraining, follow

CPU = torch.device("cpu")
SIDES = {"alexnet32": 32, "alexnet": 67}


def whole_net(name, knobs, num_classes, dtype):
    side = SIDES[name]
    net = build(name, NETS[name](**knobs), image_shape=(side, side, 3), num_classes=num_classes, seed=0)
    set_step(net, 0, 3)
    return net.to(dtype).to(memory_format=torch.channels_last)


def stepped(net, name, num_classes, dtype):
    """(logits, loss, gradients by name) of one training step on drawn images."""
    draws = torch.Generator().manual_seed(5)
    side = SIDES[name]
    images = torch.randn(4, 3, side, side, generator=draws, dtype=dtype).to(memory_format=torch.channels_last)
    labels = torch.randint(num_classes, (4,), generator=draws)
    logits = net(images)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    return logits.detach(), loss.item(), {name: p.grad for name, p in net.named_parameters()}


def gradients(crossing, name, knobs, num_classes=10, dtype=torch.float64):
    """What a rank finds, the bytes that crossed, and its dropout's units."""
    net = whole_net(name, knobs, num_classes, dtype)
    keep_half(net, crossing)
    before = crossing.num_bytes
    found = stepped(net, name, num_classes, dtype)
    return (*found, crossing.num_bytes - before)


def trained(crossing, flat, seed, root, tell=None, state=None, spoilt=0.0):
    """On rank 0 the training; rank 1 follows until it is told that it is over."""
    setting = Setting.from_flat(flat)
    data = open_prepared(setting.data_name, setting.data_digest, Path(root))
    about = {"device": CPU, "crossing": crossing}
    if crossing.rank == 0:
        return RankedTraining(setting, seed, data, **about, tell=tell, state=state)
    training = RankedTraining(setting, seed, data, **about, resumes=state is not None)
    learn = training.learn

    def learn_badly(*words):
        learn(*words)
        training.sums[0] += spoilt

    training.learn = learn_badly
    try:
        follow(training, iter(tell, None))
    except Apart as apart:
        while tell() is not None:
            pass
        return str(apart)
    return training.bytes_per_step


class Ranks:
    """Rank 0's side."""

    def __init__(self, crossing, line):
        self.crossing, self.line = crossing, line

    def both(self, function, *words, **about):
        """(what rank 0 found, what rank 1 did)."""
        self.line.send((function.__name__, words, about))
        return function(self.crossing, *words, **about), self.line.recv()

    @contextmanager
    def training(self, setting, seed, root, state=None, spoilt=0.0):
        """A RankedTraining whose rank 1 follows to the end of the block; the sums of its losses are `spoilt`."""
        self.line.send(("trained", (setting.flat(), seed, str(root)), {"state": state and True, "spoilt": spoilt}))
        yield trained(self.crossing, setting.flat(), seed, root, lambda *order: self.line.send(order), state)
        self.line.send(None)
        self.said = self.line.recv()


@contextmanager
def started():
    """Both ranks, until the block ends."""
    with Listener(("127.0.0.1", 0), authkey=b"test") as listener:
        store = torch.distributed.TCPStore("127.0.0.1", 0, 2, is_master=True, wait_for_workers=False)
        words = [sys.executable, __file__, str(listener.address[1]), str(store.port)]
        paths = os.pathsep.join(map(str, (Path(__file__).parents[2], os.environ.get("PYTHONPATH", ""))))
        process = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": paths})
        try:
            with listener.accept() as line:
                crossing = Crossing(store, 0, CPU)
                yield Ranks(crossing, line)
                crossing.close()
        finally:
            process.kill()
            process.wait()


def main():
    torch.set_num_threads(1)
    with Client(("127.0.0.1", int(sys.argv[1])), authkey=b"test") as line:
        store = torch.distributed.TCPStore("127.0.0.1", int(sys.argv[2]), 2, timeout=timedelta(seconds=60))
        crossing = Crossing(store, 1, CPU)
        while True:
            name, words, about = line.recv()
            if name == "trained":
                about["tell"] = line.recv
            try:
                found = globals()[name](crossing, *words, **about)
                line.send_bytes(pickle.dumps(found))  # `send` would share the tensors' memory
            except Exception as error:
                traceback.print_exc()
                line.send(error)
                raise


if __name__ == "__main__":
    main()
