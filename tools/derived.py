"""`python -m tools.derived`: writes anew everything that is made of results/reference: its tables and figures, and the docs."""

from pathlib import Path

from alexctl import api
from alexctl.cli.console import note
from alexctl.store import files, layout
from tools import costs_table, performance_page, readme_table

TOP = Path(__file__).parents[1]


def documents(top: Path, reference: Path) -> dict[Path, str]:
    """Every document with a part that is made of the reference results, as it should be."""
    readme, ablations, performance = top / "README.md", top / "docs" / "ablations.md", top / "docs" / "performance.md"
    return {
        readme: readme_table.written(readme.read_text(encoding="utf-8"), reference),
        ablations: costs_table.written(ablations.read_text(encoding="utf-8"), reference / layout.BENCH),
        performance: performance_page.written(performance.read_text(encoding="utf-8"), reference / layout.BENCH),
    }


def main() -> None:
    """Does it in the checkout this package runs from."""
    reference = TOP / layout.REFERENCE
    for line in api.write_report(reference)[1]:
        note(line, stderr=True)
    for path, text in documents(TOP, reference).items():
        files.write_atomic(path, text)


if __name__ == "__main__":
    main()
