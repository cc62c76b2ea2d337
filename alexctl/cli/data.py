"""`alexctl data`: fetch, check and list data sets."""

from typing import Annotated

import typer

from alexctl.cli.help import Command
from alexctl.cli.options import JsonOption, RootOption
from alexctl.cli.usage import Commands

data_app = typer.Typer(
    cls=Commands, no_args_is_help=True, rich_markup_mode=None, help="Fetch, check and list data sets."
)


@data_app.command("fetch", cls=Command)
def data_fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="cifar10 or mnist.")],
    mirror: Annotated[str | None, typer.Option(metavar="URL", envvar="ALEXCTL_MIRROR", help="Address of a copy, tried first; the md5 decides.")] = None,
    data_root: RootOption = None,
) -> None:  # fmt: skip
    """Download a data set; an interrupted download resumes."""
    from alexctl.cli.console import say
    from alexctl.cli.progress import Screen
    from alexctl.data import archives, sources

    where = archives.fetch(name, sources.data_root(data_root), mirror=mirror, progress=Screen().preparing)
    say(f"{name} is in {where}")


@data_app.command("verify", cls=Command)
def data_verify(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set's name, or imagefolder:PATH.")],
    data_root: RootOption = None,
) -> None:
    """Check a data set's files against their checksums."""
    from alexctl.cli.console import say
    from alexctl.data import sources

    for line in sources.verify(name, sources.data_root(data_root)):
        say(line)


@data_app.command("list", cls=Command)
def data_list(data_root: RootOption = None, json_: JsonOption = False) -> None:
    """List data sets and whether they are here."""
    from alexctl.cli.console import table
    from alexctl.data import sources

    table(sources.list_sources(sources.data_root(data_root)), as_json=json_)
