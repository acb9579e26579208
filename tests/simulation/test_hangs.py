"""Programs that make no steps: some say why and are left alone, the others end their job, whatever its shape."""

import pytest

from orchestrator.api.status import Cause, Phase
from orchestrator.api.types import Recovery, ReplicaSpecs, RunPolicy, Strategy, SuccessPolicy
from orchestrator.core.actions import Reason
from tests.simulation.jobs import gang, make_job, servers
from tests.simulation.programs import Script
from tests.simulation.world import World

SHAPES = [
    (Strategy.MULTI_WORKER_MIRRORED, gang(2)),
    (Strategy.PARAMETER_SERVER, servers(2, 1)),
    (Strategy.INDEPENDENT, gang(2, chief=False)),
]
IMPATIENT = Recovery(hang_timeout_seconds=30, start_timeout_seconds=60)


def world_of(strategy: Strategy, specs: ReplicaSpecs, hangs_at: int | None = None) -> World:
    is_alone = strategy is Strategy.INDEPENDENT
    policy = SuccessPolicy.ALL_WORKERS if is_alone else SuccessPolicy.CHIEF
    limit = RunPolicy(backoff_limit=2)
    job = make_job(specs, strategy=strategy, success=policy, run_policy=limit, recovery=IMPATIENT)
    return World(job, Script(strategy=strategy, steps=40, hangs_at=hangs_at))


@pytest.mark.parametrize(("strategy", "specs"), SHAPES)
def test_who_says_that_it_is_busy_does_not_hang(strategy: Strategy, specs: ReplicaSpecs) -> None:
    world = world_of(strategy, specs)
    world.advance(10)
    for one in world.live_trainings:
        one.pause("evaluating")
    world.advance(100)
    for one in world.live_trainings:
        one.resume()
    status = world.finish()
    assert (status.phase, status.restarts, status.attempts) == (Phase.SUCCEEDED, 0, ())


@pytest.mark.parametrize("hangs_at", [0, 7])
@pytest.mark.parametrize(("strategy", "specs"), SHAPES)
def test_a_job_that_never_gets_anywhere_ends(strategy: Strategy, specs: ReplicaSpecs, hangs_at: int) -> None:
    """It comes to a first step or not; no restart helps, and so there are no more than it may have."""
    world = world_of(strategy, specs, hangs_at)
    status = world.finish()
    assert (status.phase, status.reason, status.restarts) == (Phase.FAILED, Reason.BACKOFF_LIMIT, 2)
    causes = {one.cause for one in status.attempts} | {one.cause for one in status.sides if one.cause}
    assert causes == {Cause.HANG if hangs_at else Cause.START_TIMEOUT}
