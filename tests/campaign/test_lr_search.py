"""The search, step by step by hand, and as a whole on made-up curves."""

import math
import random

import pytest

from alexctl.ablation.knobs import TrainingKnobs
from alexctl.campaign.lr_search import HIGHEST, Decision, Progress
from alexctl.campaign.lr_search import advance as advance_many

GRID = (0.1, 0.2, 0.4, 0.8)


def advance(grid, seen, **options) -> Decision:
    """With one search seed a rate, as almost all tests have it."""
    return advance_many(grid, {lr: [progress] for lr, progress in seen.items()}, **options)


def flat(error, epochs, crossing=None, diverged=False):
    return Progress(
        epochs=[float(e) for e in range(1, epochs + 1)], errors=[error] * epochs, crossing=crossing, diverged=diverged
    )


def test_first_every_rate_one_epoch():
    assert advance(GRID, {}, epochs=10).run == tuple((lr, 1.0) for lr in GRID)
    seen = {0.1: flat(0.5, 1)}
    assert advance(GRID, seen, epochs=10).run == ((0.2, 1.0), (0.4, 1.0), (0.8, 1.0))


def test_then_the_better_half():
    seen = {0.1: flat(0.6, 1), 0.2: flat(0.4, 1), 0.4: flat(0.5, 1), 0.8: flat(0.7, 1)}
    step = advance(GRID, seen, epochs=10)
    assert step.run == ((0.2, 2.0), (0.4, 2.0))
    assert step.dropped == {0.1: "behind after 1 epochs", 0.8: "behind after 1 epochs"}


def test_a_best_rate_on_the_edge_widens_the_grid():
    seen = {0.1: flat(0.3, 1), 0.2: flat(0.4, 1), 0.4: flat(0.5, 1), 0.8: flat(0.7, 1)}
    assert advance(GRID, seen, epochs=10).run == ((0.05, 1.0),)
    assert advance(GRID, seen, epochs=10, widenings=0).run == ((0.1, 2.0), (0.2, 2.0))
    seen = {0.1: flat(0.6, 1), 0.2: flat(0.5, 1), 0.4: flat(0.4, 1), 0.8: flat(0.3, 1)}
    assert advance(GRID, seen, epochs=10).run == ((1.6, 1.0),)


def test_all_diverged_widens_downwards_and_then_gives_up():
    seen = {lr: flat(0.9, 1, diverged=True) for lr in GRID}
    assert advance(GRID, seen, epochs=10).run == ((0.05, 1.0),)
    assert advance(GRID, seen, epochs=10, widenings=0).winner in GRID


def test_the_first_to_cross_wins_and_the_slower_is_not_run_past_it():
    seen = {0.1: flat(0.6, 1), 0.2: flat(0.4, 4, crossing=3.5), 0.4: flat(0.5, 2), 0.8: flat(0.7, 1)}
    assert advance(GRID, seen, epochs=10).run == ((0.4, 3.5),)
    assert advance(GRID, {**seen, 0.4: flat(0.5, 4)}, epochs=10).winner == 0.2
    assert advance(GRID, {**seen, 0.4: flat(0.5, 4, crossing=3.0)}, epochs=10).winner == 0.4


def test_nobody_crosses():
    seen = {0.1: flat(0.6, 1), 0.2: flat(0.45, 3), 0.4: flat(0.4, 3), 0.8: flat(0.7, 1)}
    assert advance(GRID, seen, epochs=3).winner == 0.4


def test_several_search_seeds_are_averaged():
    """Means of 2.5 and 2.75; with its second trial at 2.5 the other rate could still have won."""
    first = [flat(0.4, 2, crossing=2.0), flat(0.4, 3, crossing=3.0)]
    grid = (0.2, 0.4)
    open_ = advance_many(grid, {0.2: first, 0.4: [flat(0.4, 1, crossing=1.0), flat(0.5, 3)]}, epochs=10, widenings=0)
    assert open_.run == ((0.4, 4.0),)  # 1 + 4 = 2.5 + 2.5
    seen = {0.2: first, 0.4: [flat(0.4, 1, crossing=1.0), flat(0.5, 5, crossing=4.5)]}
    lost = advance_many(grid, seen, epochs=10, widenings=0)
    assert (lost.winner, lost.ends[0.4]) == (0.2, 4.0)
    seen = {0.2: first, 0.4: [flat(0.4, 1, crossing=1.0), flat(0.5, 4, crossing=3.5)]}
    assert advance_many(grid, seen, epochs=10, widenings=0).winner == 0.4


def test_whole_searches_end_the_same_whatever_comes_first():
    """Made-up curves whose best rate is 1.6, outside the grid; trials end in a random order."""

    def curve(lr, upto):
        tau = 3.0 * (1 + math.log(lr / 1.6) ** 2)
        epochs = [i / 4 for i in range(1, int(4 * upto) + 1)]
        errors = [0.9 * math.exp(-t / tau) for t in epochs]
        hit = next((t for t, e in zip(epochs, errors, strict=True) if e <= 0.25), None)
        keep = len(epochs) if hit is None else epochs.index(hit) + 1
        return Progress(epochs=epochs[:keep], errors=errors[:keep], crossing=hit)

    for seed in range(20):
        rng, seen, longest = random.Random(seed), {}, 0.0
        while (step := advance(GRID, seen, epochs=60.0)).winner is None:
            lr, until = rng.choice(step.run)
            seen[lr] = curve(lr, until)
            longest = max(longest, seen[lr].epoch)
        assert step.winner == 1.6
        assert longest <= 8.0
        assert sum(p.epoch for p in seen.values()) < 25


def test_what_came_later_does_not_rewrite_an_early_rung():
    """Every step replays the search from its start, with all that is known by then."""
    seen = {0.1: flat(0.6, 1), 0.2: flat(0.4, 1), 0.4: flat(0.5, 1), 0.8: flat(0.3, 1)}
    assert advance(GRID, seen, epochs=10).run == ((1.6, 1.0),)  # 0.8 was best at one epoch
    seen |= {1.6: flat(0.35, 1), 0.2: flat(0.4, 5, crossing=4.5)}
    assert advance(GRID, seen, epochs=10).run == ((0.8, 2.0), (1.6, 2.0))  # 0.2 was dropped, wherever it got later
    seen |= {0.8: flat(0.3, 3, diverged=True)}
    assert advance(GRID, seen, epochs=10).run == ((1.6, 2.0),)  # it diverged after the first rung, and led it


def test_a_rate_that_diverges_within_its_rung_is_out():
    seen = {0.1: flat(0.6, 1), 0.2: flat(0.4, 2), 0.4: flat(0.3, 1, diverged=True), 0.8: flat(0.7, 1)}
    step = advance(GRID, seen, epochs=10)
    assert step.winner == 0.2  # of the two that were left
    assert step.dropped[0.4] == "diverged"


def test_a_budget_below_one_rung():
    seen = {0.1: flat(0.6, 1), 0.2: flat(0.4, 1), 0.4: flat(0.5, 1), 0.8: flat(0.7, 1)}
    assert advance(GRID, {}, epochs=0.5).run == tuple((lr, 0.5) for lr in GRID)
    assert advance(GRID, seen, epochs=1).winner == 0.2


def test_a_lone_survivor_has_won():
    seen = {0.1: flat(0.6, 0, diverged=True), 0.2: flat(0.4, 1), 0.4: flat(0.3, 0, diverged=True)}
    step = advance((0.1, 0.2, 0.4), seen, epochs=10)
    assert (step.run, step.winner) == ((), 0.2)


def test_what_lies_beyond_the_first_crossing_does_not_count():
    """0.4 got to 8 epochs, or to 4, or crossed late, or diverged late, before 0.2 was known to cross at 3.5."""
    seen = {0.1: flat(0.6, 1), 0.2: flat(0.4, 4, crossing=3.5), 0.8: flat(0.7, 1)}
    others = [flat(0.5, 4), flat(0.5, 8), flat(0.5, 7, crossing=6.5), flat(0.5, 6, diverged=True)]
    steps = [advance(GRID, {**seen, 0.4: other}, epochs=10) for other in others]
    assert steps == [steps[0]] * 4
    assert (steps[0].winner, steps[0].ends) == (0.2, {0.1: 1.0, 0.8: 1.0, 0.2: 3.5, 0.4: 3.5})


def test_the_grid_does_not_grow_beyond_what_the_knob_allows():
    seen = {400.0: flat(0.6, 1), 800.0: flat(0.4, 1)}
    assert advance((400.0, 800.0), seen, epochs=10).run == ((800.0, 2.0), (400.0, 2.0))
    TrainingKnobs(data="shapes", net="convnet4", lr=HIGHEST)
    with pytest.raises(ValueError, match="less than or equal"):
        TrainingKnobs(data="shapes", net="convnet4", lr=HIGHEST * 1.001)


def test_any_order_of_completion_finds_the_same_winner():
    """Random families of curves, some of which diverge; one rate at a time, or all at once, in rounds of any order.

    No rate is ever asked to go beyond the first crossing known, or beyond the budget.
    """

    def curve(family, lr, upto):
        best, slope, explodes = family
        if lr > explodes:
            epochs = [0.25, 0.5][: int(4 * upto)]
            return Progress(epochs=epochs, errors=[0.9] * len(epochs), diverged=True)
        tau = slope * (1 + math.log(lr / best) ** 2)
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
            seen, asked = {}, 0
            while (step := advance(GRID, seen, epochs=16.0)).winner is None:
                asked += 1
                assert asked < 200
                first = min((p.crossing for p in seen.values() if p.crossing is not None), default=16.0)
                for lr, until in rng.sample(step.run, rng.randint(1, len(step.run))):
                    assert seen.get(lr, Progress()).epoch < until <= max(first, 1.0)
                    seen[lr] = curve(family, lr, until)
            assert advance(GRID, seen, epochs=16.0) == step
            ends.append(step)
        assert ends == ends[:1] * 6, family
