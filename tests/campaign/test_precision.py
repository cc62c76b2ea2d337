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
from alexctl.store import reference
from alexctl.store.environment import environment
from alexctl.store.files import read_json
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
def found(monkeypatch):
    """What the reference results say, by ablation; a machine that multiplies bfloat16."""
    words: dict[str, list[str]] = {}

    def verdicts(name):
        if name not in words:
            raise UserError(f"no results of {name}")
        return [{"comparisons": [{"verdict": word} for word in words[name]]}]

    monkeypatch.setattr(reference, "reference_verdicts", verdicts)
    monkeypatch.setattr(precision, "native", lambda device: True)
    return words


def test_bfloat16_needs_both_proofs_and_the_hardware(found, monkeypatch):
    assert precision.automatic(CPU) == "float32", "nobody has looked"
    found["precision"] = ["no difference"]
    assert precision.automatic(CPU) == "float32", "of errors nothing is known"
    found["precision-error"] = ["undecided"]
    assert precision.automatic(CPU) == "float32"
    found["precision-error"] = ["no difference"]
    assert precision.automatic(CPU) == "bfloat16"
    monkeypatch.setattr(precision, "native", lambda device: False)
    assert precision.automatic(CPU) == "float32"


def test_a_machine_that_imitates_it_says_so(found, monkeypatch):
    both = tiny_ablation(precision="bfloat16")
    assert precision.notes(both, CPU) == []
    monkeypatch.setattr(precision, "native", lambda device: False)
    assert precision.notes(tiny_ablation(), CPU) == []
    (note,) = precision.notes(both, CPU)
    assert note == "this cpu has no instructions for bfloat16 and imitates it, which is slower than float32"


@pytest.mark.parametrize(("said", "expected"), [({}, "bfloat16"), ({"precision": "float32"}, "float32")])
def test_a_run_takes_it_unless_told_otherwise(said, expected, found, tiny_root, tmp_path):
    found |= {name: ["no difference"] for name in precision.PROOFS}
    ablation = tiny_ablation(epochs=1, seeds=1, data="shapes", evaluate_every=0, num_train=16, **said)
    evidence = run(ablation, Options(results=tmp_path, root=tiny_root, workers=1, device="cpu"), Screen(quiet=True))
    assert {record.setting["precision"] for record in evidence.counted} == {expected}
    files = list(tmp_path.rglob("env.json"))
    assert {read_json(file)["precision"] for file in files} == {expected}
    plan = json.loads((evidence.folder / "plan.json").read_text(encoding="utf-8"))
    assert plan["ablation"]["base"].get("precision") == expected
