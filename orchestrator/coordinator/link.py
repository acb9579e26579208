"""One accepted stream: reads an agent's messages at a bounded rate, and writes what is wanted of it.

Made by `coordinator.server` for every stream that was accepted; ends with the stream, on silence, on nonsense, or
when `close` is called. Keeps nothing but the present wish, and its bytes only while it says them.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum

import grpc

from orchestrator.protocol.codec import Message, ProtocolError, UnknownType, decode, encode
from orchestrator.protocol.messages import MAX_AGENT_MESSAGE_BYTES, Run, Wanted

REPEAT_SECONDS = 5.0
"""The wish is said again after this time, so that the agent hears that we are there."""
SILENCE_SECONDS = 15.0
MESSAGES_PER_SECOND = 20.0
BURST = 60.0
LARGE_CLUSTER = 32 * 1024
LARGE_SECONDS = 2.0
"""Whoever takes longer to hear a large wish holds up nobody else."""
LARGE_AT_ONCE = 32
"""Of all links together: thousands that start at the same moment would else hold as many copies of a large cluster."""

Context = grpc.aio.ServicerContext[bytes, bytes]


class Result(StrEnum):
    """What became of a message: the closed list, a label of the metric."""

    ACCEPTED = "accepted"
    STALE = "stale"
    UNKNOWN = "unknown"
    MALFORMED = "malformed"


Hear = Callable[[Message], Result]
Count = Callable[[Result], None]


class Link:
    """`hear` is called with every message; `count` with what became of it. `gate`: for large wishes.

    `silence`: seconds for which nothing had been heard, if that is why the stream ended.
    """

    def __init__(
        self, context: Context, wish: Wanted, hear: Hear, count: Count, gate: asyncio.Semaphore
    ) -> None:
        self._context, self._wish, self._hear, self._count, self._gate = context, wish, hear, count, gate
        self._news = asyncio.Event()
        self._closed = asyncio.Event()
        self._tokens, self._filled_at = BURST, 0.0
        self.silence = 0.0

    def want(self, wish: Wanted) -> None:
        """Say this from now on, at once if it is new."""
        if wish != self._wish:
            self._wish = wish
            self._news.set()

    def close(self) -> None:
        """End the stream soon."""
        self._closed.set()

    async def run(self) -> None:
        """Until the stream has ended or is to end. Raises what `hear` raises: that is a fault of ours."""
        reading = asyncio.ensure_future(self._read())
        tasks = [reading, *map(asyncio.ensure_future, (self._write(), self._closed.wait()))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> None:
        while True:
            await self._slow_down()
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    data: object = await self._context.read()
            except TimeoutError:
                self.silence = SILENCE_SECONDS
                return
            if not isinstance(data, bytes) or self._take(data) is Result.MALFORMED:
                return

    def _take(self, data: bytes) -> Result:
        try:
            result = self._hear(decode(data, MAX_AGENT_MESSAGE_BYTES))
        except UnknownType:
            result = Result.UNKNOWN
        except ProtocolError:
            result = Result.MALFORMED
        self._count(result)
        return result

    async def _slow_down(self) -> None:
        """A token per message: who says too much is read later, which holds him back through flow control."""
        now = asyncio.get_running_loop().time()
        self._tokens = min(BURST, self._tokens + (now - self._filled_at) * MESSAGES_PER_SECOND) - 1.0
        self._filled_at = now
        if self._tokens < 0.0:
            await asyncio.sleep(-self._tokens / MESSAGES_PER_SECOND)

    async def _write(self) -> None:
        while True:
            self._news.clear()
            await self._say()
            try:
                async with asyncio.timeout(REPEAT_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _say(self) -> None:
        """The wish of the moment when there is room for it."""
        if not _is_large(self._wish):
            await self._context.write(encode(self._wish))
            return
        saying = None
        try:
            async with self._gate:
                saying = asyncio.ensure_future(self._context.write(encode(self._wish)))
                await asyncio.wait((saying,), timeout=LARGE_SECONDS)
            await saying
        finally:
            if saying is not None:
                saying.cancel()


def _is_large(wish: Wanted) -> bool:
    return isinstance(wish.order, Run) and len(wish.order.cluster) > LARGE_CLUSTER
