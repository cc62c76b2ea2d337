"""The README's opening and its table of reference results, so that no number is typed by hand."""

from pathlib import Path

from alexctl.campaign.campaign import Campaign
from alexctl.campaign.results import open_results
from alexctl.report.markdown_tex import markdown
from alexctl.store import layout, records
from alexctl.verdicts.tables import derive
from tools.markdown import table
from tools.marked_blocks import rewritten
from tools.paper_results import STARTS, Found, found

JPEG = """`cifar10-jpeg` is CIFAR-10 after one pass of JPEG compression. A run on it can support a claim about CIFAR-10 but never
reproduce it."""


def figure_1(reference: Path) -> str:
    """Figure 1 from both starts side by side, a sentence each, or what is missing and what there is on other data."""
    paths, sentences = zip(*(_start(found(name, reference), reference) for name in STARTS), strict=True)
    shown = [
        f"![ReLU against tanh, start {start}]({path})" if path else "–"
        for start, path in zip(STARTS.values(), paths, strict=True)
    ]
    return table([f"Figure 1, start {start}" for start in STARTS.values()], [shown] * any(paths) + [list(sentences)])


def _start(run: Found, reference: Path) -> tuple[str | None, str]:
    """(the figure's path, a sentence) of one start."""
    if run.is_there:
        return run.figure(), run.sentence
    for folder in records.campaigns(reference):
        name, _, data = folder.name.partition("@")
        if name == run.run.campaign and data and (folder / f"{layout.FIGURE}.png").is_file():
            (line,) = derive(Campaign.open(folder).evidence()).verdict["comparisons"]
            path = f"{layout.REFERENCE}/{folder.name}/{layout.FIGURE}.png"
            return path, f"On `{data}`: {line['sentence']} On {run.ablation.base['data']}: {run.missing}"
    return None, run.missing


def results(reference: Path) -> str:
    """The table, as `alexctl report --format md` has it, each title with its figure, and what to know of its lines.

    A run with other knobs than its file's is not in it: its line would look the same.
    """
    if not records.campaigns(reference):
        return "No reference run has been made yet."
    derived = [derive(evidence) for evidence in open_results(reference)]
    derived = [tables for tables in derived if layout.is_of(tables.folder, tables.verdict["ablation"])]
    figures = [f"results/{reference.name}/{tables.folder.name}/{layout.FIGURE}.png" for tables in derived]
    notes = dict.fromkeys(tables.verdict["older"] for tables in derived if "older" in tables.verdict)
    jpeg = [JPEG] * any(tables.verdict["data"] == "cifar10-jpeg" for tables in derived)
    return "\n\n".join([markdown([tables.verdict for tables in derived], figures), *jpeg, *notes])


def written(readme: str, reference: Path) -> str:
    """The README's text with its parts made anew; UserError when their marks are gone."""
    readme = rewritten(readme, "figure-1", figure_1(reference), file="README.md")
    return rewritten(readme, "results", results(reference), file="README.md")
