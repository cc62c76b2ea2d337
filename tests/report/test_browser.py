"""The page in a real browser: Chromium opens it as a reader would, and axe-core looks for what shuts readers out.

Run by `make page-test`, which sets up what this needs; elsewhere it is deselected, or skipped with the reason.
"""

import base64
import os
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from alexctl.report.page import write
from alexctl.store import records, reference

pytestmark = pytest.mark.browser
WIDTHS, SCHEMES = (390, 1280), ("light", "dark")
OPEN = "document.querySelectorAll('details').forEach(one => { one.open = true })"
FOCUSED = "a[href], [tabindex='0'], summary, button, input, select"
WHOLE = "[...document.querySelectorAll('.wide')].every(box => box.scrollWidth <= box.clientWidth)"


@pytest.fixture(scope="module")
def axe() -> str:
    return (Path(find_spec("axe_playwright_python").origin).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=["everything", "reference"])
def path(request, everything, tmp_path_factory) -> Path:
    folders = reference.reference() if request.param == "reference" else records.campaigns(everything)
    return write(tmp_path_factory.mktemp("page") / f"{request.param}.html", folders)


@pytest.fixture(params=[(width, scheme) for width in WIDTHS for scheme in SCHEMES], ids=lambda p: f"{p[0]}-{p[1]}")
def opened(request, browser, path):
    """The page at one width in one scheme, and what the browser asked for and complained of."""
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True, reduced_motion="reduce"
    )
    tab, asked, said = context.new_page(), [], []
    context.on("request", lambda asking: asked.append(asking.url))
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto(path.as_uri())
    yield tab, asked, said, f"{path.stem}-{width}-{scheme}"
    context.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory) -> Path:
    """Where the images go: $ALEXCTL_SCREENSHOTS, or a temporary folder."""
    given = os.environ.get("ALEXCTL_SCREENSHOTS")
    folder = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    print(f"\nscreenshots: {folder}")
    return folder


def test_it_reads_well(opened, screenshots, path):
    tab, asked, said, name = opened
    verdicts = [text.strip() for text in tab.locator("#claims .badge").all_inner_texts()]
    assert verdicts
    assert all(re.search(r"[a-z]{4}", verdict) for verdict in verdicts)
    assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"], "it scrolls sideways"
    tab.evaluate(OPEN)
    if tab.viewport_size["width"] >= 1000:
        assert tab.evaluate(WHOLE), "a net is cut off"
    for link in tab.locator('a[href^="#"]').all():
        link.click()
        target = link.get_attribute("href")[1:]
        assert tab.evaluate("decodeURIComponent(location.hash.slice(1))") == target
        top = tab.evaluate("id => document.getElementById(id).getBoundingClientRect().top", target)
        assert top < tab.viewport_size["height"]
    tab.evaluate("scrollTo(0, 0)")
    tab.screenshot(path=screenshots / f"{name}.png", full_page=True)
    assert {address.split("#")[0] for address in asked if not address.startswith("data:")} == {path.as_uri()}
    assert said == []


def test_axe_finds_nothing_serious(opened, axe):
    tab, *_ = opened
    tab.evaluate(OPEN)
    tab.evaluate(axe)
    found = tab.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete']})")
    serious = [
        (fault["id"], fault["nodes"][0]["target"], fault["nodes"][0].get("failureSummary"))
        for fault in found["violations"] if fault["impact"] in ("serious", "critical", "moderate")
    ]  # fmt: skip
    assert serious == []
    assert len(found["passes"]) > 10


def test_the_keyboard_reaches_every_link_and_table(opened):
    tab, *_ = opened
    tab.evaluate(OPEN)
    wanted = tab.locator(FOCUSED).count()
    reached = set()
    for _ in range(wanted):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate(f'[...document.querySelectorAll("{FOCUSED}")].indexOf(document.activeElement)'))
    assert reached == set(range(wanted))


def test_what_its_script_adds(opened, path):
    """Filter and sort of the claims, the value of a dot, a copy button; and without scripts nothing is lost."""
    tab, *_ = opened
    rows = tab.locator(".strip li")
    before, count = rows.all_inner_texts(), rows.count()
    kind, order = tab.locator(".tools select").all()
    tab.get_by_label("Find").fill(tab.locator(".what a").last.inner_text())
    assert 1 <= tab.locator(".strip li:visible").count() < count
    tab.get_by_label("Find").fill("no such claim")
    assert tab.locator(".strip li:visible, .group:visible").count() == 0
    tab.get_by_label("Find").fill("")
    for verdict in kind.locator("option").all()[1:]:
        kind.select_option(verdict.get_attribute("value"))
        assert 1 <= tab.locator(".strip li:visible").count() < count
    kind.select_option("")
    order.select_option("by name")
    for strip in tab.locator(".strip").all():
        names = [text.lower() for text in strip.locator(".what a").all_inner_texts()]
        assert names == sorted(names)
    order.select_option("as listed")
    assert rows.all_inner_texts() == before
    tab.evaluate(OPEN)
    drawing = tab.locator("svg.seeds").first
    table = drawing.locator("xpath=ancestor::details").locator("tbody tr")
    drawing.focus()
    for row in range(2):
        cells = table.nth(row).locator("th, td").all_inner_texts()
        assert tab.locator(".tip").inner_text() == f"seed {cells[0]}: {cells[1]}"
        tab.keyboard.press("ArrowRight")
    drawing.locator(".seed").first.hover()
    assert tab.locator(".tip").is_visible()
    tab.locator(".copy").first.click()
    tab.locator(".copy", has_text=re.compile("Copied|Selected")).wait_for()
    assert tab.evaluate("document.querySelector('.bar').getBoundingClientRect().top") == 0


def test_without_scripts_all_is_there(browser, path):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(path.as_uri())
    assert tab.locator(".tools, .copy, .tip").count() == 0
    for summary in tab.locator("details:not([open]) > summary").all():
        assert summary.is_visible()
    tab.locator("summary", has_text="Every seed").first.click()
    assert tab.locator("svg.seeds").first.is_visible()
    context.close()


def test_a_download_is_the_file(opened, path, everything):
    tab, *_ = opened
    link = tab.locator("a[download$='trials.csv']").first
    with tab.expect_download() as waiting:
        link.click()
    data = base64.b64decode(link.get_attribute("href").partition(",")[2])
    assert Path(waiting.value.path()).read_bytes() == data
    assert waiting.value.suggested_filename == link.get_attribute("download")


def test_on_paper(browser, path, screenshots):
    """A4 without its margins is 174 mm wide, 658 px."""
    context = browser.new_context(viewport={"width": 658, "height": 980})
    tab = context.new_page()
    tab.goto(path.as_uri())
    tab.pdf(path=screenshots / f"{path.stem}.pdf", format="A4")
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    tab.evaluate(OPEN)
    assert tab.evaluate(WHOLE), "a net is cut off"
    assert not tab.locator(".files").first.is_visible()  # nothing to click there
    context.close()
    assert (screenshots / f"{path.stem}.pdf").stat().st_size > 20_000
