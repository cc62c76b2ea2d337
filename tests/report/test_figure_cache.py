"""Figures are drawn again only where something changed; a PDF is there from when somebody asked for one."""

import pandas as pd
import pytest

from alexctl.figures.page import page, rc_style
from alexctl.report import figure_cache
from alexctl.report.drawings import Drawing

DRAWN = []


def line(frame, *, caption):
    DRAWN.append(caption)
    with rc_style():
        figure, axes = page(1.0, caption)
        axes.plot(frame["x"], frame["y"])
    return figure


def drawing(y=2.0) -> Drawing:
    return Drawing(draw=line, frames=(pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, y]}),), options={"caption": "Words."})


@pytest.fixture
def draw(tmp_path):
    """Draws into a folder; how many figures that took."""

    def run(y=2.0, **how):
        DRAWN.clear()
        figure_cache.draw(tmp_path, "figure", drawing(y), **how)
        return len(DRAWN)

    return run


def names(folder):
    return {path.name for path in folder.iterdir()} - {"figures.json"}


def test_there_is_a_pdf_only_where_one_was_asked_for_and_then_it_is_kept_up_to_date(draw, tmp_path):
    assert (draw(), draw()) == (1, 0)
    assert names(tmp_path) == {"figure.svg", "figure.png"}
    before = (tmp_path / "figure.png").stat().st_mtime_ns
    assert (draw(pdf=True), draw(pdf=True), draw()) == (1, 0, 0), "only the PDF was missing"
    assert names(tmp_path) == {"figure.svg", "figure.png", "figure.pdf"}
    assert (tmp_path / "figure.png").stat().st_mtime_ns == before
    old = (tmp_path / "figure.pdf").read_bytes()
    assert draw(y=3.0) == 2, "a PDF of other numbers may not stay"
    assert (tmp_path / "figure.pdf").read_bytes() != old
    (tmp_path / "figure.pdf").write_bytes(b"edited")
    assert draw(y=3.0) == 1
    (tmp_path / "figure.pdf").unlink()
    assert draw(y=3.0) == 0
    figure_cache.remove(tmp_path, "figure")
    assert names(tmp_path) == set()


def test_a_picture_has_twice_the_dots(draw, tmp_path):
    draw()
    head = (tmp_path / "figure.png").read_bytes()[16:24]
    assert int.from_bytes(head[:4], "big") == round(4.2 * 400)
