"""The learning-rate search as a pure function: what was measured so far in, what to run next (or the winner) out.

Successive halving, the same rule, grid and budget for every arm: all rates run one epoch, the better half goes on to
two epochs, and so on, but never fewer than two until one meets the target; a rate that is behind the first crossing
is hopeless and stops. When the best rate lies on the edge of what was tried, the grid grows there by its own step.

Trials run side by side, so some get further than the rule asks. What lies beyond is not looked at: the decision and
the rows that count depend on the curves alone, never on who was quicker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIRST_RUNG = 1.0  # epochs
KEPT_AT_LEAST = 2
HIGHEST = 1000.0  # what the knob `lr` allows
_TOLERANCE = 1e-9  # epochs are sums of fractions


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far one search trial has come: row epochs and training errors, its crossing, whether it diverged."""

    epochs: Sequence[float] = ()
    errors: Sequence[float] = ()
    crossing: float | None = None
    diverged: bool = False

    @property
    def epoch(self) -> float:
        return self.epochs[-1] if self.epochs else 0.0

    @property
    def over(self) -> bool:
        """Whether it goes no further by itself."""
        return self.diverged or self.crossing is not None

    def until(self, epoch: float) -> "Progress":
        """What it was at the first row that reaches the epoch."""
        if self.epoch < epoch - _TOLERANCE:
            return self
        kept = rows_until(self.epochs, epoch)
        crossed = self.crossing is not None and self.crossing <= self.epochs[kept - 1] + _TOLERANCE
        return Progress(
            epochs=self.epochs[:kept], errors=self.errors[:kept], crossing=self.crossing if crossed else None
        )

    def error_at(self, rung: float) -> float:
        """The mean training error over the epoch that ends at the rung, or where it stopped before."""
        end = min(rung, self.epoch)
        recent = [e for t, e in zip(self.epochs, self.errors, strict=True) if end - 1 < t <= end + _TOLERANCE]
        return sum(recent) / len(recent) if recent else float("inf")


def rows_until(epochs: Sequence[float], epoch: float) -> int:
    """How many rows lead up to the first that reaches the epoch; all of them if none does."""
    return next((i + 1 for i, at in enumerate(epochs) if at >= epoch - _TOLERANCE), len(epochs))


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`run`: (rate, epoch to run it to), all of which may run at once; or the winner.

    `dropped` says why a rate is out, `ends` to which epoch a rate counts that runs no further.
    """

    run: tuple[tuple[float, float], ...] = ()
    winner: float | None = None
    dropped: Mapping[float, str]
    ends: Mapping[float, float]


def advance(
    grid: Sequence[float], seen: Mapping[float, Sequence[Progress]], *, epochs: float, widenings: int = 6
) -> Decision:
    """The next step of one arm's search; `seen` has a rate's trials, one a search seed.

    `epochs` is the budget after which a rate counts as never crossing, `widenings` how often the grid may grow. The
    winner is the rate that met the target first (on average over its trials); if none did within the budget, the one
    with the lowest training error at its end.
    """
    alive, tried = sorted(grid), sorted(grid)
    dropped: dict[float, str] = {}
    ends: dict[float, float] = {}
    rung = min(FIRST_RUNG, epochs)
    while True:
        trials = {lr: seen.get(lr) or (Progress(),) for lr in alive}
        limit = min([rung, *(c for lr in alive if (c := _crossing(trials[lr])) is not None)])
        reach = {lr: min(epochs, _reach(trials[lr], limit)) for lr in alive}
        trials = {lr: [trial.until(reach[lr]) for trial in trials[lr]] for lr in alive}
        waiting = [lr for lr in alive if any(not t.over and t.epoch < reach[lr] - _TOLERANCE for t in trials[lr])]
        if waiting:
            return Decision(run=tuple((lr, reach[lr]) for lr in waiting), dropped=dropped, ends=ends)
        ranked = sorted(alive, key=lambda lr: _rank(trials[lr], rung))
        best = trials[ranked[0]]
        edge = _beyond(ranked[0], tried, diverged=_diverged(best))
        if edge is not None and widenings > 0:
            widenings -= 1
            tried = sorted([*tried, edge])
            alive.append(edge)
            continue
        going = [lr for lr in ranked if not _diverged(trials[lr])]
        if _crossing(best) is not None or rung >= epochs or len(going) < 2:
            dropped |= {lr: _why(trials[lr]) for lr in ranked[1:]}
            return Decision(winner=ranked[0], dropped=dropped, ends=ends | reach)
        keep = max(KEPT_AT_LEAST, -(-len(ranked) // 2))
        out = [lr for lr in ranked if lr not in going[:keep]]
        dropped |= {lr: _why(trials[lr]) for lr in out}
        ends |= {lr: reach[lr] for lr in out}
        alive = going[:keep]
        rung = min(2 * rung, epochs)


def usual_lengths(num_rates: int, epochs: int) -> list[int]:
    """About how many epochs each trial of one arm's search lasts, a seed: all rates one, two of them to the end."""
    return [epochs + 1] * min(2, num_rates) + [1] * (num_rates - 2)


def _reach(trials: Sequence[Progress], limit: float) -> float:
    """The epoch to run a rate's trials to before it can be said whether on average they cross by the limit.

    A trial that crosses early leaves its epochs to the others: with crossings at 3 and at most 10, a mean of 6.5 is
    still within a limit of 6.5.
    """
    reach, total = limit, 0.0
    early = sorted(trial.crossing for trial in trials if trial.crossing is not None)
    for count, crossing in enumerate(early[: len(trials) - 1], start=1):
        if crossing > reach + _TOLERANCE:
            break
        total += crossing
        reach = (len(trials) * limit - total) / (len(trials) - count)
    return reach


def _crossing(trials: Sequence[Progress]) -> float | None:
    """The mean crossing; None unless every trial has crossed."""
    crossings = [trial.crossing for trial in trials]
    return None if None in crossings else sum(crossings) / len(crossings)


def _diverged(trials: Sequence[Progress]) -> bool:
    return any(trial.diverged for trial in trials)


def _error_at(trials: Sequence[Progress], rung: float) -> float:
    return sum(trial.error_at(rung) for trial in trials) / len(trials)


def _rank(trials: Sequence[Progress], rung: float) -> tuple[bool, bool, float]:
    """Sorts the crossed ones first by when, then the others by their error, the diverged last."""
    crossing = _crossing(trials)
    if crossing is not None:
        return (False, False, crossing)
    return (_diverged(trials), True, _error_at(trials, rung))


def _why(trials: Sequence[Progress]) -> str:
    crossing = _crossing(trials)
    if _diverged(trials):
        return "diverged"
    if crossing is not None:
        return f"slower: {crossing:.2f} epochs"
    return f"behind after {max(trial.epoch for trial in trials):g} epochs"


def _beyond(best: float, tried: Sequence[float], *, diverged: bool) -> float | None:
    """The rate that would take the best off the edge, rounded to three digits; None if it is not on the edge."""
    if diverged or best == tried[0]:
        return float(f"{tried[0] * tried[0] / tried[1]:.3g}")
    if best == tried[-1]:
        rate = float(f"{best * best / tried[-2]:.3g}")
        return rate if rate <= HIGHEST else None
    return None
