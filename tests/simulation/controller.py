"""The controller of a simulated world: the real Reconciler, which can be killed between any two calls to the outside.

Made by `world.World`. Passes everything on to the world's backend and coordinator, and shows the Ledger what is
recorded, ordered and created.
"""

from collections.abc import Coroutine, Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.api.status import JobStatus, Progress
from orchestrator.backends.base import Rejected, View
from orchestrator.controller.reconcile import Reconciler
from orchestrator.coordinator.authentication import ReplicaId
from orchestrator.core.actions import Action, CreateReplica, Decision, DeleteJob, Event, WantedOrder
from orchestrator.core.observed import Agent
from orchestrator.metrics.life import key_of
from orchestrator.metrics.store import Store
from orchestrator.protocol.messages import Report, Wanted
from tests.simulation.coordinator import SimulatedCoordinator

if TYPE_CHECKING:
    from tests.simulation.world import World


class ControllerKilled(BaseException):
    """The controller's process dies at this very point."""


Work = Coroutine[Any, Any, float | None]
Result = TypeVar("Result")


def begun(work: Work) -> Work | None:
    """A coroutine that was begun and waits at a Halt; None if it came to its end."""
    try:
        work.send(None)
    except StopIteration:
        return None
    return work


def run_now(work: Coroutine[Any, Any, Result]) -> Result:
    """A coroutine that never waits, run to its end."""
    try:
        work.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise AssertionError("the memory backend must not wait")


class Halt:
    """A moment at which a process may be stopped (SIGSTOP) for as long as the test likes."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@dataclass
class Controller:
    """One life of the controller. `calls_left`: to the outside until it is killed; None: it lives on.

    `halts`: it is stopped before its next write; whoever drives its turn decides when it goes on.
    """

    world: "World"
    term: int
    calls_left: int | None = None
    halts: bool = False
    read_version: str = ""
    performed: list[Action] = field(default_factory=list)
    events: list[tuple[datetime, Event]] = field(default_factory=list)
    turns: int = 0
    store: Store = field(default_factory=Store)

    def __post_init__(self) -> None:
        world = self.world
        self.coordinator = SimulatedCoordinator(
            world.clock, world.job_uid, self.term, self._send, self.world.wake, self._reported
        )
        self.reconciler = Reconciler(self, self, self, self, world.clock)
        self.reconciler.leader_since = world.clock() if self.term > 1 else None

    def _send(self, uid: str, wanted: Wanted) -> None:
        self.world.to_agent(uid, wanted)

    def _reported(self, replica: ReplicaId, report: Report) -> None:
        job, now = key_of(self.world.job), self.world.clock()
        self.store.fold(job, replica.role, replica.index, report, now, agent=replica.uid)

    def turn(self) -> float | None:
        return run_now(self.reconciler.reconcile(self.world.key))

    def _step(self) -> None:
        """One more call to the outside, or the end."""
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                raise ControllerKilled

    # backends.base.Backend, passed on

    async def observe(self, key: str) -> View | Rejected | None:
        self._step()
        return await self.world.backend.observe(key)

    async def write_status(self, key: str, status: JobStatus, version: str) -> str:
        self._step()
        self.read_version = version
        if self.halts:
            await Halt()
        before = self.world.status
        written = await self.world.backend.write_status(key, status, version)
        self.world.ledger.recorded(before, self.world.status)
        return written

    async def perform(self, key: str, actions: Sequence[Action]) -> None:
        for action in actions:
            self._step()
            if isinstance(action, CreateReplica):
                self.world.ledger.creates(action)
                self.world.render_pod(action)
            if isinstance(action, DeleteJob):
                self.world.ledger.removes()
            self.performed.append(action)
            await self.world.backend.perform(key, (action,))

    async def release(self, key: str) -> None:
        await self.world.backend.release(key)

    # controller.reconcile's Agents, Telemetry and Watcher

    def agents(self, job_uid: str) -> tuple[Agent, ...]:
        return self.coordinator.agents(job_uid)

    def set_wanted(self, job_uid: str, orders: tuple[WantedOrder, ...]) -> None:
        self._step()
        self.world.ledger.orders(orders)
        self.coordinator.set_wanted(job_uid, orders)

    def progress(self, uid: str, now: datetime) -> Progress:
        return self.store.progress(uid, now)

    def decided(self, view: View, decision: Decision, now: datetime) -> None:
        self.turns += 1
        self.store.observe_status(view.job, decision.status, now)

    def told(self, key: str, event: Event, now: datetime) -> None:
        self.events.append((now, event))
