"""A job whose time to live is over is deleted, and nothing is wanted of its agents any more."""

import pytest

from orchestrator.api.types import CleanPodPolicy, Recovery, RunPolicy
from orchestrator.core.actions import DeleteJob
from tests.simulation.jobs import WITHOUT_AGENTS, make_job
from tests.simulation.programs import Script
from tests.simulation.world import World


@pytest.mark.parametrize("policy", CleanPodPolicy)
@pytest.mark.parametrize("seconds", [0, 100])
@pytest.mark.parametrize("recovery", [Recovery(), WITHOUT_AGENTS], ids=["agents", "bare"])
def test_after_its_time_to_live_a_job_is_gone_and_its_agents_are_told_nothing_more(
    recovery: Recovery, seconds: int, policy: CleanPodPolicy
) -> None:
    run = RunPolicy(ttl_seconds_after_finished=seconds, clean_pod_policy=policy)
    world = World(make_job(run_policy=run, recovery=recovery), Script(steps=5))
    assert world.controller is not None
    world.wait_until(lambda: _is_deleted(world))
    world.advance(60)
    assert world.controller.turn() is None
    assert (world.living, world.cluster.replicas(world.key)) == ([], ())


def _is_deleted(world: World) -> bool:
    return world.controller is not None and DeleteJob() in world.controller.performed
