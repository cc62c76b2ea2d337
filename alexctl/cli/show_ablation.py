"""Prints what ablations are, and what is known of them here."""

import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from alexctl.ablation.knobs import PROXIES
from alexctl.ablation.model import Ablation
from alexctl.ablation.own_net import code_notes
from alexctl.ablation.toml import to_toml
from alexctl.cli.console import new_console, note, plain, print_json
from alexctl.store import layout, plan, records
from alexctl.verdicts.evidence import OLDER

FOR_REAL = "alexctl ablate {name} --preset run-145 --data imagefolder:PATH"


def ablation(which: Ablation, results_folder: Path, *, as_json: bool, beside: Path = Path()) -> None:
    """`alexctl show NAME`: the comparison at once, then what it costs, for which torch is imported and steps are timed."""
    if as_json:
        from alexctl.timing.costs import costs

        found = [asdict(cost) for cost in costs(which, results_folder)]
        print_json({**which.model_dump(mode="json"), "costs": found})
        return
    console = new_console()
    console.print(f"[bold]{plain(which.title)}[/]  compares {which.measure.name}")
    size = "" if which.claim.effect is None else f" (effect {to_toml(which.claim.effect)})"
    console.print(f"{plain(which.claim)}{plain(size)}")
    if which.note:
        console.print(f"Keep in mind: {plain(which.note)}")
    base = which.base | {key: value for key, value in which.plan.model_dump().items() if value not in (None, {})}
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column("", min_width=len("(control)"))
    grid.add_column("knob", header_style="dim", no_wrap=True)
    grid.add_column("value", header_style="dim", overflow="fold")
    for i, (key, value) in enumerate(base.items()):
        grid.add_row("base" if i == 0 else "", plain(key), plain(to_toml(value)))
    for arm, knobs in which.arms.items():
        label = plain(arm) + (" (control)" if arm in which.controls.values() else "")
        for i, (key, value) in enumerate(knobs.items()):
            grid.add_row(label if i == 0 else "", plain(key), plain(to_toml(value)))
    console.print(grid)
    if which.claim.data.startswith("imagenet") and which.base.get("net") in PROXIES:
        searched = " --set lr=search" * (which.claim.control_train_error_at_most is not None)  # tells the regime
        console.print(f"[dim]for real, as run 145 was:[/] {plain(FOR_REAL.format(name=which.name) + searched)}")
    for line in code_notes([{**which.base, **knobs}["net"] for knobs in which.arms.values()], beside):
        console.print(f"[yellow]{plain(line)}[/]")
    for campaign in records.campaigns(results_folder):
        if layout.is_of(campaign, which.name) and (numerics := plan.older_numerics(campaign)) is not None:
            note(f"{campaign.name}: {OLDER[numerics]}")
    also = "".join(f" and {key}" for key in which.plan.search)
    searched = f", each arm's learning rate{also} searched on seeds of its own" if which.searched else ""
    console.print(f"{len(which.arms)} arms x {seeds_words(which.plan)} seeds to report{searched}")
    sys.stdout.flush()
    from alexctl.cli import show_net
    from alexctl.timing.costs import costs

    with Console(stderr=True).status("timing a few training steps of each arm"):
        found = costs(which, results_folder)
    show_net.costs(found)


def seeds_words(plan) -> str:
    """How many seeds an arm a plan reports: '6', or '4 to 24'."""
    return str(plan.seeds) if plan.looks is None else f"{plan.looks[0]} to {plan.looks[-1]}"
