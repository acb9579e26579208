"""Asks the API server until it answers: for the few things that a new leader needs before its queue repeats the rest.

Called by `controller.program`. What the server refuses for good is raised.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from orchestrator.backends.kubernetes.api import ApiError, Unreachable
from orchestrator.backends.kubernetes.backoff import Backoff
from orchestrator.controller.logs import say

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 10.0

Answer = TypeVar("Answer")
Sleep = Callable[[float], Awaitable[None]]


async def until_answered(ask: Callable[[], Awaitable[Answer]], sleep: Sleep = asyncio.sleep) -> Answer:
    backoff = Backoff(FIRST_SECONDS, LONGEST_SECONDS)
    while True:
        try:
            return await ask()
        except ApiError as error:
            if not error.is_transient:
                raise
            wait, why = backoff.next(error.retry_after), str(error)
        except Unreachable as error:
            wait, why = backoff.next(), str(error)
        say(logging.WARNING, f"asked again in {wait:.1f} s: {why}")
        await sleep(wait)
