"""The page's parts, each alone: drawings, figures made fit, the command, the machines, figures drawn once, formats."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from alexctl.ablation.load import load, override
from alexctl.ablation.measures import MEASURES
from alexctl.campaign.campaign import Campaign
from alexctl.errors import UserError
from alexctl.report import figure_cache, markdown_tex
from alexctl.report.command import remake
from alexctl.report.forest_plot import Axis, axis_row, effect_axis, effect_row, seed_row, value_axis
from alexctl.report.rebuild import rebuild
from alexctl.report.sections import kind_of, size
from alexctl.store import environment, files, layout
from report.made_up import ENVIRONMENT, small


def test_places_on_an_axis():
    ratio = Axis(low=0.1, high=10.0, log=True)
    assert [ratio.place(v) for v in (0.1, 1.0, 10.0, 100.0, 0.001)] == [0.0, 50.0, 100.0, 100.0, 0.0]
    assert Axis(low=-1.0, high=3.0).place(0.0) == 25.0


def test_an_axis_of_ratios_holds_no_effect_the_claim_and_sensible_ends():
    axis = effect_axis([1.05, 6.0], [0.857, 1.28], "ratio")
    assert axis.neutral == 1.0
    assert all(map(axis.holds, (0.857, 1.0, 6.0)))
    assert axis.ticks == (1.0, 1.5, 2.0, 3.0, 5.0)
    wild = effect_axis([1.05], [1e-30, 1e30], "ratio")
    assert wild.low > 0.5
    assert wild.high < 2


def test_an_axis_of_points():
    axis = effect_axis([-1.25, -2.0], [-1.97, -0.52], "points")
    assert axis.neutral == 0.0
    assert axis.ticks == (-2.0, -1.5, -1.0, -0.5, 0.0)
    assert value_axis([0.9, 0.9]).holds(0.9)


def row(**changes) -> ElementTree.Element:
    axis = Axis(low=0.5, high=8.0, log=True, ticks=(1.0, 2.0), neutral=1.0)
    given = {"estimate": 2.0, "low": 1.0, "high": 4.0, **changes}
    return ElementTree.fromstring(effect_row(axis, label="words", **given))


def kinds(svg: ElementTree.Element) -> list[str]:
    return [node.get("class") for node in svg.iter() if node.get("class")]


def test_an_effect_is_drawn_where_it_is():
    svg = row(claimed=8.0, claimed_range=(4.0, 8.0), margin=2.0)
    assert svg.get("aria-labelledby") == "words"
    (interval,) = (node for node in svg if node.get("class") == "interval")
    assert (interval.get("x1"), interval.get("x2")) == ("25.0%", "75.0%")
    (estimate,) = (node for node in svg if node.get("class") == "estimate")
    assert estimate.get("cx") == "50.0%"
    (band,) = (node for node in svg if node.get("class") == "band")
    assert (band.get("x"), band.get("width")) == ("0.0%", "50.0%")
    assert {"claimed", "rounding", "neutral"} <= set(kinds(svg))
    assert "arrow" not in kinds(svg)


def test_a_bound_is_an_arrow_and_no_estimate():
    svg = row(high=None, bound="at_least")
    assert kinds(svg).count("arrow") == 1
    assert "limit" in kinds(svg)
    assert "estimate" not in kinds(svg)


def test_an_end_beyond_the_axis_is_an_arrow():
    assert kinds(row(high=100.0)).count("arrow") == 1


def test_without_an_interval_every_value_is_a_ring():
    assert kinds(row(low=None, high=None, values=[1.0, 4.0])).count("single") == 2


def test_a_seed_has_the_same_height_in_every_row():
    axis = Axis(low=0.0, high=10.0)
    one = ElementTree.fromstring(seed_row(axis, label="a", values=[(0, 1.0), (2, 5.0)], median=3.0, seeds=3, lost=[1]))
    other = ElementTree.fromstring(seed_row(axis, label="b", values=[(2, 9.0)], median=None, seeds=3))
    heights = [node.get("cy") for node in one if node.get("class") == "seed"]
    assert len(heights) == 2
    assert [node.get("cy") for node in other if node.get("class") == "seed"] == heights[1:]
    assert kinds(one).count("cross") == 1
    assert "2%" in axis_row(Axis(low=0.0, high=4.0, ticks=(2.0,)), "{:g}%".format)


def test_how_numbers_are_written():
    assert MEASURES["test_error"].written(0.25757) == "25.76%"
    assert MEASURES["seconds_per_epoch"].written(2.0) == "2.00 s"
    assert MEASURES["epochs_to_target"].written(5.0) == "5.00"
    assert size("points")(-0.5) == "−0.50"
    assert kind_of("supported, smaller")[0] == kind_of("supported")[0] != kind_of("not run yet")[0]


@pytest.mark.parametrize(
    ("name", "smoke", "pairs", "flags", "data", "expected"),
    [
        ("lrn", False, [], {}, "cifar10", "alexctl ablate lrn"),
        ("lrn", True, [], {}, "shapes", "alexctl ablate lrn --smoke"),
        ("lrn", False, ["lr=0.01", "lr_drops=[4]"], {"seeds": 3, "epochs": 5}, "cifar10",
         "alexctl ablate lrn --seeds 3 --epochs 5 --set lr=0.01 --set 'lr_drops=[4]'"),
        ("relu-vs-tanh", False, ['init="fan-in"', "target={at_most=0.3}"], {"data": "mnist"}, "mnist",
         "alexctl ablate relu-vs-tanh --data mnist --set 'init=\"fan-in\"' --set 'target={ at_most = 0.3 }'"),
    ],
)  # fmt: skip
def test_the_command_makes_the_same_plan(tmp_path, name, smoke, pairs, flags, data, expected):
    ablation = load(name, overrides=override(pairs) | flags, smoke=smoke)
    plan = plan_of(tmp_path, ablation, data)
    made = remake(plan)
    assert " ".join(made.words) == expected
    assert made.notes == ()
    given = [pair.strip("'") for before, pair in zip(made.words, made.words[1:], strict=False) if before == "--set"]
    again = load(name, overrides=override(given) | flags, smoke=smoke)
    assert plan_of(tmp_path, again, data)["ablation"] == plan["ablation"]


def plan_of(folder: Path, ablation, data: str) -> dict:
    Campaign(ablation, data_name=data, data_digest="0" * 16, num_classes=10, folder=folder).write_plan({})
    return files.read_json(folder / "plan.json")


def test_what_a_command_cannot_promise_is_said(tmp_path):
    own = remake(plan_of(tmp_path, small(), "cifar10-jpeg"))
    assert own.words == ("alexctl", "ablate", "./tiny.toml", "--data", "imagefolder:PATH")
    assert own.notes == (
        "PATH is the folder of images; only its name and digest are kept.",
        "The file is the user's own; what it asked for is kept in plan.json.",
    )
    plan = plan_of(tmp_path, load("lrn"), "cifar10")
    plan["ablation"]["arms"]["lrn"] = {"norm": "batch"}
    del plan["ablation"]["base"]["flips"]
    assert remake(plan).notes == (
        "The file now sets flips, which this run did not have.",
        "The file has changed since this run: arms.",
    )


def test_seconds_of_other_machines_are_told_apart(tmp_path):
    folders = []
    for i, change in enumerate([{}, {"git_commit": "5" * 40}, {"device": "NVIDIA H100"}]):
        folders.append(files.make_folder(tmp_path / str(i)))
        files.write_json(folders[-1] / "env.json", ENVIRONMENT | change)
    assert not environment.mixed(folders[:2])
    assert environment.mixed(folders)
    assert not environment.mixed([tmp_path / "without"])
    (folders[0] / "env.json").write_text("{")
    with pytest.raises(UserError, match=r"env\.json is damaged"):
        environment.mixed(folders)


def test_a_figure_is_drawn_once(everything, tmp_path, monkeypatch):
    folder = shutil.copytree(everything / "one-seed", tmp_path / "one-seed")
    saved, save = [], figure_cache.save
    monkeypatch.setattr(
        figure_cache, "save", lambda figure, stem, *kinds: saved.append(stem.name) or save(figure, stem, *kinds)
    )
    rebuild(Campaign.open(folder).evidence())
    assert saved == []
    before = (folder / "figure.svg").read_bytes()
    (folder / "figure.svg").write_text("<svg/>")
    rebuild(Campaign.open(folder).evidence())
    assert saved == ["figure"]
    assert (folder / "figure.svg").read_bytes() == before
    plan = json.loads((folder / "plan.json").read_text())
    plan["ablation"]["claim"]["says"] = "another claim"  # it stands in the caption
    (folder / "plan.json").write_text(json.dumps(plan))
    rebuild(Campaign.open(folder).evidence())
    assert saved == ["figure", "figure"]
    (folder / layout.DRAWN_FROM).unlink()
    rebuild(Campaign.open(folder).evidence())
    assert saved == ["figure"] * 3


VERDICT = {
    "title": "=cmd() <b>|100%_$x$\\", "data": "shapes", "control": "tanh",
    "comparisons": [
        {"arm": "relu", "control": "tanh", "n": 4, "scale": "ratio", "bound": "exact", "effect": 1.0487, "low": 0.8566,
         "high": 1.2839, "level": 0.95, "claimed": 6.0, "values": [1.0], "verdict": "no difference"},
        {"arm": "elu", "control": "tanh", "n": 3, "scale": "ratio", "bound": "at_least", "effect": 3.0, "low": 2.0,
         "high": None, "level": 0.95, "claimed": None, "values": [3.0], "verdict": "supported"},
        {"arm": "a x b", "control": None, "n": 2, "scale": "points", "bound": "exact", "effect": -1.0, "low": None,
         "high": None, "level": 0.95, "claimed": -2.0, "values": [-1.5, -0.5], "verdict": "undecided"},
        {"arm": "none", "control": "tanh", "n": 0, "scale": "ratio", "effect": None, "low": None, "high": None,
         "level": 0.95, "claimed": 6.0, "values": [], "verdict": "not run yet"},
    ],
}  # fmt: skip


def test_markdown():
    lines = markdown_tex.markdown([VERDICT]).splitlines()
    title = r"=cmd() &lt;b&gt;\|100%\_\$x\$\\"
    assert (
        lines[2] == f"| {title} | shapes | relu against tanh | 4 | 1.05 | 0.857 to 1.28 (95%) | 6 | **no difference** |"
    )
    assert lines[3].endswith(r"| 3 | more than 2.00 | 95% | – | **supported** |")
    assert lines[4].endswith(r"| a x b | 2 | −1.50 and −0.50 | none | −2 | **undecided** |")
    assert lines[5].endswith(r"| 0 | – | – | 6 | **not run yet** |")
    assert len(lines) == 6
    below = markdown_tex.markdown([VERDICT, VERDICT | {"note": "Mind | this."}]).splitlines()[10:]
    assert below == ["", rf"- {title}: Mind \| this."]


def test_tex():
    text = markdown_tex.tex([VERDICT])
    title = r"=cmd() \textless{}b\textgreater{}\textbar{}100\%\_\$x\$\textbackslash{}"
    first = text.splitlines()[4]
    assert first == title + r" & shapes & relu against tanh & 4 & 1.05 & 0.857 to 1.28 (95\%) & 6 & no difference \\"
    assert markdown_tex.tex([VERDICT | {"note": "100% more."}]).splitlines()[-1] == rf"\par {title}: 100\% more."
    assert "rule" not in text  # booktabs
    assert text.count(r"\hline") == 3
    assert all(line.count(" & ") == 7 for line in text.splitlines() if line.endswith(r"\\"))
