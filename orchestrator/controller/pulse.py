"""Whether the controller's event loop still turns, and how late it is: the truth behind /healthz.

Made by `controller.program`; `is_alive` and `points` are asked from the metrics server's threads. A loop that hangs
would never say so itself, and the kubelet starts the container anew when nobody answers for it.
"""

import asyncio
from collections.abc import Callable, Iterator

from orchestrator.metrics.histogram import TURN_SECONDS, GrowingHistogram
from orchestrator.metrics.points import Point

BEAT_SECONDS = 1.0
DEAD_SECONDS = 30.0
"""More than any garbage collection or a machine that is short of processors takes."""


class Pulse:
    """`clock`: monotonic seconds. `beat_seconds`: between two beats."""

    def __init__(self, clock: Callable[[], float], beat_seconds: float = BEAT_SECONDS) -> None:
        self._clock, self._beat_seconds = clock, beat_seconds
        self._last = clock()
        self._late = GrowingHistogram(TURN_SECONDS)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._beat_seconds)
            self.beat()

    def beat(self) -> None:
        now = self._clock()
        self._late.observe(now - self._last - self._beat_seconds)
        self._last = now

    def is_alive(self) -> bool:
        return self._clock() - self._last < DEAD_SECONDS

    def points(self) -> Iterator[Point]:
        yield Point("tfo_event_loop_lag_seconds", (), self._late.sample)
