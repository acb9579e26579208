"""The local backend: one job, its state in a run folder, its replicas as agents on this machine.

Made by `cli.session` for one run. A replica is an agent's process; its pod phases are read off that process. A dead
agent counts as Failed only when nothing that it started is left. It performs and reports, and decides nothing.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from msgspec.structs import replace

from orchestrator.api.status import JobStatus
from orchestrator.api.types import Role, TensorFlowJob
from orchestrator.backends.base import Conflict
from orchestrator.backends.local import process_tree, programs
from orchestrator.backends.local.agents import AgentProcess, AgentSpec
from orchestrator.backends.local.gpus import Shares
from orchestrator.backends.local.ports import Reservation
from orchestrator.backends.local.run_folder import RunFolder, RunState, with_status
from orchestrator.core import membership, names
from orchestrator.core.actions import Action, CreateReplica, CreateService, DeleteJob, DeleteReplica
from orchestrator.core.observed import Replica, ReplicaPhase
from orchestrator.core.plan import Plan, ReplicaPlan

Seat = tuple[Role, int]


class Door(Protocol):
    """Where agents will knock: the coordinator's address, a token, and who is let in."""

    address: str
    token: str

    def expect(self, role: Role, index: int, uid: str) -> None: ...


@dataclass(frozen=True)
class LocalView:
    job: TensorFlowJob
    status: JobStatus
    version: str
    replicas: tuple[Replica, ...]
    services: tuple[str, ...]
    ports: dict[str, int]
    foreign: tuple[str, ...] = ()
    """A run folder holds nothing of anybody else's."""
    refused: str = ""


@dataclass
class _Seated:
    """A replica: its agent's process and the attempt that it was created for."""

    process: AgentProcess
    attempt: int
    is_clean: bool = True
    ended_at: datetime | None = None
    last_lines: tuple[str, ...] = ()


class LocalBackend:
    """Implements `backends.base.Backend` for the one job in its folder."""

    def __init__(
        self,
        folder: RunFolder,
        plan: Plan,
        place: programs.Place,
        shares: Shares,
        clock: Callable[[], datetime],
    ) -> None:
        self._folder = folder
        self._plans = {(one.role, one.index): one for one in plan.replicas}
        self._service = plan.service
        self._place = place
        self._shares = shares
        self._clock = clock
        self._state = folder.read_state()
        self._seats: dict[Seat, _Seated] = {}
        self._services: set[str] = set()
        self._reserved: dict[int, Reservation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.door: Door | None = None
        self.report_seconds = 1.0
        self.lost_writes = 0
        self.write_error = ""
        self._is_unsaved = False
        self.on_change: Callable[[], None] = lambda: None

    @property
    def state(self) -> RunState:
        return self._state

    @property
    def agent_pids(self) -> list[int]:
        return [one.process.pid for one in self._seats.values() if one.process.is_alive]

    def uid_at(self, role: Role, index: int) -> str:
        """UID of the agent in this seat; empty when there is none."""
        seated = self._seats.get((role, index))
        return seated.process.spec.uid if seated else ""

    async def observe(self, key: str) -> LocalView | None:
        if key != self._folder.job:
            return None
        status = self._state.status
        seated = sorted(self._seats.items(), key=lambda item: _place(item[0]))
        return LocalView(
            job=self._state.job,
            status=status,
            version=str(self._state.version),
            replicas=tuple(self._replica(seat, one) for seat, one in seated),
            services=tuple(sorted(self._services)),
            ports=self._ports(status),
        )

    def _replica(self, seat: Seat, seated: _Seated) -> Replica:
        code = seated.process.returncode if seated.is_clean else None
        return Replica(
            role=seat[0],
            index=seat[1],
            uid=seated.process.spec.uid,
            attempt=seated.attempt,
            phase=_phase(code),
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            last_lines=seated.last_lines,
            since=seated.ended_at,
        )

    def _ports(self, status: JobStatus) -> dict[str, int]:
        """Reserved once for the attempt after the newest one; only then are those of older attempts given back, so
        that an attempt never gets a port of the one before it."""
        newest = (
            status.attempt.number
            if status.attempt
            else max((one.number for one in status.attempts), default=0)
        )
        number = newest if status.attempt else newest + 1
        if number not in self._reserved and not status.phase.is_final:
            seats = membership.seats(self._state.job.spec)
            self._reserved[number] = Reservation(names.member(role, index) for role, index in seats)
        for old in [one for one in self._reserved if one < number]:
            self._reserved.pop(old).release()
        return self._reserved[number].ports if number in self._reserved else {}

    async def write_status(self, key: str, status: JobStatus, version: str) -> str:
        if key != self._folder.job or version != str(self._state.version):
            raise Conflict(f"{key}: version {version} is not the newest")
        self._state = with_status(self._state, status)
        self._save()
        return str(self._state.version)

    def _save(self) -> None:
        """A full disk does not end a run: the next state may find room again, and the last one has some of its own."""
        try:
            self._folder.write_state(self._state)
        except OSError as error:
            self.lost_writes += 1
            self.write_error = error.strerror or str(error)
            self._is_unsaved = True
        else:
            self._is_unsaved = False

    def set_runner_url(self, url: str) -> None:
        """The metrics address, once it is known."""
        self._state = replace(self._state, runner=replace(self._state.runner, metrics_url=url))
        self._save()

    async def perform(self, key: str, actions: Sequence[Action]) -> None:
        if key == self._folder.job:
            for action in actions:
                await self._perform(action)

    async def release(self, key: str) -> None:
        """A dead agent stays in its seat until it is deleted."""

    async def _perform(self, action: Action) -> None:
        match action:
            case CreateReplica():
                self._create((action.role, action.index), action.attempt)
            case DeleteReplica():
                await self._delete((action.role, action.index), action.uid)
            case CreateService():
                self._services.add(action.name)
            case DeleteJob():
                return

    def _create(self, seat: Seat, attempt: int) -> None:
        if seat in self._seats:
            return
        if self.door is None:
            raise RuntimeError("the coordinator is not there yet")
        spec = self._agent_spec(self._plans[seat], self.door)
        self.door.expect(seat[0], seat[1], spec.uid)
        errors = self._folder.logs / f"{names.member(*seat)}.agent.log"
        self._seats[seat] = _Seated(AgentProcess(spec, errors, self._agent_ended), attempt)

    def _agent_spec(self, plan: ReplicaPlan, door: Door) -> AgentSpec:
        return AgentSpec(
            address=door.address,
            token=door.token,
            job_uid=self._state.job.metadata.uid or "",
            role=plan.role.value,
            index=plan.index,
            uid=uuid.uuid4().hex,
            argv=programs.argv(plan),
            working_dir=programs.working_dir(plan, self._place),
            environ=programs.environ(plan, self._place, self._shares.env(plan.name)),
            log_dir=self._folder.logs,
            report_seconds=self.report_seconds,
        )

    def _agent_ended(self, process: AgentProcess) -> None:
        """Dead, but perhaps not clean: what it left behind is ours now."""
        for seated in self._seats.values():
            if seated.process is process:
                seated.is_clean = False
                seated.ended_at = self._clock()
                seated.last_lines = process.last_lines() if process.returncode else ()
        task = asyncio.get_running_loop().create_task(self._clean(process))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _clean(self, process: AgentProcess) -> None:
        await process_tree.sweep(self.agent_pids)
        for seated in self._seats.values():
            if seated.process is process:
                seated.is_clean = True
        self.on_change()

    async def _delete(self, seat: Seat, uid: str) -> None:
        seated = self._seats.get(seat)
        if seated is None or seated.process.spec.uid != uid:
            return
        await seated.process.end()
        await process_tree.sweep(self.agent_pids)
        if self._seats.get(seat) is seated:
            del self._seats[seat]
        self.on_change()

    async def close(self) -> None:
        """Ends every agent and leaves no process behind."""
        await asyncio.gather(*(one.process.end() for one in self._seats.values()))
        await process_tree.sweep([])
        for one in self._reserved.values():
            one.release()
        self._reserved.clear()
        if self._is_unsaved:
            self._save()


def _place(seat: Seat) -> tuple[int, int]:
    """The order of seats, which is not that of the roles' names."""
    return list(Role).index(seat[0]), seat[1]


def _phase(code: int | None) -> ReplicaPhase:
    if code is None:
        return ReplicaPhase.RUNNING
    return ReplicaPhase.SUCCEEDED if code == 0 else ReplicaPhase.FAILED
