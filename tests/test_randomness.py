"""Draws that have no state: the published vectors of Philox, and what is made of its words."""

import pytest
import torch

from alexctl import randomness as module
from alexctl.randomness import betas, happens, integers, normals, permutation, philox, words

STEP = torch.tensor(7)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, (0xFFFFFFFF, 0xFFFFFFFF), [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], (0xA4093822, 0x299F31D0),
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)  # fmt: skip
def test_known_answers_of_philox(counter, key, expected):
    """Of Random123, the code that its authors published (its file kat_vectors)."""
    found = philox(key[0] | key[1] << 32, tuple(torch.tensor([word]) for word in counter))
    assert found.tolist() == [expected]


def test_words_are_a_function_of_key_step_and_place():
    found = words(3, STEP, 1001)
    assert found.shape == (1001,)
    assert torch.equal(words(3, STEP, 1000), found[:1000])
    assert torch.equal(words(3, torch.tensor(7), 1001), found)
    assert not torch.equal(words(4, STEP, 1001), found)
    assert not torch.equal(words(3, torch.tensor(8), 1001), found)
    assert found[:4].tolist() == philox(3, tuple(torch.tensor([word]) for word in (0, 0, 7, 0)))[0].tolist()
    assert found[4:8].tolist() == philox(3, tuple(torch.tensor([word]) for word in (1, 0, 7, 0)))[0].tolist()


def test_steps_beyond_32_bits_differ():
    assert not torch.equal(words(3, torch.tensor(7 + 2**32), 8), words(3, STEP, 8))


def test_words_are_even_over_their_range():
    found = words(11, STEP, 2**18)
    assert 0 <= found.min() < 2**15
    assert 2**32 - 2**15 < found.max() < 2**32
    counts = torch.bincount(found >> 28, minlength=16).double()
    expected = 2**18 / 16
    assert ((counts - expected) ** 2 / expected).sum() < 40  # chi-squared of 15 degrees of freedom, p = 0.0005


def test_what_is_made_of_words(monkeypatch):
    """By hand, of the least word, one in the middle and the largest."""
    given = torch.tensor([0, 2**31, 2**32 - 1])
    monkeypatch.setattr(module, "words", lambda key, step, count: given.repeat(count)[:count])
    assert integers(0, STEP, 3, 9).tolist() == [0, 4, 8]
    assert happens(0, STEP, 3, 0.5).tolist() == [True, False, False]
    assert happens(0, STEP, 3, 1.0).tolist() == [True] * 3
    assert happens(0, STEP, 3, 0.0).tolist() == [False] * 3
    assert normals(0, STEP, 3).isfinite().all()


def test_normals_have_the_moments_of_one():
    found = normals(5, STEP, 10**6).double()
    assert found.mean().abs() < 0.005
    assert found.std() == pytest.approx(1, abs=0.005)
    assert found.pow(4).mean() == pytest.approx(3, abs=0.05)
    assert found.abs().max() > 4.5


@pytest.mark.slow
def test_a_permutation_is_one_and_no_place_is_favoured():
    found = [permutation(key, STEP, 6) for key in range(4000)]
    assert all(sorted(one.tolist()) == list(range(6)) for one in found[:50])
    firsts = torch.bincount(torch.stack(found)[:, 0], minlength=6).double()
    assert ((firsts - 4000 / 6) ** 2 / (4000 / 6)).sum() < 22  # 5 degrees of freedom, p = 0.0005
    assert sorted(permutation(1, STEP, 60_000).tolist()) == list(range(60_000))


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0])
def test_betas_have_the_moments_of_theirs(alpha):
    """Mean 1/2, variance 1 / (4 (2 alpha + 1)); with alpha 1 all shares are equally probable."""
    found = betas(5, STEP, 20_000, alpha)
    assert found.mean().item() == pytest.approx(0.5, abs=0.01)
    assert found.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)
    assert 0 <= found.min() <= found.max() <= 1
    if alpha == 1:
        assert torch.histc(found, 10, 0, 1).div(2000).tolist() == pytest.approx([1.0] * 10, abs=0.1)


def test_a_beta_of_a_small_alpha_is_a_number():
    assert torch.isfinite(betas(5, STEP, 1000, 0.001)).all()
