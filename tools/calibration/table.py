"""The calibration as docs/statistics.md shows it: three Markdown tables, the worst case of each kind."""

from collections.abc import Callable, Iterable
from typing import Any

from tools.marked_blocks import rewritten

Line = dict[str, Any]
PROMISE = 0.06  # of wrong verdicts, at most


def markdown(lines: list[Line]) -> str:
    """All three tables, with what has to be said of them."""
    repeats = max(line["repeats"] for line in lines)
    chance = next(
        x
        for x in lines
        if x["distribution"] == "1 control in 2 censored" and x["looks"] == "4" and x["truth"] == "nothing"
    )
    return "\n".join([
        f"{repeats:,} made-up campaigns a cell. Campaigns whose interval (or its one end, where trials are censored) holds the true effect, or that state none:",
        "",
        *_table("differences", _plans(lines), _by(lines, "distribution", lambda them: 1 - max(x["wrong"] for x in them))),
        "",
        "Where nothing is there and half of the trials of both arms are censored, the censored ones happen to be all on "
        f"one side in {chance['bounded']:.0%} of campaigns of four seeds; {chance['wrong_bounded']:.0%} of the ends "
        f"stated there are wrong, which is {chance['wrong']:.1%} of all campaigns.",
        "",
        "Wrong verdicts, the most over all claimed sizes and numbers of seeds: a fixed number / until decided:",
        "",
        *_wrong(lines),
        "",
        "Claims found supported that are true, by their size in standard deviations of a pair's difference (normal); in",
        "brackets the seeds it took on average:",
        "",
        *_power([line for line in lines if line["distribution"] == "normal" and line["truth"] == "as claimed"]),
    ]) + "\n"  # fmt: skip


def pipeline_markdown(lines: list[Line], dropped: list[Line]) -> str:
    """The table of the whole procedure: what is planted, which verdicts follow, how often they are wrong."""
    rows = [
        "| compared | seeds | true effect | supported | no difference | contradicted | wrong (at most) | interval holds the true effect |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        planted = f"{line['planted']:g} points" if line["measure"] == "points" else f"a ratio of {line['planted']:g}"
        seeds = str(line["seeds"]) if line["studies"] == 1 else f"{line['studies']} studies of {line['seeds']}"
        holds = "–" if line["holds_planted"] is None else f"{line['holds_planted']:.1%}"
        rows.append(
            f"| {'errors' if line['measure'] == 'points' else 'races'} | {seeds} | {planted} | {line['supported']:.1%} | "
            f"{line['no_difference']:.1%} | {line['contradicted']:.1%} | {line['false']:.1%} ({line['false_at_most']:.1%}) | {holds} |"
        )  # fmt: skip
    broken = [line for line in lines if line["false_at_most"] > PROMISE]
    words = [
        f"{'errors' if line['measure'] == 'points' else 'races'} with {line['seeds']} seeds ({line['false']:.1%}, although "
        f"{line['holds_conditional']:.1%} of the intervals hold the effect between the rates that were chosen)"
        for line in broken
    ]
    kept = (
        f"Everywhere at most {PROMISE:.0%} of the verdicts are wrong, by the upper end of that interval." if not broken else
        f"More than {PROMISE:.0%} of the verdicts may be wrong on {'; '.join(words)}: each arm has one search, whose luck is "
        "in all of its seeds and in no interval. More seeds don't help against that; `--studies` does."
    )  # fmt: skip
    worst = max(dropped, key=lambda line: line["dropped_at_most"])
    saved = ", ".join(
        f"{line['table'].removeprefix('race-')} to {line['target']:.0%}: {line['epochs']:.0f} epochs a search instead of {line['epochs_without']:.0f}"
        for line in dropped
    )
    searches = sum(line["searches"] for line in dropped)
    return "\n".join([
        f"{lines[0]['campaigns']:,} campaigns a line:", "", *rows, "", kept, "",
        f"In {searches:,} searches for the rate of a race the rule that drops rates early dropped the rate that would have "
        f"won in at most {worst['dropped']:.2%} of those of a table and target (upper end of the interval: "
        f"{worst['dropped_at_most']:.2%}). It saves: {saved}.",
    ]) + "\n"  # fmt: skip


def written(document: str, table: str, *, name: str = "calibration") -> str:
    """The document with what stands between its two marks made anew; UserError when they are gone."""
    return rewritten(document, name, table, file="docs/statistics.md")


def _plans(lines: Iterable[Line]) -> list[str]:
    return list(dict.fromkeys(line["looks"] for line in lines))


def _words(looks: str) -> str:
    return f"until {looks.split()[-1]}" if " " in looks else f"n = {looks}"


def _by(lines: list[Line], key: str, of: Callable[[list[Line]], float]) -> dict[str, list[str]]:
    return {
        name: [
            f"{of([line for line in lines if line[key] == name and line['looks'] == plan]):.1%}"
            for plan in _plans(lines)
        ]
        for name in dict.fromkeys(line[key] for line in lines)
    }


def _table(corner: str, heads: list[str], rows: dict[str, list[str]]) -> list[str]:
    return [
        f"| {corner} | " + " | ".join(map(_words, heads)) + " |",
        "|---" * (1 + len(heads)) + "|",
        *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()),
    ]


WRONG = {
    "supported": ("nothing",),
    "no_difference": ("the margin", "as claimed"),
    "contradicted": ("nothing", "the margin", "as claimed"),
}
"""Which verdicts are wrong when which of the truths holds."""


def most_wrong(lines: Iterable[Line], verdict: str) -> float:
    """The largest share of campaigns with this verdict where it is wrong."""
    return max(line[verdict] for line in lines if line["truth"] in WRONG[verdict])


def _wrong(lines: list[Line]) -> list[str]:
    rows = [
        "| differences | *supported*, nothing there | *no difference*, effect at the margin or as claimed | *contradicted*, no effect or as claimed |",
        "|---|---|---|---|",
    ]
    for name in dict.fromkeys(line["distribution"] for line in lines):
        mine = [line for line in lines if line["distribution"] == name]
        groups = [[line for line in mine if (" " in line["looks"]) == several] for several in (False, True)]
        cells = [" / ".join(f"{most_wrong(group, verdict):.1%}" for group in groups) for verdict in WRONG]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def _power(lines: list[Line]) -> list[str]:
    sizes = list(dict.fromkeys(line["claimed_sds"] for line in lines))
    rows = ["| seeds | " + " | ".join(f"{size:g} sd" for size in sizes) + " |", "|---" * (1 + len(sizes)) + "|"]
    for plan in _plans(lines):
        mine = {line["claimed_sds"]: line for line in lines if line["looks"] == plan}
        cells = [
            f"{mine[size]['supported']:.0%}" + (f" ({mine[size]['mean_seeds']:.1f})" if " " in plan else "")
            for size in sizes
        ]
        rows.append(f"| {_words(plan)} | " + " | ".join(cells) + " |")
    return rows
