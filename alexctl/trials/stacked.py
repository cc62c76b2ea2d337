"""Several trials in their folders as one stack: each is locked, resumed, saved and recorded as if it ran alone."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from alexctl.data.sources import DataSet
from alexctl.errors import UserError
from alexctl.store.lock import FolderLock, Locked
from alexctl.training.loop import Diverged
from alexctl.training.stack import Member, Stack, shape_of, stackable
from alexctl.trials.trial import ROWS_ONLY, Interrupted, Keeping, TrialRun

BROKEN = "broken"
"""The state of a trial whose stack came to grief, for whatever reason: it is to be run alone, where it counts."""


def run(
    orders: Sequence[tuple[Path, float | None]],
    *,
    root: Path,
    device: torch.device,
    keeping: Keeping = ROWS_ONLY,
    on_row: Callable[[Path, dict[str, Any]], None] = lambda folder, row: None,
    on_end: Callable[[Path, str], None] = lambda folder, state: None,
    should_stop: Callable[[], bool] = lambda: False,
    datasets: dict[str, DataSet] | None = None,
) -> None:
    """Runs or resumes trials, (folder, epoch to pause at); `on_end` hears the state that each is left in, when it is.

    Those of one shape and at one step share a stack; the others go one after another. Besides the states of
    `trial.run` there are `locked`, by another process, and BROKEN.
    """
    datasets = datasets if datasets is not None else {}
    locks: list[FolderLock] = []
    runs: list[TrialRun] = []
    try:
        for folder, until in orders:
            try:
                locks.append(FolderLock(folder))
            except Locked:
                on_end(folder, "locked")
                continue
            said = lambda row, folder=folder: on_row(folder, row)  # noqa: E731
            runs.append(TrialRun(locks[-1], root, device, until, keeping, said, should_stop, datasets))
        for group in _groups(runs, len(orders)):
            if len(group) == 1:
                on_end(group[0].folder, _alone(group[0]))
            else:
                _Stacked(group, device, on_end).go()
    finally:
        for lock in locks:
            lock.release()


def _groups(runs: list[TrialRun], size: int) -> list[list[TrialRun]]:
    """The runs that can share a stack, together."""
    groups: dict[Any, list[TrialRun]] = {}
    for number, run in enumerate(runs):
        try:
            run.open(stack=size)
            alike = (shape_of(run.setting), run.state["step"] if run.state else 0) if stackable(run.setting) else number
        except Exception:  # whatever it is, alone it is recorded
            alike = number
        groups.setdefault(alike, []).append(run)
    return list(groups.values())


def _alone(run: TrialRun) -> str:
    try:
        return run.go()
    except Locked:
        return "locked"


class _Stacked:
    def __init__(self, runs: list[TrialRun], device: torch.device, on_end: Callable[[Path, str], None]):
        self.runs, self.device, self.on_end = runs, device, on_end
        self.of: dict[Member, TrialRun] = {}
        self.left = list(runs)  # whose end was not told yet

    def go(self) -> None:
        try:
            self._train()
        except Interrupted:
            for run in self.of.values():
                self._end(run, self._raise(Interrupted()))
        except Locked:  # whosever it is, the others go on from their checkpoints
            for run in self.left:
                self.on_end(run.folder, "locked")
        except UserError:
            raise
        except Exception:
            self.runs[0].log_exception()
            for run in self.left:
                self.on_end(run.folder, BROKEN)

    def _train(self) -> None:
        stack = Stack(
            [run.setting for run in self.runs], [run.seed for run in self.runs], self.runs[0].data, device=self.device,
            on_batch=self._on_batch, states=[run.state for run in self.runs],
        )  # fmt: skip
        stack.keeps_probabilities = self.runs[0].keeping.predictions
        self.of = dict(zip(stack.members, self.runs, strict=True))
        for run in self.runs:
            run.prepare_seconds = time.monotonic() - self.runs[0].started
        self._leave(stack, {member: run.end_before_training() for member, run in self.of.items()})
        if not stack.members:
            return
        for rows in stack:
            ends: dict[Member, str | Diverged | None] = {}
            for member, row in zip(stack.members, rows, strict=True):
                ends[member] = row if isinstance(row, Diverged) else self.of[member].take(row)
            self._leave(stack, ends)
            if not stack.members:
                return
        self._leave(stack, dict.fromkeys(stack.members, "done"))

    def _leave(self, stack: Stack, ends: dict[Member, "str | Diverged | None"]) -> None:
        """Ends the trials that have come to an end, each by itself, and goes on with the others."""
        ended = {member: end for member, end in ends.items() if end is not None}
        for member, end in ended.items():
            run = self.of.pop(member)
            run.training = stack.alone(member, on_batch=run._on_batch)
            if isinstance(end, Diverged):
                self._end(run, self._raise(end))
            elif end == "done":
                self._end(run, run.finish)
            else:
                self._end(run, lambda run=run, end=end: (run.save(run.training.state()), end)[1])
        if ended:
            stack.leave(list(ended))

    def _end(self, run: TrialRun, work: Callable[[], str]) -> None:
        state = run.recorded(work)
        self.left.remove(run)
        self.on_end(run.folder, state)

    @staticmethod
    def _raise(error: Exception) -> Callable[[], str]:
        def work() -> str:
            raise error

        return work

    def _on_batch(self, stack: Stack) -> None:
        stop = next(iter(self.of.values())).should_stop()
        if not stop and not any(run.due() for run in self.of.values()):
            return
        part = stack.clock.pause()
        for member, run in self.of.items():
            run.save(stack.state(member))
        stack.clock.switch(part)
        if stop:
            for member, run in self.of.items():
                run.training = stack.alone(member)
            raise Interrupted
