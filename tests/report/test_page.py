"""The page: every number in a file, nothing it could run or fetch, sound to read by ear, and honest about bad input."""

import base64
import gzip
import hashlib
import itertools
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alexctl.campaign.campaign import Campaign
from alexctl.errors import UserError, printable
from alexctl.report.headline import headline, in_order
from alexctl.report.page import page, write
from alexctl.report.rebuild import rebuild
from alexctl.report.sections import in_words
from alexctl.store import records, reference
from report.made_up import lay, small
from report.reading import Reader, agrees, looked_up

REFERENCE = Path(__file__).parents[2] / "results" / "reference"


@pytest.fixture(scope="module")
def elements(html):
    return Reader(html).elements


@pytest.fixture(scope="module")
def sections(elements):
    """Each ablation's title and all text of its section."""
    return {e.attributes["id"]: e.text for e in elements if e.tag == "section" and e.has("ablation")}


def traced(elements):
    return [element for element in elements if "data-from" in element.attributes]


@pytest.mark.parametrize("of", ["made up", "reference"])
def test_every_number_stands_in_a_file(of, everything, elements):
    folder = everything if of == "made up" else REFERENCE
    found = traced(elements if of == "made up" else Reader(page(reference.reference())).elements)
    numbers = [element for element in found if element.tag == "data" and re.search(r"\d", element.text)]
    assert len(numbers) > (200 if of == "made up" else 20)
    for element in found:
        exact, shown = looked_up(element, folder), element.text
        if exact is None:
            whole = (folder / element.attributes["data-from"]).read_text(encoding="utf-8")
            assert all(word in whole for word in re.findall(r"[\w.-]*\d[\w.-]*", shown)), shown
        elif isinstance(exact, str):
            assert shown in exact or shown == printable(exact), (shown, exact)
        elif isinstance(exact, bool):
            assert shown == ("yes" if exact else "no")
        else:
            assert float(element.attributes["value"]) == exact
            assert agrees(shown, exact), (shown, exact)


def test_a_wrong_number_would_be_found():
    assert agrees("8.14", 8.137572)
    assert not agrees("8.15", 8.137572)
    assert agrees("25.76%", 0.25757)
    assert not agrees("25.8%", 0.2569)
    assert agrees("−1.25", -1.2512)
    assert agrees("89,578", 89578)


def test_no_number_is_typed(elements):
    """Digits stand in traced elements, on an axis, in a figure that was drawn from the tables, or count the claims."""
    for element in elements:
        line = [*element.within, element]
        if any(
            "data-from" in e.attributes
            or e.has("plot")
            or e.has("tick")
            or e.has("count")
            or e.tag in ("style", "title", "script")
            for e in line
        ):
            continue
        assert not re.search(r"\d", "".join(element.own)), element.own


@pytest.mark.parametrize("of", ["made up", "reference"])
def test_what_is_not_there_is_not_written_as_none(of, html):
    text = html if of == "made up" else page(reference.reference())
    assert set(re.findall(r"\bNone\b.{10}", text)) == {"None: no trial"}


def test_its_parts_hang_together(html, elements):
    ids = [e.attributes["id"] for e in elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    assert not [name for name in ids if re.search(r"\s", name)]
    for key in ("aria-labelledby", "aria-describedby"):
        assert {e.attributes[key] for e in elements if key in e.attributes} <= set(ids)
    links = [e.attributes["href"] for e in elements if e.tag in ("a", "use")]
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(ids)
    levels = [int(e.tag[1]) for e in elements if re.fullmatch(r"h\d", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_a_drawing_has_a_name_or_is_hidden(elements):
    drawings = [e for e in elements if e.tag == "svg" and not any(o.tag == "svg" for o in e.within)]
    assert len(drawings) > 20
    for e in drawings:
        assert e.attributes.get("aria-hidden") == "true" or e.attributes.get("aria-labelledby"), e
    assert not [e for e in elements if e.tag == "img"]
    for e in elements:
        if e.has("table"):
            assert e.attributes["tabindex"] == "0"
            assert e.attributes["aria-label"]


def test_it_asks_no_network(html, elements):
    for e in elements:
        for key in ("src", "href", "xlink:href", "srcset", "action", "poster", "data"):
            assert e.attributes.get(key, "#").startswith(("#", "data:")), e
        assert not [key for key in e.attributes if key.startswith("on")], e
        assert e.tag not in ("iframe", "object", "embed", "form", "base")
    assert not re.findall(r"url\((?!#)", html)
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_its_own_script_is_the_only_one_it_may_run(html, elements):
    (script,) = (e for e in elements if e.tag == "script")
    (policy,) = (
        e.attributes["content"] for e in elements if e.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert script.attributes == {}
    assert not re.findall(r"fetch|XMLHttp|WebSocket|import|eval|innerHTML|https?:|Storage", script.text)


def test_downloads_are_the_files(everything, elements):
    links = {e.attributes["download"]: e.attributes["href"] for e in elements if "download" in e.attributes}
    campaigns = records.campaigns(everything)
    sometimes = ("survival.csv", "images.csv", "by_class.csv", "ensembles.csv", "kernels.csv")
    assert len(links) == 5 * len(campaigns) + sum((c / name).exists() for c in campaigns for name in sometimes)
    assert {name for name in sometimes if (everything / "tiny" / name).exists()} == {*sometimes}
    for campaign in records.campaigns(everything):
        stem = campaign.name.replace("@", "_")
        for name in ("summary.csv", "trials.csv", "verdict.json", "curves.csv"):
            data = base64.b64decode(links[f"{stem}-{name}{'.gz' * (name == 'curves.csv')}"].partition(",")[2])
            data = gzip.decompress(data) if name == "curves.csv" else data
            assert data == (campaign / name).read_bytes()


def test_the_same_files_are_the_same_bytes(everything, html, tmp_path):
    assert page(records.campaigns(everything)) == html
    moved = shutil.copytree(everything, tmp_path / "else where")
    assert page(records.campaigns(moved)) == html
    rebuild(Campaign.open(moved / "one-seed").evidence())
    assert page(records.campaigns(moved)) == html


def test_a_page_too_large_leaves_out_and_says_so(everything, html):
    limit = len(html.encode()) - 1500
    smaller = page(records.campaigns(everything), limit=limit)
    assert len(smaller.encode()) <= limit
    assert smaller.count("left out to keep this page under 3 MB") == 1
    assert smaller.count('download="') == html.count('download="') - 1
    assert 'class="plot"' in smaller
    tiny = page(records.campaigns(everything), limit=1)
    assert 'class="plot"' not in tiny
    assert "see figure.svg in the results folder" in tiny
    assert "summary.csv</a>" in tiny


def test_reference_is_small_and_quick_without_torch_or_tables():
    code = (
        "import sys, time; from pathlib import Path; from alexctl.store.reference import reference\n"
        "from alexctl.report.page import page; text = page(reference())\n"
        "print(len(text.encode()), time.process_time(), [m for m in ('torch', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    size, seconds, heavy = done.stdout.split(" ", 2)
    assert int(size) < 3_000_000
    assert float(seconds) < 5
    assert heavy.strip() == "[]"


def test_rebuilding_and_writing_take_seconds(everything, tmp_path):
    """Of processor time, and when nothing has changed: no figure is drawn again."""
    copy = shutil.copytree(everything, tmp_path / "results")
    begun = time.process_time()
    for campaign in records.campaigns(copy):
        rebuild(Campaign.open(campaign).evidence())
    write(copy / "report.html", records.campaigns(copy))
    assert time.process_time() - begun < 5


def test_what_each_section_says(sections):
    tiny, towers = sections["tiny"], sections["tower-links"]
    assert "Proxy data. Measured on shapes, claimed for cifar10" in tiny
    assert "Read off the paper’s figure, one run per side: relu 6 epochs, tanh 36 epochs." in tiny
    assert re.search(r"tanh-s1-\w+ never reached the target in 8 epochs", tiny)
    assert "Learning-rate search" in tiny
    assert re.search(r"4-for-3-s2-\w+ diverged in 5 epochs", towers)
    assert re.search(r"without-3-s1-\w+ failed in 5 epochs: RuntimeError: <b>out of memory</b>", towers)
    assert "alexctl ablate tower-links --epochs 5 --set lr=0.01 --set 'lr_drops=[4]'" in towers
    assert "Learning-rate search" not in towers
    assert "Proxy net. alexnet32 has the layers of the paper’s net" in towers
    assert "Proxy net." not in tiny
    assert "Keep in mind. Equal epochs favour <b>tanh</b>." in sections["one-seed"]
    assert not [name for name, words in sections.items() if "Keep in mind" in words and name != "one-seed"]
    assert "Smoke run." in sections["blind_smoke"]
    assert "Nothing learned" in sections["blind_smoke"]
    assert "no interval" in sections["one-seed"]
    assert "norm x dropout" in sections["lrn-by-dropout"]


def test_seconds_of_several_machines_are_refused(everything, elements, sections):
    words = sections["evil"]
    assert "Machines mixed." in words
    assert "Not judged: seconds are compared only within one machine" in words
    assert "NVIDIA H100" in words
    inside = [e for e in elements if any(o.attributes.get("id") == "evil" for o in e.within)]
    assert not [e for e in inside if e.tag == "svg"]
    assert not (everything / "evil" / "figure.svg").exists()


def test_what_is_hostile_is_text(html, elements):
    assert html.count("<script") == 1  # the page's own
    titles = [e.text for e in elements if e.tag == "h2"]
    assert "=cmd() <script>alert(1)</script>" in titles
    assert "<img" not in html


def test_the_headline_counts_the_claims_that_the_list_shows(elements):
    """But for the smoke run, which counts for nothing."""
    (words,) = (e.text for e in elements if e.tag == "h1")
    listed = [e for e in elements if e.tag == "li" and any(o.has("strip") for o in e.within)]
    counted = [e for e in listed if "smoke run" not in e.text]
    assert len(listed) == len(counted) + 1
    kinds = [next(iter(e.attributes["class"].split())) for e in counted]
    assert words == f"Of {len(counted)} claims {kinds.count('open')} are undecided and 1 was not judged"
    assert kinds.count("void") == 1


def claim(name, *kinds, tier="own", smoke=False, check=False):
    comparisons = [{"kind": kind, "line": {"tier": tier}} for kind in kinds]
    return {"name": name, "smoke": smoke, "noise_floor": check, "comparisons": comparisons}


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ([], "No claim has been tested yet"),
        ([claim("a", "yes")], "The claim holds"),
        ([claim("a", "same", tier="data")], "The claim shows no difference by proxy"),
        ([claim("a", "open", tier="proxy")], "The claim is undecided"),
        ([claim("a", "yes", "yes"), claim("b", "yes", tier="proxy")], "Of 3 claims 3 hold (1 by proxy)"),
        ([claim("a", "no", "open", "open"), claim("b", "yes")], "Of 4 claims 1 holds, 1 does not hold and 2 are undecided"),
        ([claim("a", "yes"), claim("b", "yes", smoke=True), claim("c", "same", check=True)], "The claim holds"),
    ],
)  # fmt: skip
def test_the_headline_in_words(claims, words):
    assert re.sub("<[^>]*>", "", headline(claims)) == words


def test_the_flagship_is_first_then_by_verdict_then_smoke_runs_and_checks():
    found = in_order([
        claim("check", "yes", check=True), claim("open", "open"), claim("smoke", "yes", smoke=True), claim("no", "no"),
        claim("yes", "open", "yes"), claim("nothing"), claim("relu-vs-tanh-fan-in", "open"), claim("relu-vs-tanh", "no"),
    ])  # fmt: skip
    names = [one["name"] for one in found]
    assert names == ["relu-vs-tanh", "relu-vs-tanh-fan-in", "yes", "no", "open", "nothing", "smoke", "check"]


def test_a_check_of_the_instrument_stands_apart(everything, tmp_path):
    copy = shutil.copytree(everything / "one-seed", tmp_path / "one-seed")
    plan = json.loads((copy / "plan.json").read_text())
    plan["ablation"]["varies"] = ["seed_offset"]
    (copy / "plan.json").write_text(json.dumps(plan))
    found = Reader(page([copy, everything / "tower-links"])).elements
    groups = {e.attributes["aria-labelledby"]: e.text for e in found if e.has("strip")}
    assert set(groups) == {"claims-points", "claims-check-points"}
    assert "/" not in groups["claims-check-points"]
    title = json.loads((copy / "verdict.json").read_text())["title"]
    assert title in groups["claims-check-points"]
    assert title not in groups["claims-points"]


@pytest.mark.parametrize(
    ("value", "interaction", "words"),
    [(-2.594, False, "2.59 higher"), (1.2, False, "1.20 lower"), (0.0, False, "+0.00"), (-0.5, True, "−0.50")],
)
def test_a_difference_has_its_side_in_words(value, interaction, words):
    assert in_words("points", interaction=interaction)(value) == words
    assert in_words("ratio")(2.0) == "2.00"


def test_one_arm_alone(everything, tmp_path):
    copy = shutil.copytree(everything / "one-seed", tmp_path / "alone")
    verdict = json.loads((copy / "verdict.json").read_text())
    (copy / "verdict.json").write_text(json.dumps({**verdict, "comparisons": []}))
    assert "There is only one arm, so there is nothing to compare." in page([copy])


@pytest.mark.parametrize(
    ("claim", "eyebrow", "cited"),
    [
        ({}, "Section 3.1", "Krizhevsky, Sutskever and Hinton, section 3.1, on cifar10."),
        ({"section": "", "source": "a question of ours"}, "", "a question of ours, on cifar10."),
        ({"section": "5", "source": "a check of ours"}, "Section 5", "a check of ours, on cifar10."),
    ],
)
def test_whose_claim_it_is(claim, eyebrow, cited, everything, tmp_path):
    copy = shutil.copytree(everything / "one-seed", tmp_path / "alone")
    verdict = json.loads((copy / "verdict.json").read_text())
    verdict["claim"] |= claim
    (copy / "verdict.json").write_text(json.dumps(verdict))
    text = Reader(page([copy])).elements[0].text
    assert cited in " ".join(text.split())
    assert [e.text for e in Reader(page([copy])).elements if e.has("eyebrow")][1:] == [eyebrow] * bool(eyebrow)


def test_an_arm_that_has_not_run(tmp_path):
    ablation = small()
    folder = tmp_path / "tiny"
    (folder / "trials").mkdir(parents=True)
    Campaign(ablation, data_name="shapes", data_digest="0" * 16, num_classes=10, folder=folder).write_plan({})
    rebuild(Campaign.open(folder).evidence())
    text = Reader(page([folder])).elements[0].text
    assert "Not run yet." in text
    assert "no number" in text


def edited(folder, change):
    verdict = json.loads((folder / "verdict.json").read_text())
    change(verdict)
    (folder / "verdict.json").write_text(json.dumps(verdict))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda f: (f / "verdict.json").write_text('{"schema": 99}'), "verdict.json was written by a newer alexctl"),
        (lambda f: (f / "verdict.json").write_text("{"), "verdict.json is damaged; `alexctl report` makes it again"),
        (lambda f: edited(f, lambda v: v["comparisons"][0].update(scale="ratio", effect=-1.0)), "a ratio is above 0"),
        (
            lambda f: edited(
                f,
                lambda v: (
                    v["comparisons"][0].update(
                        scale="ratio", effect=2.0, low=1.0, high=3.0, values=[2.0], claimed=None, margin=None
                    ),
                    v["claim"].update(effect=-1.0),
                ),
            ),
            "a claimed ratio is above 0",
        ),
        (lambda f: (f / "summary.csv").unlink(), "summary.csv: No such file or directory; `alexctl report` makes it"),
    ],
)
def test_a_folder_that_is_broken_is_named(everything, tmp_path, break_it, message):
    copy = shutil.copytree(everything / "one-seed", tmp_path / "one-seed")
    break_it(copy)
    with pytest.raises(UserError, match="one-seed") as caught:
        page([copy])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("figure.svg", "<svg", "figure.svg is damaged"),
        ("net.svg", '<textarea xmlns="http://www.w3.org/1999/xhtml"/>', "net.svg is damaged"),
        ("net.svg", '<svg xmlns="http://www.w3.org/2000/svg"/>', "net.svg has no view box"),
        ("curves.csv", None, "curves.csv is larger than 67,108,864 bytes"),
    ],
)
def test_a_figure_or_a_file_that_cant_be_shown_is_left_out_alone(everything, tmp_path, name, content, why):
    copy = shutil.copytree(everything / "one-seed", tmp_path / "one-seed")
    if content is None:
        with (copy / name).open("r+b") as file:
            file.truncate(2**26 + 1)
    else:
        (copy / name).write_text(content)
    problems = []
    text = " ".join(Reader(page([copy], problems=problems)).elements[0].text.split())
    command = "ablate" if name == "net.svg" else "report"
    line = f"one-seed: {why}, so the page goes without it; delete it, and `alexctl {command}` makes it again"
    assert problems == [line]
    assert f"left out: {why}" in text.replace("Left", "left")
    assert "Every seed" in text
    assert "<textarea" not in text


def test_a_damaged_campaign_is_left_out_of_the_page(everything, tmp_path):
    good, bad = (shutil.copytree(everything / name, tmp_path / name) for name in ("tower-links", "one-seed"))
    (bad / "verdict.json").write_text("{")
    problems = []
    assert 'id="tower-links"' in page([good, bad], problems=problems)
    assert problems == ["one-seed: verdict.json is damaged; `alexctl report` makes it again from the trials"]
    with pytest.raises(UserError, match=r"one-seed: verdict\.json is damaged"):
        page([bad], problems=problems)


def test_two_folders_whose_names_would_be_one_id(everything, tmp_path):
    paths = [shutil.copytree(everything / "one-seed", tmp_path / name) for name in ("a b", "a@b")]
    ids = [e.attributes.get("id") for e in Reader(page(paths)).elements if e.has("ablation")]
    assert len(set(ids)) == 2


def test_a_claim_is_judged_as_one_of_all_on_the_page(everything, elements, sections):
    """Several claims in one folder: each says whether it stands among them; one alone has nothing to stand among."""
    shown = [e for e in elements if e.attributes.get("data-from") == "overview.csv"]
    assert {e.text for e in shown if e.tag == "span"} <= {"yes", "no"}
    assert len([e for e in shown if e.tag == "data"]) > 3
    assert "p after Holm, over all claims" in sections["tower-links"]
    alone = page([everything / "tower-links"], among_all=False)
    assert "overview.csv" not in alone


def test_what_newer_verdicts_know_is_shown_and_traced(everything, tmp_path):
    copy = shutil.copytree(everything / "tower-links", tmp_path / "tower-links")
    verdict = json.loads((copy / "verdict.json").read_text())
    verdict["interval"] = "Student's t, 95%"
    verdict["comparisons"] = verdict["comparisons"][:1]
    verdict["comparisons"][0] |= {"p_value": 0.03125, "sign_flip_p": None, "smallest_effect": 1.234}
    (copy / "verdict.json").write_text(json.dumps(verdict))
    for name in ("svg", "csv"):
        shutil.copy(copy / ("figure.svg" if name == "svg" else "summary.csv"), copy / f"survival.{name}")
    found = Reader(page([copy])).elements
    (extras,) = (e.text for e in found if e.has("extras"))
    assert "p (Student’s t)0.031" in extras
    assert "smallest detectable effect1.2" in extras
    assert "sign flipsn < 6: cannot reach 5%" in extras
    assert "The interval: Student's t, 95%." in found[0].text
    assert [e for e in found if e.attributes.get("id") == "tower-links-survival-title"]
    assert "tower-links-survival.csv" in {e.attributes.get("download") for e in found}


def test_with_several_budgets_the_seeds_shown_are_those_of_the_largest(tmp_path):
    """Whatever the rates: here that of the smaller budget is the larger, and its trials stand last in the table."""
    base = {"lr": "search", "lr_grid": [0.01, 0.02], "lr_widenings": 0, "epochs": 4, "budgets": [2, 4]}

    def errors(job):
        best = 0.02 if job.setting.training.epochs == 2 else 0.01
        level = 0.3 if job.setting.training.epochs == 2 else 0.1
        return [
            0.8,
            *[level + 0.001 * job.seed % 0.003 + 10 * abs(job.setting.training.lr - best)]
            * (job.setting.training.epochs - 1),
        ]

    campaign = lay(tmp_path, small(base=base), errors)
    found = traced(Reader(page([campaign.folder])).elements)
    shown = [element for element in found if element.attributes.get("data-at", "").endswith(":test_error")]
    assert {element.text for element in shown if "phase=final" in element.attributes["data-at"]} == {
        "10.00%", "10.10%", "10.20%",
    }  # fmt: skip
    for element in shown:
        assert float(element.attributes["value"]) == looked_up(element, tmp_path)
