"""The local backend for the contract suite: a run folder, a real coordinator, real agents and programs.

Replicas are killed and finished from outside the backend: by a signal to the agent's process, by an order of the
coordinator.
"""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.api.status import JobStatus
from orchestrator.api.types import Role
from orchestrator.backends.local import process_tree, run_folder
from orchestrator.backends.local.backend import LocalBackend
from orchestrator.backends.local.gpus import Shares
from orchestrator.backends.local.programs import Place
from orchestrator.backends.local.run_folder import RunFolder, Runner, RunState
from orchestrator.coordinator.authentication import ReplicaId
from orchestrator.coordinator.server import Coordinator
from orchestrator.core.actions import WantedOrder
from orchestrator.core.observed import Replica
from orchestrator.core.plan import Folders, plan
from orchestrator.protocol import agent_environment as names
from orchestrator.protocol.messages import Finish, Order, ProgramState, Run
from tests.contract.harness import CONTRACT_JOB

LIMIT_SECONDS = 60.0
_TOKEN = "a-token"
_JOB_UID = CONTRACT_JOB.metadata.uid or ""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class _Door:
    """Where agents knock; see backends.local.backend.Door."""

    coordinator: Coordinator
    address: str
    token: str = _TOKEN

    def expect(self, role: Role, index: int, uid: str) -> None:
        self.coordinator.expect(_JOB_UID, ReplicaId(role, index, uid))


class LocalHarness:
    def __init__(self, folder: RunFolder) -> None:
        self.key = folder.job
        self._folder = folder
        self._sockets = Path(tempfile.mkdtemp(prefix="tfo-test-"))  # a socket's path has to be short
        self._orders: dict[str, Order] = {}
        place = Place(folder.path, os.environ)
        planned = plan(CONTRACT_JOB, Folders(), report_seconds=1.0)
        self.backend = LocalBackend(folder, planned, place, Shares({}), _now)
        self._coordinator = Coordinator(
            f"unix:{self._sockets}/c/s",
            clock=_now,
            on_change=lambda job: None,
            on_report=lambda job, role, index, report: None,
        )

    async def open(self) -> None:
        process_tree.become_subreaper()
        self._coordinator.register(_JOB_UID, 1, _TOKEN)
        self.backend.door = _Door(self._coordinator, await self._coordinator.start())

    async def settle(self) -> None:
        """Deletions have ended when `perform` returns; every living agent is to run its program."""
        replicas = await self._living()
        for one in replicas:
            self._orders.setdefault(one.uid, Run(one.attempt))
        self._give_orders()
        wanted = {one.uid for one in replicas}
        await self._until(lambda: wanted <= self._running(), "programs run")

    async def kill(self, replica: Replica) -> None:
        os.kill(self._pid(replica), signal.SIGKILL)
        await self._gone(replica)

    async def finish(self, replica: Replica, exit_code: int) -> None:
        self._orders[replica.uid] = Finish(exit_code)
        self._give_orders()
        await self._gone(replica)

    async def stored(self) -> JobStatus:
        return RunFolder(self._folder.path).read_state().status

    async def close(self) -> None:
        agents = self.backend.agent_pids
        below = process_tree.descendants(agents, process_tree.parents())
        await self.backend.close()
        await self._coordinator.close()
        shutil.rmtree(self._sockets)
        assert [pid for pid in below if Path(f"/proc/{pid}").exists()] == [], "processes are left"

    async def _living(self) -> list[Replica]:
        view = await self.backend.observe(self.key)
        return [one for one in view.replicas if not one.phase.is_terminal] if view else []

    def _running(self) -> set[str]:
        agents = self._coordinator.agents(_JOB_UID)
        return {one.uid for one in agents if one.connected and one.state is ProgramState.RUNNING}

    def _give_orders(self) -> None:
        wanted = tuple(WantedOrder(uid=uid, order=order) for uid, order in self._orders.items())
        self._coordinator.set_wanted(_JOB_UID, wanted)

    def _pid(self, replica: Replica) -> int:
        """The agent whose environment carries this UID."""
        mark = f"{names.UID}={replica.uid}".encode()
        agents = self.backend.agent_pids
        return next(pid for pid in agents if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))

    async def _gone(self, replica: Replica) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while replica.uid in {one.uid for one in await self._living()}:
                await asyncio.sleep(0.01)

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                while not condition():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            said = {path.name: path.read_text() for path in self._folder.logs.iterdir()}
            pytest.fail(f"waited in vain until {what}; {said}")


async def open_local(tmp_path: Path) -> LocalHarness:
    folder = run_folder.create(tmp_path, CONTRACT_JOB.metadata.name)
    runner = Runner(pid=os.getpid(), start_time=_now())
    folder.write_state(RunState(job=CONTRACT_JOB, status=JobStatus(), runner=runner))
    harness = LocalHarness(folder)
    await harness.open()
    return harness
