"""Prints what commands found, as a table a person understands or as JSON; data goes to stdout."""

import json
import os
import sys
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from alexctl import results
from alexctl.ablation import Ablation
from alexctl.errors import printable
from alexctl.load import load, shipped
from alexctl.own_nets import code_notes


def plain(value: Any) -> str:
    """The value as a terminal may safely have it: control characters spelled out, nothing taken for markup."""
    return escape(printable(str(value)))


def _console() -> Console:
    # Rich takes COLUMNS from the environment; a pipe gets lines as long as they need to be.
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def table(rows: list[dict[str, Any]], *, as_json: bool = False, numbers: Collection[str] = ()) -> None:
    """Rows of equal keys, as a table (`numbers` to the right) or as JSON."""
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False, default=str))
        return
    console = _console()
    console.print(layout(rows, console, numbers=numbers))


def say(*lines: str) -> None:
    """Lines of plain text, wrapped where a terminal is."""
    console = _console()
    for line in lines:
        console.print(plain(line), soft_wrap=not console.is_terminal)


def duration(seconds: float, form: str = ".0f") -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:{form}} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h" if minutes < 48 * 60 else f"{minutes / 60 / 24:,.0f} days"


def layout(rows: list[dict[str, Any]], console: Console, *, numbers: Collection[str] = ()) -> Table:
    """Rows of equal keys side by side, `numbers` to the right, or on a narrow terminal a paragraph a row."""
    texts = [{key.replace("_", " "): plain("" if v is None else str(v)) for key, v in row.items()} for row in rows]
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, key in enumerate(texts[0] if texts else ()):
        justify = "right" if key in numbers else "left"
        grid.add_column(
            key, header_style="dim", overflow="fold", no_wrap=i == 0, justify=justify
        )  # a name broken can't be copied
    for row in texts:
        grid.add_row(*row.values())
    wide = console.measure(grid, options=console.options.update(max_width=10_000))
    # No word broken, and no cell a tower of many lines.
    if not console.is_terminal or (wide.minimum <= console.width and wide.maximum <= 2.5 * console.width):
        return grid
    paragraphs = Table.grid(padding=(0, 2, 0, 0))
    paragraphs.add_column(style="dim")
    paragraphs.add_column(overflow="fold")
    for i, row in enumerate(texts):
        if i:
            paragraphs.add_row()
        for key, text in row.items():
            if text not in ("", "-"):
                paragraphs.add_row(key, text)
    return paragraphs


def ablations(folder: Path, *, as_json: bool) -> None:
    """`alexctl list`."""
    rows = []
    for name in shipped():
        ablation = load(name)
        rows.append({
            "name": name, "section": ablation.claim.section,
            "claim": ablation.claim.says, "results": "; ".join(_states(folder, name)) or "-",
        })  # fmt: skip
    table(rows, as_json=as_json)


def _states(folder: Path, name: str) -> list[str]:
    """What results/ holds of an ablation, from its verdict files alone."""
    states = []
    for campaign in results.campaigns(folder):
        if campaign.name.split("@")[0] != name:
            continue
        try:
            verdict = results.read_json(campaign / "verdict.json")
            words = ", ".join(line["verdict"] for line in verdict["comparisons"])
            states.append(f"{words} on {verdict['data']}")
        except (ValueError, KeyError, TypeError):
            states.append(f"{campaign.name}: begun")
    return states


def ablation(which: Ablation, *, as_json: bool) -> None:
    """`alexctl show NAME`: the comparison at once, then what it costs, for which torch is imported and steps are timed."""
    if as_json:
        from alexctl.costs import costs

        found = [asdict(cost) for cost in costs(which)]
        print(json.dumps({**which.model_dump(mode="json"), "costs": found}, indent=1, ensure_ascii=False))
        return
    console = _console()
    console.print(f"[bold]{plain(which.title)}[/]  compares {which.measure}", soft_wrap=not console.is_terminal)
    size = "" if which.claim.effect is None else f" (effect {_value(which.claim.effect)})"
    console.print(f"{plain(which.claim)}{plain(size)}", soft_wrap=not console.is_terminal)
    base = which.base | {key: value for key, value in which.plan.model_dump().items() if value is not None}
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column("", min_width=len("(control)"))
    grid.add_column("knob", header_style="dim", no_wrap=True)
    grid.add_column("value", header_style="dim", overflow="fold")
    for i, (key, value) in enumerate(base.items()):
        grid.add_row("base" if i == 0 else "", key, plain(_value(value)))
    for arm, knobs in which.arms.items():
        label = arm + (" (control)" if arm == which.control else "")
        for i, (key, value) in enumerate(knobs.items()):
            grid.add_row(label if i == 0 else "", key, plain(_value(value)))
    console.print(grid)
    for line in code_notes([{**which.base, **knobs}["net"] for knobs in which.arms.values()]):
        console.print(f"[yellow]{plain(line)}[/]", soft_wrap=not console.is_terminal)
    searched = ", each arm's learning rate searched on seeds of its own" if which.searched else ""
    console.print(f"{len(which.arms)} arms x {seeds_words(which.plan)} seeds to report{searched}")
    sys.stdout.flush()
    from alexctl import show_nets
    from alexctl.costs import costs

    with Console(stderr=True).status("timing a few training steps of each arm"):
        found = costs(which)
    show_nets.costs(found)


def seeds_words(plan) -> str:
    """How many seeds an arm a plan reports: '6', or '4 to 24'."""
    return str(plan.seeds) if plan.looks is None else f"{plan.looks[0]} to {plan.looks[-1]}"


def _value(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(_value, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(item)}" for key, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def result(campaign, made) -> None:
    """What `alexctl ablate` prints at the end: arms, effect, verdict, where the files are."""
    console = _console()
    which, summary = campaign.ablation, made.summary
    lost = "not reached" if which.measure == "epochs_to_target" else "left out"  # without a target nothing is censored
    rows = []
    for line in summary.to_dict("records"):
        values = _values_of(made.trials, line["arm"], which.measure)
        rows.append({
            "arm": line["arm"] + (" (control)" if line["arm"] == which.control else ""),
            "learning rate": "-" if line["lr"] is None else f"{line['lr']:g}",
            "seeds": line["n"],
            _measure_words(which.measure): "-" if line["median"] is None else _quantity(line["median"], which.measure),
            "of each seed": ", ".join(_quantity(value, which.measure) for value in values) or "-",
            lost: _lost(line),
        })  # fmt: skip
    console.print(layout(rows, console))
    for line in made.verdict["comparisons"]:
        console.print(f"{plain(_sides(line))}: [bold]{plain(line['sentence'])}[/]", soft_wrap=not console.is_terminal)
    console.print(plain(which.claim), soft_wrap=not console.is_terminal)
    for line in failures(made.trials, campaign.folder):
        console.print(f"[red]{plain(line)}[/]", soft_wrap=not console.is_terminal)
    names = (
        "figure.svg", "search.svg", "survival.svg", "trials.csv", "curves.csv", "summary.csv", "survival.csv", "verdict.json",
    )  # fmt: skip
    made_now = ", ".join(name for name in names if (campaign.folder / name).exists())
    console.print(f"Files: {plain(shown(campaign.folder))}/ ({made_now})", soft_wrap=not console.is_terminal)


def shown(path: Path) -> str:
    """A path as a person would type it from here."""
    try:
        return os.path.relpath(path) if Path(os.path.relpath(path)).parts[:1] != ("..",) else str(path)
    except ValueError:  # another drive
        return str(path)


def failures(trials, folder: Path) -> list[str]:
    """A line for each trial that failed: which, why, where its log is."""
    return [
        f"{row['trial']} failed: {row['error']}; "
        + (f"log: {shown(folder / row['log'])}; " if isinstance(row["log"], str) else "")
        + "`--retry failed` runs it again"
        for row in trials[trials["status"] == "failed"].to_dict("records")
    ]


def _lost(line: dict[str, Any]) -> str:
    words = [f"{line[f'num_{what}']} {what}" for what in ("censored", "diverged", "failed") if line[f"num_{what}"]]
    return ", ".join(words) or "-"


def _quantity(value: float, measure: str) -> str:
    """An error in per cent, seconds as seconds, epochs as a plain number."""
    if measure.endswith("_error"):
        return f"{value:.2%}"
    if measure == "seconds_per_epoch":
        return f"{float(f'{value:.3g}'):g} s"
    return f"{value:.3g}"


def _measure_words(measure: str) -> str:
    return f"{measure.replace('_', ' ')} (median)"


def _values_of(trials, arm: str, measure: str) -> list[float]:
    mine = trials[(trials["arm"] == arm) & (trials["phase"] == "final") & (trials["status"] == "done")]
    if measure == "seconds_per_epoch":
        values = mine["train_seconds"] / mine["epochs_run"]
    else:
        values = mine[measure]
    return [float(value) for value in values.dropna()]


def stopped(campaign) -> None:
    """After Ctrl-C: what is done and how to go on."""
    console = Console(stderr=True, highlight=False)
    if campaign is None:
        console.print("Stopped before any trial began.")
        return
    console.print(f"Stopped. {_left(campaign)}", soft_wrap=not console.is_terminal)


def _left(campaign) -> str:
    """What is done and what the same command would go on with."""
    final = [record for record in campaign.counted() if record.phase == "final"]
    done = sum(record.state in ("done", "diverged") for record in final)
    failed = len(campaign.failed())
    words = [f"{done} of {len(campaign.ablation.arms) * campaign.num_seeds} reported trials are done"]
    words += [f"{failed} trial{'s' * (failed > 1)} failed"] if failed else []
    ready = campaign.ready()
    if searching := sorted({job.arm for job in ready if job.phase == "search"}):
        words.append(f"the learning-rate search of {' and '.join(searching)} is not over")
    if kept := sum((campaign.folder / "trials" / job.name / "checkpoint.pt").exists() for job in ready):
        words.append(f"{kept} trial{'s have' if kept > 1 else ' has'} a checkpoint to continue from")
    return ", ".join(words) + "; the same command goes on from here."


def overview(made: list) -> None:
    """`alexctl report`: one line a comparison."""
    from alexctl.report.overview import overview as lines_of
    from alexctl.wording import amount

    lines = lines_of((tables.folder.name, tables.verdict) for tables in made)
    judged = [line for tables in made for line in tables.verdict["comparisons"]]
    table([
        {
            "ablation": row["ablation"], "arms": _sides(row), "data": row["data"], "effect": amount(line),
            "claimed": "-" if row["claimed"] is None else f"{row['claimed']:g}", "seeds": row["n"],
            "verdict": row["verdict"], "stands after Holm": row["stands"] or "-",
        }
        for row, line in zip(lines, judged, strict=True)
    ])  # fmt: skip
    console = _console()
    for tables in made:
        for line in failures(tables.trials, tables.folder):
            console.print(plain(line), soft_wrap=not console.is_terminal)


def verdicts(found: list[dict[str, Any]], kind: str) -> None:
    """`alexctl report --format md|tex|json`, also of results that are only read."""
    from alexctl.report import formats

    if kind == "json":
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print(formats.markdown(found) if kind == "md" else formats.tex(found))


def _sides(line: dict[str, Any]) -> str:
    """What is compared; an interaction has no control."""
    return f"{line['arm']} against {line['control']}" if line["control"] else line["arm"]


def statistics(lines: list[dict[str, Any]], notes: tuple[str, ...], *, as_json: bool) -> None:
    """`alexctl stats`: one line a comparison, then each in a sentence."""
    if as_json:
        print(json.dumps({"comparisons": lines, "notes": notes}, indent=1, ensure_ascii=False, allow_nan=False))
        return
    table([
        {
            "arm": line["arm"], "control": line["control"], "pairs": line["n"], "effect": line["amount"],
            "p": _short(line["p_value"]), "sign-flip p": _short(line["sign_flip_p"]),
            "correlation": _short(line["correlation"]), "verdict": line["verdict"],
        }
        for line in lines
    ])  # fmt: skip
    console = _console()
    for line in lines:
        words = f"{line['arm']} against {line['control']}: {line['sentence']}"
        if line["sign_flip_note"]:
            words += f" Sign-flip test: {line['sign_flip_note']}."
        console.print(plain(words), soft_wrap=not console.is_terminal)
    for note in notes:
        console.print(f"[yellow]note:[/] {plain(note)}", soft_wrap=not console.is_terminal)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def health(found: list, *, as_json: bool) -> bool:
    """`alexctl doctor`; False when a check fails."""
    table(
        [{"check": c.name, "state": c.state, "found": c.found, "next": c.action or ""} for c in found], as_json=as_json
    )
    return all(check.state != "fail" for check in found)
