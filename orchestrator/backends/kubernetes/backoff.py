"""How long to wait before asking again: longer each time, never in step with others, as the server says if it does.

Called by `reflector`, `controller.queue` and whoever repeats a request. The formula is that of "decorrelated jitter"
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
"""

from collections.abc import Callable
from random import random


class Backoff:
    """`chance`: 0 to 1."""

    def __init__(self, first: float, most: float, chance: Callable[[], float] = random) -> None:
        self._first, self._most, self._chance = first, most, chance
        self._last = 0.0

    def reset(self) -> None:
        self._last = 0.0

    def next(self, told: float | None = None) -> float:
        """Seconds to wait; at least `told`."""
        high = max(self._first, self._last * 3)
        self._last = min(self._most, self._first + (high - self._first) * self._chance())
        return max(self._last, told or 0.0)
