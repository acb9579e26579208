"""Rates over the last half minute of growing counters, in constant memory.

`replica` adds the counters of a run with the time they arrived; `training` asks for rates. Two anchors are held and
moved on in turn, so a window is between one and two spans long. Nothing is made up: before a second step, no rate.
"""

from datetime import datetime, timedelta

import msgspec

from orchestrator.metrics.counts import Counts

SPAN = timedelta(seconds=15)
STALE = timedelta(seconds=10)
"""A window that got nothing for this long is read up to now: what has stopped slows down to nothing."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Growth over a window of `seconds`."""

    seconds: float
    steps: int
    examples: int
    step_seconds: float
    input_wait_seconds: float

    @property
    def examples_per_second(self) -> float:
        return self.examples / self.seconds

    @property
    def steps_per_second(self) -> float:
        return self.steps / self.seconds

    @property
    def mean_step_seconds(self) -> float | None:
        return self.step_seconds / self.steps if self.steps and self.step_seconds else None


class Window:
    """Counters at three times: the oldest is where the window starts, the newest where it ends.

    It starts with the first counters that hold a step or an example: the first step compiles.
    """

    def __init__(self) -> None:
        self._first = Counts()
        self._start: tuple[datetime, Counts] | None = None
        self._middle: tuple[datetime, Counts] | None = None
        self._end: tuple[datetime, Counts] | None = None

    def add(self, counts: Counts, now: datetime) -> None:
        point = (now, counts)
        if self._start is None or self._middle is None or self._end is None or _is_idle(self._end[1]):
            self._start = self._middle = self._end = point
            self._first = counts
            return
        self._end = max(self._end, point, key=lambda each: each[0])
        if now - self._middle[0] >= SPAN:
            self._start, self._middle = self._middle, point

    def rates(self, now: datetime | None = None) -> Rates | None:
        """Up to the newest counters, or up to `now` if those are stale."""
        if self._start is None or self._end is None or not _has_grown(self._first, self._end[1]):
            return None
        (start, before), (end, after) = self._start, self._end
        if now is not None and now - end > STALE:
            end = now
        seconds = (end - start).total_seconds()
        if seconds <= 0:
            return None
        return Rates(
            seconds=seconds,
            steps=after.steps - before.steps,
            examples=after.examples - before.examples,
            step_seconds=after.step_seconds - before.step_seconds,
            input_wait_seconds=after.input_wait_seconds - before.input_wait_seconds,
        )


def _has_grown(first: Counts, last: Counts) -> bool:
    return last.steps > first.steps or last.examples > first.examples


def _is_idle(counts: Counts) -> bool:
    return not counts.steps and not counts.examples
