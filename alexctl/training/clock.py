"""The one clock: seconds of training and of evaluation (or of other parts), apart, with the time and the device injected."""

import time
from collections.abc import Callable


class Clock:
    """Adds up seconds by what they were spent on; `now` and `sync` are injected so that a test can turn the hands."""

    def __init__(
        self,
        now: Callable[[], float] = time.perf_counter,
        sync: Callable[[], None] = lambda: None,
        parts: tuple[str, ...] = ("train", "eval"),
    ):
        self.now, self.sync = now, sync
        self.seconds = dict.fromkeys(parts, 0.0)
        self._part: str | None = None
        self._since = 0.0

    def switch(self, part: str | None) -> None:
        """From now on seconds count as `part`; None stops the clock."""
        if self._part is not None or part is not None:
            self.sync()
        now = self.now()
        if self._part is not None:
            self.seconds[self._part] += now - self._since
        self._part, self._since = part, now

    def pause(self) -> str | None:
        """Stops the clock; what seconds counted as, for `switch` to go on with."""
        part = self._part
        self.switch(None)
        return part
