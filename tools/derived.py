"""`python -m tools.derived`: writes anew everything that is made of results/reference: its tables and figures, and the docs."""

from pathlib import Path

from alexctl import api
from alexctl.cli.console import note
from alexctl.store import files, layout, records
from tools import costs_table, paper_page, performance_page, readme_table, statistics_example

TOP = Path(__file__).parents[1]


def documents(top: Path, reference: Path) -> dict[Path, str]:
    """Every document with a part that is made of the reference results, as it should be."""
    docs, bench = top / "docs", reference / layout.BENCH
    parts = {
        top / "README.md": (readme_table.written, reference),
        docs / "ablations.md": (costs_table.written, bench),
        docs / "performance.md": (performance_page.written, bench),
        docs / "statistics.md": (statistics_example.written, reference),
    }
    made = {path: write(path.read_text(encoding="utf-8"), folder) for path, (write, folder) in parts.items()}
    return {**made, docs / "paper.md": paper_page.written(reference)}


def main() -> None:
    """Does it in the checkout this package runs from."""
    reference = TOP / layout.REFERENCE
    if records.campaigns(reference):
        for line in api.write_report(reference)[1]:
            note(line, stderr=True)
    for path, text in documents(TOP, reference).items():
        files.write_atomic(path, text)


if __name__ == "__main__":
    main()
