"""Workers of ParameterServer that exit 0 while their chief goes on: they have done their work, and the job goes on."""

import pytest

from orchestrator.api.status import Phase
from orchestrator.api.types import AgentMode, Recovery, Role, RunPolicy, Strategy
from orchestrator.core.actions import Reason
from tests.simulation.jobs import make_job, servers
from tests.simulation.programs import Script
from tests.simulation.world import World

BOTH = pytest.mark.parametrize("mode", AgentMode)


def served(mode: AgentMode, *, restarts: int = 0, deadline: int | None = None) -> World:
    """A chief, a parameter server and two workers that train."""
    strategy = Strategy.PARAMETER_SERVER
    job = make_job(
        servers(2, 1),
        strategy=strategy,
        run_policy=RunPolicy(backoff_limit=restarts, active_deadline_seconds=deadline),
        recovery=Recovery(agent=mode, hang_timeout_seconds=0),
    )
    world = World(job, Script(strategy=strategy, steps=60))
    world.wait_until(lambda: len([one for one in world.living if one.is_training]) == 4)
    world.advance(3)
    return world


def succeeded(world: World) -> list[str]:
    return [one.name for one in world.status.sides if one.succeeded]


@BOTH
def test_a_worker_that_exits_0_is_not_started_again_and_the_chief_ends_the_job(mode: AgentMode) -> None:
    world = served(mode)
    world.program("worker-1").end(0)
    world.advance(20)
    assert (world.status.phase, succeeded(world)) == (Phase.RUNNING, ["worker-1"])
    status = world.finish()
    assert (status.phase, status.restarts, status.attempts) == (Phase.SUCCEEDED, 0, ())
    assert [run for seat, run in world.ledger.starts if seat == (Role.WORKER, 1)] == [1]


@BOTH
def test_a_chief_whose_workers_have_all_left_may_wait_until_the_deadline(mode: AgentMode) -> None:
    """Whether there is anything to wait for only the program knows."""
    world = served(mode, deadline=100)
    for name in ("worker-0", "worker-1"):
        world.program(name).end(0)
    world.advance(50)
    assert (world.status.phase, succeeded(world)) == (Phase.RUNNING, ["worker-0", "worker-1"])
    status = world.finish()
    assert (status.phase, status.reason) == (Phase.FAILED, Reason.DEADLINE)
    assert (status.restarts, status.attempts) == (0, ())


@BOTH
def test_a_new_attempt_has_all_workers_again(mode: AgentMode) -> None:
    """It starts from a checkpoint: the work is not done there."""
    world = served(mode, restarts=1)
    world.program("worker-1").end(0)
    world.advance(2)
    world.program("ps-0").end(signal=9)
    world.wait_until(lambda: len([one for one in world.living if one.is_training]) == 4)
    status = world.finish()
    assert (status.phase, status.restarts) == (Phase.SUCCEEDED, 1)
