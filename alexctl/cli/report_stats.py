"""`alexctl report` and `alexctl stats`."""

from pathlib import Path
from typing import Annotated

import typer

from alexctl.cli.gates import failing, gate, refuse_on_smoke
from alexctl.cli.options import (
    DEFAULT_RESULTS,
    FailOnOption,
    Format,
    JsonOption,
    RequireOption,
    ResultsOption,
    Scale,
    TierOption,
    asked,
    home,
    in_results,
)
from alexctl.errors import UserError

REPORT_EXAMPLES = (
    ("alexctl report --open", "everything on one page"),
    ("alexctl report --reference --open", "the results that come with alexctl"),
    ("alexctl report --pdf", "figures for a paper's column too"),
    ("alexctl report --site public", "a static site, with a history"),
    ("alexctl report --format md", "the table for a README"),
    ("alexctl report --require supported", "for CI: exit code 3 if it is not so"),
)
STATS_EXAMPLES = (
    ("alexctl stats runs.csv --arm model --pair seed --measure test_error", ""),
    ("alexctl stats runs.csv --arm model --unpaired --measure accuracy --control base", ""),
)


def report(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this ablation.")] = None,
    require: RequireOption = None,
    tier: TierOption = None,
    fail_on: FailOnOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    format_: Annotated[Format | None, in_results("--format", metavar="html|md|tex|json|junit|github", help="html writes the page; md, tex and json print a table, junit its XML for a CI service; github fills the summary of a GitHub Actions job.")] = None,
    open_: Annotated[bool, in_results("--open", help="Open the page in the browser.")] = False,
    pdf: Annotated[bool, in_results("--pdf", help="Draw each figure as a PDF too, as wide as a paper's column.")] = False,
    site: Annotated[Path | None, in_results("--site", metavar="DIR", callback=home, help="Write a static site there instead: a page of all claims, one of each, and a history of verdicts that grows from report to report.")] = None,
    reference: Annotated[bool, in_results("--reference", help="Show the results that come with alexctl.")] = False,
    json_: Annotated[bool, in_results("--json", help="The same as --format json.")] = False,
) -> None:  # fmt: skip
    """Rebuild CSVs and figures, print a table of verdicts, and write the report page."""
    from alexctl import api
    from alexctl.cli import show_list, show_results
    from alexctl.cli.console import note

    kind = format_ or (Format.json if json_ else Format.html)
    if open_ and kind != "html":
        raise UserError(f"--open is for the page, and --format {kind} writes none; leave one of the two out")
    if site is not None and (kind != "html" or name):
        what = f"{name} is one ablation" if name else f"--format {kind} writes no page"
        raise UserError(f"--site is of a whole results folder, and {what}; leave one of the two out")
    if pdf and (reference or kind != "html"):
        what = "--reference" if reference else f"--format {kind}"
        raise UserError(f"--pdf draws figures of your results, and {what} draws none; leave one of the two out")
    problems: list[str] = []
    if reference:
        verdicts = api.reference_verdicts(name)
    else:
        show_list.left_out(results)
        found = api.load_results(results, name, problems=problems)
        verdicts = [result.verdict for result in found.values()]
        smoke = any(result.ablation.smoke for result in found.values())
        refuse_on_smoke(require, fail_on, smoke, "name the ablation, or remove its folder")
    if kind in ("junit", "github"):
        show_results.for_ci(verdicts, kind, failing(require, fail_on, tier))
    elif kind != "html":
        show_results.verdicts(verdicts, kind)
    else:
        if not reference:
            show_results.overview(found.values())
        if site is None:
            page, notes = api.write_report(results, name, reference=reference, pdf=pdf)
        else:
            page, notes = api.write_site(site, results, reference=reference, pdf=pdf)
        for line in notes:
            if line not in problems:
                note(line, stderr=True)
        show_results.page(page, open_=open_)
    if problems:  # the rest has been shown
        raise UserError(*problems, exit_code=1)
    gate(require, fail_on, verdicts, tier)


def stats(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="A tidy CSV, such as a W&B or MLflow export: one run per row.")],
    arm: Annotated[str, asked(metavar="COLUMN", help="The column that names a run's arm.")],
    measure: Annotated[str, asked(metavar="COLUMN", help="The column that is compared.")],
    pair: Annotated[str | None, asked(metavar="COLUMN", help="The column that pairs runs across arms, such as the seed.")] = None,
    unpaired: Annotated[bool, asked("--unpaired", help="Instead of --pair: runs share nothing, and are compared by Welch's t.")] = False,
    control: Annotated[str | None, asked(metavar="NAME", help="The arm that the others are compared with. Default: the first in the file; --claim needs it.")] = None,
    where: Annotated[list[str] | None, asked(metavar="COLUMN=VALUE", help="Only rows in which the column has this value; may be repeated.")] = None,
    scale: Annotated[Scale, asked(metavar="SCALE", help="difference: control - arm in the column's own unit. points: the column holds fractions of 1, the difference is in percentage points. ratio: control / arm. Where higher is better, arm - control and arm / control.")] = Scale.difference,
    better: Annotated[bool | None, asked("--higher-is-better/--lower-is-better", help="Which way is better. Default: as the column's name says, such as accuracy or error.")] = None,
    claim: Annotated[float | None, asked(metavar="X", help="The effect that is claimed, in the effect's unit: above 0 (a ratio: above 1) the arm is better.")] = None,
    margin: Annotated[float | None, asked(metavar="M", help="An effect smaller than this does not matter. Default: a quarter of the claim.")] = None,
    require: RequireOption = None,
    fail_on: FailOnOption = None,
    json_: JsonOption = False,
) -> None:  # fmt: skip
    """Compare runs in any CSV file: effect, interval, second opinions and verdict."""
    from alexctl import api
    from alexctl.cli import show_results

    if claim is None and (require is not None or "contradicted" in (fail_on or ())):
        option = "--fail-on contradicted" if require is None else "--require"
        raise UserError(f"{option}: judges what a claim says of the arms; add --claim X")
    lines, notes = api.stats(
        file, arm=arm, pair=pair, measure=measure, unpaired=unpaired, control=control, where=where or (),
        scale=scale.value, higher_is_better=better, claim=claim, margin=margin,
    )  # fmt: skip
    show_results.statistics(lines, notes, as_json=json_)
    gate(require, fail_on, [{"comparisons": lines}])
