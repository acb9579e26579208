"""Training metrics from a program's datagrams to the coordinator, and what an agent costs."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.protocol import agent_environment as names
from orchestrator.protocol import checkpoints, environment
from orchestrator.protocol.messages import Finish, Run, Stop
from tests.fixtures.agents import JOB, Bench, Started, make_bench, python, wait_for

pytestmark = pytest.mark.process

LIVE = python("""
import os, time
with open(os.environ["PLACE"] + ".new", "w") as file: file.write(os.environ["TFO_REPORT_SOCKET"])
os.rename(os.environ["PLACE"] + ".new", os.environ["PLACE"])
while True: time.sleep(60)
""")

RESIDENT_LIMIT = 40_000_000


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with make_bench() as made:
        yield made


async def run_live(bench: Bench, **variables: str) -> tuple[Started, str]:
    """An agent with a running program, and the path of its report socket."""
    agent = await bench.start(LIVE, **variables)
    place = bench.directory / "place"
    bench.want(agent, Run(1, {"PLACE": str(place)}))
    await wait_for(place.exists)
    await bench.running(agent)
    return agent, place.read_text()


async def test_datagrams_become_reports_whatever_else_arrives(bench: Bench) -> None:
    agent, path = await run_live(bench)
    assert os.stat(path).st_mode & 0o077 == 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for data in (
            b'{"attempt": 1, "step": 1, "steps": 1, "examples": 96, "metrics": {"loss": 2.0, "lr": 0.1}}',
            b"\xff",
            b"[" * 10_000,
            b'{"metrics": {"loss": NaN}}',
            b'{"attempt": 7, "step": 900}',
            b'{"step": 2, "steps": 1, "examples": 96, "metrics": {"loss": null}, "non_finite": 1, "new": []}',
            b'{"busy": "saving", "checkpoint": {"step": 2, "ok": true, "seconds": 0.5}, "note": "hello"}',
        ):
            sender.sendto(data, path)
    await bench.until(agent, lambda seen: seen.busy == "saving")
    report = bench.reports[-1]
    assert (report.step, report.steps, report.examples, report.non_finite) == (2, 2, 192, 1)
    assert (report.metrics, report.dropped, report.notes) == ({"lr": 0.1, "loss": None}, 4, ("hello",))
    assert (report.checkpoint_step, sum(report.checkpoint_save_buckets)) == (2, 1)
    assert report.seconds_since_step is not None
    seen = await bench.until(agent, lambda seen: seen.checkpoint_step == 2)
    assert (seen.step, seen.reported) == (2, True)
    assert seen.seconds_since_step is not None


async def test_the_newest_committed_checkpoint_is_found_at_the_start_and_after_an_end(bench: Bench) -> None:
    folder = bench.directory / "checkpoints"
    Path(checkpoints.checkpoint_path(str(folder), 20)).mkdir(parents=True)
    (folder / "ckpt-0000000099.partial").mkdir()
    source = "import os; os.mkdir(os.environ['TFO_CHECKPOINT_DIR'] + '/ckpt-0000000040')"
    agent = await bench.spawn(python(source), **{environment.CHECKPOINT_DIR: str(folder)})
    assert (await bench.until(agent, lambda seen: seen.connected)).checkpoint_step == 20
    bench.want(agent, Run(1))
    assert (await bench.ended(agent)).checkpoint_step == 40


async def test_the_report_socket_lies_beside_the_coordinators_or_where_it_was_told(bench: Bench) -> None:
    agent, path = await run_live(bench)
    assert Path(path).parent == bench.directory / "c"
    bench.want(agent, Finish(0))
    assert await agent.end() == 0
    assert not Path(path).exists()
    (bench.directory / "place").unlink()
    given = bench.directory / "sockets"
    given.mkdir(mode=0o700)
    agent, path = await run_live(bench, **{names.SOCKET_DIR: str(given)})
    assert Path(path).parent == given
    bench.want(agent, Finish(0))
    await agent.end()
    assert list(given.iterdir()) == []


async def test_an_agent_stays_small_whatever_it_is_told(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    agent, path = await run_live(bench)
    ready = loop.time() - begun
    before = bench.coordinator.states(JOB)[agent.uid].cpu_seconds
    data = b'{"step": %d, "steps": 1, "step_seconds": [0,0,0,1,0,0,0,0,0,0,0,0], "metrics": {"loss": 1.5}}'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for step in range(1, 41):
            sender.sendto(data % step, path)
            await bench.until(agent, lambda seen, step=step: seen.step == step)  # type: ignore[misc]  # mypy cannot infer it
    seconds = loop.time() - begun - ready
    bench.want(agent, Stop(1))
    await bench.ended(agent)
    state = bench.coordinator.states(JOB)[agent.uid]
    with capsys.disabled():
        print(
            f"\nagent: program running {ready:.2f} s after the start, {state.rss_bytes / 1e6:.1f} MB resident, "
            f"{1000 * (state.cpu_seconds - before) / 40:.2f} ms of CPU per report ({seconds:.1f} s for 40)"
        )
    assert state.rss_bytes < RESIDENT_LIMIT
