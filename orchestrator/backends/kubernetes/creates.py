"""Many things at once, with a slow start: while nobody knows whether the server takes them, few are tried.

Called by `deeds`. A template that the server refuses fails a few times, not a thousand; one that it takes is tried with
twice as many at each step (as the Job controller of Kubernetes does).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

MOST = 32
"""Of one job: what others want waits behind no more than this."""


async def slow_start(tries: Sequence[Callable[[], Awaitable[bool]]], most: int = MOST) -> int:
    """1, 2, 4, ... at once, `most` at the most. A try says whether it went well; once none of a round did, the rest is
    left. Returns how many were tried. What a try raises is raised when its round is over."""
    begun, size = 0, 1
    while begun < len(tries):
        results = await asyncio.gather(
            *(one() for one in tries[begun : begun + size]), return_exceptions=True
        )
        begun += len(results)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if not any(results):
            break
        if size >= most:
            return begun + await _rest(tries[begun:], most)
        size = min(size * 2, most)
    return begun


async def _rest(tries: Sequence[Callable[[], Awaitable[bool]]], most: int) -> int:
    """All that is left, without waiting for the slowest of a round."""
    gate = asyncio.Semaphore(most)

    async def one(attempt: Callable[[], Awaitable[bool]]) -> bool:
        async with gate:
            return await attempt()

    results = await asyncio.gather(*map(one, tries), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return len(tries)
