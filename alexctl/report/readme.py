"""`python -m alexctl.report.readme`: writes the README's table of reference results, so that no number is typed by hand."""

from pathlib import Path

from alexctl import results
from alexctl.errors import UserError
from alexctl.report.formats import markdown
from alexctl.report.rebuild import open_results
from alexctl.report.tables import derive

BEGIN = "<!-- results: written by `make readme` from results/reference -->\n"
END = "<!-- end of results -->\n"


def block(reference: Path) -> str:
    """The table between the README's two marks, as `alexctl report --format md` has it, each title with its figure."""
    made = [derive(campaign) for campaign in open_results(reference)]
    figures = [f"results/{reference.name}/{tables.folder.name}/figure.png" for tables in made]
    return markdown([tables.verdict for tables in made], figures) + "\n"


def written(readme: str, reference: Path) -> str:
    """The README's text with its table made anew; UserError when the marks are gone."""
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise UserError(f"README.md lacks the marks {BEGIN.strip()} and {END.strip()}")
    return head + BEGIN + "\n" + block(reference) + "\n" + END + tail


def main() -> None:
    """Rewrites README.md in the checkout this package runs from."""
    top = Path(__file__).parents[2]
    readme = top / "README.md"
    results.write_atomic(readme, written(readme.read_text(encoding="utf-8"), top / "results" / "reference"))


if __name__ == "__main__":
    main()
