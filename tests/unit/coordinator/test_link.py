"""One accepted stream: what is said on it, how fast it is read, when it ends."""

import asyncio

import pytest

from orchestrator.coordinator import link
from orchestrator.coordinator.link import BURST, MESSAGES_PER_SECOND, Link, Result
from orchestrator.protocol.codec import Message, encode
from orchestrator.protocol.messages import MAX_AGENT_MESSAGE_BYTES, Run, State, Stop, Wanted

FIRST, SECOND = Wanted("job", 1), Wanted("job", 1, Stop(2))
LARGE = Wanted("job", 1, Run(1, cluster="x" * 100_000))


class Wire:
    """The two methods of gRPC's context that a link uses, over queues."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[bytes] = asyncio.Queue()
        self.coming: asyncio.Queue[object] = asyncio.Queue()
        self.read_count = 0

    async def read(self) -> object:
        data = await self.coming.get()
        self.read_count += 1
        return data

    async def write(self, data: bytes) -> None:
        await self.said.put(data)


class Talk:
    """A link on a wire, running."""

    def __init__(self, wish: Wanted = FIRST, gate: asyncio.Semaphore | None = None) -> None:
        self.wire = Wire()
        self.heard: list[Message] = []
        self.counted: list[Result] = []
        gate = gate or asyncio.Semaphore()
        self.link = Link(self.wire, wish, self._hear, self.counted.append, gate)  # type: ignore[arg-type]  # two methods
        self.task = asyncio.ensure_future(self.link.run())

    def _hear(self, message: Message) -> Result:
        self.heard.append(message)
        return Result.ACCEPTED


async def test_a_wish_is_said_when_new_and_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "REPEAT_SECONDS", 0.01)
    talk = Talk()
    assert [await talk.wire.said.get() for _ in range(3)] == [encode(FIRST)] * 3
    talk.link.want(SECOND)
    while await talk.wire.said.get() != encode(SECOND):
        pass
    talk.link.close()
    await talk.task


async def test_large_wishes_are_said_a_few_at_a_time_and_as_they_are_by_then() -> None:
    gate = asyncio.Semaphore(1)
    await gate.acquire()
    large, small = Talk(LARGE, gate), Talk(FIRST, gate)
    assert await small.wire.said.get() == encode(FIRST)
    assert large.wire.said.empty()
    newer = Wanted("job", 2, LARGE.order)
    large.link.want(newer)
    gate.release()
    assert await large.wire.said.get() == encode(newer)
    for talk in (large, small):
        talk.link.close()
        await talk.task
    assert not gate.locked()


async def test_who_says_too_much_is_read_later() -> None:
    talk = Talk()
    for _ in range(1000):
        talk.wire.coming.put_nowait(encode(State()))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while talk.wire.read_count < BURST + 2:
        await asyncio.sleep(0)
    seconds = loop.time() - begun
    assert seconds > 1.5 / MESSAGES_PER_SECOND
    assert talk.wire.read_count <= BURST + seconds * MESSAGES_PER_SECOND + 1
    assert len(talk.heard) == talk.wire.read_count
    talk.link.close()
    await talk.task


@pytest.mark.parametrize(
    ("data", "results"),
    [
        (b"{", [Result.MALFORMED]),
        (object(), []),
        (b'{"type":"FromTheFuture"}', [Result.UNKNOWN, Result.MALFORMED]),
        (b" " * MAX_AGENT_MESSAGE_BYTES + encode(State()), [Result.MALFORMED]),
    ],
)
async def test_it_ends_with_the_stream_or_on_nonsense(data: object, results: list[Result]) -> None:
    talk = Talk()
    talk.wire.coming.put_nowait(data)
    talk.wire.coming.put_nowait(b"nonsense")
    await talk.task
    assert talk.counted == results


async def test_a_fault_of_ours_is_not_hidden() -> None:
    talk = Talk()
    talk.heard = ()  # type: ignore[assignment]  # what cannot be appended to
    talk.wire.coming.put_nowait(encode(State()))
    with pytest.raises(AttributeError):
        await talk.task


async def test_it_ends_on_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "SILENCE_SECONDS", 0.01)
    talk = Talk()
    await talk.task
    assert talk.link.silence == 0.01
