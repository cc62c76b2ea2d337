"""What is printed fits the terminal, and says where things are from here."""

import io

import pandas as pd
import pytest
from conftest import tiny_ablation
from rich.console import Console

from alexctl.ablation.load import load, load_net
from alexctl.campaign.campaign import Campaign
from alexctl.cli import show_ablation, show_net, show_results
from alexctl.cli.console import rich_table, verdict_text
from alexctl.errors import UserError
from alexctl.nets.description import describe
from alexctl.store.records import TrialRecord
from alexctl.timing.costs import costs

ROWS = [
    {"name": "relu-vs-tanh-fan-in", "size_mb": 3, "what": "reaches 25% training error six times faster", "next": "-"},
    {"name": "x", "size_mb": None, "what": "[bold]y\x1b[2J", "next": "alexctl data fetch x"},
]


def printed(rows, width: int, *, terminal: bool = True) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, legacy_windows=False)
    console.print(rich_table(rows, console))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_narrow_terminal_gets_a_paragraph_a_row():
    assert printed(ROWS, 40) == [
        "name     relu-vs-tanh-fan-in",
        "size mb  3",
        "what     reaches 25% training error six",
        "         times faster",
        "",
        "name     x",
        "what     [bold]y\\x1b[2J",
        "next     alexctl data fetch x",
    ]


@pytest.mark.parametrize(("width", "terminal"), [(100, True), (200, False)])
def test_a_wide_one_gets_a_table(width, terminal):
    head, first, _ = printed(ROWS, width, terminal=terminal)
    assert head.split() == ["name", "size", "mb", "what", "next"]
    assert first.startswith("relu-vs-tanh-fan-in  3        reaches 25% training error six times faster")


def test_a_failure_names_its_log_as_one_would_type_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row = {
        "status": "failed",
        "trial": "relu-s0-01234567",
        "error": "boom",
        "log": "trials/relu-s0-01234567/stderr.log",
    }
    assert show_results.failures(pd.DataFrame([row]), tmp_path / "results" / "mine") == [
        "relu-s0-01234567 failed: boom; log: results/mine/trials/relu-s0-01234567/stderr.log; "
        "`--retry failed` runs it again"
    ]


def test_a_stop_says_what_is_left(tmp_path, capsys):
    plan = tiny_ablation(lr="search", lr_grid=[0.01, 0.02])
    campaign = Campaign(plan, data_name="shapes", data_digest="0" * 16, num_classes=10, folder=tmp_path)
    show_results.stopped(campaign)
    assert capsys.readouterr().err == (
        "Stopped. 0 of 4 reported trials are done, the learning-rate search of relu and tanh is not over. "
        "Run the same command again to resume.\n"
    )
    campaign = Campaign(tiny_ablation(), data_name="shapes", data_digest="0" * 16, num_classes=10, folder=tmp_path)
    for job, state in zip(campaign.ready(), ("done", "diverged", "failed", "interrupted"), strict=True):
        folder = tmp_path / "trials" / job.name
        campaign.records[job.name] = TrialRecord(
            folder=folder, arm=job.arm, seed=job.seed, hash8=job.setting.hash8, phase="final",
            setting=job.setting.flat(), status={"state": state},
        )  # fmt: skip
        if state == "interrupted":
            folder.mkdir(parents=True)
            (folder / "checkpoint.pt").touch()
    show_results.stopped(campaign)
    assert capsys.readouterr().err == (
        "Stopped. 2 of 4 reported trials are done, 1 trial failed, 1 trial has a checkpoint to continue from. "
        "Run the same command again to resume.\n"
    )


OWN = """
from torch import nn

def make(*, width: int = 4, image_shape, num_classes):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(num_classes))
"""


def test_a_net_of_ones_own(own_code):
    (own_code / "mynet.py").write_text(OWN)
    described = describe("mynet:make", load_net("mynet:make", {"width": 5}), 8)
    assert [(row.name, row.kind, row.num_macs) for row in described.layers] == [
        ("0", "conv", 27 * 5 * 36), ("3", "fc", 5 * 36 * 10)
    ]  # fmt: skip
    assert described.knobs == described.changed == {"width": 5}
    assert not described.drawable
    with pytest.raises(UserError, match=r"^--set widht=5: unknown key, did you mean 'width'\?$"):
        load_net("mynet:make", {"widht": 5})


def test_what_an_ablation_costs_runs_no_code_of_ones_own(own_code):
    (own_code / "mynet.py").write_text("raise SystemExit('run')")
    found = costs(tiny_ablation(net="mynet:make"), own_code)
    assert [cost.problem for cost in found] == ["its net is code of your own, which is not run here"] * 2


def test_what_a_proxy_stands_for_is_named(tmp_path, monkeypatch, capsys):
    """The command for the net that ran, beside a file that runs a proxy for it; not beside others."""
    monkeypatch.setattr("alexctl.timing.costs.costs", lambda which, folder: [])
    monkeypatch.setattr(show_net, "costs", lambda found: None)
    said = {}
    for name, preset in (("lrn", None), ("relu-vs-tanh", None), ("lrn", "run-145")):
        show_ablation.ablation(load(name, preset=preset), tmp_path, as_json=False)
        said[name, preset] = capsys.readouterr().out
    command = "for real, as run 145 was: alexctl ablate lrn --preset run-145 --data imagefolder:PATH"
    assert command in " ".join(said["lrn", None].split())
    show_ablation.ablation(load("dropout"), tmp_path, as_json=False)
    assert f"{command.replace('lrn', 'dropout')} --set lr=search" in " ".join(capsys.readouterr().out.split())
    assert not any("for real" in text for key, text in said.items() if key != ("lrn", None))
    assert 'norm_place          "as-run"' in said["lrn", "run-145"]


@pytest.mark.parametrize(
    ("line", "style"),
    [
        ({"verdict": "supported"}, "bold green"),
        ({"verdict": "contradicted"}, "bold red"),
        ({"verdict": "no difference", "direction": "positive"}, "bold cyan"),
        ({"verdict": "no difference", "direction": "none"}, "bold green"),
        ({"verdict": "undecided"}, "bold yellow"),
        ({"verdict": "nothing learned"}, "bold magenta"),
    ],
)
def test_the_colour_of_a_verdict(line, style):
    assert (str(verdict_text(line).style), verdict_text(line).plain) == (style, line["verdict"])


def test_no_word_of_a_table_is_broken():
    rows = [
        {"name": "x", "on": "cifar10-jpeg instead", "what": "several words " * 3, "verdict": "holds on cifar10-jpeg"}
    ]
    text = "\n".join(printed(rows, 48))
    assert "cifar10-jpeg instead" not in text, "it is narrow"
    assert text.count("cifar10-jpeg") == 2
