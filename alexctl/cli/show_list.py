"""Prints what can be run and what was: the ablations that ship, files of one's own, campaigns, reference runs to do."""

from pathlib import Path
from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from alexctl import numbers
from alexctl.ablation.load import load, own_files, shipped
from alexctl.campaign.reference_runs import Estimate, ReferenceRun, estimates, unfinished
from alexctl.cli.console import new_console, note, plain, print_json, say, table, verdict_text
from alexctl.errors import UserError
from alexctl.store import files, layout, plan, records, reference

MOST_LEFT_OUT = 5  # that are named
ALEXNET = "Krizhevsky et al. 2012"
OF_NO_PAPER = "Other sources, and questions of ours"


def ablations(folder: Path, *, as_json: bool, by_paper: bool = False) -> None:
    """`alexctl list`; `by_paper`: under the paper that each claim is from, that of AlexNet first."""
    campaigns = records.campaigns(folder)
    rows = [_row(name, name, campaigns) for name in shipped()]
    own = [_row(f"./{path.name}", path.stem, campaigns) for path in own_files(Path())]
    known = {*shipped(), *(path.stem for path in own_files(Path()))}
    others = [each for each in campaigns if not any(layout.is_of(each, name) for name in known)]
    begun = [_campaign_row(campaign) for campaign in others]
    if as_json:
        left_out(folder)
        print_json([{**row, "results": "; ".join(map(str, row["results"])) or "-"} for row in rows + own + begun])
        return
    for paper in sorted({row["paper"] for row in rows}, key=_alexnet_first) if by_paper else ():
        _section(paper or OF_NO_PAPER, [row for row in rows if row["paper"] == paper], under_paper=True)
    if not by_paper:
        _section("", rows)
    _section("Files of your own in this folder", own)
    _section(f"Other campaigns in {folder.name}", begun)
    say("", "`alexctl show NAME` says what one compares and what it costs here; `alexctl ablate NAME` runs it.")
    left_out(folder)
    reference_runs(reference.home())


def _row(shown: str, name: str, campaigns: list[Path]) -> dict[str, Any]:
    """An ablation's row: a shipped one's by its name, a file's by its path."""
    mine = [_state(campaign) for campaign in campaigns if layout.is_of(campaign, name)]
    try:
        claim = load(shown).claim
    except UserError as error:
        says = f"{numbers.counted(len(error.faults), 'fault')}; `alexctl check {shown}` names them"
        return {"name": shown, "paper": "", "section": "", "claim": says, "results": mine}
    paper = claim.paper or (ALEXNET if claim.source.startswith("the paper") else "")
    return {"name": shown, "paper": paper, "section": claim.section, "claim": claim.says, "results": mine}


def _campaign_row(campaign: Path) -> dict[str, Any]:
    try:
        claim = str(files.read_json(campaign / layout.VERDICT).get("title", ""))
    except (ValueError, AttributeError):
        claim = ""
    return {"name": campaign.name, "paper": "", "section": "", "claim": claim, "results": [_state(campaign)]}


def _alexnet_first(paper: str) -> tuple[bool, bool, str]:
    return not paper, paper != ALEXNET, paper


def _section(title: str, rows: list[dict[str, Any]], *, under_paper: bool = False) -> None:
    """A few lines for each on a terminal; a table, one row a line, elsewhere. `under_paper`: the title is their paper."""
    console = new_console()
    if title and rows:
        console.print(f"\n[bold]{plain(title)}[/]")
    if not console.is_terminal and rows:
        shown = [key for key in rows[0] if not (under_paper and key == "paper")]
        told = [{**row, "results": "; ".join(map(str, row["results"])) or "-"} for row in rows]
        table([{key: row[key] for key in shown} for row in told])
        return
    for row in rows:
        paper = "" if under_paper or row["paper"] == ALEXNET else row["paper"]
        where = ", ".join(filter(None, (paper, f"section {row['section']}" * bool(row["section"]))))
        console.print(f"[bold]{plain(row['name'])}[/]" + f"  [dim]{plain(where)}[/]" * bool(where))
        for line in filter(None, (row["claim"], *row["results"])):
            console.print(Padding(line if isinstance(line, Text) else plain(line), (0, 0, 0, 2)))


def _state(campaign: Path) -> Text:
    """What a campaign has come to, from its verdict file alone."""
    try:
        verdict = files.read_json(campaign / layout.VERDICT)
        lines = verdict["comparisons"]
        words = Text(", ").join(verdict_text(line) for line in lines)
        on = "" if words.plain.endswith(f" on {verdict['data']}") else f" on {verdict['data']}"
        return words + Text(on + " (older numerics)" * (plan.older_numerics(campaign) is not None))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Text(f"{campaign.name}: begun")


def left_out(folder: Path) -> None:
    """One line on stderr for all that lies in a results folder, may be results, and is passed over."""
    notes = records.look_into(folder)[1]
    if len(notes) > MOST_LEFT_OUT:
        notes[MOST_LEFT_OUT:] = [f"and {len(notes) - MOST_LEFT_OUT} more"]
    if notes:
        note("; ".join(notes), stderr=True)


def reference_runs(home: Path) -> None:
    """Which of the runs that alexctl should come with are not there yet: how long each takes, and its command."""
    missing = unfinished(home)
    if not missing:
        return
    known, console = estimates(home), new_console()
    console.print(f"\n{numbers.counted(len(missing), 'reference run')} to do; `make reference` does them in this order")
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column("time", header_style="dim", no_wrap=True)
    grid.add_column("command", header_style="dim", overflow="fold")
    for run in missing:
        grid.add_row(time_words(run, known.get(run.name)), plain(run.command))
    console.print(grid)
    if known:
        workers = next(iter(known.values())).workers
        console.print(plain(
            f"Times on {numbers.counted(workers, 'CPU core')} of the machine that measured them last; "
            "`alexctl show NAME` estimates them for this one."
        ))  # fmt: skip


def time_words(run: ReferenceRun, known: Estimate | None) -> str:
    """'<= 9.4 h' where a target may end trials earlier, '~9.4 h' with other knobs than were measured, '?' where none were."""
    if known is None:
        return "?"
    return ("~" if run.knobs else "<= " * known.at_most) + numbers.duration(known.seconds)
