"""What an agent takes: seconds from its exec to ready, and memory while its program runs and reports.

`python -m benchmarks.footprint [--pairs 10] [--quick]`. Ready: the coordinator has its State. Goals: at most
0.5 s and 40 MB (10^6 bytes) resident. Beside it, in turn: `python -c pass`, which no agent can be faster than.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import command
from benchmarks.figures import Figure, Sample
from benchmarks.processes import Memory, cpu_seconds, memory
from orchestrator.api.types import Role
from orchestrator.coordinator.authentication import ReplicaId
from orchestrator.coordinator.server import Coordinator
from orchestrator.core.actions import WantedOrder
from orchestrator.protocol import agent_environment as names
from orchestrator.protocol.messages import Finish, Order, Run

READY_GOAL = 0.5
MEMORY_GOAL = 40.0
REPORTS = 3
LIMIT_SECONDS = 60.0
ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """\
import time
from orchestrator import train
for step in range(1, 10**6):
    train.report(step=step, total_steps=10**6, loss=0.5, accuracy=0.9)
    time.sleep(0.02)
"""


@dataclass(frozen=True)
class Taken:
    """Of one agent: seconds until ready, CPU seconds until then, memory after some reports."""

    ready: float
    cpu: float
    memory: Memory


class Scene:
    """A coordinator that waits for one agent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reports = 0
        self._address = f"unix:{folder}/c/s"
        self._changed = asyncio.Event()
        self._coordinator = Coordinator(
            self._address,
            clock=lambda: datetime.now(UTC),
            on_change=lambda uid: self._changed.set(),
            on_report=lambda *_: self._hear(),
        )

    def _hear(self) -> None:
        self._reports += 1
        self._changed.set()

    def want(self, order: Order) -> None:
        self._coordinator.set_wanted("job", (WantedOrder(uid="agent", order=order),))

    def is_ready(self) -> bool:
        return bool(self._coordinator.agents("job"))

    def has_reported(self) -> bool:
        return self._reports >= REPORTS

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Raises TimeoutError."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    async def open(self) -> None:
        self._coordinator.register("job", 1, "token", [ReplicaId(Role.WORKER, 0, "agent")])
        await self._coordinator.start()

    async def close(self) -> None:
        await self._coordinator.close()

    def start_agent(self) -> "subprocess.Popen[bytes]":
        program = [sys.executable, "-P", "-c", PROGRAM]
        variables = {
            names.ADDRESS: self._address,
            names.TOKEN: "token",
            names.JOB_UID: "job",
            names.ROLE: "worker",
            names.INDEX: "0",
            names.UID: "agent",
            names.COMMAND: json.dumps(program),
            names.LOG_DIR: str(self._folder),
            names.REPORT_SECONDS: "0.2",
            "PYTHONPATH": str(ROOT),
        }
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "orchestrator.agent"],
            env=os.environ | variables,
            start_new_session=True,
        )


@asynccontextmanager
async def opened() -> AsyncIterator[Scene]:
    with tempfile.TemporaryDirectory(prefix="tfo-bench-") as name:
        scene = Scene(Path(name))
        await scene.open()
        try:
            yield scene
        finally:
            await scene.close()


async def take() -> Taken:
    """One agent, from its exec to its end."""
    async with opened() as scene:
        start = time.perf_counter()
        agent = scene.start_agent()
        try:
            await scene.until(scene.is_ready)
            ready, cpu = time.perf_counter() - start, cpu_seconds(agent.pid)
            scene.want(Run(1))
            await scene.until(scene.has_reported)
            size = memory(agent.pid)
            scene.want(Finish(0))
            await asyncio.to_thread(agent.wait)
        finally:
            agent.kill()
    return Taken(ready, cpu, size)


def python_alone() -> tuple[float, float]:
    """Wall and CPU seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", "pass"], check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measured(size: command.Size) -> list[Figure]:
    agents, alone = [asyncio.run(take())], [python_alone()]
    for number in range(size.pairs):
        if number % 2 == 0:
            agents.append(asyncio.run(take()))
        alone.append(python_alone())
        if number % 2 == 1:
            agents.append(asyncio.run(take()))
    return figures_of(agents[1:], alone[1:])  # the first ones warmed the page cache


def figures_of(agents: Sequence[Taken], alone: Sequence[tuple[float, float]]) -> list[Figure]:
    ready = Sample("exec to ready", tuple(one.ready for one in agents))
    beside = (
        Sample("CPU of it", tuple(one.cpu for one in agents)),
        Sample("python -c pass", tuple(wall for wall, _ in alone)),
        Sample("CPU of that", tuple(cpu for _, cpu in alone)),
    )
    resident = Sample("resident", tuple(one.memory.resident for one in agents), "MB")
    proportional = Sample(
        "shared pages counted in part", tuple(one.memory.proportional for one in agents), "MB"
    )
    return [
        Figure("agent: exec to ready", ready, READY_GOAL, beside),
        Figure("agent: resident memory", resident, MEMORY_GOAL, (proportional,)),
    ]


if __name__ == "__main__":
    sys.exit(command.run(__doc__, measured, 10))
