"""A stored job that is none: it has failed, which is written and then told, once, and its pods go."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from orchestrator.api.status import JobStatus, Phase, Progress
from orchestrator.api.types import Role
from orchestrator.backends.base import Conflict, Rejected, View
from orchestrator.controller.reconcile import Reconciler
from orchestrator.core.actions import Action, Decision, DeleteReplica, Event, EventType, Reason, WantedOrder
from orchestrator.core.observed import Agent
from tests.unit.core.build import replica

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """Backend, agents, telemetry and watcher of one job that is none."""

    def __init__(self, status: JobStatus, *, is_outdated: bool = False) -> None:
        self.seen = Rejected(status, "7", (replica("chief-0"),), "spec.workload: no such program", 3)
        self.is_outdated = is_outdated
        self.written: list[JobStatus] = []
        self.performed: list[Action] = []
        self.events: list[Event] = []

    async def observe(self, key: str) -> View | Rejected | None:
        return self.seen

    async def write_status(self, key: str, status: JobStatus, version: str) -> str:
        if self.is_outdated:
            raise Conflict
        assert self.events == []
        self.written.append(status)
        return "8"

    async def perform(self, key: str, actions: Sequence[Action]) -> None:
        self.performed += actions

    async def release(self, key: str) -> None:
        pass

    def agents(self, job_uid: str) -> tuple[Agent, ...]:
        return ()

    def set_wanted(self, job_uid: str, orders: tuple[WantedOrder, ...]) -> None:
        pass

    def progress(self, uid: str, now: datetime) -> Progress:
        return Progress()

    def decided(self, view: View, decision: Decision, now: datetime) -> None:
        raise AssertionError("nothing is decided of it")

    def told(self, key: str, event: Event, now: datetime) -> None:
        self.events.append(event)

    def turn(self) -> float | None:
        return asyncio.run(Reconciler(self, self, self, self, lambda: NOW).reconcile("ns/job"))


def test_it_fails_is_told_and_its_pods_go() -> None:
    world = World(JobStatus(phase=Phase.RUNNING))
    assert world.turn() is None
    (written,) = world.written
    assert (written.phase, written.reason, written.observed_generation) == (Phase.FAILED, "InvalidSpec", 3)
    assert world.events == [
        Event(type=EventType.WARNING, reason=Reason.INVALID, message="spec.workload: no such program")
    ]
    assert world.performed == [DeleteReplica(role=Role.CHIEF, index=0, uid="chief-0")]


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.SUCCEEDED])
def test_one_that_has_ended_already_is_told_nothing(phase: Phase) -> None:
    world = World(replace(JobStatus(), phase=phase))
    world.turn()
    assert (world.written, world.events) == ([], [])


def test_what_could_not_be_written_is_not_told() -> None:
    world = World(JobStatus(phase=Phase.RUNNING), is_outdated=True)
    assert world.turn() == 0.0
    assert (world.events, world.performed) == ([], [])
