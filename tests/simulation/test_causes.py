"""Which end is told as the cause when the ends come to light late, in another order, or only in part."""

import pytest

from orchestrator.api.status import Cause, JobStatus, Phase
from orchestrator.api.types import ReplicaSpec, ReplicaSpecs, RestartPolicy
from tests.simulation.jobs import make_job
from tests.simulation.programs import Script
from tests.simulation.world import World

LONG = Script(steps=200)
SEEDS = pytest.mark.parametrize("seed", range(4))


def causes(status: JobStatus) -> list[tuple[Cause, str]]:
    return [(one.cause, one.member) for one in status.attempts]


def trains(seed: int = 0, specs: ReplicaSpecs | None = None) -> World:
    """A job in its first attempt."""
    world = World(make_job(specs), LONG, seed=seed)
    world.advance(8)
    return world


@SEEDS
def test_a_member_that_died_while_it_was_unreachable_is_the_cause_once_it_is_heard(seed: int) -> None:
    """Its peers' exits were told first; that they came later is in what the agents say."""
    world = trains(seed)
    uid = world.replica("worker-1").uid
    world.network.cut.add(uid)
    world.advance(20)
    world.program("worker-1").end(signal=9)
    world.advance(30)
    assert causes(world.status) == [], "provisional while its fate is unknown"
    world.network.cut.clear()
    world.advance(10)
    assert causes(world.status) == [(Cause.PROGRAM_SIGNAL, "worker-1")]


def test_restart_policy_judges_the_true_cause_though_it_is_heard_last() -> None:
    by_code = ReplicaSpec(restart_policy=RestartPolicy.EXIT_CODE)
    workers = ReplicaSpec(replicas=2, restart_policy=RestartPolicy.EXIT_CODE)
    world = trains(specs=ReplicaSpecs(chief=by_code, worker=workers))
    uid = world.replica("worker-1").uid
    world.network.cut.add(uid)
    world.advance(20)
    world.program("worker-1").end(signal=9)
    world.advance(30)
    world.network.cut.clear()
    status = world.finish()
    assert (status.phase, status.restarts) == (Phase.SUCCEEDED, 1)


@SEEDS
def test_a_container_killed_for_memory_is_the_cause_though_its_pod_says_so_late(seed: int) -> None:
    """Its stream ends with it; its peers exit at once, and its pod's status comes two seconds later."""
    world = trains(seed)
    world.kill_container("worker-1", said_after=2.0)
    world.program("worker-0").end(1)
    world.advance(10)
    assert causes(world.status) == [(Cause.OUT_OF_MEMORY, "worker-1")]


@SEEDS
def test_of_several_ends_while_no_controller_listened_the_first_is_the_cause(seed: int) -> None:
    """Not the weightiest: a new leader is told when each of them was."""
    world = trains(seed)
    world.kill_controller()
    world.program("worker-0").end(3)
    world.advance(5)
    for one in world.living:
        one.end(signal=9)
    world.advance(60)
    world.start_controller()
    status = world.finish()
    assert causes(status) == [(Cause.PROGRAM_EXIT, "worker-0")]
    assert (status.attempts[0].exit_code, status.restarts) == (3, 1)
