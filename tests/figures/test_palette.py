"""Every colour stands in one table, which figures and page read."""

import re
from pathlib import Path

import alexctl
from alexctl.figures import palette

COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b")
PACKAGE = Path(alexctl.__file__).parent


def test_no_colour_stands_anywhere_else():
    files = [path for kind in ("py", "css", "html") for path in PACKAGE.rglob(f"*.{kind}") if path.name != "palette.py"]
    assert not [f"{path.name}: {found}" for path in files for found in COLOUR.findall(path.read_text("utf-8"))]


def test_the_page_names_only_these_colours_and_each_is_of_use():
    used = set(re.findall(r"var\(--([\w-]+)\)", (PACKAGE / "report" / "page.css").read_text("utf-8")))
    drawn = {name for name, (in_figures, *_) in palette.COLOURS.items() if in_figures}
    assert (used - {"serif", "sans", "mono"}) | drawn == set(palette.COLOURS)
    assert all(palette.css().count(f"--{name}: ") == 3 for name in palette.COLOURS)


def test_a_figures_colours_become_the_pages():
    assert palette.on_page("fill: #0072b2; stroke: #1a1a1a") == "fill: var(--arm-1); stroke: #1a1a1a"
    assert all(COLOUR.fullmatch(c) and c == c.lower() for colours in palette.COLOURS.values() for c in colours if c)
