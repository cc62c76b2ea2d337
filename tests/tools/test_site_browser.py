"""The site of docs/ as a reader opens it: from the disk, in Chromium, without a network. Run by `make page-test`."""

import os
from pathlib import Path

import pytest

from tools import site

pytestmark = pytest.mark.browser
TOP = Path(__file__).parents[2]
SEEN = ("index", "tutorial", "cli")  # a picture of each; of all pages it would take a minute
PAGES = sorted(path.stem for path in (TOP / "docs").glob("*.md"))


@pytest.fixture(scope="module")
def index(browser, tmp_path_factory) -> Path:
    return site.make(TOP, tmp_path_factory.mktemp("docs") / "build")


@pytest.fixture(params=[390, 1280])
def opened(request, browser, index):
    """A tab of one width, what it asked for that is not on the disk, and what it complained of."""
    context = browser.new_context(viewport={"width": request.param, "height": 900}, color_scheme="light", offline=True)
    tab, asked, said = context.new_page(), [], []
    context.on("request", lambda asking: asked.append(asking.url))
    tab.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto(index.as_uri())
    yield tab, asked, said
    assert [address for address in asked if not address.startswith((index.parent.as_uri(), "data:", "blob:"))] == []
    assert said == []
    context.close()


def test_every_page_opens(opened, index):
    tab, *_ = opened
    for name in PAGES:
        tab.goto((index.parent / f"{name}.html").as_uri())
        assert tab.locator("h1").first.is_visible(), name
        broken = "[...document.images].filter(one => !one.complete || !one.naturalWidth).map(one => one.src)"
        assert tab.evaluate(broken) == [], name
        width = tab.viewport_size["width"]
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"
        if name in SEEN and (folder := os.environ.get("ALEXCTL_SCREENSHOTS")):
            tab.screenshot(path=Path(folder) / f"docs-{name}-{width}.png", full_page=True)


def test_the_search_finds_a_claim(opened):
    tab, *_ = opened
    tab.keyboard.press("/")
    tab.get_by_role("combobox", name="Search").fill("overlapping pooling")
    found = tab.get_by_role("option").first
    found.wait_for()
    assert "Section 3.4: overlapping pooling" in found.inner_text()
    found.click()
    tab.wait_for_url("**/paper.html*#section-34-overlapping-pooling")


def test_dark_mode(opened):
    tab, *_ = opened
    scheme, back = "document.body.dataset.mdColorScheme", "getComputedStyle(document.body).backgroundColor"
    assert tab.evaluate(scheme) == "default"
    light = tab.evaluate(back)
    tab.locator("label[title='Dark mode']").click()
    assert tab.evaluate(scheme) == "slate"
    assert tab.evaluate(back) != light
    tab.reload()
    assert tab.evaluate(scheme) == "slate"
