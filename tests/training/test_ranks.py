"""A net in two towers on two ranks: the same gradients, losses and checkpoints as on one device, and what crosses."""

import pytest
import torch
from training import two_ranks
from training.two_ranks import gradients, stepped, whole_net

from alexctl.ablation.setting import Setting, resolve
from alexctl.errors import UserError
from alexctl.nets.alexnet import HangingConv2d, TowerLinear
from alexctl.nets.layer_table import layer_table
from alexctl.nets.split import keep_half, predicted_bytes, whole
from alexctl.randomness import happens
from alexctl.training.graphs import finished
from alexctl.training.loop import Diverged, Training
from alexctl.training.ranks import Apart, choose_pair


@pytest.fixture(scope="module")
def ranks():
    with two_ranks.started() as both:
        yield both


def bytes_asked_for(name, knobs, num_classes=10, itemsize=8):
    table = layer_table(whole_net(name, knobs, num_classes, torch.float32), (two_ranks.SIDES[name],) * 2 + (3,))
    return predicted_bytes(table, 4, num_classes=num_classes, itemsize=itemsize)


@pytest.mark.parametrize(
    "knobs",
    [
        {}, {"links": (8,)}, {"links": (2, 3, 4, 5, 6, 7, 8)}, {"links": (4, 7, 8)}, {"without": 3}, {"kernels": "halved"},
        {"norm": "batch"}, {"norm": "group"}, {"norm": "layer"}, {"norm": "scale", "dropout": 0.0},
        {"norm_place": "as-run", "spatial_norm": True}, {"pooling": "2/2", "activation": "gelu"}, {"width": 0.6},
        {"kernels": "three-quarters", "pool": "average", "fc_units": "matched"},
    ],
    ids=str,
)  # fmt: skip
def test_a_step_has_the_gradients_of_one_device(ranks, knobs):
    """To 1e-10 of each tensor's largest, in float64, whatever the links; and the bytes that these ask for cross."""
    compared(ranks, "alexnet32", knobs, 10)


def compared(ranks, name, knobs, num_classes):
    logits, loss, expected = stepped(
        whole_net(name, knobs, num_classes, torch.float64), name, num_classes, torch.float64
    )
    (mine, theirs) = ranks.both(gradients, name, knobs, num_classes)
    for found, its_loss, _, num_bytes in (mine, theirs):
        assert torch.allclose(found, logits, rtol=1e-10, atol=1e-12)
        assert its_loss == pytest.approx(loss, rel=1e-10)
        assert num_bytes == bytes_asked_for(name, knobs, num_classes)
    joined = whole(mine[2], theirs[2])
    assert joined.keys() == expected.keys()
    for key, gradient in expected.items():
        assert joined[key].shape == gradient.shape
        assert (joined[key] - gradient).abs().max() <= 1e-10 * gradient.abs().max(), key
        if gradient.dim() > 1:
            assert gradient.abs().max() > 0


def test_the_papers_net_and_an_odd_number_of_classes(ranks):
    compared(ranks, "alexnet", {"width": 0.25}, 7)


def setting_of(data, **knobs):
    table = {"data": "shapes", "net": "alexnet32", "lr": 0.01, "batch_size": 16, "epochs": 10, "flips": True, **knobs}
    training, net, faults = resolve(table)
    assert not faults
    return Setting(training=training, net=net, data_name=data.name, data_digest=data.digest)


def alike(one, other, rel):
    assert len(one) == len(other)
    for mine, its in zip(one, other, strict=True):
        assert (mine.step, mine.epoch) == (its.step, its.epoch)
        assert mine.train_loss == pytest.approx(its.train_loss, rel=rel)
        assert mine.train_error == pytest.approx(its.train_error, abs=1 / 16)


def test_fifty_steps_have_the_losses_of_one_device(ranks, tiny_root, tiny_data):
    """To 1e-4, in float32, with dropout and mirrored images; evaluations, the count of parameters and the net too.

    At a rate at which rounding does not grow: at 0.01 a second thread moves the losses of one device as far.
    """
    setting = setting_of(tiny_data, lr=0.003, evaluate_every=0, width=0.5)
    alone = Training(setting, 0, tiny_data, device=two_ranks.CPU)
    expected = list(alone)
    with ranks.training(setting, 0, tiny_root) as training:
        rows = list(training)
        errors = finished(training.errors_on("test"))
        training.reunite()
    assert expected[-1].step == 50
    alike(rows, expected, rel=1e-4)
    assert errors == pytest.approx(finished(alone.errors_on("test")), abs=1 / 20)
    assert training.num_parameters == sum(p.numel() for p in alone.net.parameters())
    assert training.net.state_dict().keys() == alone.net.state_dict().keys()
    for name, tensor in alone.net.state_dict().items():
        assert torch.allclose(training.net.state_dict()[name], tensor, rtol=1e-3, atol=1e-4), name
    assert 0 < training.waiting_share < 1
    table = layer_table(alone.net, (32, 32, 3))
    assert training.bytes_per_step == predicted_bytes(table, 16, num_classes=len(tiny_data.classes))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_checkpoint_goes_on_in_either_form(ranks, tiny_root, tiny_data, optimizer):
    """From one device to two ranks and back, in the midst of an epoch: the losses of one that was never stopped."""
    setting = setting_of(tiny_data, epochs=3, optimizer=optimizer, lr=0.002, norm="batch", width=0.5)
    expected = list(Training(setting, 0, tiny_data, device=two_ranks.CPU))

    def some(training, count):
        rows, pieces = [], training.work()
        for piece in pieces:
            rows += [] if piece is None else [piece]
            if training.step == count:
                break
        pieces.close()
        return rows, training.state()

    rows, state = some(Training(setting, 0, tiny_data, device=two_ranks.CPU), 3)
    with ranks.training(setting, 0, tiny_root, state) as training:
        more, state = some(training, 8)
    rows += more + list(Training(setting, 0, tiny_data, device=two_ranks.CPU, state=state))
    alike(rows, expected, rel=1e-4)


def test_a_rank_that_computes_something_else_is_found_out(ranks, tiny_root, tiny_data):
    """At the next row, by both."""
    words = r"rank 1 \(cpu\) computed another training loss than rank 0: .* at step 1$"
    apart = ranks.training(setting_of(tiny_data, epochs=1), 0, tiny_root, spoilt=0.5)
    with apart as training, pytest.raises(Apart, match=words):
        list(training)
    assert ranks.said.startswith("rank 0 (cpu) computed another training loss than rank 1")


def test_a_loss_that_is_no_number_diverges_on_two_ranks_too(ranks, tiny_root, tiny_data):
    far = ranks.training(setting_of(tiny_data, lr=1000.0, norm="none"), 0, tiny_root)
    with far as training, pytest.raises(Diverged, match="the training loss is"):
        list(training)
    assert isinstance(ranks.said, int), "rank 1 went on to the end"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("cpu", "should be two, such as cpu,cpu; for one device use --device"),
        ("cpu,cpu,cpu", "should be two"),
        ("cuda:0,cuda:0", "names cuda:0 twice, and each rank needs its own"),
        ("cpu,cuda:9", "no cuda:9 on this machine, which has: cpu"),
        ("mps,cpu", "no mps on this machine"),
    ],
)
def test_what_can_be_no_pair_is_refused(given, words):
    with pytest.raises(UserError, match="--devices " + given) as refused:
        choose_pair(given)
    assert words in str(refused.value)


def test_a_torch_without_gloo_is_refused(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_gloo_available", lambda: False)
    with pytest.raises(UserError, match="comes without gloo, by which two ranks talk; install one that has it"):
        choose_pair("cpu,cpu")


@pytest.mark.parametrize("part", [(0, 2), (1, 2)])
@pytest.mark.parametrize("units", [16, 12, 10])
def test_a_rank_draws_its_units_of_the_dropout_of_one_device(part, units):
    """Units that come in whole blocks of the generator's words, and some that do not."""
    step = torch.tensor(7)
    drawn = happens(3, step, 5 * units, 0.5).view(5, units)
    mine = happens(3, step, 5 * units // 2, 0.5, rows=5, part=part).view(5, units // 2)
    assert torch.equal(mine, drawn.chunk(2, 1)[part[0]])


def test_an_odd_number_of_kernels_is_refused():
    net = torch.nn.Sequential()
    net.add_module("conv2", HangingConv2d(4, 33, 3, groups=1))
    net.fc8 = TowerLinear(4, 4, 1)
    with pytest.raises(UserError, match="conv2 has 33 kernels, which two devices can't share alike; give it an even"):
        keep_half(net, crossing=None)
