"""Keys that want a turn: each at most once at a time, at once or later, with a back-off after errors.

Run by `controller.program`. A wake-up during a turn means one more turn after it, however many there are; a key whose
turns fail waits longer each time and holds up nobody else. Belongs to the event loop's thread.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import uniform
from time import monotonic

from orchestrator.controller.loop import MAX_TURNS_IN_A_ROW
from orchestrator.metrics.histogram import TURN_SECONDS, GrowingHistogram

FIRST_SECONDS = 0.05
LONGEST_SECONDS = 60.0
WORKERS = 16

Turn = Callable[[str], Awaitable[float | None]]
"""Seconds until time alone may change anything; 0.0: at once; None: nothing to wait for. May raise."""


@dataclass
class Numbers:
    """What was counted since the start. `results`: turns by what followed."""

    adds: int = 0
    errors: int = 0
    retries: int = 0
    waited: GrowingHistogram = field(default_factory=lambda: GrowingHistogram(TURN_SECONDS))
    worked: GrowingHistogram = field(default_factory=lambda: GrowingHistogram(TURN_SECONDS))
    results: Counter[str] = field(default_factory=Counter)


@dataclass
class _Key:
    """`asked_at`: since when it has wanted a turn. `begun_at`: of the turn that runs, or ran last."""

    asked_at: float = 0.0
    begun_at: float = 0.0
    failures: int = 0
    in_a_row: int = 0
    is_running: bool = False
    is_wanted: bool = False
    timer: asyncio.TimerHandle | None = None
    due: float = field(default=float("inf"))


class Queue:
    """`turn` is called by `workers` tasks; `failed` is told what a turn raised."""

    def __init__(self, turn: Turn, failed: Callable[[str, Exception], None], workers: int = WORKERS) -> None:
        self._turn, self._failed, self._workers = turn, failed, workers
        self._keys: dict[str, _Key] = {}
        self._ready: deque[str] = deque()
        self._bell = asyncio.Event()
        self._is_closed = False
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._busy = 0
        self.numbers = Numbers()

    @property
    def depth(self) -> int:
        return len(self._ready)

    @property
    def longest_seconds(self) -> float:
        """Age of the turn that has run for the longest time."""
        begun = [one.begun_at for one in tuple(self._keys.values()) if one.is_running]
        return monotonic() - min(begun) if begun else 0.0

    @property
    def running(self) -> int:
        return self._busy

    def add(self, key: str) -> None:
        """Wants a turn as soon as possible."""
        known = self._keys.setdefault(key, _Key())
        self.numbers.adds += 1
        self._cancel(known)
        if known.is_wanted:
            return
        known.is_wanted, known.asked_at = True, monotonic()
        if not known.is_running:
            self._ready.append(key)
            self._bell.set()

    def add_after(self, key: str, seconds: float) -> None:
        """Wants a turn then, or earlier if it is asked for earlier."""
        known = self._keys.setdefault(key, _Key())
        due = monotonic() + seconds
        if known.is_wanted or due >= known.due:
            return
        self._cancel(known)
        known.due = due
        known.timer = asyncio.get_running_loop().call_later(seconds, self.add, key)

    def close(self) -> None:
        """No turn begins any more; those that run come to their end."""
        self._is_closed = True
        self._bell.set()
        for known in self._keys.values():
            self._cancel(known)

    async def ended(self) -> None:
        """After `close`: no turn runs any more."""
        await self._is_idle.wait()

    async def run(self) -> None:
        """Until `close`."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while not self._is_closed:
            if not self._ready:
                self._bell.clear()
                await self._bell.wait()
                continue
            await self._serve_one(self._ready.popleft())

    async def _serve_one(self, key: str) -> None:
        self._busy += 1
        self._is_idle.clear()
        try:
            await self._serve(key)
        finally:
            self._busy -= 1
            if not self._busy:
                self._is_idle.set()

    async def _serve(self, key: str) -> None:
        known = self._keys[key]
        begun = monotonic()
        known.is_running, known.is_wanted = True, False
        known.begun_at = begun
        self.numbers.retries += known.failures > 0
        self.numbers.waited.observe(begun - known.asked_at)
        try:
            wait = await self._turn(key)
        except Exception as error:
            self._postpone(key, known, error)
        else:
            known.failures = 0
            self.numbers.results[_result(wait)] += 1
            self._continue(key, known, wait)
        finally:
            known.is_running = False
            self.numbers.worked.observe(monotonic() - begun)
            self._settle(key, known)

    def _continue(self, key: str, known: _Key, wait: float | None) -> None:
        known.in_a_row = known.in_a_row + 1 if wait == 0.0 else 0
        if known.in_a_row > MAX_TURNS_IN_A_ROW:
            known.in_a_row = 0
            self._postpone(key, known, RuntimeError("the decision does not settle"))
        elif wait == 0.0:
            self.add(key)
        elif wait is not None:
            self.add_after(key, wait)

    def _postpone(self, key: str, known: _Key, error: Exception) -> None:
        known.failures += 1
        self.numbers.errors += 1
        self.numbers.results["error"] += 1
        self._failed(key, error)
        longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(known.failures, 20))
        told = getattr(error, "retry_after", None) or 0.0
        self.add_after(key, max(told, longest * uniform(0.5, 1.0)))

    def _settle(self, key: str, known: _Key) -> None:
        """A key of which nothing is wanted any more is forgotten."""
        if known.is_wanted:
            self._ready.append(key)
            self._bell.set()
        elif known.timer is None and not known.failures:
            del self._keys[key]

    def _cancel(self, known: _Key) -> None:
        if known.timer is not None:
            known.timer.cancel()
        known.timer, known.due = None, float("inf")


def _result(wait: float | None) -> str:
    """As controllers written in Go call it."""
    return "success" if wait is None else "requeue" if wait == 0.0 else "requeue_after"
