"""Which campaigns a report is of, and where it is written."""

import tempfile
import webbrowser
from pathlib import Path
from typing import Any

from alexctl import results
from alexctl.errors import UserError
from alexctl.report.page import write
from alexctl.report.traced import Folder


def campaigns(folder: Path, name: str | None = None) -> list[Path]:
    """The campaign folders in a results folder, or those of that name; UserError when there are none."""
    found = results.campaigns(folder)
    if name is not None:
        found = [path for path in found if path.name == name or path.name.split("@")[0] == name]
    if not found:
        what = f"no results of {name}" if name else "no results"
        raise UserError(
            f"{what} in {folder}; `alexctl ablate relu-vs-tanh` makes some, --results PATH reads others, "
            "--reference shows those that come with alexctl"
        )
    return found


def reference(name: str | None = None) -> list[Path]:
    """The reference campaigns that come with alexctl: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parents[1]
    for folder in (package.parent / "results" / "reference", package / "_shipped" / "reference"):
        if found := [path for path in results.campaigns(folder) if (path / "verdict.json").is_file()]:
            return campaigns(folder, name) if name else found
    raise UserError("no reference results come with this alexctl; install it anew, or use a checkout of it")


def reference_verdicts(name: str | None = None) -> list[dict[str, Any]]:
    """What the reference results say, as their verdict.json have it."""
    return [Folder(path).json("verdict.json") for path in reference(name)]


def write_page(folder: Path, name: str | None = None) -> Path:
    """Writes a results folder's page: report.html, or NAME-report.html of one ablation."""
    file = f"{name}-report.html" if name else "report.html"
    return write(folder / file, campaigns(folder, name), among_all=name is None)


def write_reference_page(folder: Path, name: str | None = None) -> Path:
    """Writes the page of the reference results into a results folder, or a temporary one where that can't be written."""
    file, found = f"{name}-reference-report.html" if name else "reference-report.html", reference(name)
    try:
        return write(results.make_folder(folder) / file, found, among_all=name is None)
    except UserError:
        return write(Path(tempfile.mkdtemp(prefix="alexctl-")) / file, found, among_all=name is None)


def show(page: Path) -> bool:
    """Opens a page in the browser; False where there is none."""
    return webbrowser.open(page.resolve().as_uri())
