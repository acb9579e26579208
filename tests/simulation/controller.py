"""The controller of a simulated world: the real Reconciler, which can be killed between any two calls to the outside.

Made by `world.World`. Passes everything on to the world's backend and coordinator, and shows the Ledger what is
recorded, ordered and created.
"""

from collections.abc import Coroutine, Generator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestrator.api.status import JobStatus, Progress
from orchestrator.backends.base import View
from orchestrator.controller.reconcile import Reconciler
from orchestrator.core.actions import Action, CreateReplica, Decision, Event, WantedOrder
from orchestrator.core.observed import Agent
from orchestrator.protocol.messages import Wanted
from tests.simulation.coordinator import SimulatedCoordinator

if TYPE_CHECKING:
    from tests.simulation.world import World


class ControllerKilled(BaseException):
    """The controller's process dies at this very point."""


def run_now(work: Coroutine[Any, Any, float | None]) -> float | None:
    """A coroutine that never waits, run to its end."""
    try:
        work.send(None)
    except StopIteration as end:
        result: float | None = end.value
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
    performed: list[Action] = field(default_factory=list)
    events: list[tuple[datetime, Event]] = field(default_factory=list)
    turns: int = 0
    _progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        world = self.world
        self.coordinator = SimulatedCoordinator(
            world.clock, world.job_uid, self.term, self._send, self.world.wake
        )
        self.reconciler = Reconciler(self, self, self, self, world.clock)
        self.reconciler.leader_since = world.clock() if self.term > 1 else None

    def _send(self, uid: str, wanted: Wanted) -> None:
        self.world.to_agent(uid, wanted)

    def turn(self) -> float | None:
        return run_now(self.reconciler.reconcile(self.world.key))

    def _step(self) -> None:
        """One more call to the outside, or the end."""
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                raise ControllerKilled

    # backends.base.Backend, passed on

    async def observe(self, key: str) -> View | None:
        self._step()
        return await self.world.backend.observe(key)

    async def write_status(self, key: str, status: JobStatus, version: str) -> str:
        self._step()
        if self.halts:
            await Halt()
        before = self.world.backend.status(key)
        written = await self.world.backend.write_status(key, status, version)
        self.world.ledger.recorded(before, self.world.backend.status(key))
        return written

    async def perform(self, key: str, action: Action) -> None:
        self._step()
        if isinstance(action, CreateReplica):
            self.world.ledger.creates(action)
            self.world.render_pod(action)
        self.performed.append(action)
        await self.world.backend.perform(key, action)

    # controller.reconcile's Agents, Telemetry and Watcher

    def agents(self, job_uid: str) -> tuple[Agent, ...]:
        return self.coordinator.agents(job_uid)

    def set_wanted(self, job_uid: str, orders: tuple[WantedOrder, ...]) -> None:
        self._step()
        self.world.ledger.orders(orders)
        self.coordinator.set_wanted(job_uid, orders)

    def progress(self, uid: str, now: datetime) -> Progress:
        if self.world.progress is not None:
            return self.world.progress
        steps = [one.step for one in self.coordinator.agents(uid) if one.step is not None]
        step = max(steps, default=None)
        if step != self._progress.step:
            self._progress = Progress(step=step, update_time=now)
        return self._progress

    def decided(self, view: View, decision: Decision, now: datetime) -> None:
        self.turns += 1

    def told(self, key: str, event: Event, now: datetime) -> None:
        self.events.append((now, event))
