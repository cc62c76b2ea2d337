"""The options that several commands have, and the words they take."""

import enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from alexctl.errors import UserError

# The panels of `--help`.
CLUSTER = "On a cluster"
asked = partial(typer.Option, rich_help_panel="What is asked")
speed = partial(typer.Option, rich_help_panel="How fast")
on_cluster = partial(typer.Option, rich_help_panel=CLUSTER)
in_results = partial(typer.Option, rich_help_panel="Results")
in_ci = partial(typer.Option, rich_help_panel="CI")


class FailOn(enum.StrEnum):
    """The verdicts `--fail-on` can turn into exit code 3."""

    contradicted = "contradicted"
    undecided = "undecided"


class Require(enum.StrEnum):
    """What `--require` can ask of every comparison."""

    supported = "supported"


class Tier(enum.StrEnum):
    """What `--tier` can ask besides."""

    own = "own"


class Scale(enum.StrEnum):
    """How `alexctl stats` holds two numbers against each other."""

    difference = "difference"
    points = "points"
    ratio = "ratio"


class Precision(enum.StrEnum):
    """What `--precision` takes."""

    auto = "auto"
    float32 = "float32"
    tf32 = "tf32"
    bfloat16 = "bfloat16"


class On(enum.StrEnum):
    """Where else than here `--on` can run trials."""

    slurm = "slurm"


class Retry(enum.StrEnum):
    """What `--retry` can run again."""

    failed = "failed"


class Format(enum.StrEnum):
    """What `report --format` can make."""

    html = "html"
    md = "md"
    json = "json"
    tex = "tex"
    junit = "junit"
    github = "github"


def complete_ablation(incomplete: str) -> list[str]:
    from alexctl.ablation.load import shipped

    return [name for name in shipped() if name.startswith(incomplete)]


def complete_net(incomplete: str) -> list[str]:
    from alexctl.ablation.knobs import NETS

    return [name for name in NETS if name.startswith(incomplete)]


def complete_preset(incomplete: str) -> list[str]:
    from alexctl.ablation.knobs import PRESETS

    return [name for name in PRESETS if name.startswith(incomplete)]


def home(path: Path | None) -> Path | None:
    """`~` as the home folder: a shell leaves it as it is in `--results=~/x` and in a quoted variable."""
    return path.expanduser() if path is not None and str(path).startswith("~") else path


def _folder_name(name: str | None) -> str | None:
    from alexctl.ablation.model import is_name

    if name is not None and not is_name(name):
        raise UserError("--name: should be letters, digits, '-', '_' or '.' only, 48 at most")
    return name


ResultsOption = Annotated[
    Path, in_results("--results", metavar="PATH", envvar="ALEXCTL_RESULTS", callback=home, help="Folder where results are kept.")
]  # fmt: skip
IntoOption = Annotated[
    Path, typer.Option("--into", metavar="PATH", callback=home, help="The results folder to make, or to add to.")
]
RootOption = Annotated[
    Path | None,
    in_results("--data-root", metavar="PATH", callback=home, help="Folder where data sets are kept (else $ALEXCTL_DATA, else the user's cache)."),
]  # fmt: skip
JsonOption = Annotated[bool, in_results("--json", help="Print JSON instead of a table.")]
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="An ablation's name, or the path of a .toml file.", autocompletion=complete_ablation)
]  # fmt: skip
NameOption = Annotated[
    str | None, in_results("--name", metavar="NAME", callback=_folder_name, help="Name of the folder in results/. Default: the ablation's, with @DATA on other data than its file names.")
]  # fmt: skip
PresetOption = Annotated[
    str | None, asked("--preset", metavar="NAME", help="Lay a net and its schedule as they were run over the base: run-145.", autocompletion=complete_preset)
]  # fmt: skip
RequireOption = Annotated[
    Require | None, in_ci("--require", metavar="supported", help="Exit with 3 unless every comparison is supported.")
]  # fmt: skip
TierOption = Annotated[
    Tier | None, in_ci("--tier", metavar="own", help="With --require: only on the claim's own data and net, with at least half of its schedule.")
]  # fmt: skip
FailOnOption = Annotated[
    list[FailOn] | None, in_ci("--fail-on", metavar="VERDICT", help="Exit with 3 if a comparison is contradicted or undecided, whichever is given, or has no verdict at all; may be given twice.")
]  # fmt: skip
SvgOption = Annotated[
    Path | None, in_results("--svg", metavar="FILE", callback=home, help="With --net: draw it as Figure 2 of the paper; - is standard output.")
]  # fmt: skip
DEFAULT_RESULTS = Path("results")
