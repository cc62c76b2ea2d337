"""What `alexctl new NAME` writes: an ablation file that runs as it is, with a comment on every line that asks for one."""

from pathlib import Path

from alexctl.ablation.load import shipped
from alexctl.ablation.model import is_name
from alexctl.errors import UserError

SCHEMA_FILE = "alexctl.schema.json"

TEXT = """\
#:schema ./{schema}
# The line above lets editors complete and check this file. Lines that begin with # are comments.
# This file runs as it is. Change what is asked, then:
#   alexctl check ./{name}.toml            everything that is wrong with it, at once
#   alexctl ablate ./{name}.toml --smoke   does it run? seconds
#   alexctl ablate ./{name}.toml           the answer, with an interval

title   = "Small batches, a first claim"
control = "large"             # the arm that the others are held against
varies  = ["batch_size"]      # the only knobs in which arms may differ
measure = "epochs_to_target"  # or test_error, train_error, seconds_per_epoch, ...
margin  = 1.25                # what does not matter: a factor for times, percentage points for errors

[claim]
source    = "a guess of mine"  # whose claim; or section = "3.1" for the AlexNet paper
says      = "small batches reach the target in fewer epochs"
direction = "positive"         # the arm is better; or claim a size: effect = 2.0
data      = "shapes"           # what the claim is about

[base]                         # what all arms share; `alexctl show --net convnet4` shows the net
data       = "shapes"          # images that alexctl draws; or cifar10, mnist, imagefolder:PATH
num_train  = 1000              # so many of the training images
net        = "convnet4"        # or one of your own: "mynet:make" for the function make in mynet.py
lr         = 0.002             # of both; fairer is lr = "search" with lr_grid = [0.001, 0.002, 0.004]
target     = {{ metric = "train_error", at_most = 0.5 }}  # here a trial ends
epochs     = 20                # or here
evaluate_every = 0             # epochs between looks at the test images; this measure needs none
seeds      = 4                 # pairs of trials; more make the interval narrower

[arms.small]                   # what this arm has that the base has not
batch_size = 16
[arms.large]
batch_size = 64
"""


def new_file(name: str, folder: Path = Path()) -> tuple[Path, str]:
    """(where the file of that name is to be, what stands in it); UserError for a name that can't be, or is taken."""
    name = name.removesuffix(".toml")
    if not is_name(name):
        raise UserError(
            f"'{name}' should be letters, digits, '-', '_' or '.' only, 48 at most; it is put in this folder"
        )
    if name in shipped():
        raise UserError(f"'{name}' comes with alexctl, and results would share a folder; choose another name")
    file = folder / f"{name}.toml"
    if file.exists() or file.is_symlink():
        raise UserError(f"{file} is there already; choose another name, or remove it")
    return file, TEXT.format(name=name, schema=SCHEMA_FILE)
