"""bfloat16: what it changes and what it leaves alone, and that nothing chooses it before it is shown to be harmless."""

import json

import pytest
import torch
from conftest import tiny_ablation

from alexctl.campaign import precision
from alexctl.campaign.scheduler import Options
from alexctl.cli.progress import Screen
from alexctl.errors import UserError
from alexctl.run import run
from alexctl.store import plan, reference
from alexctl.store.environment import environment
from alexctl.store.files import read_json, write_json
from alexctl.training.device import keep_float32_exact, multiplying
from alexctl.training.loop import Training

CPU = torch.device("cpu")


def trained(data, **knobs):
    setting = tiny_ablation(epochs=1, **knobs).setting("relu", data.name, data.digest, lr=0.01)
    training = Training(setting, 0, data, device=CPU)
    return setting, training, list(training)


def test_products_are_coarser_and_weights_are_not(tiny_data):
    plain, _, exact = trained(tiny_data)
    coarse, training, rows = trained(tiny_data, precision="bfloat16")
    assert coarse.hash8 != plain.hash8
    assert {weight.dtype for weight in training.net.parameters()} == {torch.float32}
    assert {velocity.dtype for velocity in training.optimiser.velocity.values()} == {torch.float32}
    losses, expected = [row.train_loss for row in rows], [row.train_loss for row in exact]
    assert losses != expected
    assert losses == pytest.approx(expected, rel=0.02)


def test_a_trial_says_which_it_used():
    assert environment(CPU)["precision"] == "float32"
    assert environment(CPU, "bfloat16")["precision"] == "bfloat16"


@pytest.fixture
def found(monkeypatch, tmp_path):
    """Writes what the reference results of an ablation say, of trials on a device; a machine that multiplies bfloat16."""

    def say(name, word, device="cpu"):
        (tmp_path / "reference" / name / "trials" / "one").mkdir(parents=True, exist_ok=True)
        write_json(tmp_path / "reference" / name / "verdict.json", {"comparisons": [{"verdict": word}]})
        write_json(tmp_path / "reference" / name / "trials" / "one" / "env.json", {"device": device})

    def campaigns(name):
        folder = tmp_path / "reference" / name
        if not folder.exists():
            raise UserError(f"no results of {name}")
        return [folder]

    monkeypatch.setattr(reference, "reference", campaigns)
    monkeypatch.setattr(reference, "read_json", lambda path: json.loads(path.read_text()))
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    return say


def test_bfloat16_needs_both_proofs_and_the_hardware(found, monkeypatch):
    assert precision.automatic([CPU]) == "float32", "nobody has looked"
    found("precision", "no difference")
    assert precision.automatic([CPU]) == "float32", "of errors nothing is known"
    found("precision-error", "undecided")
    assert precision.automatic([CPU]) == "float32"
    found("precision-error", "no difference")
    assert precision.automatic([CPU]) == "bfloat16"
    assert precision.automatic([torch.device("cuda:0")]) == "float32", "the proofs are of CPUs"
    found("precision", "no difference", "NVIDIA H100")
    found("precision-error", "no difference", "NVIDIA H100")
    assert precision.automatic([torch.device("cuda:0")]) == "bfloat16"
    assert precision.automatic([CPU]) == "float32"
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: device.index != 1)
    assert precision.automatic([torch.device("cuda:0"), torch.device("cuda:1")]) == "float32", "one of two has it"


def test_a_machine_that_imitates_it_says_so(found, monkeypatch):
    both = tiny_ablation(precision="bfloat16")
    assert precision.notes(both, [CPU]) == []
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: False)
    assert precision.notes(tiny_ablation(), [CPU]) == []
    (note,) = precision.notes(both, [CPU])
    assert note == "this cpu has no instructions for bfloat16 and imitates it, which is slower than float32"


def test_tf32_is_refused_where_it_would_be_float32(tiny_root, tmp_path):
    options = Options(results=tmp_path / "results", root=tiny_root, workers=1, device="cpu")
    with pytest.raises(UserError, match=r"precision = 'tf32': cpu does not have it, .* use float32 or bfloat16"):
        run(tiny_ablation(precision="tf32"), options, Screen(quiet=True))
    assert not options.results.exists()


def test_tf32_is_allowed_within_a_step_and_no_longer(monkeypatch):
    """Forward and backward; other trainings in the process keep to theirs."""
    cuda = torch.device("cuda:0")

    def allowed():
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    keep_float32_exact()
    with multiplying("tf32", cuda):
        assert allowed() == (True, True)
    assert allowed() == (False, False)
    with multiplying("float32", cuda):
        assert allowed() == (False, False)
    with pytest.raises(ValueError, match="stop"), multiplying("tf32", cuda):
        raise ValueError("stop")
    assert allowed() == (False, False)


@pytest.mark.parametrize(("said", "expected"), [({}, "bfloat16"), ({"precision": "float32"}, "float32")])
def test_a_run_takes_it_unless_told_otherwise(said, expected, found, tiny_root, tmp_path):
    for name in precision.PROOFS:
        found(name, "no difference")
    ablation = tiny_ablation(epochs=1, seeds=1, data="shapes", evaluate_every=0, num_train=16, **said)
    evidence = run(
        ablation, Options(results=tmp_path / "results", root=tiny_root, workers=1, device="cpu"), Screen(quiet=True)
    )
    assert {record.setting["precision"] for record in evidence.counted} == {expected}
    files = list(tmp_path.glob("results/**/env.json"))
    assert {read_json(file)["precision"] for file in files} == {expected}
    plan = json.loads((evidence.folder / "plan.json").read_text(encoding="utf-8"))
    assert plan["ablation"]["base"].get("precision") == expected


def test_a_campaign_keeps_the_precision_that_it_was_planned_with(found, tiny_root, tmp_path):
    """Begun on a machine that took bfloat16 by itself, gone on with on one that would not; and the other way round."""
    options = Options(results=tmp_path / "results", root=tiny_root, workers=1, device="cpu")

    def go_on(seeds, **said):
        ablation = tiny_ablation(epochs=1, seeds=seeds, evaluate_every=0, num_train=16, **said)
        screen = Told()
        evidence = run(ablation, options, screen)
        return {record.setting["precision"] for record in evidence.counted}, screen.notes

    assert go_on(1)[0] == {"float32"}
    for name in precision.PROOFS:
        found(name, "no difference")
    assert precision.automatic([CPU]) == "bfloat16"
    assert go_on(2)[0] == {"float32"}
    used, notes = go_on(3, precision="float32")
    assert used == {"float32"}, "said or not, it is the same"
    assert not [line for line in notes if "the plan has changed" in line]
    with pytest.raises(UserError, match=r"trials of another question \(precision was the default, not \"bfloat16\"\)"):
        go_on(3, precision="bfloat16")
    options = Options(results=tmp_path / "others", root=tiny_root, workers=1, device="cpu")
    assert go_on(1)[0] == {"bfloat16"}
    found("precision", "undecided")
    assert precision.automatic([CPU]) == "float32"
    assert go_on(2)[0] == {"bfloat16"}


class Told:
    """A watcher that keeps the notes on the plan."""

    def __init__(self):
        self.notes = []

    def planned(self, campaign, seconds, crew, notes):
        self.notes += notes

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


@pytest.mark.parametrize(
    ("base", "planned"), [({}, "float32"), ({"precision": "tf32"}, "tf32"), ({"precision": 7}, None)]
)
def test_what_a_plan_says(tmp_path, base, planned):
    assert plan.precision(tmp_path) is None
    about = {"data_name": "shapes", "data_digest": "0" * 16, "num_classes": 10}
    plan.write(tmp_path, tiny_ablation(), about, {"git_commit": None}, begun=False)
    table = json.loads((tmp_path / "plan.json").read_text())
    table["ablation"]["base"] |= base
    (tmp_path / "plan.json").write_text(json.dumps(table))
    assert plan.precision(tmp_path) == planned
