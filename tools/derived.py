"""`python -m tools.derived`: writes anew the tables and figures of results/reference, and every document that is made of them
or of the code: README.md and docs/."""

from pathlib import Path

from alexctl import api
from alexctl.cli.console import note
from alexctl.store import files, layout, records
from tools import (
    cli_page,
    costs_table,
    knobs_page,
    paper_page,
    performance_page,
    readme_table,
    scale_page,
    statistics_example,
    students_page,
    teaching_page,
)

TOP = Path(__file__).parents[1]


def documents(top: Path, reference: Path) -> dict[Path, str]:
    """Every document that is made of the reference results or of the code, wholly or in part, as it should be."""
    docs, bench = top / "docs", reference / layout.BENCH
    parts = {
        top / "README.md": (readme_table.written, reference),
        docs / "ablations.md": (costs_table.written, bench),
        docs / "clusters.md": (scale_page.written, bench),
        docs / "performance.md": (performance_page.written, bench),
        docs / "statistics.md": (statistics_example.written, reference),
        docs / "teaching.md": (teaching_page.written, bench),
        docs / "statistics-for-students.md": (students_page.written, reference / layout.CALIBRATION),
    }
    made = {path: write(path.read_text(encoding="utf-8"), folder) for path, (write, folder) in parts.items()}
    of_code = {docs / "ablation-file.md": knobs_page.whole_file, docs / "knobs.md": knobs_page.all_knobs}
    made |= {path: write(path.read_text(encoding="utf-8")) for path, write in of_code.items()}
    return {**made, docs / "paper.md": paper_page.written(reference), docs / "cli.md": cli_page.page()}


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
