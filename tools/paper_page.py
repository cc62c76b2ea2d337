"""docs/paper.md, the paper claim by claim, from ablations/, tools/paper.toml and results/reference."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alexctl import numbers
from alexctl.report.markdown_tex import rows
from tools import paper_figure_1
from tools.markdown import table
from tools.paper_results import Found, found

FACTS = Path(__file__).with_name("paper.toml")
HEAD = """\
<!-- Written by `make readme` from ablations/, tools/paper.toml and results/reference. Change those. -->

# The paper, claim by claim

What Krizhevsky, Sutskever and Hinton (2012) claim, what they ran for it as far as their released source and notes show, what
we measured, and what follows. Every number of ours on this page comes from [`results/reference`](../results/reference), which
holds each trial.

A verdict's words say how near a comparison is to its claim. *Supported*, *contradicted* and *no difference* without more are
said only of the claim's own data and net, under at least half of its schedule. *Holds on DATA* is of other data. *Seen in a
proxy* is of a smaller net or a shorter schedule, from which no size carries over. How verdicts are reached, and how often
they are wrong, is in [statistics.md](statistics.md).
"""
NOTHING = {
    "undecided": "Nothing yet: the interval leaves room for an effect and for none.",
    "nothing learned": "Nothing: no net learned anything.",
    "outside the claim's regime": "Nothing about the claim, which is about nets that overfit: here the control does not.",
    "not judged": "Nothing: there is no comparison to judge.",
    "not run yet": "Nothing yet.",
    "no claim": "The paper says nothing of this comparison; it is there to tell causes apart.",
}
FOLLOWS = {
    "supported": {
        "own": "The claim holds here.",
        "data": "The claim holds on these data.",
        "proxy": "The effect has the claimed direction in a small stand-in. That speaks for the claim and does not reproduce it.",
    },
    "contradicted": {
        "own": "The claim does not hold here.",
        "data": "The claim does not hold on these data.",
        "proxy": "In a small stand-in the effect goes the other way. That does not contradict the paper.",
    },
    "no difference": {
        "own": "Any effect is within the margin.",
        "data": "On these data any effect is within the margin.",
        "proxy": "In a small stand-in any effect is within the margin. The paper's net may show one.",
    },
}


def page(reference: Path, known: dict[str, Any]) -> str:
    """docs/paper.md as a whole."""
    sections = [(section, [found(name, reference) for name in section["ablations"]]) for section in known["section"]]
    parts = [HEAD, overview(sections)]
    for section, runs in sections:
        body = paper_figure_1.written(runs, reference) if "relu-vs-tanh" in section["ablations"] else usual(runs)
        claims = says(section, runs)
        parts.append("\n\n".join([
            f"## {section['title']}", *([f"**The paper:** {claims}"] if claims else []),
            f"**{section.get('who', 'What its authors ran')}:** {line(section['ran'])}",
            *body, *doubts(section, runs), f"**What does not follow:** {line(section['limits'])}",
        ]) + "\n")  # fmt: skip
    return "\n".join(parts)


def doubts(section: dict[str, Any], runs: list[Found]) -> Iterator[str]:
    """What else could have made the results, where there are some."""
    if "doubts" in section and any(run.is_there for run in runs):
        yield f"**What else could have made it:** {line(section['doubts'])}"


def line(text: str) -> str:
    """A text of several lines as a paragraph."""
    return " ".join(text.split())


def says(section: dict[str, Any], runs: list[Found]) -> str:
    """What the paper says, by the claims of the section's files that are the paper's and what the facts add; or else in
    the facts' words."""
    claims = [run.ablation.claim for run in runs if run.ablation.claim.source == "the paper"]
    words = []
    for claim in claims:
        marks = ", ".join(f"{arm} near epoch {epoch:g}" for arm, epoch in claim.landmarks.items())
        words.append(claim.says + f" (read off its figure: {marks})" * bool(marks) + ".")
    return line(section.get("says", "")) or " ".join([*dict.fromkeys(words), line(section.get("adds", ""))]).strip()


def overview(sections: list[tuple[dict[str, Any], list[Found]]]) -> str:
    """A line a comparison that ran: what was asked on what, and how it stands; and how much did not run."""
    lines, missing = [], 0
    for section, runs in sections:
        title = section["title"].partition(":")[0]
        link = f"[{title}](#{anchor(section['title'])})"
        for run in runs:
            missing += not run.is_there
            if run.is_there:
                for _, on, sides, _, effect, interval, _, words in rows(
                    [run.tables.verdict | {"comparisons": run.lines}]
                ):
                    lines.append((link, f"`{run.run.name}`: {sides}", on, effect, interval, f"**{words}**"))
    left = f"{numbers.counted(missing, 'ablation')} did not run yet; the sections say how long each takes, and its command."
    measured = table(("section", "comparison", "on", "effect", "interval", "verdict"), lines) + "\n\n" if lines else ""
    return measured + left * bool(missing) + "\n"


def anchor(title: str) -> str:
    """The name that a heading's link has on GitHub."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def usual(runs: list[Found]) -> Iterator[str]:
    """What we measured and what follows, of each ablation of a section."""
    if not runs:
        yield "**What we measured:** nothing."
        return
    yield "**What we measured**"
    yield "\n".join(item(run) for run in runs)


def item(run: Found) -> str:
    """An item of a list: what was asked, what came out, what follows; and the table of budgets, if it has any."""
    claim = run.ablation.claim
    asked = (
        f"{run.ablation.title} ({claim.source}: {claim.says})" if claim.source != "the paper" else run.ablation.title
    )
    head = f"- [`{run.run.name}`](../ablations/{run.run.name}.toml): {asked}."
    if not run.is_there:
        return f"{head} {run.missing} It asks this of {run.lines[0]['conditions']}."
    note = [line(run.ablation.note)] if run.ablation.note else []
    words = " ".join(
        [head, run.sentence, f"Ran {run.where}{figure_link(run)}.", *note, f"*What follows:* {follows(run)}"]
    )
    table_of = [] if run.tables.budgets.empty else ["", *(f"  {row}" for row in budgets(run).splitlines()), ""]
    return "\n".join([words, *table_of])


def figure_link(run: Found) -> str:
    path = run.figure()
    return f" ([figure](../{path}))" if path else ""


def follows(run: Found) -> str:
    """What a verdict allows to be said, the same for all arms said once."""
    said = [
        FOLLOWS[line["verdict"]][line["tier"]] if line["verdict"] in FOLLOWS else NOTHING[line["verdict"]]
        for line in run.lines
    ]
    if len(set(said)) == 1:
        return said[0]
    return " ".join(f"`{line['arm']}`: {words}" for line, words in zip(run.lines, said, strict=True))


def budgets(run: Found) -> str:
    """Errors, the gap between them and the effect, at each length of training."""
    lines = []
    for row in run.tables.budgets.astype(object).where(run.tables.budgets.notna(), None).to_dict("records"):
        effect = (
            "–" if row["effect"] is None else f"{numbers.typographic(numbers.effect(row['effect'], 'points'))} points"
        )
        if row["low"] is not None and row["high"] is not None:
            ends = (numbers.typographic(numbers.effect(row[end], "points")) for end in ("low", "high"))
            effect += f" ({' to '.join(ends)})"
        errors = (
            "–" if row[key] is None else f"{100 * row[key]:.2f}" for key in ("train_error_pass", "test_error", "gap")
        )
        lines.append((str(row["budget"]), row["arm"], *errors, effect))
    return table(
        ("epochs", "arm", "training error, %", "test error, %", "gap, points", "effect on the test error"), lines
    )


def written(reference: Path) -> str:
    """docs/paper.md with what results/reference holds now."""
    return page(reference, facts())


def facts() -> dict[str, Any]:
    """What tools/paper.toml says."""
    return tomllib.loads(FACTS.read_text(encoding="utf-8"))
