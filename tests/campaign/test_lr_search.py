"""The search, step by step by hand, and as a whole on made-up curves."""

import math
import random

import pytest

from alexctl.ablation.knobs import TrainingKnobs
from alexctl.campaign.lr_search import HIGHEST, Decision, Progress
from alexctl.campaign.lr_search import advance as advance_many

GRID = (0.1, 0.2, 0.4, 0.8)
DEAD = Progress(epochs=[1.0], errors=[0.9], diverged=True)


def advance(grid, seen, *, epochs=8.0, widenings=0, **options) -> Decision:
    """With one search seed a rate where a trial is given instead of several."""
    several = {lr: trials if isinstance(trials, list) else [trials] for lr, trials in seen.items()}
    return advance_many(grid, several, epochs=epochs, widenings=widenings, **options)


def line(end, upto, target=0.2):
    """A trial whose error falls in a straight line from 1 to the target at epoch `end`, so far as it got."""
    last = min(upto, math.ceil(end))
    errors = [1 - (1 - target) * e / end for e in range(1, last + 1)]
    return Progress(
        epochs=[float(e) for e in range(1, last + 1)], errors=errors, crossing=float(end) if last >= end else None
    )


def test_a_race_starts_with_every_rate_to_a_quarter_of_the_budget():
    assert advance(GRID, {}).run == tuple((lr, 2.0) for lr in GRID)
    assert advance(GRID, {0.1: line(40, 2)}).run == ((0.2, 2.0), (0.4, 2.0), (0.8, 2.0))
    assert advance(GRID, {}, epochs=8.0, lead=0.5).run == tuple((lr, 2.5) for lr in GRID)  # known half an epoch later


def test_who_is_where_the_leader_was_at_half_that_time_is_out():
    seen = {0.1: line(40, 2), 0.2: line(10, 2), 0.4: line(9, 2), 0.8: line(17.9, 2)}
    step = advance(GRID, seen)
    assert step.run == ((0.2, 4.0), (0.4, 4.0), (0.8, 4.0))
    assert step.dropped == {0.1: "far behind after 2 epochs"}
    assert step.ends == {0.1: 2.0}


def test_the_slower_is_run_no_further_than_it_could_win():
    seen = {0.1: line(40, 2), 0.2: line(3, 3), 0.4: line(3.5, 2), 0.8: line(40, 2)}
    assert advance(GRID, seen).run == ((0.4, pytest.approx(3.0)),)
    lost = advance(GRID, {**seen, 0.4: line(3.5, 3)})
    assert (lost.winner, lost.dropped[0.4]) == (0.2, "behind after 3 epochs")
    assert lost.ends[0.4] == pytest.approx(3.0)


def test_what_lies_beyond_does_not_count():
    """0.4 got further than it was asked to, or crossed late, or diverged late, before 0.2 was known to cross at 3."""
    seen = {0.1: line(40, 2), 0.2: line(3, 3), 0.8: line(40, 2)}
    late = Progress(epochs=[1.0, 2.0, 3.0, 4.0], errors=line(5, 4).errors, diverged=True)
    steps = [advance(GRID, {**seen, 0.4: other}) for other in (line(5, 3), line(5, 4), line(5, 5), late)]
    assert steps == [steps[0]] * 4
    assert steps[0].winner == 0.2


def test_of_rates_within_one_standard_error_the_one_nearest_the_middle_wins():
    """The best of 3, 4 and 5 epochs has a standard error of 15%; .4 is 5% slower, .2 as much but further out."""
    grid = (0.1, 0.2, 0.4, 0.8, 1.6)
    best, near = [line(e, 5) for e in (3, 4, 5)], [line(e * 1.05, 6) for e in (3, 4, 5)]
    seen = {0.1: [line(40, 8)] * 3, 0.2: near, 0.4: near, 0.8: best, 1.6: [line(40, 8)] * 3}
    step = advance(grid, seen)
    assert (step.winner, step.ties) == (0.4, (0.2, 0.4, 0.8))
    assert step.dropped[0.8].startswith("as fast: 3.91 epochs")
    alone = advance(grid, {**seen, 0.2: [line(e * 1.3, 8) for e in (3, 4, 5)], 0.4: [line(40, 8)] * 3})
    assert (alone.winner, alone.ties) == (0.8, ())


def test_one_death_does_not_decide_and_is_not_overlooked():
    """The quickest rate with one of three trials dead still wins by far; with two it is out; a near one loses by it."""
    slow = [line(6, 6), line(6.2, 7), line(6.4, 7)]
    assert advance((0.1, 0.2), {0.1: slow, 0.2: [line(3, 3), line(3.1, 4), DEAD]}).winner == 0.2
    two = advance((0.1, 0.2), {0.1: slow, 0.2: [line(3, 3), DEAD, DEAD]})
    assert (two.winner, two.dropped[0.2]) == (0.1, "diverged")
    near = [line(5.9, 6), line(6.8, 7), DEAD]  # 5.9, 6.8, and once more 6.8
    assert advance((0.1, 0.2), {0.1: slow, 0.2: near}).winner == 0.1


def test_nobody_crosses():
    step = advance((0.1, 0.2, 0.4), {0.1: line(40, 8), 0.2: line(16, 8), 0.4: line(14, 8)})
    assert step.winner == 0.4
    assert step.dropped[0.2] == "behind after 8 epochs"


def test_errors_are_known_at_the_end_only():
    """The rate that is far behind early and best at the end wins: nothing of the way there is looked at."""
    assert advance(GRID, {}, race=False).run == tuple((lr, 8.0) for lr in GRID)
    early = {0.1: 0.1, 0.2: 0.6, 0.4: 0.2, 0.8: 0.9}
    end = {0.1: 0.30, 0.2: 0.20, 0.4: 0.25, 0.8: 0.90}
    part = {lr: Progress(epochs=[4.0], errors=[early[lr]]) for lr in GRID}
    assert advance(GRID, part, race=False).run == tuple((lr, 8.0) for lr in GRID)
    seen = {lr: Progress(epochs=[4.0, 8.0], errors=[early[lr], early[lr]], outcome=end[lr]) for lr in GRID}
    step = advance(GRID, seen, race=False)
    assert step.winner == 0.2
    assert step.dropped == {0.1: "worse: 30.00%", 0.4: "worse: 25.00%", 0.8: "worse: 90.00%"}


def test_errors_with_a_death():
    def ended(*errors):
        return [DEAD if e is None else Progress(epochs=[8.0], errors=[e], outcome=e) for e in errors]

    seen = {0.1: ended(0.30, 0.31, 0.32), 0.2: ended(0.20, 0.21, None), 0.4: ended(0.1, None, None)}
    step = advance((0.1, 0.2, 0.4), seen, race=False)
    assert (step.winner, step.dropped[0.4]) == (0.2, "diverged")


def test_a_winner_on_the_edge_widens_the_grid():
    seen = {0.1: line(3, 3), 0.2: line(40, 3), 0.4: line(40, 3), 0.8: line(40, 3)}
    assert advance(GRID, seen, widenings=6).run == ((0.05, 2.0),)
    assert advance(GRID, seen, widenings=0).winner == 0.1
    seen = {0.1: line(40, 3), 0.2: line(40, 3), 0.4: line(40, 3), 0.8: line(3, 3)}
    assert advance(GRID, seen, widenings=6).run == ((1.6, 2.0),)


def test_all_dead_widens_downwards_and_then_gives_up():
    seen = dict.fromkeys(GRID, DEAD)
    assert advance(GRID, seen, widenings=1).run == ((0.05, 2.0),)
    assert advance(GRID, seen, widenings=0).winner == 0.1


def test_the_grid_does_not_grow_beyond_what_the_knob_allows():
    assert advance((400.0, 800.0), {400.0: line(40, 3), 800.0: line(3, 3)}, widenings=6).winner == 800.0
    TrainingKnobs(data="shapes", net="convnet4", lr=HIGHEST)
    with pytest.raises(ValueError, match="less than or equal"):
        TrainingKnobs(data="shapes", net="convnet4", lr=HIGHEST * 1.001)


def test_a_budget_of_less_than_an_epoch():
    assert advance(GRID, {}, epochs=0.5).run == tuple((lr, 0.5) for lr in GRID)


@pytest.mark.parametrize("seeds", [1, 3])
def test_any_order_of_completion_finds_the_same_winner(seeds):
    """Random families of curves, some of which diverge; some of what may run, in rounds of any order and depth.

    No trial is ever asked to go beyond the budget, nor asked for what it has; the best rate is found, or one that is as
    good, although the grid may lie beside it.
    """

    def curve(family, lr, seed, upto):
        best, slope, explodes = family
        if lr > explodes:
            return Progress(epochs=[0.25], errors=[0.9], diverged=True)
        tau = slope * (1 + math.log(lr / best) ** 2) * (1 + 0.02 * seed)
        epochs = [i / 4 for i in range(1, math.ceil(4 * upto) + 1)]
        errors = [0.9 * math.exp(-t / tau) for t in epochs]
        hit = next((i for i, e in enumerate(errors) if e <= 0.25), None)
        if hit is None:
            return Progress(epochs=epochs, errors=errors)
        return Progress(epochs=epochs[: hit + 1], errors=errors[: hit + 1], crossing=epochs[hit] - 0.1)

    for number in range(30):
        rng = random.Random(number)
        family = (10 ** rng.uniform(-2, 1), rng.uniform(0.5, 12), 10 ** rng.uniform(0, 1))
        ends = []
        for _ in range(6):
            trials, asked = {}, 0
            while True:
                seen = {lr: [trials.get((lr, s), Progress()) for s in range(seeds)] for lr, _ in trials}
                step = advance_many(GRID, seen, epochs=16.0)
                if step.winner is not None:
                    break
                asked += 1
                assert asked < 200
                for lr, until in rng.sample(step.run, rng.randint(1, len(step.run))):
                    assert until <= 16.0
                    open_ = [s for s in range(seeds) if not _is_over(trials.get((lr, s), Progress()), until)]
                    assert open_
                    for s in rng.sample(open_, rng.randint(1, len(open_))):
                        trials[lr, s] = curve(family, lr, s, min(16.0, until + rng.choice([0, 0, 3])))
            ends.append(step)
        assert ends == ends[:1] * 6, family


def _is_over(trial, until):
    return trial.over or trial.epoch >= until - 1e-9
