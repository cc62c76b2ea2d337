"""Trials in this very process, one at a time: what `--workers 1` does, and what a debugger wants."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from alexctl import trial
from alexctl.claims import Claimed
from alexctl.errors import UserError
from alexctl.trial import Keeping


class InlinePool:
    """Runs the one submitted trial when asked for events; rows are told while it runs."""

    def __init__(
        self, *, root: Path, device: str, threads: int, keeping: Keeping, tell: Callable[[dict[str, Any]], None],
        should_stop: Callable[[], bool],
    ):  # fmt: skip
        torch.set_num_threads(threads)
        self.root, self.device, self.keeping, self.tell, self.should_stop = root, device, keeping, tell, should_stop
        self.waiting: tuple[Path, float | None] | None = None
        self.datasets: dict[str, Any] = {}

    @property
    def free(self) -> int:
        """How many trials could be submitted now."""
        return int(self.waiting is None)

    def submit(self, folder: Path, until: float | None) -> None:
        self.waiting = (folder, until)

    def events(self, timeout: float) -> Iterator[dict[str, Any]]:
        """Runs the waiting trial and yields its end."""
        if self.waiting is None:
            return
        folder, until = self.waiting
        try:
            state = trial.run(
                folder, root=self.root, device=trial.choose_device(self.device), until=until,
                keeping=self.keeping, on_row=lambda row: self.tell({"event": "row", "folder": folder.name, **row}),
                should_stop=self.should_stop, datasets=self.datasets,
            )  # fmt: skip
        except Claimed:
            state = "claimed"
        except UserError as error:
            self.waiting = None
            yield {"event": "error", "folder": folder.name, "message": str(error), "exit_code": error.exit_code}
            return
        self.waiting = None
        yield {"event": "end", "folder": folder.name, "state": state}

    def stop(self) -> None:
        """Nothing runs between two calls, so there is nothing to stop."""
