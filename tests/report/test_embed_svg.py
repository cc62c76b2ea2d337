"""A figure from a stranger: what of it comes into the page, and that nothing else does."""

import base64
import random
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from alexctl.figures import images
from alexctl.figures.page import save
from alexctl.report.embed_svg import inline
from alexctl.store import reference

SVG = "http://www.w3.org/2000/svg"
TAGS = {"svg", "g", "path", "text", "tspan", "use", "defs", "clipPath", "rect", "image", "polygon", "line"}
ADDRESSES = re.compile(r"#x:[\w.-]+|data:image/png;base64,[A-Za-z0-9+/=]+")


@pytest.fixture
def embedded(tmp_path):
    """What of some SVG comes into the page, as text."""

    def embed(inside: str, *, head: str = "", box: str = "0 0 100 90", more: str = "") -> str:
        text = (
            f'{head}<svg xmlns="{SVG}" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" {more}>{inside}</svg>'
        )
        (tmp_path / "figure.svg").write_text(text)
        return inline(tmp_path / "figure.svg", "x:", "title")

    return embed


def inert(text: str) -> ElementTree.Element:
    """The element, once it is sure that nothing of it runs, loads, styles another or reaches out of its box."""
    top = ElementTree.fromstring(text)
    assert {node.tag for node in top.iter()} <= TAGS
    assert list(top.iter("svg")) == [top]
    assert set(top.attrib) == {"viewBox", "class", "role", "aria-labelledby"}
    ids = [node.get("id") for node in top.iter() if node.get("id")]
    assert len(set(ids)) == len(ids)
    for node in top.iter():
        for key, value in node.attrib.items():
            assert not key.startswith("on")
            assert key not in ("class", "role", "aria-labelledby", "tabindex", "filter", "mask") or node is top
            if key == "href":
                assert ADDRESSES.fullmatch(value)
            else:
                assert not re.search(r"url\((?!#x:[\w.-]+\))|http:|javascript|expression|@import|\\", value.lower())
            if key == "style":
                assert not re.search(
                    r"position|display|overflow|content|background|animation|cursor|z-index|--",
                    value.replace("var(--", ""),
                )
    return top


def test_what_our_figures_are_made_of_comes_through(embedded):
    text = embedded(
        '<g id="a"><path id="mark" d="M 1.23456 2\n L 3 4" style="fill: #ffffff; stroke: #0072b2"/>'
        '<use xlink:href="#mark" clip-path="url(#clip)"/><text>4 &lt; 5</text></g>'
        '<defs><clipPath id="clip"><rect x="0" y="0"/></clipPath></defs>'
        '<g id="caption"><text transform="translate(4 80.5)">said elsewhere</text></g>',
    )
    svg = inert(text)
    assert svg.get("aria-labelledby") == "title"
    assert svg.get("viewBox") == "0 0 100 70.5"
    assert [node.get("id") for node in svg.iter() if node.get("id")] == ["x:mark", "x:clip"]
    assert [node.get("href") for node in svg.iter("use")] == ["#x:mark"]
    assert 'd="M 1.23 2 L 3 4" style="fill:var(--paper);stroke:var(--arm-1)"' in text
    assert 'clip-path="url(#x:clip)"' in text
    assert "4 &lt; 5" in text
    assert "said elsewhere" not in text


def test_our_own_figures_lose_nothing_that_shows(tmp_path):
    """Every shape of the reference figures, and the pixels of images; only what stands in a page's text goes."""
    sheet = images.first_kernels(np.ones((8, 5, 5, 3), np.float32), arms=["a"], towers=[2], caption="said elsewhere")
    save(sheet, tmp_path / "kernels")
    for path in (tmp_path / "kernels.svg", *sorted(Path(reference.reference()[0]).parent.glob("*/*.svg"))):
        drawn = ElementTree.parse(path).getroot()
        for parent in list(drawn.iter()):
            for node in [node for node in parent if node.get("id") == "caption"]:
                parent.remove(node)
        text = inline(path, "x:", "title")
        made = inert(text)
        for tag in ("path", "use", "text", "image", "polygon", "line", "rect"):
            assert len(list(made.iter(tag))) == len(list(drawn.iter(f"{{{SVG}}}{tag}"))), (path, tag)
        styles = [node.get("style", "") for node in drawn.iter()]
        wanted = {part.split(":")[0].strip() for style in styles for part in style.split(";") if part.strip()}
        kept = {part.split(":")[0] for node in made.iter() for part in node.get("style", "").split(";") if part}
        assert kept == wanted - {"font-family"}, path
    assert "image-rendering:pixelated" in inline(tmp_path / "kernels.svg", "x:", "title")


def test_type_as_matplotlib_3_10_writes_it(embedded):
    text = embedded("""<text style="font: 700 8px 'DejaVu Sans', sans-serif; text-anchor: middle">a</text>""")
    assert 'style="font-weight:700;font-size:8px;text-anchor:middle"' in text


HTML = 'xmlns="http://www.w3.org/1999/xhtml"'
HOSTILE = (
    "<script>alert(1)</script>", "<style>*{display:none}</style>", f"<textarea {HTML}/>", f'<body {HTML} style="display:none"/>',
    f'<text {HTML} style="display:none">supported</text>', f"<plaintext {HTML}/>", "<textarea/>", "<template/>", "<title><g/></title>",
    '<svg viewBox="0 0 1 1" width="9000" height="9000" style="position:fixed;inset:0"><text>supported</text></svg>',
    '<g><svg x="0" y="0" overflow="visible"><rect width="9" height="9"/></svg></g>',
    f'<foreignObject><div {HTML} style="position:fixed">supported</div></foreignObject>',
    '<a href="javascript:alert(1)"><text>here</text></a>', '<a xlink:href="http://example.org/"><text>here</text></a>',
    '<g onclick="alert(1)" onmouseover="alert(2)"/>', '<animate attributeName="x" to="1"/>', '<set attributeName="onload" to="x"/>',
    '<image href="http://example.org/x.png" width="9" height="9"/>', '<image href="data:image/svg+xml;base64,AAAA"/>',
    '<image href="data:image/png;base64,AAAA"/>', '<use href="http://example.org/x#y"/>', '<use href="#nothing"/>',
    '<g id="g"><use href="#g"/></g>', '<rect fill="url(http://example.org/x)"/>', '<rect style="fill:url(#a) url(http://x)"/>',
    '<rect style="background:url(http://example.org)"/>', '<rect style="position:fixed;inset:0;z-index:9"/>',
    '<rect style="fill:red;--paper:#000"/>', '<rect style="fill:/**/#fff"/>', '<rect style="f\\69ll:#fff"/>',
    '<rect class="badge yes" role="alert" tabindex="0" aria-hidden="true"/>', '<rect filter="url(#f)" mask="url(#m)"/>',
    '<filter id="f"><feImage href="http://x"/></filter>', "<!-- --><?xml-stylesheet href='http://x'?>",
    '<path id="p"/><path id="p"/><use href="#p"/><g id="p" clip-path="url(#p)"/>', '<path id="title"/><use href="#title"/>',
    '<path id="a&quot;b"/>', '<rect clip-path="url(&quot;http://x&quot;)"/>', '<rect clip-path="url(#a) url(http://x)"/>',
)  # fmt: skip


@pytest.mark.parametrize("inside", HOSTILE)
def test_nothing_else_comes_through(embedded, inside):
    text = embedded(inside, more='onload="alert(1)" style="position:fixed" class="badge" width="9999" id="claims"')
    inert(text)
    for word in ("alert", "http", "supported", "here", "display", "textarea", "body"):
        assert word not in text


def test_ids_are_none_of_the_pages_own(embedded):
    text = embedded('<path id="title" d="M 0 0"/><use href="#title"/>')
    assert re.findall(r'id="([^"]*)"', text) == ["x:title"]


def test_words_cant_turn_the_page_around(embedded):
    text = embedded("<text>a\u202e&#x9b;\u2066b\n c<g><text>deep</text></g><tspan>d</tspan>tail</text>")
    assert [node.text for node in inert(text).iter("text")] == ["a\\u202e\\x9b\\u2066b  c"]
    assert "deep" not in text


def png(width, height):
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x06\0\0\0"
    return f'<image width="9" height="9" href="data:image/png;base64,{base64.b64encode(head).decode()}"/>'


def test_an_image_has_a_size_that_a_browser_can_hold(embedded):
    assert "<image" in embedded(png(4000, 4000))
    assert "<image" not in embedded(png(60_000, 60_000))


@pytest.mark.parametrize(
    "box", ["", "0 0 100", "0 0 nan 9", "0 0 inf 9", "0 0 100 -5", "0 0 0 0", "0 0 10 9000", "0 0 1e6 1e6", "a b c d"]
)
def test_a_box_that_no_figure_has(embedded, box):
    with pytest.raises(ValueError, match=r"^figure\.svg has (no view box|a view box that no figure has)$"):
        embedded("", box=box)


@pytest.mark.parametrize("y", ["-5", "0", "9" * 400, "1e9"])
def test_a_caption_makes_no_figure_taller(embedded, y):
    svg = inert(embedded(f'<g id="caption"><text transform="translate(4 {y})">words</text></g>'))
    assert svg.get("viewBox") == "0 0 100 90"


@pytest.mark.parametrize(
    "text",
    ["no", "", "<svg", "<html/>", f"<textarea {HTML}/>", '<svg viewBox="0 0 9 9" xmlns="http://example.org/"/>', "\0",
     '<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg viewBox="0 0 9 9"><text>&a;</text></svg>'],
)  # fmt: skip
def test_what_is_no_svg_is_named(tmp_path, text):
    (tmp_path / "figure.svg").write_text(text)
    with pytest.raises(ValueError, match=r"^figure\.svg is damaged$"):
        inline(tmp_path / "figure.svg", "x:", "y")


def test_what_would_take_for_ever_does_not(embedded):
    """Elements in elements, and long attributes that a careless pattern tries in ever so many ways."""
    inert(embedded("<g>" * 5000 + "<path/>" + "</g>" * 5000))
    ones = "1" * 50_000
    inert(embedded(
        f'<path d="{ones}!" transform="translate({ones} {ones}" style="{"font: " * 5000}{ones}"/>'
        f'<line x1="{ones}!" x2="{ones}.{ones}e{ones}!"/><polygon points="{ones}!"/><rect style="stroke-dasharray:{ones}!"/>'
    ))  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_made_of_a_figure(tmp_path, seed):
    """Parts of a figure of ours cut out, doubled, moved and mixed with hostile ones."""
    rng = random.Random(seed)
    paths = sorted(Path(reference.reference()[0]).parent.glob("*/*.svg"))
    path = paths[seed % len(paths)]
    whole = re.split(r"(?<=>)", path.read_text(encoding="utf-8"))
    for _ in range(60):
        parts = list(whole)
        for _ in range(rng.randrange(1, 4)):
            at, length = rng.randrange(len(parts)), rng.randrange(3)
            parts[at : at + length] = rng.choice([[], [rng.choice(HOSTILE)], parts[at : at + length] * 2])
        (tmp_path / "figure.svg").write_text("".join(parts), encoding="utf-8")
        try:
            text = inline(tmp_path / "figure.svg", "x:", "title")
        except ValueError as error:
            assert str(error).startswith("figure.svg ")  # noqa: PT017
        else:
            inert(text)
