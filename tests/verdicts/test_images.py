"""Trials compared image by image: tables and sentences from trials laid down by hand."""

import csv
import json
import shutil

import numpy as np
import pytest
from report.made_up import lay, shipped, small

from alexctl.campaign.campaign import Campaign
from alexctl.report.markdown_tex import markdown, tex
from alexctl.report.page import page
from alexctl.report.rebuild import rebuild
from alexctl.store import files, layout
from alexctl.verdicts.tables import derive

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 2])  # of eight test images
WRONG = {  # which of them, by arm and seed
    ("tanh", 0): [0, 1, 2], ("tanh", 1): [0, 1, 4], ("tanh", 2): [0, 1],
    ("relu", 0): [0], ("relu", 1): [0, 7], ("relu", 2): [0],
}  # fmt: skip
KERNELS = [
    {"num_kernels": 2, "num_coloured": 0, "colour_share": 0.125},
    {"num_kernels": 2, "num_coloured": 2, "colour_share": 0.75},
]


def scores(job):
    """Sure of the right class, less so of the next one where it is wrong."""
    found = np.full((8, 10), 0.0)
    found[np.arange(8), LABELS] = 0.75
    found[np.arange(8), (LABELS + 1) % 10] = 0.25
    wrong = WRONG[job.arm, job.seed]
    found[wrong] = 0.0
    found[wrong, LABELS[wrong]], found[wrong, LABELS[wrong] + 1] = 0.375, 0.625
    return found


def errors(job):
    return [0.5, 0.5]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return lay(tmp_path_factory.mktemp("results"), small(), errors, scores=scores, labels=LABELS, kernels=KERNELS)


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made.folder, tmp_path / made.folder.name)


def table(folder, name):
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_a_seed_for_mcnemar(made):
    """Seed 0: images 1 and 2 by the control alone. Seed 1: 1 and 4, and 7 by the arm alone. Seed 2: 1."""
    rows = table(made.folder, "images.csv")
    counts = [(row["seed"], int(row["only_control_wrong"]), int(row["only_arm_wrong"])) for row in rows]
    assert counts == [("0", 2, 0), ("1", 2, 1), ("2", 1, 0)]
    assert [float(row["mcnemar_exact_p"]) for row in rows] == pytest.approx([0.5, 1.0, 1.0])
    assert [float(row["mcnemar_mid_p"]) for row in rows] == pytest.approx([0.25, 1 - 3 / 8, 0.5])
    assert [(float(r["control_error"]), float(r["arm_error"])) for r in rows] == [
        (3 / 8, 1 / 8),
        (3 / 8, 2 / 8),
        (2 / 8, 1 / 8),
    ]
    assert {(row["arm"], row["control"], row["num_images"]) for row in rows} == {("relu", "tanh", "8")}


def test_over_seeds_and_images_together(made):
    """2, 1 and 1 of 8 images fewer."""
    (line,) = files.read_json(made.folder / layout.VERDICT)["images"]["comparisons"]
    assert line["effect"] == pytest.approx(100 * 4 / 24)
    assert line["low"] < line["effect"] < line["high"]
    assert line["sentence"].startswith(
        "Test error lower by 16.67 points (95% interval for other seeds and other test images: "
    )
    assert line["sentence"].endswith("; n = 3 seeds, 8 images).")


def test_effects_by_class(made):
    """Class 0 has four images: 3 - 1, 2 - 1 and 2 - 1 of them. Class 1: 0, 1 of 3, 0. Class 2: the other way, once."""
    rows = table(made.folder, "by_class.csv")
    assert [(row["class"], row["num_images"], row["n"]) for row in rows] == [
        ("class 0", "4", "3"),
        ("class 1", "3", "3"),
        ("class 2", "1", "3"),
    ]
    assert [float(row["effect"]) for row in rows] == pytest.approx([100 / 3, 100 / 9, -100 / 3])
    assert float(rows[0]["low"]) == pytest.approx(
        100 / 3 - 4.30265 * 100 / 12, rel=1e-5
    )  # mean 4/12, standard error 1/12
    assert float(rows[0]["p_holm"]) == pytest.approx(3 * float(rows[0]["p_value"]))


def test_agreement_and_ensembles(made):
    """Of tanh's pairs of seeds two agree on 7 images and one on 6; the three together err where two of them do."""
    tanh = next(one for one in files.read_json(made.folder / layout.VERDICT)["images"]["arms"] if one["arm"] == "tanh")
    assert (tanh["n"], tanh["agreement"]) == (3, pytest.approx((6 + 7 + 7) / 24))
    assert (tanh["ensemble_size"], tanh["one_error"], tanh["ensemble_error"]) == (3, pytest.approx(8 / 24), 2 / 8)
    rows = [row for row in table(made.folder, "ensembles.csv") if row["arm"] == "tanh"]
    assert [(row["size"], row["num_subsets"]) for row in rows] == [("1", "3"), ("2", "3"), ("3", "1")]


def test_colour_by_tower(made):
    rows = table(made.folder, "kernels.csv")
    assert len(rows) == 2 * 3 * 2
    assert [(row["tower"], row["num_coloured"], row["colour_share"]) for row in rows[:2]] == [
        ("1", "0", "0.125"),
        ("2", "2", "0.75"),
    ]


def test_page_and_other_formats(made):
    html = page([made.folder])
    assert "Image by image" in html
    assert "Colour in the first layer" in html
    assert "for other seeds and other test images" in html
    verdict = files.read_json(made.folder / layout.VERDICT)
    for text in (markdown([verdict]), tex([verdict])):
        assert "relu against tanh: Test error lower by 16.67 points" in text


def test_without_what_it_takes_there_is_none(copy):
    """First without probabilities, then labels, then bits; what was made of them before goes too."""
    for what, names in (
        ("probabilities.safetensors", {"ensembles.csv"}),
        ("test_labels.json", {"by_class.csv"}),
        ("correct.bits", {"images.csv"}),
    ):
        for path in copy.rglob(what):
            path.unlink()
        rebuild(Campaign.open(copy).evidence(), problems=(problems := []))
        assert problems == []
        left = {"images.csv", "by_class.csv", "ensembles.csv"} & {path.name for path in copy.iterdir()}
        assert not names & left
    assert left == set()
    assert "images" not in files.read_json(copy / layout.VERDICT)
    assert "Image by image" not in page([copy])


def test_what_is_damaged_is_named_and_the_rest_is_made(copy):
    path = next(copy.glob("trials/tanh-s1-*/probabilities.safetensors"))
    path.write_bytes(path.read_bytes()[:-1])
    rebuild(Campaign.open(copy).evidence(), problems=(problems := []))
    assert problems == [
        f"tiny: {path.parent.name}: probabilities.safetensors is damaged, so ensembles go without it; delete that file"
    ]
    assert [row["size"] for row in table(copy, "ensembles.csv") if row["arm"] == "tanh"] == ["1", "2"]
    labels = json.loads((copy / layout.TEST_LABELS).read_text())
    (copy / layout.TEST_LABELS).write_text(json.dumps(labels | {"labels": "AAA="}))
    rebuild(Campaign.open(copy).evidence(), problems=(problems := []))
    assert problems == [
        "tiny: test_labels.json is of other images than the trials were tested on, so it goes without effects by "
        "class; delete that file, and `alexctl ablate` writes it again"
    ]
    assert (copy / "images.csv").exists()
    assert not (copy / "by_class.csv").exists()


def test_trials_that_diverged_are_left_out_and_two_seeds_have_no_interval(tmp_path):
    made = lay(tmp_path, small(), errors, scores=scores, labels=LABELS,
               ends=lambda job: "diverged" if (job.arm, job.seed) == ("relu", 0) else "done")  # fmt: skip
    found = derive(made.evidence())
    assert found.images.frames["images.csv"]["seed"].tolist() == [1, 2]
    (line,) = found.verdict["images"]["comparisons"]
    assert (line["n"], line["low"]) == (2, None)
    assert line["sentence"] == "Test error lower by 12.50 points (n = 2 seeds, 8 images, no interval)."


def test_the_unit_of_several_studies_is_the_study(tmp_path):
    """Two seeds each, the third study of one seed of two; its other one has kept nothing."""
    wrong = {(arm, seed): WRONG[arm, seed % 3] for arm in ("relu", "tanh") for seed in range(8)}
    ablation = small(base={"seeds": 2, "studies": 4})

    def of(job):
        return scores(type("J", (), {"arm": job.arm, "seed": job.seed % 3}))

    made = lay(tmp_path, ablation, errors, scores=of, labels=LABELS)
    next(made.folder.glob("trials/relu-s5-*/correct.bits")).unlink()
    found = derive(Campaign.open(made.folder).evidence())
    (line,) = found.verdict["images"]["comparisons"]
    pairs = [[(len(wrong["tanh", s]) - len(wrong["relu", s])) / 8 for s in (2 * k, 2 * k + 1)] for k in (0, 1, 3)]
    assert line["n"] == 3
    assert line["effect"] == pytest.approx(100 * np.mean(pairs))
    assert "for other studies and other test images" in line["sentence"]
    assert "n = 3 studies, 8 images" in line["sentence"]
    assert len(found.images.frames["images.csv"]) == 7


def test_an_interaction_has_arms_but_no_pairs(tmp_path):
    made = lay(tmp_path, shipped("lrn-by-dropout", epochs=3, lr_drops=[2], seeds=2), errors, data="cifar10",
               scores=lambda job: scores(type("J", (), {"arm": "relu", "seed": job.seed})), labels=LABELS)  # fmt: skip
    found = derive(made.evidence())
    assert set(found.images.frames) == {"ensembles.csv"}
    assert found.verdict["images"]["comparisons"] == []
    assert len(found.verdict["images"]["arms"]) == 4
    page([made.folder])
