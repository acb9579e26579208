"""Time that moves only when it is told to.

Called by the memory backend and whoever drives it. Timers run in the order of their moments, those of one moment in
the order in which they were set. It never looks at the real clock.
"""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Timer:
    """A call at a moment; `cancel` undoes it."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class VirtualClock:
    """Usable as a clock: calling it returns the moment."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self.seconds = 0.0
        self._start = start
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = 0

    def __call__(self) -> datetime:
        return self._start + timedelta(seconds=self.seconds)

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Calls when this much time has passed."""
        timer = Timer(call)
        self._count += 1
        heapq.heappush(self._timers, (self.seconds + max(0.0, seconds), self._count, timer))
        return timer

    def step(self, until: float) -> bool:
        """Moves to the next timer and runs it, if one is due by then; else moves to `until`."""
        while self._timers and self._timers[0][0] <= until:
            moment, _, timer = heapq.heappop(self._timers)
            if timer.call is not None:
                self.seconds = max(self.seconds, moment)
                timer.call()
                return True
        self.seconds = max(self.seconds, until)
        return False

    def advance(self, seconds: float) -> None:
        """Lets time pass, with everything that happens in it."""
        until = self.seconds + seconds
        while self.step(until):
            pass
