"""Names that somebody else's objects have: told, never adopted, and waited for, by the real turns of a controller."""

import pytest

from orchestrator.api.status import ConditionType, Phase
from orchestrator.api.types import Recovery
from orchestrator.core.actions import Reason
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job
from tests.simulation.programs import Script
from tests.simulation.world import World


@pytest.mark.parametrize("name", ["job-tfo", "job-worker-1"])
@pytest.mark.parametrize("recovery", [Recovery(), WITHOUT_AGENTS], ids=["agents", "bare"])
def test_a_job_waits_for_a_name_and_goes_on_once_it_is_free(recovery: Recovery, name: str) -> None:
    world = World(make_job(recovery=recovery), Script(steps=20))
    world.backend.take(world.key, name)
    world.advance(60)
    told = {one.type: one for one in world.status.conditions}[ConditionType.WAITING]
    assert (told.status, told.reason) == (True, Reason.NAME_CONFLICT)
    assert world.living == [] or recovery is WITHOUT_AGENTS
    assert "worker-1" not in [one.name for one in world.cluster.replicas(world.key)]
    world.backend.take(world.key)
    status = world.finish()
    assert (status.phase, status.restarts) == (Phase.SUCCEEDED, 0)
    assert world.controller is not None
    assert [event.reason for _, event in world.controller.events].count(Reason.NAME_CONFLICT) == 1


def test_an_evaluator_whose_name_is_taken_delays_nobody() -> None:
    world = World(make_job(gang(2, evaluator=True)), Script(steps=20))
    world.backend.take(world.key, "job-evaluator-0")
    assert world.finish().phase is Phase.SUCCEEDED
