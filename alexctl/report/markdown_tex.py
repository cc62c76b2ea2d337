"""The table of verdicts for other pages: Markdown for a README, LaTeX for a paper. Names are text there, whatever they hold."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from alexctl import numbers
from alexctl.errors import printable
from alexctl.report.image_tables import sentences
from alexctl.report.sections import claimed_size, size

HEAD = ("claim", "on", "arm", "seeds", "effect", "interval", "claimed", "verdict")
TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "−": "$-$",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}",
}  # fmt: skip


def rows(verdicts: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """A line a comparison, in HEAD's columns, as plain text."""
    lines = []
    for verdict in verdicts:
        for line in verdict["comparisons"]:
            form, claimed = size(line["scale"]), line.get("claimed")
            control = line.get("control", verdict["control"])  # older verdicts have it but once
            sides = f"{line['arm']} against {control}" if control else line["arm"]
            effect, interval = _effect(line, form)
            lines.append((
                verdict["title"], line.get("conditions") or verdict["data"], sides, str(line["n"]), effect, interval,
                "–" if claimed is None else claimed_size(line["scale"])(claimed), line.get("words") or line["verdict"],
            ))  # fmt: skip
    return [tuple(map(printable, line)) for line in lines]


def _effect(line: dict[str, Any], form: Callable[[float], str]) -> tuple[str, str]:
    if not line["n"] or line.get("bound") == "none":
        return "–", "–"
    if line["low"] is None and line["high"] is None:
        return " and ".join(map(form, line["values"])), "none"
    unit = "" if line["scale"] == "ratio" else " points"
    level = numbers.level(line["level"])
    if line["low"] is None or line["high"] is None:
        word, end = ("more", line["low"]) if line["high"] is None else ("less", line["high"])
        return f"{word} than {form(end)}{unit}", level
    return form(line["effect"]) + unit, f"{form(line['low'])} to {form(line['high'])} ({level})"


def markdown(verdicts: Sequence[dict[str, Any]], figures: Sequence[str] = ()) -> str:
    """A table for a README, and below it what its files say to bear in mind, and effects for other test images too.

    `figures` are addresses, one a verdict, that the titles then link to.
    """
    lines = [HEAD, tuple("---" for _ in HEAD)]
    for verdict, figure in zip(verdicts, figures or [""] * len(verdicts), strict=True):
        for line in rows([verdict]):
            title, *others, verdict_words = map(escaped_md, line)
            link = f"[{title}]({quote(figure, safe='/@')})" if figure else title
            lines.append((link, *others, f"**{verdict_words}**"))
    table = [f"| {' | '.join(line)} |" for line in lines]
    notes = [f"- {escaped_md(title)}: {escaped_md(note)}" for title, note in _notes(verdicts)]
    return "\n".join([*table, *([""] if notes else []), *notes])


def _notes(verdicts: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """(title, what to bear in mind or to add), where there is something."""
    found = [(v["title"], note) for v in verdicts for note in (v.get("note"), *sentences(v)) if note]
    return [(printable(title), printable(note)) for title, note in found]


def escaped_md(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|~#!$@" else c for c in text)


def tex(verdicts: Sequence[dict[str, Any]]) -> str:
    """A tabular that needs no package, and the same below it; `\\usepackage[T1]{fontenc}` gives its quotation marks."""
    lines = [r"\begin{tabular}{lllrllrl}", r"\hline", r" & ".join(HEAD) + r" \\", r"\hline"]
    lines += [" & ".join(map(_escaped_tex, line)) + r" \\" for line in rows(verdicts)]
    notes = [rf"\par {_escaped_tex(title)}: {_escaped_tex(note)}" for title, note in _notes(verdicts)]
    return "\n".join([*lines, r"\hline", r"\end{tabular}", *notes])


def _escaped_tex(text: str) -> str:
    return "".join(TEX.get(c, c) for c in text)
