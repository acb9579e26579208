"""However an agent ends, nothing of its program is left: parent gone, SIGTERM, SIGKILL of the agent alone."""

import os
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from orchestrator.protocol import agent_environment as names
from orchestrator.protocol.messages import Run
from tests.fixtures.agents import Bench, Started, is_alive, make_bench, python, read_pids, wait_for

pytestmark = pytest.mark.process

# Itself and a child in a session of its own; both ignore SIGTERM unless SAVES is set. Short sleeps: a signal that comes
# just before a sleep begins is seen by Python only after it.
FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, (lambda *_: sys.exit(143)) if "SAVES" in os.environ else signal.SIG_IGN)
child = os.fork()
if child == 0: os.setsid()
with open(os.environ["PIDS"], "a") as file: file.write(f"{os.getpid()}\\n")
while True: time.sleep(0.1)
"""


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with make_bench() as made:
        yield made


async def start(bench: Bench, below: tuple[str, ...] = (), **variables: str) -> tuple[Started, list[int]]:
    agent = await bench.start(python(FAMILY), below, **variables)
    pids = bench.directory / "pids"
    bench.want(agent, Run(1, {"PIDS": str(pids)}))
    await wait_for(lambda: len(read_pids(pids)) == 2)
    await bench.running(agent)
    return agent, read_pids(pids)


async def test_the_end_of_the_parents_pipe_kills_everything_at_once(bench: Bench) -> None:
    agent, pids = await start(bench)
    agent.abandon()
    assert await agent.end() == 1
    assert not any(is_alive(pid) for pid in pids)


async def test_sigterm_stops_the_program_gracefully_and_exits_143(bench: Bench) -> None:
    agent, pids = await start(bench, SAVES="1")
    agent.process.terminate()
    seen = await bench.ended(agent)
    assert (seen.exit_code, seen.asked) == (143, True)
    assert await agent.end() == 143
    assert not any(is_alive(pid) for pid in pids)


async def test_sigterm_of_an_agent_whose_program_does_not_stop_ends_after_the_grace(bench: Bench) -> None:
    agent, pids = await start(bench, (), **{names.STOP_GRACE_SECONDS: "0.2"})
    agent.process.terminate()
    assert await agent.end() == 143
    assert not any(is_alive(pid) for pid in pids)


async def test_a_killed_agent_takes_its_program_with_it(bench: Bench) -> None:
    agent, pids = await start(bench)
    main = (await bench.running(agent)).pid
    agent.process.kill()
    await agent.end()
    await wait_for(lambda: not is_alive(main))
    await bench.until(agent, lambda seen: not seen.connected)
    # What left the program's session is for the parent, a child subreaper; here for us.
    for pid in pids:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


async def test_an_agent_dies_with_a_parent_that_was_killed_though_others_hold_its_pipe(bench: Bench) -> None:
    parent = "import subprocess, sys; subprocess.run(sys.argv[1:], close_fds=False)"
    agent, pids = await start(bench, below=(sys.executable, "-SEc", parent))
    agent.process.kill()
    await bench.until(agent, lambda seen: not seen.connected)
    assert not any(is_alive(pid) for pid in pids)
