"""Gates: exit code 3 where a verdict was asked for and is not there."""

from collections.abc import Callable

import typer

from alexctl.cli.options import FailOn, Require, Tier
from alexctl.errors import UserError, printable


def gate(require: Require | None, fail_on: list[FailOn] | None, verdicts: list[dict], tier: Tier | None = None) -> None:
    """Exit code 3 where a gate was asked for and is not passed."""
    if require is None and not fail_on:
        return
    from alexctl.verdicts.gate import gate_failures

    comparisons = [line for verdict in verdicts for line in verdict["comparisons"]]
    if failures := gate_failures(comparisons, require=require, tier=tier, fail_on=fail_on or ()):
        typer.echo(f"alexctl: the gate is not passed: {printable('; '.join(failures))}", err=True)
        raise typer.Exit(3)


def failing(require: Require | None, fail_on: list[FailOn] | None, tier: Tier | None) -> Callable[[dict], bool]:
    """Which comparison a CI service is to be told of as a failure: one that the gate does not pass, or, where no gate
    was asked for, one that contradicts its claim."""
    from alexctl.verdicts.gate import passes

    if require is None and not fail_on:
        return lambda line: line["verdict"].startswith("contradicted")
    return lambda line: not passes(line, require=require, tier=tier, fail_on=fail_on or ())


def refuse_on_smoke(require: Require | None, fail_on: list[FailOn] | None, smoke: bool, remedy: str) -> None:
    if smoke and (require is not None or fail_on):
        option = "--fail-on" if require is None else "--require"
        raise UserError(f"{option}: a smoke run shows only that everything runs, so no gate can pass on it; {remedy}")
