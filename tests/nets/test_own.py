"""Nets of the user's own as built and trained: checked, derived, resumed bit for bit, and none of it run by a report."""

import shutil
from pathlib import Path

import one_trial
import pytest
import torch
from conftest import TINY
from torch import nn

from alexctl.ablation import own_net
from alexctl.ablation.load import load
from alexctl.ablation.own_net import register
from alexctl.ablation.parse import parse
from alexctl.campaign.campaign import Campaign
from alexctl.errors import UserError
from alexctl.nets import build
from alexctl.report.rebuild import rebuild_all
from alexctl.store import files, layout, records
from alexctl.timing.probe import probe
from alexctl.training.loop import Training
from alexctl.trials import trial

CPU = torch.device("cpu")
MAKE = """
from torch import nn

def make(*, width: int = 4, image_shape, num_classes: int) -> nn.Module:
    height, breadth, channels = image_shape
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=4), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(),
        nn.LazyLinear(num_classes),
    )
"""
SHAPE = {"image_shape": (32, 32, 3), "num_classes": 10}


def ablation(**base):
    """Two widths of it, the module imported."""
    register("mynet:make")
    table = (
        {k: v for k, v in TINY["base"].items() if k not in ("init", "input_scaling", "bias_rate")}
        | {"net": "mynet:make"}
        | base
    )
    arms = {"narrow": {}, "wide": {"width": 8}}
    document = TINY | {"control": "narrow", "varies": ["width"], "base": table, "arms": arms}
    made, faults = parse(document, name="tiny", overrides={}, smoke=False)
    assert not faults, faults
    return made


def setting(arm="narrow", **base):
    return ablation(**base).setting(arm, "shapes", "0" * 16)


def forget(module="mynet"):
    """As in a new process: the module is not imported."""
    import sys

    own_net._registered.clear()
    sys.modules.pop(module, None)


def made(folder: Path, body: str) -> nn.Module:
    (folder / "mynet.py").write_text(
        f"from torch import nn\nclass Net(nn.Module):\n    def __init__(self): super().__init__()\n{body}\n"
    )
    return build("mynet:make", register("mynet:make").knobs(), **SHAPE, seed=0)


def trained(folder: Path, body: str, data, **base) -> Training:
    """A training of that net, of which no step is taken yet."""
    made(folder, body)
    table = (
        {k: v for k, v in TINY["base"].items() if k not in ("init", "input_scaling", "bias_rate")}
        | {"net": "mynet:make", "epochs": 1}
        | base
    )
    both, faults = parse(TINY | {"base": table, "varies": ["flips"], "arms": {"relu": {}, "tanh": {"flips": True}}},
                         name="tiny", overrides={}, smoke=False)  # fmt: skip
    assert not faults
    return Training(both.setting("relu", data.name, data.digest), 0, data, device=CPU)


def test_its_initial_weights_are_derived_from_the_seed(own_code):
    (own_code / "mynet.py").write_text(MAKE)
    before = torch.random.get_rng_state()
    knobs = setting().net
    nets = [build("mynet:make", knobs, **SHAPE, seed=seed) for seed in (3, 3, 4)]
    weights = [[p.detach().clone() for p in net.parameters()] for net in nets]
    assert all(torch.equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not torch.equal(weights[0][0], weights[2][0])
    assert torch.equal(torch.random.get_rng_state(), before)
    assert nets[0].training
    assert (nets[0].input_scaling, nets[0].bias_rate, nets[0].weight_costs) == ("standardised", 1.0, None)
    assert nets[0][1].running_mean.tolist() == [0.0] * 4  # the images it was tried with left no trace


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("def make(): return 3", "mynet:make returned no torch.nn.Module but an int"),
        ("def make(): nn.Linear(1, 1)", "mynet:make returned no net but None; it lacks a `return`"),
        ("def make(): raise ValueError('too wide')", "mynet:make raised ValueError: too wide (mynet.py, line 4)"),
        ("def make(): return nn.Flatten()",
         "mynet:make gives (2, 3072) for images of shape (2, 3, 32, 32); it should give logits of shape (batch, 10)"),
        ("def make(): return nn.Linear(32, 10)", "mynet:make gives (2, 3, 32, 10) for images of shape (2, 3, 32, 32); "
         "it should give logits of shape (batch, 10)"),
        ("class make(Net):\n    def forward(self, x):\n        raise RuntimeError('7 by 3\\nand more')",
         "mynet:make can't take images of shape (2, 3, 32, 32): RuntimeError: 7 by 3 (mynet.py, line 6); "
         "it should give logits of shape (batch, 10)"),
        ("class make(Net):\n    def forward(self, x): return x.mean((2, 3)).repeat(1, 4)[:, :10].squeeze()",
         "mynet:make gives (10,) for images of shape (1, 3, 32, 32); it should give logits of shape (batch, 10)"),
        ("class make(Net):\n    def forward(self, x): return x, x",
         "mynet:make gives a tuple for images of shape (2, 3, 32, 32); it should give logits of shape (batch, 10)"),
        ("class make(Net):\n    def forward(self, x): return x.mean((2, 3)).repeat(1, 4)[:, :10]",
         "mynet:make: the net has no parameters, so there is nothing to train"),
        ("class make(Net):\n    input_scaling = 'standardized'", "mynet:make: input_scaling: 'standardized' is not "
         "allowed, did you mean 'standardised'?"),
        ("class make(Net):\n    bias_rate = 0", "mynet:make: bias_rate: should be a number above 0, not 0"),
        ("class make(Net):\n    weight_costs = 0.1",
         "mynet:make: weight_costs: should be a dict of parameter names, not 0.1"),
    ],
)  # fmt: skip
def test_what_is_no_net_for_these_images_is_one_line(own_code, body, line):
    with pytest.raises(UserError) as caught:
        made(own_code, body)
    assert caught.value.faults == (line,)


def test_weight_costs_are_those_of_parameters(own_code, tiny_data):
    net = "class make(nn.Sequential):\n    def __init__(self): super().__init__(nn.Flatten(), nn.LazyLinear(10))\n"
    with pytest.raises(UserError, match="weight_decay: 'file' asks for each layer's own, and mynet:make has no weight"):
        trained(own_code, net, tiny_data, weight_decay="file")
    forget()
    with pytest.raises(UserError, match=r"no parameter is called '1\.wieght', did you mean '1\.weight'\?"):
        made(own_code, net + "    weight_costs = {'1.wieght': 3.0}")
    forget()
    training = trained(own_code, net + "    weight_costs = {'1.weight': 0.5}", tiny_data, weight_decay="file")
    assert training.optimiser.alike == {(1.0, 0.5, False, False): ["1.weight"], (1.0, 0.0, True, False): ["1.bias"]}


def test_auxiliary_logits_while_it_trains(own_code, tiny_data):
    body = (
        "class Out(tuple): ...\n"
        "class make(nn.Sequential):\n"
        "    def __init__(self): super().__init__(nn.Flatten(), nn.LazyLinear(10))\n"
        "    def forward(self, x): return Out([super().forward(x)] * 2) if self.training else super().forward(x)\n"
    )
    line = r"^mynet:make gives an Out while it trains; it should give logits of shape \(batch, 10\)$"
    with pytest.raises(UserError, match=line):
        next(iter(trained(own_code, body, tiny_data)))


def test_the_pre_flight_says_it_before_any_trial(own_code, tiny_data):
    (own_code / "mynet.py").write_text(MAKE.replace("num_classes),", "7),"))
    about = {"data_name": tiny_data.name, "data_digest": tiny_data.digest, "num_classes": 10}
    campaign = Campaign(ablation(), **about, folder=own_code)
    with pytest.raises(UserError, match=r"gives \(2, 7\) for images .* logits of shape \(batch, 10\)"):
        probe(campaign, tiny_data, CPU, threads=1)


def test_weights_that_a_batch_does_not_go_through(own_code, tiny_data):
    """Frozen ones stay as they are; those left out have no gradient and nothing but their decay."""
    body = (
        "class make(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.fc, self.idle, self.frozen = nn.Linear(3, 10), nn.Linear(1, 1), nn.Linear(1, 1)\n"
        "        self.frozen.requires_grad_(False)\n"
        "    def forward(self, x): return self.fc(x.mean((2, 3)))\n"
    )
    training = trained(own_code, body, tiny_data, weight_decay=0.5, lr=0.1, momentum=0.0)
    before = {name: p.item() for name, p in training.net.named_parameters() if p.numel() == 1}
    next(iter(training))
    after = {name: p.item() for name, p in training.net.named_parameters() if p.numel() == 1}
    assert after == pytest.approx(before | {"idle.weight": before["idle.weight"] * 0.95})


@pytest.mark.parametrize("after", [2, 8])
def test_dropout_of_torch_is_derived_and_resumed_bit_for_bit(own_code, tiny_root, tiny_data, after):
    """Interrupted in mid-epoch, in the first and the second; gone on with as in a new process, whatever else drew."""
    (own_code / "mynet.py").write_text(MAKE)

    def make(name):
        which = ablation().setting("wide", tiny_data.name, tiny_data.digest)
        folder = own_code / name / layout.trial_name("wide", 0, which.hash8)
        records.create(folder, ablation="tiny", arm="wide", phase="final", seed=0, setting=which)
        return folder

    def run(folder, **options):
        forget()
        torch.rand(17)  # what others draw from torch's own generator changes nothing
        return one_trial.run(folder, root=tiny_root, device=CPU, **options)

    def rows(folder):
        record = records.read_trial(folder)
        assert record.problem is None
        return [{k: v for k, v in row.items() if not k.endswith("seconds")} for row in record.rows]

    whole, broken = make("a"), make("b")
    weights = trial.Keeping(weights=True)
    assert run(whole, keeping=weights) == "done"
    asked = iter(range(1000))
    assert run(broken, should_stop=lambda: next(asked) == after) == "interrupted"
    assert run(broken, keeping=weights) == "done"
    assert rows(broken) == rows(whole)
    assert (broken / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()


def test_dropout_drops_other_units_at_each_step(own_code, tiny_data):
    (own_code / "mynet.py").write_text(MAKE)
    training = Training(setting(), 0, tiny_data, device=CPU)
    masks = []
    training.net[3].register_forward_hook(lambda layer, given, out: masks.append((out == 0)[:, :, 0, 0]))
    next_row = iter(training)
    while training.step < 2:
        next(next_row)
    assert not torch.equal(masks[0], masks[1])


def test_tied_weights_can_be_kept(own_code, tiny_root, tiny_data):
    body = (
        "class make(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a = nn.Linear(3, 10)\n        self.b = nn.Linear(3, 10)\n        self.b.weight = self.a.weight\n"
        "    def forward(self, x): return self.a(x.mean((2, 3))) + self.b(x.amax((2, 3)))\n"
    )
    made(own_code, body)
    table = {k: v for k, v in TINY["base"].items() if k not in ("init", "input_scaling", "bias_rate")} | {
        "net": "mynet:make",
        "epochs": 1,
    }
    which, _ = parse(TINY | {"base": table, "varies": ["flips"], "arms": {"relu": {}, "tanh": {"flips": True}}},
                     name="tiny", overrides={}, smoke=False)  # fmt: skip
    which = which.setting("relu", tiny_data.name, tiny_data.digest)
    folder = own_code / layout.trial_name("relu", 0, which.hash8)
    records.create(folder, ablation="tiny", arm="relu", phase="final", seed=0, setting=which)
    assert one_trial.run(folder, root=tiny_root, device=CPU, keeping=trial.Keeping(weights=True)) == "done"
    assert (folder / "weights.safetensors").exists()


@pytest.mark.parametrize("change", [lambda text: text + "# a word\n", lambda text: "import no_such_module\n" + text])
def test_changed_code_ends_the_run_and_marks_no_trial(own_code, tiny_root, tiny_data, change):
    (own_code / "mynet.py").write_text(MAKE)
    which = ablation().setting("narrow", tiny_data.name, tiny_data.digest)
    folder = own_code / layout.trial_name("narrow", 0, which.hash8)
    records.create(folder, ablation="tiny", arm="narrow", phase="final", seed=0, setting=which)
    (own_code / "mynet.py").write_text(change(MAKE))
    forget()
    with pytest.raises(UserError, match=r"mynet\.py has changed since|net = 'mynet:make': importing mynet") as caught:
        one_trial.run(folder, root=tiny_root, device=CPU)
    assert caught.value.exit_code == 1
    assert records.read_trial(folder).state == "pending"
    (own_code / "mynet.py").write_text(MAKE)
    forget()
    assert one_trial.run(folder, root=tiny_root, device=CPU) == "done"


FILE = """
title = "Own against shipped"
control = "shipped"
varies = ["net", "width", "init"]
measure = "test_error"
[claim]
section = "mine"
says = "errs less"
data = "shapes"
[base]
data = "shapes"
lr = 0.01
batch_size = 16
epochs = 1
seeds = 2
[arms.own]
net = "mynet:make"
width = 8
[arms.shipped]
net = "convnet4"
init = "fan-in"
"""


@pytest.fixture
def finished(own_code, tiny_root, tiny_data):
    """A campaign of a net of one's own against a shipped one, run to the end in a folder of its own."""
    from alexctl.campaign.scheduler import Options
    from alexctl.run import run

    (own_code / "mynet.py").write_text(MAKE)
    (own_code / "mine.toml").write_text(FILE)

    def go(**overrides):
        class Ear:
            notes: tuple = ()
            heard = 0

            def planned(self, campaign, seconds, workers, notes):
                self.notes = tuple(notes)

            def started(self, job):
                self.heard += 1

            def __getattr__(self, name):
                return lambda *_: None

        ear = Ear()
        options = Options(results=own_code / "results", root=tiny_root, device="cpu", workers=1)
        run(load("./mine.toml", overrides=overrides, run_code=True), options, ear)
        return ear

    go.first = go()
    return go


def test_the_same_bytes_where_the_module_is_gone(finished, own_code):
    folder = own_code / "results" / "mine"
    before = {path.name: path.read_bytes() for path in folder.glob("*.*")}
    assert b"\nmine,own,final,1,done,mynet:make,8,,0.01," in before["trials.csv"]
    assert b"\nmine,shipped,final,1,done,convnet4,1.0,fan-in,0.01," in before["trials.csv"]
    shutil.copytree(own_code / "results", own_code / "elsewhere")
    (own_code / "mynet.py").write_text("raise SystemExit('a report ran this')")
    forget()
    (own_code / "elsewhere" / "mine" / "trials.csv").unlink()
    rebuild_all(own_code / "elsewhere")
    assert {path.name: path.read_bytes() for path in (own_code / "elsewhere" / "mine").glob("*.*")} == before
    (own_code / "mynet.py").unlink()
    assert Campaign.open(folder).ready() == []


@pytest.mark.slow
def test_changed_code_runs_its_trials_anew_and_only_those(finished, own_code):
    assert finished.first.heard == 4
    assert finished().heard == 0
    (own_code / "mynet.py").write_text(MAKE.replace("width: int = 4", "width: int = 5"))
    forget()
    ear = finished()
    assert ear.heard == 2
    assert ear.notes == (
        "the code of mynet:make has changed since this campaign was planned: those trials are run again; "
        "the old ones are kept but not counted",
    )
    (own_code / "mynet.py").write_text(MAKE)  # and back: nothing was lost
    forget()
    assert finished().heard == 0


def test_a_plan_made_with_other_code_is_named(own_code):
    about = {"data_name": "shapes", "data_digest": "0" * 16, "num_classes": 10, "folder": own_code}
    for number, text in enumerate((MAKE, MAKE, MAKE + "# more\n")):
        forget()
        (own_code / "mynet.py").write_text(text)
        notes = Campaign(ablation(), **about).write_plan({})
        assert [note.split(" has changed")[0] for note in notes] == ["the code of mynet:make"] * (number == 2)
    for damaged in (3, {"base": 3, "arms": {}}, {"base": {"net": []}, "arms": {"a": {"net_source": 1}}}):
        plan = files.read_json(own_code / "plan.json") | {"ablation": damaged}
        files.write_json(own_code / "plan.json", plan)
        (note,) = Campaign(ablation(), **about).write_plan({})
        assert note.startswith(("the plan has changed", "plan.json is damaged"))


def test_the_file_and_the_options_are_blamed_for_their_nets(own_code):
    (own_code / "mynet.py").write_text(MAKE)
    (own_code / "mine.toml").write_text(FILE.replace("mynet:make", "mynet:mak").replace("epochs = 1", "epochs = 0"))
    with pytest.raises(UserError) as caught:
        load("./mine.toml", run_code=True)
    assert caught.value.faults == (
        "mine.toml: [arms.own] net: mynet.py has no 'mak', did you mean 'make'?",
        "mine.toml: [base] epochs: should be 1 or more, not 0",
    )
    (own_code / "mine.toml").write_text(FILE.replace("mynet:make", "mynet:mak"))
    assert load("./mine.toml").arms["own"]["net"] == "mynet:mak"  # `show` runs no code
    (own_code / "mine.toml").write_text(FILE)
    with pytest.raises(UserError, match=r"^--set net=mynett:make: no module 'mynett' .* did you mean 'mynet'\?\n"):
        load("./mine.toml", overrides={"net": "mynett:make"}, run_code=True)
    (own_code / "mine.toml").write_text(FILE.replace("width = 8", "widht = 8"))
    with pytest.raises(UserError, match=r"^mine\.toml: \[arms\.own\] widht: unknown key, did you mean 'width'\?$"):
        load("./mine.toml", run_code=True)
    forget()
    with pytest.raises(UserError, match=r"^mine\.toml: \[arms\.own\] widht: is not in varies"):
        load("./mine.toml")
