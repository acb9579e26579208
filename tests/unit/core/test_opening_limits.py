"""How large a cluster may be: what no process can be told of fails the job, and what can be can also be sent."""

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Phase
from orchestrator.core import names
from orchestrator.core.actions import Reason
from orchestrator.core.wanted import run_member
from orchestrator.protocol.codec import encode
from orchestrator.protocol.messages import Wanted
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job
from tests.unit.core.build import World


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """So many workers under names as long as they may be; one turn has passed."""
    job = make_job(gang(request.param), recovery=WITHOUT_AGENTS)
    found = World(replace(job, metadata=replace(job.metadata, name="j" * 50, namespace="n" * 63)))
    found.services = (names.service("j" * 50),)
    found.step()
    return found


@pytest.mark.parametrize("world", [400], indirect=True)
def test_what_starts_a_program_of_a_large_cluster_can_be_sent(world: World) -> None:
    attempt = world.opened()
    run = run_member(world.job.spec, attempt, attempt.members[-1])
    assert len(encode(Wanted(job_uid="u" * 36, term=1, order=run))) > 64 * 1024


@pytest.mark.parametrize("world", [800], indirect=True)
def test_a_cluster_that_no_process_can_be_told_of_fails_the_job_with_what_would_do(world: World) -> None:
    assert (world.status.phase, world.status.reason) == (Phase.FAILED, Reason.REPLICA_INVALID)
    assert "TF_CONFIG of 801 replicas would have" in world.status.message
    assert "a shorter job name" in world.status.message
