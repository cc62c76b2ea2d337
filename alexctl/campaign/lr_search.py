"""The learning-rate search as a pure function: what was measured so far in, what to run next (or the winner) out.

Every arm has the same rule, grid and search seeds. Rates are chosen by what is claimed: where arms race to a target, by
the race; where their errors are compared, by that error on held-out images at the end of the full schedule. Several
seeds are put together as the report does it (`_score`). Rates within one standard error of the best are ties, which go
to the rate nearer the middle of the grid; a winner on the edge of what was tried lets the grid grow there by its own step.

A race ends for a rate when it can no longer win: when the best rate has met the target, or at a quarter (a half) of the
budget when it is far behind. Errors are known at the end only, so there every rate trains to the end.

Trials run side by side, so some get further than the rule asks. What lies beyond is not looked at: the decision and
the rows that count depend on the curves alone, never on who was quicker.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

CHECKS = (0.25, 0.5)  # of the budget: who is far behind there goes no further
FAR_BEHIND = 2.0  # times the epochs that the leader took to be where a rate is now
HIGHEST = 1000.0  # what the knob `lr` allows
_TOLERANCE = 1e-9  # epochs are sums of fractions


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far one search trial has come.

    `epochs` and `errors` are its curve as it is raced (`statistics.race_curve`), `crossing` the epoch at which that
    meets the target; `outcome` is the error that is compared, once the trial is over, where there is no race.
    """

    epochs: Sequence[float] = ()
    errors: Sequence[float] = ()
    crossing: float | None = None
    outcome: float | None = None
    diverged: bool = False

    @property
    def epoch(self) -> float:
        return float(self.epochs[-1]) if len(self.epochs) else 0.0

    @property
    def over(self) -> bool:
        """Whether it goes no further by itself."""
        return self.diverged or self.crossing is not None or self.outcome is not None

    def until(self, epoch: float) -> "Progress":
        """What it was at the first point of its curve that reaches the epoch."""
        if self.epoch < epoch - _TOLERANCE:
            return self
        kept = rows_until(self.epochs, epoch)
        crossed = self.crossing is not None and self.crossing <= self.epochs[kept - 1] + _TOLERANCE
        return Progress(
            epochs=self.epochs[:kept], errors=self.errors[:kept], crossing=self.crossing if crossed else None
        )

    def error_at(self, epoch: float) -> float:
        """Its error at the epoch, or where it stopped before; infinite before its first point."""
        if not len(self.epochs) or epoch < self.epochs[0] - _TOLERANCE:
            return math.inf
        return float(np.interp(epoch, self.epochs, self.errors))


def rows_until(epochs: Sequence[float], epoch: float) -> int:
    """How many rows lead up to the first that reaches the epoch; all of them if none does."""
    return next((i + 1 for i, at in enumerate(epochs) if at >= epoch - _TOLERANCE), len(epochs))


class Score(NamedTuple):
    """A rate's outcome over its search seeds, of which less is better; one that did not reach a race's target comes
    after all that did."""

    short_of_target: bool
    mean: float
    error: float  # standard error of the mean


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`run`: (rate, epoch to run it to), all of which may run at once; or the winner.

    `dropped` says why a rate is out, `ends` to which epoch a rate counts that runs no further. `ties` are the rates
    within one standard error of the best, the winner among them, where there are several. `score` is the winner's; None
    where every rate is dead.
    """

    run: tuple[tuple[float, float], ...] = ()
    winner: float | None = None
    dropped: Mapping[float, str] = field(default_factory=dict)
    ends: Mapping[float, float] = field(default_factory=dict)
    ties: tuple[float, ...] = ()
    score: Score | None = None


Seen = Mapping[float, Sequence[Progress]]


def advance(
    grid: Sequence[float], seen: Seen, *, epochs: float, race: bool = True, lead: float = 0.0, widenings: int = 6,
    checks: Sequence[float] = CHECKS,
) -> Decision:  # fmt: skip
    """The next step of one arm's search; `seen` has a rate's trials, one a search seed.

    `race`: whether trials end at a target; `epochs` is the last point of a curve within the budget, and `lead` how many
    epochs after a point it is known at the latest. `widenings` is how often the grid may grow, `checks` are the shares
    of the budget at which who is far behind goes no further.
    """
    tried = sorted(grid)
    while True:
        trials = {lr: seen.get(lr) or (Progress(),) for lr in tried}
        decision = _race(tried, trials, epochs, lead, checks) if race else _finish(tried, trials, epochs, lead)
        edge = None if decision.winner is None else _beyond(decision.winner, tried)
        if edge is None or widenings == 0:
            return decision
        widenings -= 1
        tried = sorted([*tried, edge])


def best_of(scores: Sequence[Score | None]) -> int:
    """Which of several searches of one arm is best: the first of those within one standard error of the best score.

    Where none has a score, the first.
    """
    known = [score for score in scores if score]
    if not known:
        return 0
    best = min(known)
    limit = best.mean + best.error
    return next(
        i
        for i, each in enumerate(scores)
        if each and each.short_of_target == best.short_of_target and each.mean <= limit
    )


def usual_lengths(num_rates: int, epochs: int, *, race: bool = True) -> list[int]:
    """About how many epochs each trial of one arm's search lasts, a seed."""
    if not race:
        return [epochs] * num_rates
    far = min(3, num_rates)  # as far as the best rate takes
    return [epochs] * far + [max(1, round(CHECKS[0] * epochs))] * (num_rates - far)


def _finish(tried: Sequence[float], trials: Seen, epochs: float, lead: float) -> Decision:
    """Every rate to the end of the schedule."""
    until = epochs + lead
    waiting = tuple((lr, until) for lr in tried if not all(trial.over for trial in trials[lr]))
    if waiting:
        return Decision(run=waiting)
    scores = {lr: _score([trial.outcome for trial in trials[lr]]) for lr in tried}
    return _decided(tried, scores, trials, {}, dict.fromkeys(tried, until))


def _race(tried: Sequence[float], trials: Seen, epochs: float, lead: float, checks: Sequence[float]) -> Decision:
    """Every rate as far as it may still win."""
    alive, dropped, ends = list(tried), {}, {}
    for check in (*(min(epochs, math.ceil(share * epochs)) for share in checks), epochs):
        goal = _goal([trials[lr] for lr in alive])
        reach = {lr: min(epochs, _reach(trials[lr], min(check, goal))) for lr in alive}
        now = {lr: [trial.until(reach[lr]) for trial in trials[lr]] for lr in alive}
        waiting = [lr for lr in alive if any(not t.over and t.epoch < reach[lr] - _TOLERANCE for t in now[lr])]
        if waiting:
            return Decision(run=tuple((lr, reach[lr] + lead) for lr in waiting), dropped=dropped, ends=ends)
        known = {lr: reach[lr] + lead for lr in alive}
        if goal <= check or check == epochs:
            break
        far = _far_behind(now, check)
        dropped |= {lr: "diverged" if _dead(now[lr]) else f"far behind after {check:g} epochs" for lr in far}
        ends |= {lr: known[lr] for lr in far}
        alive = [lr for lr in alive if lr not in far]
    scores = {lr: _score([_time(trial) for trial in now[lr]]) for lr in alive}
    near = not any(score and math.isfinite(score[0]) for score in scores.values())
    if near:  # then by how near they came
        scores = {lr: _score([None if t.diverged else t.error_at(reach[lr]) for t in now[lr]]) for lr in alive}
    return _decided(tried, scores, now, dropped, ends | known, near=near)


def _decided(
    tried: Sequence[float], scores: Mapping[float, tuple[float, float] | None], trials: Seen,
    dropped: Mapping[float, str], ends: Mapping[float, float], *, near: bool = False,
) -> Decision:  # fmt: skip
    """The winner by score: among those within one standard error of the best, the rate nearest the grid's middle.

    Where every rate is dead, the lowest.
    """
    ranked = sorted((lr for lr in scores if scores[lr]), key=lambda lr: scores[lr][0])
    limit = sum(scores[ranked[0]]) if ranked else 0.0
    ties = [lr for lr in ranked if scores[lr][0] <= limit]
    middle = (len(tried) - 1) / 2
    winner = min(ties, key=lambda lr: (abs(tried.index(lr) - middle), ranked.index(lr)), default=tried[0])
    why = {lr: _why(trials[lr], lr in ties) for lr in scores if lr != winner}
    return Decision(
        winner=winner, dropped={lr: text for lr, text in {**dropped, **why}.items() if lr != winner}, ends=ends,
        ties=tuple(sorted(ties)) if len(ties) > 1 else (), score=Score(near, *scores[winner]) if ranked else None,
    )  # fmt: skip


def _score(outcomes: Sequence[float | None]) -> tuple[float, float] | None:
    """(mean, its standard error) of one rate's outcomes over the search seeds; less is better. None: it has none.

    None stands for a trial that diverged. One such death is no reason to give up a rate that is good otherwise, and no
    reason to overlook it: it counts as the worst of the others. Where half of the trials died, the rate is dead.
    """
    alive = [outcome for outcome in outcomes if outcome is not None]
    if 2 * len(alive) <= len(outcomes):
        return None
    values = alive + [max(alive)] * (len(outcomes) - len(alive))
    if math.inf in values:
        return math.inf, 0.0
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return sum(values) / len(values), error


def _goal(rates: Sequence[Sequence[Progress]]) -> float:
    """The epoch by which a rate must have met the target to win, or to tie with the best; infinite if none has."""
    scores = [_score([_time(trial) for trial in trials]) for trials in rates if all(trial.over for trial in trials)]
    best = min((score for score in scores if score), default=None)
    return math.inf if best is None else math.exp(sum(best))


def _reach(trials: Sequence[Progress], limit: float) -> float:
    """The epoch to run a rate's trials to before it can be said whether on average they cross by the limit.

    A trial that crosses early leaves its share to the others: with crossings at 4 and at most 9, the geometric mean of
    6 is still within a limit of 6. One that diverged counts as the last, so it changes nothing here.
    """
    if not math.isfinite(limit):
        return limit
    count = len(trials)
    reach, total = limit, 0.0
    early = sorted(trial.crossing for trial in trials if trial.crossing is not None)
    for crossed, crossing in enumerate(early[: count - 1], start=1):
        if crossing > reach + _TOLERANCE:
            break
        total += math.log(crossing)
        reach = math.exp((count * math.log(limit) - total) / (count - crossed))
    return reach


def _far_behind(trials: Seen, check: float) -> list[float]:
    """The rates that at a check are where the leader was at a fraction of it, or before; dead ones too."""
    living = [lr for lr in trials if not _dead(trials[lr])]
    leader = min(living, key=lambda lr: _error_at(trials[lr], check), default=None)
    if leader is None:
        return []
    then = _error_at(trials[leader], check / FAR_BEHIND)
    return [lr for lr in trials if lr not in living or (lr != leader and _error_at(trials[lr], check) > then)]


def _error_at(trials: Sequence[Progress], epoch: float) -> float:
    """The mean error of a rate's trials that have not diverged; one that has met its target stays where it was then."""
    errors = [trial.error_at(epoch) for trial in trials if not trial.diverged]
    return sum(errors) / len(errors)


def _dead(trials: Sequence[Progress]) -> bool:
    """Whether half of the trials or more diverged."""
    return 2 * sum(trial.diverged for trial in trials) >= len(trials)


def _time(trial: Progress) -> float | None:
    """The log of a trial's crossing, since races are compared by ratios; infinite where it has none, None of a dead one."""
    if trial.diverged:
        return None
    return math.inf if trial.crossing is None else math.log(trial.crossing)


def _why(trials: Sequence[Progress], tied: bool) -> str:
    if _dead(trials):
        return "diverged"
    if all(trial.outcome is not None or trial.diverged for trial in trials):
        return f"{'as good' if tied else 'worse'}: {100 * _score([trial.outcome for trial in trials])[0]:.2f}%"
    crossing = _score([_time(trial) for trial in trials])
    if crossing and math.isfinite(crossing[0]):
        return f"{'as fast' if tied else 'slower'}: {math.exp(crossing[0]):.2f} epochs"
    return f"behind after {max(trial.epoch for trial in trials):g} epochs"


def _beyond(best: float, tried: Sequence[float]) -> float | None:
    """The rate that would take the best off the edge, rounded to three digits; None if it is not on the edge."""
    if best == tried[0]:
        return float(f"{tried[0] * tried[0] / tried[1]:.3g}")
    if best == tried[-1]:
        rate = float(f"{best * best / tried[-2]:.3g}")
        return rate if rate <= HIGHEST else None
    return None
