"""The learning-rate search as a pure function: what was measured so far in, what to run next (or the winner) out.

Successive halving, the same rule, grid and budget for every arm: all rates run one epoch, the better half goes on to
two epochs, and so on, but never fewer than two until one meets the target; a rate that is behind the first crossing
is hopeless and stops. When the best rate lies on the edge of what was tried, the grid grows there by its own step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIRST_RUNG = 1.0  # epochs
KEPT_AT_LEAST = 2


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far one rate has come: row epochs and training errors, the crossing if there was one, whether it diverged."""

    epochs: Sequence[float] = ()
    errors: Sequence[float] = ()
    crossing: float | None = None
    diverged: bool = False

    @property
    def epoch(self) -> float:
        return self.epochs[-1] if self.epochs else 0.0

    def crossed_by(self, rung: float) -> bool:
        """Whether it met the target within the rung; what came later must not change a decision made there."""
        return self.crossing is not None and self.crossing <= rung + 1e-9

    def diverged_by(self, rung: float) -> bool:
        """Whether it diverged before the end of the rung."""
        return self.diverged and self.epoch < rung - 1e-9

    def error_at(self, rung: float) -> float:
        """The mean training error over the epoch that ends at the rung (all rows up to it when it is shorter)."""
        recent = [e for t, e in zip(self.epochs, self.errors, strict=True) if rung - 1 < t <= rung + 1e-9]
        return sum(recent) / len(recent) if recent else float("inf")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`run`: (rate, epoch to run it to), all of which may run at once; or the winner; and what was dropped when."""

    run: tuple[tuple[float, float], ...] = ()
    winner: float | None = None
    dropped: Mapping[float, str]


def advance(grid: Sequence[float], seen: Mapping[float, Progress], *, epochs: float, widenings: int = 6) -> Decision:
    """The next step of one arm's search; `epochs` is the budget after which a rate counts as never crossing,
    `widenings` how often the grid may grow.

    The winner is the rate that met the target first; if none did within the budget, the one with the lowest training
    error at its end.
    """
    alive, tried = sorted(grid), sorted(grid)
    dropped: dict[float, str] = {}
    rung = min(FIRST_RUNG, epochs)
    while True:
        crossings = [seen[lr].crossing for lr in alive if lr in seen and seen[lr].crossing is not None]
        limit = min([rung, *crossings])
        waiting = tuple(lr for lr in alive if not _over(seen.get(lr, Progress()), limit))
        if waiting:
            return Decision(run=tuple((lr, limit) for lr in waiting), dropped=dropped)
        ranked = sorted(alive, key=lambda lr: _rank(seen[lr], rung))
        best = seen[ranked[0]]
        edge = _beyond(ranked[0], tried, diverged=best.diverged_by(rung))
        if edge is not None and widenings > 0:
            widenings -= 1
            tried = sorted([*tried, edge])
            alive.append(edge)
            continue
        if best.crossed_by(rung) or rung >= epochs or best.diverged_by(rung) or len(ranked) == 1:
            dropped |= {lr: _why(seen[lr], rung) for lr in ranked[1:]}
            return Decision(winner=ranked[0], dropped=dropped)
        keep = max(KEPT_AT_LEAST, -(-len(ranked) // 2))
        out = [lr for i, lr in enumerate(ranked) if i >= keep or seen[lr].diverged_by(rung)]
        dropped |= {lr: _why(seen[lr], rung) for lr in out}
        alive = [lr for lr in ranked if lr not in out]
        rung = min(2 * rung, epochs)


def _over(progress: Progress, limit: float) -> bool:
    return progress.diverged or progress.crossing is not None or progress.epoch >= limit - 1e-9


def _rank(progress: Progress, rung: float) -> tuple[bool, bool, float]:
    """Sorts the crossed ones first by when, then the others by their error, the diverged last."""
    if progress.crossed_by(rung):
        return (False, False, progress.crossing)
    return (progress.diverged_by(rung), True, progress.error_at(min(rung, progress.epoch)))


def _why(progress: Progress, rung: float) -> str:
    if progress.diverged_by(rung):
        return "diverged"
    if progress.crossed_by(rung):
        return f"slower: {progress.crossing:.2f} epochs"
    return f"behind after {min(rung, progress.epoch):g} epochs"


def _beyond(best: float, tried: Sequence[float], *, diverged: bool) -> float | None:
    """The rate that would take the best off the edge, rounded to three digits; None if it is not on the edge."""
    if diverged or best == tried[0]:
        return float(f"{tried[0] * tried[0] / tried[1]:.3g}")
    if best == tried[-1]:
        return float(f"{best * best / tried[-2]:.3g}")
    return None


def merge(members: Sequence[Progress]) -> Progress:
    """One rate's progress over several search seeds: as far as the slowest, errors and crossings averaged.

    A member that has crossed runs no further: it holds nobody up, and its last error stands.
    """
    if len(members) == 1:
        return members[0]
    running = [m for m in members if m.crossing is None]
    slowest = min(running or members, key=lambda m: m.epoch)
    errors = [
        sum(m.errors[min(i, len(m.errors) - 1)] for m in members) / len(members) for i in range(len(slowest.epochs))
    ]
    return Progress(
        epochs=slowest.epochs,
        errors=errors,
        crossing=None if running else sum(m.crossing for m in members) / len(members),
        diverged=any(m.diverged for m in members),
    )
