"""A gate passes on what was compared and found, never on nothing."""

import pytest

from alexctl.verdicts.gate import EMPTY, gate_failures


def line(verdict, direction="positive"):
    return {"arm": "relu", "verdict": verdict, "direction": direction}


@pytest.mark.parametrize("word", EMPTY)
def test_what_rests_on_no_comparison_fails_every_gate(word):
    assert gate_failures([line(word)], fail_on=["contradicted"]) == [f"relu: {word}"]
    assert gate_failures([line(word)], require="supported") == [f"relu: {word}"]


def test_no_comparison_at_all_fails():
    assert gate_failures([], fail_on=["undecided"]) == ["nothing was compared"]


def test_require_supported_takes_its_sizes_too():
    assert gate_failures([line("supported"), line("supported, larger")], require="supported") == []
    for word in ("no difference", "contradicted", "undecided"):
        assert gate_failures([line("supported"), line(word)], require="supported") == [f"relu: {word}"]


def test_a_claim_of_no_difference_is_supported_by_finding_none():
    assert gate_failures([line("no difference", "none")], require="supported") == []
    assert gate_failures([line("contradicted", "none")], require="supported") == ["relu: contradicted"]


def test_fail_on_names_what_fails():
    assert gate_failures([line("undecided")], fail_on=["contradicted"]) == []
    assert gate_failures([line("undecided")], fail_on=["contradicted", "undecided"]) == ["relu: undecided"]


def test_a_tier_is_asked_for_beside_the_verdict():
    own, proxy = line("supported") | {"tier": "own"}, line("supported") | {"tier": "proxy", "words": "seen in a proxy"}
    assert gate_failures([own, proxy], require="supported") == []
    assert gate_failures([own, proxy], require="supported", tier="own") == ["relu: seen in a proxy"]
