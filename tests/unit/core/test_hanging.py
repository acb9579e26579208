"""Programs in job-control stop: told once, and a hang after hangTimeoutSeconds whatever they report."""

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Cause
from orchestrator.api.types import Recovery, Strategy, SuccessPolicy
from orchestrator.core.actions import Event, Reason
from tests.simulation.jobs import gang, make_job
from tests.unit.core.build import World


def world_of(**recovery: object) -> World:
    return World(make_job(recovery=replace(Recovery(), **recovery))).running()


def halts(world: World) -> list[Event]:
    return [one for one in world.events if one.reason is Reason.REPLICA_STOPPED]


def test_a_stop_is_told_once() -> None:
    world = world_of(hang_timeout_seconds=60)
    world.tell("worker-1", stopped=True)
    assert world.step().requeue_after == 60
    world.step(30)
    assert [(one.member, one.attempt) for one in halts(world)] == [("worker-1", 1)]
    assert halts(world)[0].message == (
        "the program of worker-1 is stopped by a signal (SIGSTOP); SIGCONT lets it go on, it hangs after 60 s of this"
    )
    assert world.status.attempts == ()


@pytest.mark.parametrize("reported", [False, True])
def test_it_hangs_without_any_step_or_report(reported: bool) -> None:
    world = world_of(hang_timeout_seconds=60, start_timeout_seconds=0)
    world.tell("worker-1", stopped=True, reported=reported)
    world.step()
    world.step(59)
    assert world.causes() == []
    world.step(1)
    assert world.causes() == [(Cause.HANG, "worker-1")]
    assert world.status.attempts[0].message.startswith("worker-1 hangs: the program was stopped by a signal")


def test_one_that_goes_on_is_forgotten_and_told_again() -> None:
    world = world_of(hang_timeout_seconds=60)
    world.tell("worker-1", stopped=True)
    world.step()
    world.tell("worker-1", stopped=False)
    world.step(59)
    assert world.opened().halted == ()
    world.tell("worker-1", stopped=True)
    world.step(30)
    assert (len(halts(world)), world.status.attempts) == (2, ())


def test_an_unreachable_agent_leaves_it_stopped() -> None:
    world = world_of(hang_timeout_seconds=60)
    world.tell("worker-1", stopped=True)
    world.step()
    world.cut("worker-1")
    world.step(59)
    assert [one.member for one in world.opened().halted] == ["worker-1"]
    world.step(1)
    assert world.causes() == [(Cause.HANG, "worker-1")]


def test_a_hang_timeout_of_0_waits_for_ever() -> None:
    world = world_of(hang_timeout_seconds=0)
    world.tell("worker-1", stopped=True)
    world.step()
    world.step(1_000_000)
    assert world.status.attempts == ()
    assert halts(world)[0].message.endswith("hangTimeoutSeconds: 0 waits for ever")


def test_a_stopped_program_is_the_one_that_starts_too_slowly() -> None:
    world = world_of(hang_timeout_seconds=0, start_timeout_seconds=60)
    for name in world.agents:
        world.tell(name, reported=True)
    world.tell("worker-1", stopped=True)
    world.step(60)
    assert world.causes() == [(Cause.START_TIMEOUT, "worker-1")]


# --- outside the gang


def alone(**recovery: object) -> World:
    job = make_job(
        gang(2, chief=False),
        strategy=Strategy.INDEPENDENT,
        success=SuccessPolicy.ALL_WORKERS,
        recovery=replace(Recovery(), **recovery),
    )
    return World(job).running()


def test_a_stopped_replica_outside_the_gang_hangs_alone() -> None:
    world = alone(hang_timeout_seconds=60)
    world.tell("worker-1", stopped=True)
    assert world.step().requeue_after == 60
    world.step(59)
    assert len(halts(world)) == 1
    world.step(1)
    assert {one.name: one.cause for one in world.status.sides} == {"worker-0": None, "worker-1": Cause.HANG}
    world.go()
    assert [one.stopped_since for one in world.status.sides] == [None, None]


def test_a_stopped_evaluator_is_told_too() -> None:
    world = World(make_job(gang(1, evaluator=True), recovery=Recovery(hang_timeout_seconds=60))).running()
    world.tell("evaluator-0", stopped=True)
    world.step()
    world.step(60)
    assert [one.member for one in halts(world)] == ["evaluator-0"]
    assert [one.cause for one in world.status.sides] == [Cause.HANG]
    assert world.status.attempts == ()
