"""`python -m tools.site`: the site of docs/ in build/docs/site, to be opened from the disk or served; `make docs` calls it.

Zensical makes it of a copy. There, links that lead out of docs/ have their targets on the site (code as a page, with the
line of a test that a link names), and lists are indented as Python-Markdown wants them.
"""

import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

from alexctl.cli.console import note
from alexctl.errors import UserError
from tools.python_markdown import indented, outside_of_code

TOP = Path(__file__).parents[1]
BUILD = TOP / "build" / "docs"
CONFIG = "zensical.toml"
CODE = {".py": "python", ".toml": "toml", ".yml": "yaml", ".sh": "sh"}
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)(#[^)\s]+)?\)")


def stage(top: Path, build: Path) -> None:
    """Copies docs/ and what it links to into `build`; UserError names every link that leads nowhere."""
    shutil.rmtree(build, ignore_errors=True)
    docs, pages = top / "docs", build / "pages"
    pages.mkdir(parents=True)
    shutil.copy(docs / CONFIG, build / CONFIG)
    done, faults = set(), []
    waiting = [path for path in sorted(docs.rglob("*")) if path.is_file() and path.name != CONFIG]
    while waiting:
        path = waiting.pop()
        done.add(path)
        at = pages / _place(path, docs)
        at.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            text = path.read_text(encoding="utf-8")
            found, wrong = _targets(text, path, top)
            faults += wrong
            waiting += [target for target in found if target not in done and target not in waiting]
            if not wrong:
                text = outside_of_code(indented(text), partial(_led, path=path, docs=docs))
                at.write_text(text, encoding="utf-8")
        elif path.suffix in CODE:
            at.write_text(_code_page(path, top), encoding="utf-8")
        else:
            shutil.copy(path, at)
    if faults:
        raise UserError(*sorted(faults))


def _targets(text: str, path: Path, top: Path) -> tuple[list[Path], list[str]]:
    """The files that a page links to, and in a line each what is wrong with its links."""
    found, faults = [], []

    def look(line: str) -> str:
        for name, anchor in LINK.findall(line):
            target = (path.parent / name).resolve()
            if not target.is_relative_to(top) or not target.exists():
                faults.append(f"{path.relative_to(top)}: {name} is not there")
            elif target.is_file():
                found.append(target)
                if anchor and target.suffix == ".py" and _line_of(target, anchor) is None:
                    faults.append(f"{path.relative_to(top)}: {name} has no {anchor[1:]}")
        return line

    outside_of_code(text, look)
    return found, faults


def _led(line: str, path: Path, docs: Path) -> str:
    """A line of a page with its links led to where their targets are on the site; one to a folder is words only."""

    def led(found: re.Match) -> str:
        target, anchor = (path.parent / found[1]).resolve(), found[2] or ""
        if target.suffix == ".py" and anchor:
            anchor = f"#__codelineno-0-{_line_of(target, anchor)}"
        there = _place(target, docs)
        up = "../" * len(_place(path, docs).parent.parts)
        return f"]({up}{there.as_posix()}{anchor})"

    for text, name in re.findall(r"(?<!!)\[([^\]]*)\]\(([^)#\s:]+)\)", line):
        if (path.parent / name).resolve().is_dir():
            line = line.replace(f"[{text}]({name})", text)
    return LINK.sub(led, line)


def _place(path: Path, docs: Path) -> Path:
    """Where a file is in the copy."""
    if path.is_relative_to(docs):
        return path.relative_to(docs)
    place = "files" / path.relative_to(docs.parent)
    return place.with_name(f"{place.name}.md") if path.suffix in CODE else place


def _line_of(path: Path, anchor: str) -> int | None:
    """The line of a test or function."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if re.match(rf"\s*(?:async )?(?:def|class) {re.escape(anchor[1:])}\b", line):
            return number
    return None


def _code_page(path: Path, top: Path) -> str:
    """A page that shows a file; it is not searched."""
    text = path.read_text(encoding="utf-8")
    fence = "`" * (2 + max([2, *map(len, re.findall("`+", text))]) - 1)
    return (
        f"---\nsearch:\n  exclude: true\nhide:\n  - navigation\n---\n\n# `{path.relative_to(top).as_posix()}`\n\n"
        f'{fence}{CODE[path.suffix]} linenums="1"\n{text}{fence}\n'
    )


def make(top: Path, build: Path) -> Path:
    """The site's first page; what Zensical warns of is a UserError."""
    stage(top, build)
    made = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "-f", build / CONFIG],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        said = re.sub(r"\x1b\[[0-9;]*m", "", f"{made.stdout}{made.stderr}")
        raise UserError("the site could not be made", *said.partition("Traceback")[0].strip().splitlines())
    return build / "site" / "index.html"


def main() -> None:
    """Does it in the checkout this package runs from."""
    note(f"the site is {make(TOP, BUILD).relative_to(TOP)}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"docs: {error}")
