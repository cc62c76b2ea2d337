"""`alexctl list` and `alexctl show`."""

from pathlib import Path
from typing import Annotated

import typer

from alexctl.cli.options import (
    DEFAULT_RESULTS,
    JsonOption,
    PresetOption,
    ResultsOption,
    SvgOption,
    asked,
    complete_ablation,
    complete_net,
)
from alexctl.errors import UserError

LIST_EXAMPLES = (
    ("alexctl list", ""),
    ("alexctl list --paper", "under the paper that each claim is from"),
    ("alexctl list --json", "for a program"),
)
SHOW_EXAMPLES = (
    ("alexctl show relu-vs-tanh", "what it compares, what it costs here"),
    ("alexctl show --net alexnet --svg alexnet.svg", "a net's layers; Figure 2 redrawn"),
    ("alexctl show --net alexnet --set towers=1", ""),
)


def list_(
    paper: Annotated[bool, asked("--paper", help="Under the paper that each claim is from.")] = False,
    results: ResultsOption = DEFAULT_RESULTS,
    json_: JsonOption = False,
) -> None:
    """List all ablations, their claims, and their state in results/."""
    from alexctl.cli import show_list

    show_list.ablations(results, as_json=json_, by_paper=paper)


def show(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="An ablation's name, or the path of a .toml file.", autocompletion=complete_ablation)] = None,
    net: Annotated[str | None, asked(metavar="NET", help="A net instead of an ablation: its layers.", autocompletion=complete_net)] = None,
    set_: Annotated[list[str] | None, asked("--set", metavar="KEY=VALUE", help="Change a knob of the base, or of the net.")] = None,
    preset: PresetOption = None,
    image: Annotated[int | None, asked(min=1, max=4096, metavar="SIZE", help="With --net: side of the images in pixels.")] = None,
    svg: SvgOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    json_: JsonOption = False,
) -> None:  # fmt: skip
    """Show what an ablation compares and costs; with --net, the layers of a net."""
    from alexctl.ablation.load import load, load_net, override
    from alexctl.cli import show_ablation

    if (name is None) == (net is None):
        raise UserError(
            "show one thing: an ablation, `alexctl show relu-vs-tanh`, or a net, `alexctl show --net alexnet`"
        )
    if net is None:
        if image or svg:
            raise UserError(f"--{'image' if image else 'svg'} is about a net; give it with --net NET")
        found = load(name, overrides=override(set_ or []), preset=preset)
        show_ablation.ablation(found, results, as_json=json_, beside=Path(name).parent)
        return
    knobs = load_net(net, override(set_ or []), preset)
    from alexctl.cli import show_net
    from alexctl.cli.show_net import draw
    from alexctl.nets.description import describe

    to_stdout = str(svg) == "-"
    if to_stdout and json_:
        raise UserError("--svg - and --json both print to standard output; give --svg a file")
    described = describe(net, knobs, image)
    if svg:
        draw(described, svg)
    if to_stdout:
        return
    show_net.net(described, svg, as_json=json_)
