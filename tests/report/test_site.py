"""The static site: its pages, that it grows a history and loses none, and that nothing of anybody else's is touched."""

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

import alexctl
from alexctl.errors import UserError
from alexctl.report import history, site
from alexctl.store import records
from report.reading import Reader, agrees, looked_up

FIRST, LATER = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def results(everything, tmp_path_factory) -> Path:
    """Three campaigns of everything, which may be changed."""
    folder = tmp_path_factory.mktemp("results")
    for name in ("tiny", "lrn-by-dropout", "blind@smoke", "evil"):
        shutil.copytree(everything / name, folder / name)
    return folder


@pytest.fixture
def made(results, tmp_path) -> Path:
    site.write(tmp_path / "public", records.campaigns(results), now=FIRST)
    return tmp_path / "public"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_page_of_all_one_of_each_and_the_history(made, results):
    pages = {name for name in contents(made) if name.endswith(".html")}
    assert pages == {
        "index.html", "history.html", "claims/tiny.html", "claims/lrn-by-dropout.html", "claims/blind_smoke.html", "claims/evil.html",
    }  # fmt: skip
    for name in pages:
        elements = Reader((made / name).read_text(encoding="utf-8")).elements
        policy = next(e for e in elements if e.attributes.get("http-equiv") == "Content-Security-Policy")
        assert policy.attributes["content"].startswith("default-src 'none'")
        ids = [e.attributes["id"] for e in elements if "id" in e.attributes]
        assert len(ids) == len(set(ids))
        assert sum(e.tag == "h1" for e in elements) == 1
        addresses = [e.attributes[key] for e in elements for key in ("href", "src") if key in e.attributes]
        assert len(addresses) > 5
        for address in addresses:
            if address.startswith("#"):
                assert address[1:] in ids
            elif not address.startswith("data:"):
                assert ":" not in address
                assert ((made / name).parent / address).resolve().is_relative_to(made.resolve())
                assert ((made / name).parent / address).is_file(), (name, address)
    current = [e for e in Reader((made / "claims/tiny.html").read_text()).elements if "aria-current" in e.attributes]
    assert [e.attributes["href"] for e in current] == ["../claims/tiny.html"]
    assert "<script>alert" not in (made / "claims/evil.html").read_text()


def test_every_number_of_the_history_stands_in_it(made):
    elements = Reader((made / "history.html").read_text(encoding="utf-8")).elements
    found = [e for e in elements if e.attributes.get("data-from") == "history.csv" and e.tag == "data"]
    assert len(found) > 5
    for element in found:
        exact = looked_up(element, made)
        assert float(element.attributes["value"]) == exact
        assert agrees(element.text, exact)


def test_the_history_has_each_comparison_and_no_smoke_run(made, results):
    rows = history.read((made / "history.csv").read_text())
    assert {row["results"] for row in rows} == {"tiny", "lrn-by-dropout", "evil"}
    tiny = next(row for row in rows if row["results"] == "tiny")
    line = json.loads((results / "tiny" / "verdict.json").read_text())["comparisons"][0]
    assert (tiny["date"], tiny["alexctl"], tiny["commit"]) == ("2026-01-02T03:04:05Z", alexctl.__version__, "3" * 8)
    assert (tiny["verdict"], tiny["words"], int(tiny["n"])) == (line["verdict"], line["words"], line["n"])


def test_where_nothing_changed_every_file_stays(made, results):
    before = contents(made)
    site.write(made, records.campaigns(results), now=LATER)
    assert contents(made) == before


def test_a_new_verdict_or_version_adds_a_line_and_changes_none(made, results, monkeypatch):
    before = (made / "history.csv").read_text()
    monkeypatch.setattr(alexctl, "__version__", "9.9.9")
    site.write(made, [results / "tiny"], now=LATER)
    after = (made / "history.csv").read_text()
    assert after.startswith(before)
    (added,) = after[len(before) :].splitlines()
    assert re.match(r"\d+,2026-02-03T00:00:00Z,9\.9\.9,33333333,tiny,", added)
    claim = (made / "claims/tiny.html").read_text()
    assert claim.index("2026-02-03") < claim.index("2026-01-02"), "the newest first"
    assert not (made / "claims/evil.html").exists(), "its campaign is gone"
    assert "Not among the results of today." in (made / "history.html").read_text()
    assert "lrn-by-dropout" in (made / "history.html").read_text(), "what it showed is kept"


def test_a_site_that_begins_with_a_history(made, results, tmp_path):
    """As CI has it, which keeps that file alone."""
    (tmp_path / "new").mkdir()
    shutil.copy(made / "history.csv", tmp_path / "new")
    site.write(tmp_path / "new", records.campaigns(results), now=LATER)
    assert (tmp_path / "new" / "history.csv").read_bytes() == (made / "history.csv").read_bytes()
    assert "2026-01-02" in (tmp_path / "new" / "history.html").read_text()


@pytest.mark.parametrize(
    "change", [lambda text: text[:-20], lambda text: text.replace("entry,", "n,", 1), lambda text: "x"]
)
def test_a_damaged_history_is_never_written_over(made, results, change):
    damaged = change((made / "history.csv").read_text())
    (made / "history.csv").write_text(damaged)
    with pytest.raises(UserError, match=r"history\.csv (is damaged|has columns)"):
        site.write(made, records.campaigns(results), now=LATER)
    assert (made / "history.csv").read_text() == damaged


def test_a_folder_that_is_not_ours_is_refused(results, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "index.html").write_text("mine")
    for place in (tmp_path / "notes", tmp_path / "notes" / "index.html"):
        with pytest.raises(UserError, match=r"--site .*: (the folder is not empty|a file is there)"):
            site.write(place, records.campaigns(results))
    assert contents(tmp_path / "notes") == {"index.html": b"mine"}


def test_in_a_site_what_is_not_ours_stays(made, results):
    (made / "CNAME").write_text("example.org")
    (made / "claims" / "mine.html").write_text("mine")
    (made / "claims" / "evil.html").write_text("edited")
    site.write(made, [results / "tiny"], now=LATER)
    assert (made / "CNAME").read_text() == "example.org"
    assert (made / "claims" / "mine.html").read_text() == "mine"
    assert (made / "claims" / "evil.html").read_text() == "edited", "not as we wrote it, so it is not removed"
    shutil.copytree(results / "tiny", results / "mine")
    try:
        with pytest.raises(UserError, match=r"claims/mine\.html is there and not of alexctl's making"):
            site.write(made, [results / "tiny", results / "mine"], now=LATER)
    finally:
        shutil.rmtree(results / "mine")
    assert (made / "claims" / "mine.html").read_text() == "mine"


def test_links_are_not_written_through(results, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "public").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="a link is there"):
        site.write(tmp_path / "public", records.campaigns(results))
    assert not list((tmp_path / "elsewhere").iterdir())
