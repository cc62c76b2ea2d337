"""`alexctl report` as it is typed: what it prints, where it writes, and what it says of bad input."""

import json
import os
import shutil
import tempfile
import webbrowser
from pathlib import Path

import pytest

from alexctl.store import reference


@pytest.fixture
def one_seed(everything, tmp_path) -> Path:
    return shutil.copytree(everything / "one-seed", tmp_path / "results" / "one-seed")


def test_the_table_and_the_page(alexctl, one_seed, tmp_path):
    code, out, err = alexctl("report")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"Page: {Path('results', 'report.html')}"
    assert "one-seed" in out.splitlines()[1]
    first = (tmp_path / "results" / "report.html").read_bytes()
    assert b"<title>ReLU vs tanh" in first
    assert alexctl("report")[0] == 0
    assert (tmp_path / "results" / "report.html").read_bytes() == first


def test_one_ablation_has_a_page_of_its_own(alexctl, everything, one_seed, tmp_path):
    shutil.copytree(everything / "lrn-by-dropout", tmp_path / "results" / "lrn-by-dropout")
    code, out, _ = alexctl("report", "lrn-by-dropout")
    assert code == 0
    assert out.splitlines()[-1] == f"Page: {Path('results', 'lrn-by-dropout-report.html')}"
    page = (tmp_path / "results" / "lrn-by-dropout-report.html").read_text(encoding="utf-8")
    assert 'id="lrn-by-dropout"' in page
    assert 'id="one-seed"' not in page
    assert not (tmp_path / "results" / "report.html").exists()


def test_other_formats_are_printed_and_write_no_page(alexctl, one_seed, tmp_path):
    for kind, begin in (("md", "| claim | on |"), ("tex", r"\begin{tabular}"), ("json", "[")):
        code, out, err = alexctl("report", "--format", kind)
        assert (code, err) == (0, "")
        assert out.startswith(begin)
    assert json.loads(out)[0]["title"] == "ReLU vs tanh"
    assert alexctl("report", "--json")[1] == out
    assert not list(tmp_path.glob("results/*.html"))


@pytest.mark.parametrize("found", [True, False])
def test_open(alexctl, one_seed, monkeypatch, found):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or found)
    code, _, err = alexctl("report", "--open")
    assert code == 0
    assert opened[0].startswith("file://")
    assert opened[0].endswith("results/report.html")
    assert err == ("" if found else "There is no browser here; open that file in one.\n")


def test_reference(alexctl, tmp_path):
    code, out, err = alexctl("report", "--reference")
    assert (code, out, err) == (0, f"Page: {Path('results', 'reference-report.html')}\n", "")
    page = (tmp_path / "results" / "reference-report.html").read_text(encoding="utf-8")
    for path in reference.reference():
        assert json.loads((path / "verdict.json").read_text(encoding="utf-8"))["title"] in page
    code, out, _ = alexctl("report", "--reference", "--format", "md")
    assert code == 0
    assert out.count("\n") >= 2 + len(reference.reference())


def test_reference_where_results_cannot_be_written(alexctl, tmp_path):
    (tmp_path / "results").write_text("a file")
    code, out, _ = alexctl("report", "--reference")
    path = Path(out.removeprefix("Page: ").strip())
    assert code == 0
    assert path.is_relative_to(Path(tempfile.gettempdir()))
    assert path.name == "reference-report.html"
    assert path.stat().st_size > 10_000
    shutil.rmtree(path.parent)


def test_reference_of_an_installed_wheel(one_seed, tmp_path, monkeypatch):
    """There the results lie inside the package."""
    package = tmp_path / "site-packages" / "alexctl"
    (package / "store").mkdir(parents=True)
    shutil.copytree(one_seed.parent, package / "_shipped" / "reference")
    monkeypatch.setattr(reference, "__file__", str(package / "store" / "reference.py"))
    assert [path.name for path in reference.reference()] == ["one-seed"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["report"], "no results in results; `alexctl ablate relu-vs-tanh` makes some, --results PATH reads others"),
        (["report", "nothing"], "no results of nothing in results"),
        (["report", "nothing", "--reference"], "no results of nothing in "),
        (["report", "--format", "pdf"], "--format: 'pdf' is not one of 'html', 'md', 'json', 'tex'"),
        (["report", "--format", "md", "--open"], "--open is for the page, and --format md writes none"),
    ],
)
def test_bad_input_is_one_line(alexctl, words, message):
    code, out, err = alexctl(*words)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert message in err


def test_results_of_a_newer_version(alexctl, one_seed):
    plan = json.loads((one_seed / "plan.json").read_text(encoding="utf-8"))
    (one_seed / "plan.json").write_text(json.dumps({**plan, "schema": 99}), encoding="utf-8")
    code, out, err = alexctl("report")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "one-seed: plan.json was written by a newer alexctl (schema 99)" in err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_results_folder_that_is_read_only(alexctl, one_seed):
    one_seed.parent.chmod(0o555)
    try:
        code, _, err = alexctl("report")
    finally:
        one_seed.parent.chmod(0o755)
    assert (code, len(err.splitlines())) == (1, 1)


def test_a_damaged_campaign_does_not_stop_the_others(alexctl, everything, tmp_path):
    results = shutil.copytree(everything, tmp_path / "results")
    (results / "one-seed" / "plan.json").write_text("{")
    code, out, err = alexctl("report", "--format", "json")
    assert code == 1
    assert "tiny" in {verdict["ablation"] for verdict in json.loads(out)}
    assert err.startswith("alexctl: one-seed: plan.json is damaged")
    code, out, err = alexctl("report")
    assert (code, "Page: results/report.html" in out, "one-seed: plan.json is damaged" in err) == (1, True, True)
    code, _, err = alexctl("report", "one-seed")
    assert (code, err.count("\n")) == (2, 1)


def test_a_campaign_that_cant_be_written_does_not_stop_the_others(alexctl, everything, tmp_path):
    """Its tables are shown as they are, and the line says what stands in the way."""
    results = shutil.copytree(everything, tmp_path / "results")
    (results / "tiny" / ".lock").unlink(missing_ok=True)
    (results / "tiny" / ".lock").symlink_to(tmp_path / "nowhere")
    (results / "one-seed" / "trials.csv").unlink()
    (results / "one-seed" / "trials.csv").mkdir()
    (results / "tower-links" / "summary.csv").unlink()
    code, out, err = alexctl("report")
    lines = err.splitlines()
    assert code == 0, err
    assert "Page: results/report.html" in out
    assert "note: results/tiny/.lock is a link, not a file; remove it, then run the same command again" in lines
    assert any("can't write results/one-seed/trials.csv: Is a directory" in line for line in lines)
    assert any(
        "one-seed: trials.csv is a folder, not a file; move it away, and `alexctl report`" in line for line in lines
    )
    page = (results / "report.html").read_text(encoding="utf-8")
    assert 'id="tiny"' in page
    assert 'id="tower-links"' in page, "another that can be made again"
    assert 'id="one-seed"' not in page
    assert not (tmp_path / "nowhere").exists()


def test_a_site(alexctl, one_seed, tmp_path):
    code, out, err = alexctl("report", "--site", "public")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"Page: {Path('public', 'index.html')}"
    assert (tmp_path / "public" / "claims" / "one-seed.html").is_file()
    assert not list(tmp_path.glob("results/*.html"))
    assert alexctl("report", "--site", "public")[0] == 0
    for words in (("one-seed",), ("--format", "md")):
        code, out, err = alexctl("report", *words, "--site", "public")
        assert (code, out) == (2, "")
        assert err.startswith("alexctl: --site is of a whole results folder, and")
    code, _, err = alexctl("report", "--site", "results")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "the folder is not empty and no site of alexctl's" in err


def test_figures_for_a_paper(alexctl, one_seed, tmp_path):
    for words in (("--reference",), ("--format", "md")):
        code, out, err = alexctl("report", *words, "--pdf")
        assert (code, out) == (2, "")
        assert err.startswith("alexctl: --pdf draws figures of your results, and --")
    assert alexctl("report", "--pdf")[0] == 0
    assert (one_seed / "figure.pdf").read_bytes().startswith(b"%PDF-")
    assert alexctl("report", "--format", "json")[0] == 0, "figures.json with a PDF in it is read"
