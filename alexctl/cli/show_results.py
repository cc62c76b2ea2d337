"""Prints what results say: of one campaign at its end, of all in a folder, of anybody's CSV, and after a stop."""

import os
import shlex
import webbrowser
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from alexctl import numbers
from alexctl.ablation.load import load, shipped
from alexctl.ablation.measures import MEASURES
from alexctl.cli.console import new_console, note, plain, print_json, rich_table, say, shown, table, verdict_text
from alexctl.errors import UserError, printable
from alexctl.regular_files import open_regular
from alexctl.store import layout

if TYPE_CHECKING:
    from alexctl.api import Result

TABLE_WIDTH = 110  # columns of a terminal that the table of verdicts takes


def result(found: "Result", again: str | None = None) -> None:
    """What `alexctl ablate` prints at the end: arms, effect, verdict, where the files are; `again`: what would decide it."""
    from alexctl.cli.curves import draw
    from alexctl.report.image_tables import sentences

    console = new_console()
    which, summary = found.ablation, found.summary
    lost = "not reached" if which.measure.race else "left out"  # without a target nothing is censored
    rows = []
    for line in summary.to_dict("records"):
        values = _values_of(found.trials, line["arm"], which.measure.name)
        rows.append({
            "arm": line["arm"] + (" (control)" if line["arm"] in which.controls.values() else ""),
            "learning rate": "-" if line["lr"] is None else f"{line['lr']:g}",
            "seeds": line["n"],
            f"{which.measure.label} (median)": "-" if line["median"] is None else which.measure.written(line["median"]),
            "each seed": ", ".join(map(which.measure.written, values)) or "-",
            **{
                f"{MEASURES[name].label} (mean)": "-" if line[name] is None else MEASURES[name].written(line[name])
                for name in which.also
            },
            lost: _lost(line),
        })  # fmt: skip
    console.print(rich_table(rows, console))
    draw(found, console)
    for line in found.verdict["comparisons"]:
        console.print(Text(f"{printable(_sides(line))}: ").append_text(verdict_text(line, line["sentence"])))
    for words in sentences(found.verdict):
        console.print(plain(words))
    if rates := found.verdict["rates"]:
        console.print(plain(rates))
    console.print(plain(which.claim))
    if which.note:
        console.print(f"Keep in mind: {plain(which.note)}")
    for line in failures(found.trials, found.folder):
        console.print(f"[red]{plain(line)}[/]")
    names = (
        *map(layout.svg, (layout.FIGURE, layout.SEARCH, layout.SURVIVAL, layout.BUDGETS)), layout.TRIALS_CSV,
        layout.CURVES_CSV, layout.SUMMARY_CSV, layout.SURVIVAL_CSV, layout.BUDGETS_CSV, layout.IMAGES_CSV,
        layout.BY_CLASS_CSV, layout.ENSEMBLES_CSV, layout.KERNELS_CSV, layout.VERDICT,
    )  # fmt: skip
    written = ", ".join(name for name in names if (found.folder / name).exists())
    console.print(f"Files: {plain(shown(found.folder))}/ ({written})")
    if again:
        console.print(f"To decide it, on new seeds: [cyan]{plain(again)}[/]", soft_wrap=True)
    _look_at(found, console)


def _look_at(found: "Result", console: Console) -> None:
    """What a person should open next, and with which command."""
    if (figure := found.folder / layout.png(layout.FIGURE)).exists():
        console.print(f"Look at: [cyan]{plain(shown(figure))}[/]")
    elsewhere = f" --results {shlex.quote(shown(found.folder.parent))}" * (found.folder.parent != Path("results"))
    console.print(f"Open the page with every number: [cyan]{plain(f'alexctl report{elsewhere} --open')}[/]")
    after = found.ablation.next
    if after in shipped() and not found.ablation.smoke:
        console.print(f"Next, {plain(load(after).title)}: [cyan]{plain(f'alexctl ablate {after}')}[/]")


def failures(trials, folder: Path) -> list[str]:
    """A line for each trial that failed: which, why, where its log is."""
    return [
        f"{row['trial']} failed: {row['error']}; "
        + (f"log: {shown(folder / row['log'])}; " if isinstance(row["log"], str) else "")
        + "`--retry failed` runs it again"
        for row in trials[trials["status"] == "failed"].to_dict("records")
    ]


def _lost(line: dict[str, Any]) -> str:
    counts = {
        "censored": line["num_censored"], "diverged": line["num_diverged"] - line["num_at_chance"],
        "at chance": line["num_at_chance"], "failed": line["num_failed"],
    }  # fmt: skip
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "-"


def _values_of(trials, arm: str, column: str) -> list[float]:
    mine = trials[(trials["arm"] == arm) & (trials["phase"] == "final") & (trials["status"] == "done")]
    return [float(value) for value in mine[column].dropna()]


def stopped(campaign) -> None:
    """After Ctrl-C: what is done and how to go on."""
    console = new_console(stderr=True)
    if campaign is None:
        console.print("Stopped before any trial began.")
        return
    console.print(f"Stopped. {_left(campaign)}")


def _left(campaign) -> str:
    """What is done and what the same command would go on with."""
    final = [record for record in campaign.counted() if record.phase == "final"]
    done = sum(record.finished for record in final)
    failed = len(campaign.failed())
    words = [f"{done} of {campaign.num_reported} reported trials are done"]
    words += [f"{numbers.counted(failed, 'trial')} failed"] if failed else []
    ready = campaign.ready()
    if searching := sorted({job.arm for job in ready if job.phase == "search"}):
        words.append(f"the learning-rate search of {' and '.join(searching)} is not over")
    if kept := sum((layout.trial(campaign.folder, job.name) / layout.CHECKPOINT).exists() for job in ready):
        words.append(f"{kept} trial{'s have' if kept > 1 else ' has'} a checkpoint to continue from")
    return ", ".join(words) + ". Run the same command again to resume."


def overview(found: "Collection[Result]") -> None:
    """`alexctl report`: one line a comparison."""
    from alexctl.verdicts.overview import overview as lines_of
    from alexctl.verdicts.sentences import amount, interval

    lines = lines_of((result.folder.name, result.verdict) for result in found)
    judged = [line for result in found for line in result.verdict["comparisons"]]
    console = new_console()
    rows = [
        {
            "ablation": row["ablation"], "arms": _sides(row), "data": row["data"], "effect": amount(line),
            "interval": interval(line), "claimed": "-" if row["claimed"] is None else numbers.claimed(row["claimed"], line["scale"]),
            "seeds": row["n"], "smallest detectable effect": _smallest(line), "verdict": verdict_text(line),
            "survives correction": row["stands"] or "-",
        }
        for row, line in zip(lines, judged, strict=True)
    ]  # fmt: skip
    if console.is_terminal and console.width < TABLE_WIDTH:
        for row in rows:
            _in_lines(row, console)
    else:
        console.print(rich_table(rows, console))
    older: dict[str, list[str]] = {}
    for result in found:
        if "older" in result.verdict:
            older.setdefault(result.verdict["older"], []).append(result.folder.name)
    for words, names in older.items():
        note(f"{', '.join(names)}: {words}")
    for result in found:
        for line in failures(result.trials, result.folder):
            console.print(plain(line))


def _in_lines(row: dict[str, Any], console: Console) -> None:
    """A row of the overview in two or three lines."""
    console.print(f"[bold]{plain(row['ablation'])}[/]  {plain(row['arms'])}, {plain(row['data'])}")
    rest = f"{row['effect']}, interval {row['interval']}, claimed {row['claimed']}, n = {row['seeds']}"
    stands = "" if row["survives correction"] == "-" else f", survives correction: {row['survives correction']}"
    console.print(Padding(row["verdict"] + Text(f"  {printable(rest)}{stands}"), (0, 0, 0, 2)))


def page(path: Path, *, open_: bool) -> None:
    """Where the report's page lies; with `open_` in the browser, if there is one."""
    say(f"Page: {shown(path)}")
    if open_ and not webbrowser.open(path.resolve().as_uri()):
        new_console(stderr=True).print("There is no browser here; open that file in one.")


def _smallest(line: dict[str, Any]) -> str:
    """The smallest effect that so many seeds find in four of five campaigns."""
    seen = line["smallest_effect"]
    if seen is None:
        return "-"
    return f"{seen:.2f} points" if line["scale"] == "points" else numbers.significant(seen)


def verdicts(found: list[dict[str, Any]], kind: str) -> None:
    """`alexctl report --format md|tex|json`, also of results that are only read."""
    from alexctl.report import markdown_tex

    if kind == "json":
        print_json(found)
    else:
        print(markdown_tex.markdown(found) if kind == "md" else markdown_tex.tex(found))


def for_ci(found: list[dict[str, Any]], kind: str, fails: Callable[[dict[str, Any]], bool]) -> None:
    """`alexctl report --format junit|github`: XML, or annotations and the table in the summary of the job."""
    from alexctl.report import ci_formats, markdown_tex

    if kind == "junit":
        print(ci_formats.junit(found, fails), end="")
        return
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        raise UserError(
            "--format github: is for a step of GitHub Actions, which names the file of its summary in GITHUB_STEP_SUMMARY; "
            "`--format md` prints the table anywhere"
        )
    try:
        with open_regular(Path(summary), append=True) as file:
            file.write((markdown_tex.markdown(found) + "\n").encode())
    except (OSError, ValueError) as error:
        raise UserError(f"GITHUB_STEP_SUMMARY: can't write to {shown(Path(summary))}: {error}", exit_code=1) from None
    print(ci_formats.annotations(found, fails), end="")


def _sides(line: dict[str, Any]) -> str:
    """What is compared; an interaction has no control."""
    return f"{line['arm']} against {line['control']}" if line["control"] else line["arm"]


def statistics(lines: list[dict[str, Any]], notes: tuple[str, ...], *, as_json: bool) -> None:
    """`alexctl stats`: one line a comparison, then each in a sentence."""
    from alexctl.verdicts.sentences import interval

    if as_json:
        print_json({"comparisons": lines, "notes": notes})
        return
    paired = lines[0]["paired_by"] is not None
    table([
        {
            "arm": line["arm"], "control": line["control"],
            "pairs" if paired else "runs": line["n"] if paired else f"{len(line['arm_values'])} / {len(line['control_values'])}",
            "effect": line["amount"], "interval": interval(line), "p": _short(line["p_value"]),
            **({"p after Holm": _short(line["holm_p"]), "stands": line["stands"] or "-"} if len(lines) > 1 else {}),
            **({"sign-flip p": _short(line["sign_flip_p"]), "correlation": _short(line["correlation"])} if paired
               else {"rank-sum p": _short(line["rank_sum_p"])}),
            "verdict": verdict_text(line, line["verdict"]),
        }
        for line in lines
    ])  # fmt: skip
    console = new_console()
    for line in lines:
        words = f"{line['arm']} against {line['control']}: {line['sentence']}"
        if line["sign_flip_note"] and paired:
            words += f" Sign-flip test: {line['sign_flip_note']}."
        console.print(plain(words))
    console.print(plain(
        f"Paired by {lines[0]['paired_by']}: Student's t; sign-flip p is an exact second opinion, correlation that of a pair's sides."
        if paired
        else "Unpaired: Welch's t; rank-sum p is an exact second opinion. Runs are taken to share nothing."
    ))  # fmt: skip
    for line in notes:
        note(line)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"
