"""A net of the user's own that does something in the middle of its training, such as ending its process."""

from pathlib import Path

from alexctl.ablation.load import load
from alexctl.store import layout, records

MODULE = """
import os, sys
from torch import nn

class Mute(Exception):
    __str__ = sys.exit

class Net(nn.Module):
    def __init__(self, height, width, channels, num_classes):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(height * width * channels, num_classes))
        self.num_steps = 0

    def forward(self, images):
        self.num_steps += self.training
        if self.num_steps > {steps}:
            {does}
        return self.body(images)

def make(*, width: int = 1, image_shape: tuple[int, int, int], num_classes: int):
    return Net(*image_shape, num_classes)
"""
FILE = """
title = "Wide against narrow"
control = "narrow"
varies = ["width"]
measure = "test_error"
margin = 1.0
[claim]
source = "a guess of mine"
says = "it is better"
direction = "positive"
data = "shapes"
[base]
data = "shapes"
net = "mynet:make"
lr = 0.01
batch_size = 16
epochs = 3
seeds = 1
[arms.narrow]
width = 1
[arms.wide]
width = 2
"""


def write(folder: Path, does: str, *, steps: int) -> str:
    """Writes the net, which does that from the step after so many on, and the file that asks for it; returns its path."""
    (folder / "mynet.py").write_text(MODULE.format(does=does, steps=steps))
    (folder / "mine.toml").write_text(FILE)
    return "./mine.toml"


def create(folder: Path, data, does: str, *, steps: int = 7) -> Path:
    """A trial of it, of 15 steps in 3 epochs and with 4 rows an epoch, in the current folder."""
    setting = load(write(folder, does, steps=steps), run_code=True).setting("wide", data.name, data.digest)
    trial = folder / layout.trial_name("wide", 0, setting.hash8)
    records.create(trial, ablation="mine", arm="wide", phase="final", seed=0, setting=setting)
    return trial
