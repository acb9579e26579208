"""Keeps one job's turns going: wakes on changes and on time, one turn at a time.

Called by the local session. The controller program's queue, for many keys, has the same contract.
"""

import asyncio
from collections.abc import Awaitable, Callable

MAX_TURNS_IN_A_ROW = 1000
"""A decision that never settles is an error of ours, not a busy loop for ever."""

Turn = Callable[[], Awaitable[float | None]]


class Loop:
    """Coalesces wake-ups: however many arrive during a turn, one turn follows."""

    def __init__(self, turn: Turn, is_over: Callable[[], bool]) -> None:
        self._turn = turn
        self._is_over = is_over
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """From the event loop's own thread."""
        self._woken.set()

    async def run(self) -> None:
        """Until the job is over. Raises RuntimeError when turns never settle, and whatever a turn raises."""
        in_a_row = 0
        while not self._is_over():
            self._woken.clear()
            wait = await self._turn()
            in_a_row = in_a_row + 1 if wait == 0.0 else 0
            if in_a_row > MAX_TURNS_IN_A_ROW:
                raise RuntimeError("the decision does not settle")
            if wait != 0.0 and not self._is_over():
                await self._sleep(wait)

    async def _sleep(self, wait: float | None) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), wait)
        except TimeoutError:
            return
