"""Every ablation that ships trains a step in every arm, says what it must, and needs no code of its own."""

import numpy as np
import pytest
import torch

from alexctl.ablation.load import load, shipped
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.parts import at_budget
from alexctl.data import shapes
from alexctl.data.sources import prepare
from alexctl.training.loop import Training


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Few drawn images, in colour and grey, by their data set's name."""
    root = tmp_path_factory.mktemp("shipped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "NUM_TRAIN", 40)
        patch.setattr(shapes, "NUM_TEST", 20)
        return {name: prepare(name, root) for name in ("shapes", "shapes-grey")}


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_arm_trains_a_step(name, images):
    ablation = load(name, smoke=True)
    data = images[ablation.base["data"]]
    lr = min(ablation.plan.lr_grid) if ablation.searched else None
    for arm in ablation.arms:
        setting = ablation.setting(arm, data.name, data.digest, lr=lr, num_train=16, batch_size=16, epochs=1)
        training = Training(setting, 0, data, device=torch.device("cpu"))
        before = {name: parameter.clone() for name, parameter in training.net.named_parameters()}
        (*_, row) = list(training)
        assert np.isfinite(row.train_loss)
        moved = [n for n, p in training.net.named_parameters() if not torch.equal(p, before[n])]
        # An output bias always moves; a layer with tiny weights above it may not move in float32 within one step.
        assert any("bias" in parameter for parameter in moved)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_file_is_short_and_says_where_its_claim_stands(name):
    text = shipped()[name].read_text(encoding="utf-8")
    ablation = load(name)
    assert len(text.splitlines()) <= 50
    assert text.startswith("# ")
    assert ablation.claim.section or ablation.claim.source != "the paper"
    assert ablation.plan.seeds >= 3
    sized = [ablation.claim.effect_of(arm) is not None for arm in ablation.controls]
    assert all(sized) or ablation.margin, "with neither a claimed size nor a margin nothing could be 'no difference'"


def test_grey_shapes_are_the_shapes_with_one_channel(images):
    grey, colour = images["shapes-grey"], images["shapes"]
    assert grey.train_images.shape == (40, 32, 32, 1)
    assert np.array_equal(grey.train_labels, colour.train_labels)
    luma = np.asarray(colour.train_images, dtype=float) @ [0.299, 0.587, 0.114]
    assert np.abs(np.asarray(grey.train_images[..., 0], dtype=float) - luma).max() <= 0.5 + 1e-9
    assert grey.digest != colour.digest


def test_normalising_is_told_from_its_constant_wherever_that_is_not_1():
    """Every file with response normalisation and k = 2 (alexnet's and alexnet32's) has an arm of the constant alone."""
    with_norm = {}
    for name in shipped():
        ablation = load(name)
        norms = {
            ablation.setting(arm, "cifar10", "0" * 16, lr=0.01).flat().get("norm")
            for arm in ablation.arms
            if ablation.base["net"].startswith("alexnet") and "norm" in ablation.varies
        }
        if norms:
            with_norm[name] = norms
    assert with_norm.keys() == {"lrn", "lrn-layers", "lrn-by-dropout", "lrn-or-batch-norm"}
    assert all({"lrn", "scale"} <= norms for norms in with_norm.values())


def test_lrn_on_cifar10_has_its_published_schedule():
    """layer-params-18pct.cfg: 120 epochs, all learning rates to a tenth, 10 more, once more, 10 more."""
    for arm in load("lrn-cifar10").arms:
        training = load("lrn-cifar10").setting(arm, "cifar10", "0" * 16).training
        assert (training.epochs, training.lr_drops, training.bias_drops) == (140, (120, 130), True)
        assert (training.lr, training.weight_decay) == (0.001, "file")


def test_budgets_are_one_schedule_at_several_lengths():
    """Claims about overfitting are asked at 15, 60 and 120 epochs, the drops at the same share of each."""
    for name in ("dropout", "crops-and-flips", "overlapping-pooling", "colour-noise"):
        ablation = load(name)
        assert ablation.plan.budgets == (15, 60, 120)
        for arm in ablation.arms:
            drops = [at_budget(ablation, arm, budget)["lr_drops"] for budget in ablation.plan.budgets]
            assert drops == [[10, 13], [40, 52], [80, 104]]


def test_the_arms_of_the_whole_a_a_share_no_seed(tmp_path):
    """Each has searches and trials of its own: else what chance does to both would cancel out."""
    ablation = load("a-a-pipeline")
    made = Campaign(ablation, data_name="cifar10", data_digest="0" * 16, num_classes=10, folder=tmp_path)
    seeds = {}
    for arm, knobs in ablation.arms.items():
        searching = [
            job.seed for part in made.parts for job in made.search(arm, part).jobs(0.01, ablation.base["epochs"])
        ]
        reported = [job.seed for part in made.parts for job in made.final_jobs(arm, 0.01, part=part)]
        assert len({*searching, *reported}) == len(searching) + len(reported) == 6 * (3 + 3)
        seeds[arm] = {seed + knobs["seed_offset"] for seed in (*searching, *reported)}
    assert not seeds["once"] & seeds["again"]
