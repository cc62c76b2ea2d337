"""The command line: every command, in the panels of `alexctl --help`. Nothing heavy is imported before it is needed."""

from collections.abc import Callable
from typing import Annotated

import typer

from alexctl.cli import ablate, bench_doctor, compare, export, list_show, merge, own_file, report_stats, status
from alexctl.cli.data import data_app
from alexctl.cli.help import Command, examples
from alexctl.cli.usage import Commands

FIRST = (
    ("alexctl ablate relu-vs-tanh-demo", "the demo"),
    ("alexctl list", "what else is claimed"),
    ("alexctl new mine", "a claim of your own, as a file"),
    ("alexctl report --open", "all results on one page"),
)

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help.py has the pages
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Puts architectural claims to the test: trains every arm fairly, with several seeds, "
    "and says with an interval whether the claim holds.",
    epilog=examples(*FIRST),
)


def _add(panel: str, name: str, command: Callable[..., None], *shown: tuple[str, str]) -> None:
    app.command(name, cls=Command, rich_help_panel=panel, epilog=examples(*shown))(command)


_add("Test a claim", "list", list_show.list_, *list_show.LIST_EXAMPLES)
_add("Test a claim", "show", list_show.show, *list_show.SHOW_EXAMPLES)
_add("Test a claim", "ablate", ablate.ablate, *ablate.EXAMPLES)
_add("Test a claim", "status", status.status, *status.EXAMPLES)
_add("A claim of your own", "new", own_file.new, *own_file.NEW_EXAMPLES)
_add("A claim of your own", "check", own_file.check, *own_file.CHECK_EXAMPLES)
_add("A claim of your own", "schema", own_file.schema, *own_file.SCHEMA_EXAMPLES)
_add("Results", "report", report_stats.report, *report_stats.REPORT_EXAMPLES)
_add("Results", "compare", compare.compare, *compare.EXAMPLES)
_add("Results", "export", export.export, *export.EXAMPLES)
_add("Results", "merge", merge.merge, *merge.EXAMPLES)
_add("Results", "stats", report_stats.stats, *report_stats.STATS_EXAMPLES)
_add("This machine", "doctor", bench_doctor.doctor, *bench_doctor.DOCTOR_EXAMPLES)
_add("This machine", "bench", bench_doctor.bench, *bench_doctor.BENCH_EXAMPLES)
app.add_typer(data_app, name="data", rich_help_panel="This machine")


def _version(wanted: bool) -> None:
    if wanted:
        from alexctl.cli.packages import versions

        typer.echo(versions())
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print versions.")
    ] = False,
) -> None:
    pass
