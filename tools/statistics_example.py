"""The example of docs/statistics.md: Figure 1 from the reference results, and what its interval says."""

from pathlib import Path

from alexctl import numbers
from tools.marked_blocks import rewritten
from tools.paper_results import found


def block(reference: Path) -> str:
    """The figure and how to read it; while `relu-vs-tanh` has not run, a line that says so."""
    run = found("relu-vs-tanh", reference)
    (line,) = run.lines
    if run.figure() is None or line["low"] is None or line["high"] is None:
        return "`relu-vs-tanh` shows this, once it has run."
    low, high, claimed = line["low"], line["high"], line["claimed"]
    about_one = (
        "includes 1, so there may be no effect" if low <= 1 <= high else "does not include 1, so there is an effect"
    )
    beside = line["words"].endswith("than claimed")
    size = (
        f"lies beside {claimed:g}: for this net the effect is not of the claimed size"
        if beside
        else f"does not rule {claimed:g} out"
    )
    return (
        f"![Each seed's curve, the median of each arm, and where it crosses 25%](../{run.figure()})\n\n"
        f"The figure shows {line['n']} pairs. Their ratios average to {numbers.significant(line['effect'])}, and the true ratio lies "
        f"in such an interval, here {numbers.significant(low)} to {numbers.significant(high)}, in {100 * line['level']:.0f} of 100 such "
        f"comparisons. It {about_one}. It {size}. The data were "
        f'{run.evidence.data_name}, and the verdict reads "{line["words"]}": a verdict says only what was compared.'
    )


def written(text: str, reference: Path) -> str:
    """docs/statistics.md with its example made anew; UserError when the marks are gone."""
    return rewritten(text, "example", block(reference), file="docs/statistics.md")
