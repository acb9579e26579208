"""The session between agents and coordinator: it outlives restarts of either side, and strangers change nothing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from time import monotonic

import grpc
import pytest

from orchestrator.agent import config, session
from orchestrator.api.types import Role
from orchestrator.coordinator.authentication import ReplicaId
from orchestrator.coordinator.server import Coordinator
from orchestrator.core.actions import WantedOrder
from orchestrator.protocol import agent_environment as names
from orchestrator.protocol.codec import decode, encode
from orchestrator.protocol.messages import (
    MAX_AGENT_MESSAGE_BYTES,
    SESSION_METHOD,
    Finish,
    Hello,
    ProgramState,
    Refused,
    Report,
    Run,
    State,
    Stop,
    Wanted,
)
from tests.fixtures.agents import JOB, TOKEN, Bench, is_alive, make_bench, python, wait_for

LIVE = python("import time\nwhile True: time.sleep(60)")
HELLO = Hello(job_uid=JOB, role="worker", index=0, uid="agent-0")
WORKER = ReplicaId(Role.WORKER, 0, "agent-0")

Stream = grpc.aio.StreamStreamCall[bytes, bytes]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with make_bench() as made:
        yield made


@pytest.fixture
async def channel(bench: Bench) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(bench.address) as made:
        yield made


def talk(channel: grpc.aio.Channel, token: str = TOKEN) -> Stream:
    method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(SESSION_METHOD)
    return method(metadata=(("authorization", f"Bearer {token}"),))


async def hear(stream: Stream) -> object:
    data = await stream.read()
    return decode(data) if isinstance(data, bytes) else None


@pytest.mark.process
async def test_a_restarted_coordinator_finds_everything_as_it_is_and_stale_terms_are_refused(
    bench: Bench,
) -> None:
    agent = await bench.start(LIVE)
    bench.want(agent, Run(1))
    before = await bench.running(agent)
    await bench.coordinator.close()
    assert bench.see(agent) is not None
    bench.term = 5
    await bench.open()
    after = await bench.running(agent)
    assert (after.pid, after.attempt) == (before.pid, 1)
    await bench.until(agent, lambda _: bench.coordinator.states(JOB)[agent.uid].term == 5)
    # A coordinator that was succeeded comes back to life: its Stop is refused, and it does not lower the term.
    await bench.coordinator.close()
    bench.term = 4
    await bench.open()
    await bench.running(agent)
    bench.want(agent, Stop(1))
    await bench.coordinator.close()
    bench.term = 5
    await bench.open()
    assert (await bench.running(agent)).pid == before.pid
    bench.want(agent, Stop(1))
    await bench.ended(agent)


@pytest.mark.process
async def test_an_end_without_coordinator_is_told_when_it_is_back_with_the_final_report(bench: Bench) -> None:
    source = """
import os, socket, time
while not os.path.exists(os.environ["GO"]): time.sleep(0.01)
report = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
report.sendto(b'{"step": 12, "steps": 12, "metrics": {"loss": 0.5}}', os.environ["TFO_REPORT_SOCKET"])
raise SystemExit(4)
"""
    agent = await bench.start(python(source))
    go = bench.directory / "go"
    bench.want(agent, Run(1, {"GO": str(go)}))
    pid = (await bench.running(agent)).pid
    await bench.coordinator.close()
    go.touch()
    await wait_for(lambda: not is_alive(pid))
    gone_at = monotonic()
    await bench.open()
    opened_at = monotonic()
    assert (await bench.ended(agent)).exit_code == 4
    ended_seconds = bench.coordinator.states(JOB)[agent.uid].ended_seconds
    assert ended_seconds is not None
    assert ended_seconds >= opened_at - gone_at
    await bench.until(agent, lambda seen: seen.step == 12)
    assert [report.metrics for report in bench.reports] == [{"loss": 0.5}]
    bench.want(agent, Finish(0))
    assert await agent.end() == 0


async def test_what_had_to_wait_for_a_coordinator_says_how_long_ago_the_program_ended(bench: Bench) -> None:
    await bench.coordinator.close()
    bench.expected.append(WORKER)
    talking = session.Session(
        config.Config(bench.address, JOB, "worker", 0, "agent-0", ("true",), token=TOKEN), HELLO, lambda: None
    )
    before = monotonic()
    talking.say(State(1, ProgramState.EXITED, exit_code=1, ended_seconds=100.0))
    said = monotonic()
    await bench.open()
    opened = monotonic()
    talking.start()
    await wait_for(lambda: bool(bench.coordinator.agents(JOB)))
    heard = bench.coordinator.states(JOB)["agent-0"].ended_seconds
    assert heard is not None
    assert opened - said <= heard - 100.0 <= monotonic() - before
    await asyncio.to_thread(talking.close, 10.0)


async def test_a_coordinator_that_falls_silent_is_left_for_another_try(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session alone, in this process, against a server that accepts and never says anything again."""
    monkeypatch.setattr(session, "SILENCE_SECONDS", 0.2)
    await bench.coordinator.close()
    accepted = asyncio.Queue[object]()

    async def fall_silent(_: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        await accepted.put(await context.read())
        await context.write(encode(Wanted(JOB, 1)))
        await asyncio.Event().wait()

    server = grpc.aio.server()
    service, method = SESSION_METHOD.strip("/").split("/")
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(fall_silent)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    server.add_insecure_port(bench.address)
    await server.start()
    settings = config.Config(bench.address, JOB, "worker", 0, "agent-0", ("true",))
    talking = session.Session(settings, HELLO, lambda: None)
    talking.start()
    for _ in range(2):
        assert decode(await accepted.get()) == HELLO  # type: ignore[arg-type]  # bytes, or the test fails
        await wait_for(lambda: talking.lost_since is None)
        await wait_for(lambda: talking.lost_since is not None)
    await asyncio.to_thread(talking.close, 10.0)
    await server.stop(0)


async def test_messages_beyond_every_window_pass_both_ways(bench: Bench) -> None:
    """Several times what either side may have on its way: the session alone, in this process, against the server."""
    bench.coordinator.expect(JOB, WORKER)
    settings = config.Config(bench.address, JOB, "worker", 0, "agent-0", ("true",), token=TOKEN)
    talking = session.Session(settings, HELLO, lambda: None)
    talking.start()
    lines = tuple(f"{number}: {'x' * 4000}" for number in range(12))
    for attempt in range(1, 9):
        talking.say(State(attempt, ProgramState.EXITED, exit_code=1, last_lines=lines))
        await wait_for(lambda: [one.attempt for one in bench.coordinator.agents(JOB)] == [attempt])  # noqa: B023  # at once
        order = Run(attempt, {"LONG": "y" * 50_000})
        bench.coordinator.set_wanted(JOB, (WantedOrder(uid="agent-0", order=order),))
        await wait_for(lambda: order in [one.order for one in talking.take()])  # noqa: B023  # waited for at once
    assert bench.coordinator.agents(JOB)[0].last_lines == lines
    await asyncio.to_thread(talking.close, 10.0)
    await wait_for(lambda: not bench.coordinator.agents(JOB)[0].connected)


@pytest.mark.process
async def test_a_refused_agent_says_why_and_gets_in_when_it_is_expected(bench: Bench) -> None:
    bench.coordinator.forget(JOB)
    bench.coordinator.register(JOB, 1, "another-token")
    agent = await bench.spawn(LIVE)
    await wait_for(lambda: "refused by the coordinator: wrong_token" in agent.stderr.read_text())
    assert bench.coordinator.agents(JOB) == ()
    assert bench.coordinator.counts().denials["wrong_token"] > 0
    bench.coordinator.register(JOB, 1, TOKEN, bench.expected)
    await bench.until(agent, lambda seen: seen.connected)
    assert agent.stderr.read_text().count("wrong_token") == 1


@pytest.mark.process
async def test_agents_reach_a_tcp_port_and_read_their_token_from_a_file(bench: Bench) -> None:
    token = bench.directory / "token"
    token.write_text(f"{TOKEN}\n")
    await bench.coordinator.close()
    bench.coordinator = tcp = Coordinator(
        "127.0.0.1:0",
        clock=lambda: datetime.now(UTC),
        on_change=lambda _: bench.note(),
        on_report=lambda *_: None,
    )
    tcp.register(JOB, 1, TOKEN)
    address = await tcp.start()
    assert not address.endswith(":0")
    agent = await bench.start(LIVE, **{names.ADDRESS: address, names.TOKEN: "", names.TOKEN_FILE: str(token)})
    assert bench.coordinator.counts().connected == 1
    bench.want(agent, Finish(3))
    assert await agent.end() == 3


@pytest.mark.parametrize(
    ("first", "token", "reason"),
    [
        (encode(HELLO), "wrong", "wrong_token"),
        (encode(HELLO), "", "wrong_token"),
        (encode(Hello("other-job", "worker", 0, "agent-0")), TOKEN, "unknown_job"),
        (encode(Hello(JOB, "worker", 0, "agent-9")), TOKEN, "unknown_replica"),
        (encode(Hello(JOB, "chief", 0, "agent-0")), TOKEN, "wrong_identity"),
        (encode(Hello(JOB, "worker", 1, "agent-0")), TOKEN, "wrong_identity"),
        (encode(State()), TOKEN, "no_hello"),
        (b"\xff{]", TOKEN, "malformed"),
        (None, TOKEN, "no_hello"),
    ],
)
async def test_strangers_are_refused_counted_and_change_nothing(
    bench: Bench, channel: grpc.aio.Channel, first: bytes | None, token: str, reason: str
) -> None:
    bench.coordinator.expect(JOB, WORKER)
    stream = talk(channel, token)
    if first is not None:
        await stream.write(first)
    await stream.done_writing()
    assert await hear(stream) == Refused(reason)
    assert await stream.code() is grpc.StatusCode.PERMISSION_DENIED
    counts = bench.coordinator.counts()
    assert {name: count for name, count in counts.denials.items() if count} == {reason: 1}
    assert (counts.connected, bench.changes, bench.coordinator.agents(JOB)) == (0, 0, ())


async def accepted(bench: Bench, channel: grpc.aio.Channel) -> Stream:
    bench.coordinator.expect(JOB, WORKER)
    stream = talk(channel)
    await stream.write(encode(HELLO))
    assert isinstance(await hear(stream), Wanted)
    return stream


async def test_an_agent_is_unknown_until_its_state_and_a_newer_stream_replaces_an_older(
    bench: Bench, channel: grpc.aio.Channel
) -> None:
    older = await accepted(bench, channel)
    assert bench.coordinator.agents(JOB) == ()
    await older.write(encode(State(3, ProgramState.RUNNING, pid=7)))
    await wait_for(lambda: [seen.attempt for seen in bench.coordinator.agents(JOB)] == [3])
    newer = await accepted(bench, channel)
    assert await hear(older) is None
    await newer.write(encode(State(4, ProgramState.RUNNING, pid=8)))
    await wait_for(lambda: [seen.attempt for seen in bench.coordinator.agents(JOB)] == [4])
    (seen,) = bench.coordinator.agents(JOB)
    assert (seen.connected, seen.lost_at, bench.coordinator.counts().connected) == (True, None, 1)
    newer.cancel()
    await wait_for(lambda: not bench.coordinator.agents(JOB)[0].connected)
    assert bench.coordinator.agents(JOB)[0].lost_at is not None


async def test_nonsense_ends_the_stream_unknown_types_do_not(bench: Bench, channel: grpc.aio.Channel) -> None:
    stream = await accepted(bench, channel)
    await stream.write(b'{"type":"FromTheFuture"}')
    await stream.write(encode(State()))
    await wait_for(lambda: len(bench.coordinator.agents(JOB)) == 1)
    await stream.write(encode(Wanted(JOB, 1)))
    assert await hear(stream) is None
    counts = bench.coordinator.counts().messages
    assert (counts["unknown"], counts["accepted"], counts["malformed"]) == (1, 1, 1)
    stream = await accepted(bench, channel)
    await stream.write(b"x" * (MAX_AGENT_MESSAGE_BYTES + 1))
    assert await stream.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await wait_for(lambda: bench.coordinator.counts().connected == 0)


async def test_reports_are_passed_on_once_and_only_of_the_present_attempt(
    bench: Bench, channel: grpc.aio.Channel
) -> None:
    stream = await accepted(bench, channel)
    await stream.write(encode(State(2, ProgramState.RUNNING)))
    for report in (Report(2, 1, step=5), Report(2, 1, step=5), Report(1, 9, step=900), Report(2, 2, step=6)):
        await stream.write(encode(report))
    await wait_for(lambda: len(bench.reports) == 2)
    assert [report.step for report in bench.reports] == [5, 6]
    assert bench.coordinator.counts().messages["stale"] == 2
    (seen,) = bench.coordinator.agents(JOB)
    assert (seen.step, seen.reported) == (6, True)


async def test_wishes_are_replaced_and_a_forgotten_job_is_cut_off(
    bench: Bench, channel: grpc.aio.Channel
) -> None:
    stream = await accepted(bench, channel)
    bench.coordinator.set_wanted(JOB, (WantedOrder(uid="agent-0", order=Run(1, {"A": "b"})),))
    assert await hear(stream) == Wanted(JOB, 1, Run(1, {"A": "b"}))
    bench.coordinator.set_wanted(JOB, ())
    assert await hear(stream) == Wanted(JOB, 1, None)
    bench.coordinator.register(JOB, 2, TOKEN, [WORKER])
    assert await hear(stream) == Wanted(JOB, 2, None)
    bench.coordinator.forget(JOB)
    bench.coordinator.forget(JOB)
    bench.coordinator.set_wanted(JOB, (WantedOrder(uid="agent-0", order=Run(1, {})),))
    assert await hear(stream) is None
    assert bench.coordinator.agents(JOB) == ()
    refused = talk(channel)
    await refused.write(encode(HELLO))
    assert await hear(refused) == Refused("unknown_job")
