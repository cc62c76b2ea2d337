"""Several processes on one folder: they share its trials, and end with the numbers of one, whoever of them is killed."""

import os
import random
import time
from collections import Counter

from chaos import tally
from chaos.harness import (
    FINAL_TRIALS,
    assert_same,
    at_work,
    finish,
    one_line,
    start,
    states,
    wait_for,
    wait_until_left,
    words,
)

SEED = int(os.environ.get("FAULTS_SEED", "2012"))


def test_three_at_once_and_one_that_comes_late(tiny_root, place, undisturbed):
    journal = place / "journal.txt"
    sabotage = {"FAULTS_JOURNAL": str(journal)}
    tally.tried("three processes on one folder")
    tally.tried("a process that joins later")
    hands = [start(place, *words(tiny_root), sabotage=sabotage) for _ in range(3)]
    campaign = place / "results" / "small"
    assert wait_for(lambda: at_work(campaign, hands[0].began), hands[0])
    hands.append(start(place, *words(tiny_root), sabotage=sabotage))
    for hand in hands:
        ended = finish(hand)
        assert ended.code == 0, ended.err
        assert "relu against tanh" in ended.out
    assert_same(campaign, undisturbed.campaign)
    begun = [line.split() for line in journal.read_text().splitlines()]
    final = Counter(trial for trial, _ in begun if "-s10000-" not in trial)
    assert set(final.values()) == {1}, final
    assert len(final) == FINAL_TRIALS
    assert len({parent for _, parent in begun}) > 1
    tally.survived("three processes on one folder")
    tally.survived("a process that joins later")


def test_one_of_three_is_killed(tiny_root, tmp_path, undisturbed, place):
    """At a random moment, with its workers or without; the other two end with every trial."""
    draw = random.Random(SEED)
    for number in range(3):
        tally.tried("one of three processes killed")
        results = f"results{number}"
        campaign = place / results / "small"
        hands = [start(place, *words(tiny_root, workers=1 + number % 2, results=results)) for _ in range(3)]
        assert wait_for(lambda campaign=campaign, hands=hands: at_work(campaign, hands[0].began), hands[0])
        time.sleep(draw.uniform(0, undisturbed.last_trial - undisturbed.first_trial))
        victim = hands.pop(draw.randrange(3))
        victim.process.kill()
        victim.process.wait()
        for hand in hands:
            ended = finish(hand)
            assert ended.code == 0, ended.err
        assert set(states(campaign).values()) <= {"done", "paused", "diverged"}
        assert_same(campaign, undisturbed.campaign)
        tally.survived("one of three processes killed")
    wait_until_left(place)


def test_another_plan_while_one_runs(tiny_root, place, completes):
    tally.tried("another plan while a campaign runs")
    first = start(place, *words(tiny_root))
    assert wait_for(lambda: at_work(place / "results" / "small", first.began), first)
    second = finish(start(place, *words(tiny_root, "--seeds", "5")))
    assert second.code == 2
    said = one_line(second)
    assert "another alexctl is at work on small, whose plan differs (seeds was 2, not 5); give the same options" in said
    assert finish(first).code == 0
    completes(place)
    tally.survived("another plan while a campaign runs")
