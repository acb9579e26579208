"""Seconds spent inside methods of classes that other code uses: each is wrapped in place, and its time added up.

Used by `timed_training`, in the process that trains. What a method of a group calls within the same group is counted
once. The clock itself costs less than a microsecond a call, and that counts against us.
"""

import functools
import time
from collections.abc import Callable
from typing import Any


class Timer:
    """Adds up; calls within calls do not count twice."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds = 0.0
        self.calls = 0
        self._clock = clock
        self._depth = 0

    def wrap(self, owner: object, name: str) -> None:
        """Replace the function `name` of a class or module by one that does the same and is timed."""
        original: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(original)
        def timed(*arguments: object, **named: object) -> object:
            begun = self._clock()
            self._depth += 1
            try:
                return original(*arguments, **named)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self.seconds += self._clock() - begun
                    self.calls += 1

        setattr(owner, name, timed)

    def wrap_hooks(self, cls: type) -> None:
        """All that Keras calls of a callback class of ours, its making included."""
        for name in ("__init__", *(each for each in vars(cls) if each.startswith("on_"))):
            self.wrap(cls, name)
