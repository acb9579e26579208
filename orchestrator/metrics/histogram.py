"""A histogram that grows by single values; `store` holds those of whole jobs. Values in seconds."""

from bisect import bisect_left

from orchestrator.metrics.samples import Histogram

JOB_SECONDS = (30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 21600.0, 43200.0, 86400.0, 604800.0)
"""How long jobs run: half a minute to a week."""
START_SECONDS = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""How long jobs take to start: a second to an hour."""

TURN_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""How long a controller's turns, and answers of an API server, take: milliseconds to a minute."""


class GrowingHistogram:
    """Counts of observed values per bucket; a value equal to a bound belongs below it."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        value = max(value, 0.0)
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def sample(self) -> Histogram:
        return Histogram(self._bounds, tuple(self._counts), self._sum)
