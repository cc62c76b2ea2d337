"""Prints two sets of results side by side, for a terminal or as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from alexctl.cli.console import new_console, note, plain, print_json, verdict_style
from alexctl.errors import printable
from alexctl.report.markdown_tex import escaped_md

Row = tuple[str, str, str]  # what, in A, in B
MACHINE = ("device", "cpu", "platform", "threads", "lanes")
VERSIONS = (
    "alexctl",
    "commit",
    "python",
    "torch",
)  # told even where they are the same; other packages where they differ
AGREE = (
    "Two results agree if their verdicts are the same and their intervals overlap. That does not show that the effects "
    "are equal."
)


def compared(found: Mapping[str, Any], kind: str | None) -> None:
    """`alexctl compare`."""
    if kind == "json":
        print_json(found)
        return
    if kind == "md":
        print("\n".join(_markdown(found)))
        return
    console = new_console()
    console.print(f"[bold]A[/]  {plain(found['a'])}\n[bold]B[/]  {plain(found['b'])}")
    for one in found["campaigns"]:
        console.print()
        console.print(f"[bold]{plain(one['title'])}[/]  {plain(_name(one))}")
        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        grid.add_column("", style="dim", overflow="fold", max_width=22)
        for side in "AB":
            grid.add_column(side, header_style="bold", overflow="fold")
        for arm in one["arms"]:
            grid.add_row(f"[not dim bold]{plain(_sides(arm))}[/]")
            for what, a, b in _arm_rows(arm):
                styled = what == "verdict"
                cells = (
                    f"[{verdict_style(arm[key])}]{plain(text)}[/]" if styled and arm[key] else plain(text)
                    for key, text in (("a", a), ("b", b))
                )  # fmt: skip
                grid.add_row(f"  {what}", *cells)
        for what, a, b in _run_rows(one):
            grid.add_row(what, plain(a), plain(b))
        console.print(grid)
        for arm in one["arms"]:
            console.print(f"{plain(_sides(arm))}: agree? [bold]{plain(arm['in_words'])}[/]")
        for line in _notes(one):
            note(line)
    console.print()
    for line in _summary(found):
        console.print(plain(line))


def _markdown(found: Mapping[str, Any]) -> Iterator[str]:
    for one in found["campaigns"]:
        yield f"### {escaped_md(printable(one['title']))}: {escaped_md(_name(one))}\n"
        yield f"| | A: {_cell(found['a'])} | B: {_cell(found['b'])} |\n|---|---|---|"
        for arm in one["arms"]:
            yield f"| **{_cell(_sides(arm))}** | | |"
            yield from (f"| {_cell(what)} | {_cell(a)} | {_cell(b)} |" for what, a, b in _arm_rows(arm))
        yield from (f"| {_cell(what)} | {_cell(a)} | {_cell(b)} |" for what, a, b in _run_rows(one))
        yield ""
        yield from (f"- {_cell(_sides(arm))}: agree? **{_cell(arm['in_words'])}**" for arm in one["arms"])
        yield from (f"- {_cell(line)}" for line in _notes(one))
        yield ""
    yield from (escaped_md(printable(line)) for line in _summary(found))


def _cell(text: str) -> str:
    return escaped_md(printable(text))


def _name(one: Mapping[str, Any]) -> str:
    return one["a"] if one["a"] == one["b"] else f"{one['a']} in A, {one['b']} in B"


def _sides(arm: Mapping[str, Any]) -> str:
    return f"{arm['arm']} against {arm['control']}" if arm["control"] else arm["arm"]


def _arm_rows(arm: Mapping[str, Any]) -> list[Row]:
    def row(what: str, words) -> Row:
        return (what, *("-" if arm[key] is None else words(arm[key]) for key in "ab"))

    def effect(side: Mapping[str, Any]) -> str:
        return side["amount"] if side["interval_in_words"] == "-" else f"{side['amount']}, {side['interval_in_words']}"

    rates = row("learning rates", lambda side: ", ".join(f"{name} {lr:g}" for name, lr in side["rates"].items()) or "-")
    return [
        row("effect (interval)", effect), row("verdict", lambda side: side["words"]),
        row("n", lambda side: str(side["n"])), rates,
    ]  # fmt: skip


def _run_rows(one: Mapping[str, Any]) -> list[Row]:
    """How each was run: machine, precision and versions, and what is asked otherwise."""
    made = one["made_with"]

    def values(key: str, side: str) -> str:
        return " and ".join(made.get(key, {}).get(side, ()))

    def several(keys: Sequence[str], named: bool) -> tuple[str, str]:
        return tuple(
            ", ".join(f"{key} {text}" if named or key in ("threads", "lanes") else text for key in keys if (text := values(key, side)))
            or "not recorded"
            for side in "ab"
        )  # fmt: skip

    others = [key for key in made if key not in (*MACHINE, *VERSIONS, "precision") and made[key]["a"] != made[key]["b"]]
    rows = [
        ("machine", *several(MACHINE, False)), ("precision", *several(("precision",), False)),
        ("versions", *several((*VERSIONS, *others), True)), ("trials", *(str(one["trials"][side]) for side in "ab")),
    ]  # fmt: skip
    return rows + [(f"asked: {each['what']}", each["a"], each["b"]) for each in one["question"]]


def _notes(one: Mapping[str, Any]) -> list[str]:
    """What to bear in mind of this pair."""
    notes, trials = [], one["trials"]
    if one["question"]:
        notes.append("the two do not ask quite the same; the lines that begin with `asked` say what differs")
    for side in "ab":
        if one["smoke"][side]:
            notes.append(f"{side.upper()} is a smoke run, too short for its numbers to mean anything")
        if one["older"][side]:
            notes.append(f"{side.upper()}: {one['older'][side]}")
    if trials["in_both"]:
        told = f"{trials['in_both']} trials have the same setting and seed in both"
        if trials["equal_rows"]:
            told += (
                f", and {trials['equal_rows']} of these the same rows: that shows that the numbers repeat, and is no "
                "second test of the claim"
            )
        else:
            told += ", and none of these the same rows"
        notes.append(told)
    return notes


def _summary(found: Mapping[str, Any]) -> list[str]:
    arms = [arm for one in found["campaigns"] for arm in one["arms"]]
    yes, no = (sum(arm["agree"] is answer for arm in arms) for answer in (True, False))
    counts = [f"{yes} agree", f"{no} {'does' if no == 1 else 'do'} not"]
    counts += (
        [f"{unknown} {'is' if unknown == 1 else 'are'} open or cannot be compared"]
        if (unknown := len(arms) - yes - no)
        else []
    )
    lines = [f"Comparisons: {', '.join(counts)}. {AGREE}"]
    for side in "ab":
        if alone := found[f"only_in_{side}"]:
            lines.append(f"Only in {side.upper()}: {', '.join(alone)}.")
    return lines
