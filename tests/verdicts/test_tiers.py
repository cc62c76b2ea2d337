"""A verdict may say only what was compared: its tier, its words, its regime, and the family that it belongs to."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from campaign.test_campaign import campaign, finish
from conftest import TINY

from alexctl.ablation.knobs import PROXIES
from alexctl.ablation.load import load, shipped
from alexctl.ablation.parse import parse
from alexctl.campaign.campaign import Campaign
from alexctl.store import rows_csv
from alexctl.store.reference import reference
from alexctl.verdicts import tiers
from alexctl.verdicts.overview import DIRECTIONS, overview, shipped_claims
from alexctl.verdicts.regime import regime
from alexctl.verdicts.tables import derive
from alexctl.verdicts.tiers import Conditions, conditions

OWN = ("supported", "contradicted", "claimed")  # words that only tier own may use


def on(ablation, data: str, folder: Path = Path("nowhere")) -> Conditions:
    about = {"data_name": data, "data_digest": "0" * 16, "num_classes": 10}
    return conditions(Campaign(ablation, **about, folder=folder).evidence())


@pytest.mark.parametrize("name", shipped())
def test_no_shipped_file_passes_a_proxy_or_other_data_off_as_the_claims_own(name):
    ablation = load(name)
    claim, epochs = ablation.claim, {**{"epochs": 60}, **ablation.base}["epochs"]
    data = ablation.base["data"]
    found = on(ablation, data)
    nets = {{**ablation.base, **arm}["net"] for arm in ablation.arms.values()}
    if nets & PROXIES or (claim.net and nets != {claim.net}) or (claim.epochs and epochs < claim.epochs / 2):
        assert found.tier == "proxy"
    elif data != claim.data:
        assert found.tier == "data"
    else:
        assert found.tier == "own"
    assert on(ablation, "somewhere-else").tier in ("data", "proxy")
    for word in ("supported", "contradicted", "no difference"):
        words = tiers.words(word, found.tier, data, "larger")
        assert (found.tier == "own") == any(
            one in words for one in (*OWN, "no difference")[: 3 + (found.tier == "own")]
        )


@pytest.mark.parametrize("path", reference(), ids=lambda path: path.name)
def test_no_reference_result_does_either(path):
    verdict = json.loads((path / "verdict.json").read_text())
    for line in verdict["comparisons"]:
        if line["tier"] != "own":
            assert not any(word in line["words"] for word in OWN), line["words"]
            assert not line["sentence"].lower().startswith(OWN)
        proxy = any(net in line["conditions"] for net in PROXIES)
        assert (line["tier"] == "proxy") == (proxy or " of 140 epochs" in line["conditions"])


def test_options_lower_the_tier():
    """Away from the file's own net, data or schedule by an option: the claim was about those."""
    tier = {
        name: on(load("relu-vs-tanh", overrides=overrides), data).tier
        for name, overrides, data in (
            ("as it is", {}, "cifar10"), ("other data", {}, "cifar10-jpeg"), ("a part", {"num_train": 5000}, "cifar10"),
            ("half", {"epochs": 30}, "cifar10"), ("less", {"epochs": 29}, "cifar10"),
            ("net", {"net": "convlocal"}, "cifar10"),
        )
    }  # fmt: skip
    assert tier == {
        "as it is": "own", "other data": "data", "a part": "data", "half": "own", "less": "proxy", "net": "proxy",
    }  # fmt: skip


def test_a_file_of_ones_own_is_about_what_its_base_has():
    document = TINY | {"claim": TINY["claim"] | {"data": "shapes"}, "base": TINY["base"] | {"num_train": 500}}
    mine = lambda **overrides: parse(document, name="mine", overrides=overrides, smoke=False)[0]  # noqa: E731
    assert on(mine(), "shapes").tier == "own"
    assert on(mine(num_train=400), "shapes").tier == "data"
    assert on(mine(epochs=1), "shapes").tier == "own"
    assert on(mine(), "mnist").tier == "data"


def test_conditions_in_words():
    about = Conditions(
        data="cifar10-jpeg",
        nets=["alexnet32"],
        epochs=15,
        claim_data="imagenet-2012",
        claim_net="alexnet",
        claim_epochs=90,
    )
    assert str(about) == "alexnet32 instead of alexnet, cifar10-jpeg instead of imagenet-2012, 15 of 90 epochs"
    assert str(replace(about, num_train=5000, epochs=90)) == (
        "alexnet32 instead of alexnet, 5,000 images of cifar10-jpeg instead of imagenet-2012, 90 epochs"
    )


@pytest.mark.parametrize(
    ("word", "tier", "words"),
    [
        ("supported", "own", "supported, larger than claimed"), ("supported", "data", "holds on mnist"),
        ("supported", "proxy", "seen in a proxy"), ("contradicted", "own", "contradicted"),
        ("contradicted", "data", "does not hold on mnist"), ("contradicted", "proxy", "reversed in a proxy"),
        ("no difference", "data", "no difference on mnist"), ("no difference", "proxy", "no difference in a proxy"),
        ("undecided", "proxy", "undecided"), ("nothing learned", "data", "nothing learned"),
        ("outside the claim's regime", "proxy", "outside the claim's regime"),
    ],
)  # fmt: skip
def test_words_of_each_tier(word, tier, words):
    assert tiers.words(word, tier, "mnist", "larger") == words


@pytest.mark.parametrize(
    ("errors", "where", "word"),
    [
        ([0.01, 0.012, 0.011], "in", "supported"),
        ([0.2, 0.21, 0.22], "outside", "outside the claim's regime"),
        ([0.01, 0.05, 0.12], "unclear", "undecided"),
    ],
)
def test_the_regime_is_that_of_the_controls_search(tmp_path, errors, where, word):
    """An arm of which the control overfits, or does not; its reported trials say nothing about it."""
    claim = TINY["claim"] | {
        "effect": None,
        "direction": "positive",
        "control_train_error_at_most": 0.05,
        "data": "shapes",
    }
    base = {key: value for key, value in TINY["base"].items() if key != "target"}
    ablation, faults = parse(
        {**TINY, "measure": "test_error", "claim": claim, "base": base, "margin": 0.5}, name="tiny",
        overrides={"lr": "search", "lr_grid": [0.01, 0.02, 0.04], "lr_widenings": 0, "seeds": 3}, smoke=False,
    )  # fmt: skip
    assert not faults
    made = Campaign(ablation, data_name="shapes", data_digest="0" * 16, num_classes=10, folder=tmp_path)
    while jobs := made.ready():
        for job in jobs:
            error = (
                0.3
                - (0.05 + 0.0001 * job.seed % 0.0007) * (job.arm == "relu")
                + 0.001 * (job.seed % 7)
                + abs(job.setting.training.lr - 0.02)
            )
            finish(made, job, [0.5, error])
            if job.phase == "search":
                rows = [
                    row | dict.fromkeys(rows_csv.COLUMNS[7:]) for row in rows_csv.read(tmp_path / "trials" / job.name)
                ]
                rows[-1] |= {"validation_error": error, "train_error_pass": errors[job.seed - 10_000]}
                rows_csv.write(
                    tmp_path / "trials" / job.name, [{key: row[key] for key in rows_csv.COLUMNS} for row in rows]
                )
                made.reload(job.name)
    found = regime(made.evidence(), "tanh")
    assert (found["where"], found["n"]) == (where, 3)
    (line,) = derive(made.evidence()).verdict["comparisons"]
    assert (line["verdict"], line["regime"]["where"]) == (word, where)
    assert line["effect"] == pytest.approx(5.0, abs=0.05)  # beside the verdict, whatever it is


def test_without_a_search_the_regime_is_unclear(tmp_path):
    made = campaign(tmp_path)
    assert regime(made.evidence(), "tanh") is None
    claim = made.ablation.claim.model_copy(update={"control_train_error_at_most": 0.05})
    made.ablation = made.ablation.model_copy(update={"claim": claim})
    assert regime(made.evidence(), "tanh")["where"] == "unclear"


IN_SMALL = ("relu-vs-tanh-demo", "relu-vs-tanh-laptop")


def test_the_family_of_claims_is_that_of_the_files_that_ship():
    """V6: a list fixed in the repository, whatever somebody ran: the claims of the AlexNet paper and about its nets.

    The demo and the laptop's file repeat one in small; claims of another paper are a family by themselves, file by file.
    """
    expected = set()
    for name in shipped():
        ablation = load(name)
        first, *rest = ablation.varies
        arms = [f"{first} x {' + '.join(rest)}"] if ablation.compares == "interaction" else list(ablation.controls)
        for arm in arms:
            size = ablation.claim.effect_of(arm)
            direction = ablation.claim.direction or (None if size is None else "positive")
            if direction in DIRECTIONS and not name.startswith(IN_SMALL) and ablation.claim.paper is None:
                expected.add((name, arm))
    assert shipped_claims() == expected


def test_what_stands_does_not_hang_on_what_lies_in_the_folder():
    def verdict(name, arm, p):
        line = {
            "arm": arm,
            "direction": "positive",
            "p_value": p,
            "verdict": "supported",
            "tier": "own",
            "words": "supported",
        }
        return name, {"ablation": name, "comparisons": [line]}

    count = len(shipped_claims())
    sure, fair = verdict("lrn", "lrn", 0.9 * 0.05 / count), verdict("relu-vs-tanh", "relu", 0.02)
    alone, beside = overview([fair]), overview([sure, fair, verdict("mine", "x", 0.04)])
    assert alone[0]["p_holm"] == pytest.approx(0.02 * count) or alone[0]["p_holm"] == 1.0
    assert [line["stands"] for line in beside] == ["yes", "no", "yes"]  # mine is a family of its own


def test_the_claims_are_a_table_of_two_columns():
    with (Path(tiers.__file__).with_name("claims.csv")).open() as file:
        assert next(csv.reader(file)) == ["ablation", "arm"]
