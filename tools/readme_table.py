"""`python -m tools.readme_table`: writes the README's table of reference results, so that no number is typed by hand."""

from pathlib import Path

from alexctl.campaign.campaign import open_results
from alexctl.report.markdown_tex import markdown
from alexctl.store import files, layout
from alexctl.verdicts.tables import derive
from tools.marked_blocks import rewritten


def block(reference: Path) -> str:
    """The table between the README's two marks, as `alexctl report --format md` has it, each title with its figure."""
    derived = [derive(evidence) for evidence in open_results(reference)]
    figures = [f"results/{reference.name}/{tables.folder.name}/{layout.FIGURE}.png" for tables in derived]
    return markdown([tables.verdict for tables in derived], figures) + "\n"


def written(readme: str, reference: Path) -> str:
    """The README's text with its table made anew; UserError when the marks are gone."""
    return rewritten(readme, "results", block(reference), file="README.md")


def main() -> None:
    """Rewrites README.md in the checkout this package runs from."""
    top = Path(__file__).parents[1]
    readme = top / "README.md"
    files.write_atomic(readme, written(readme.read_text(encoding="utf-8"), top / layout.REFERENCE))


if __name__ == "__main__":
    main()
