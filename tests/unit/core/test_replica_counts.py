"""status.replicaStatuses: who runs, who has done its work and who has failed, also when pods are there no more."""

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Phase, ReplicaStatus
from orchestrator.api.types import CleanPodPolicy, Recovery, ReplicaSpecs, RunPolicy, Strategy, SuccessPolicy
from orchestrator.core.observed import ReplicaPhase
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job, servers
from tests.unit.core.build import World

RECOVERIES = pytest.mark.parametrize("recovery", [Recovery(), WITHOUT_AGENTS], ids=["agents", "bare"])
SHAPES = pytest.mark.parametrize(
    ("strategy", "specs"),
    [
        (Strategy.MULTI_WORKER_MIRRORED, gang(2, evaluator=True)),
        (Strategy.PARAMETER_SERVER, servers(2, 1)),
        (Strategy.INDEPENDENT, gang(2)),
    ],
)


def counts(world: World, role: str) -> tuple[int, int, int]:
    """Active, succeeded, failed."""
    found: ReplicaStatus = world.status.replica_statuses[role]
    return found.active, found.succeeded, found.failed


def test_who_does_not_run_yet_counts_nowhere() -> None:
    world = World(make_job(recovery=WITHOUT_AGENTS)).running()
    world.set("worker-1", phase=ReplicaPhase.PENDING)
    world.step()
    assert counts(world, "worker") == (1, 0, 0)


@RECOVERIES
@SHAPES
@pytest.mark.parametrize("policy", CleanPodPolicy)
def test_in_a_job_that_has_succeeded_everybody_has(
    strategy: Strategy, specs: ReplicaSpecs, policy: CleanPodPolicy, recovery: Recovery
) -> None:
    """And that stays so whichever pods are deleted."""
    run = RunPolicy(clean_pod_policy=policy)
    success = SuccessPolicy.ALL_WORKERS if strategy is Strategy.INDEPENDENT else SuccessPolicy.CHIEF
    job = make_job(specs, strategy=strategy, success=success, recovery=recovery, run_policy=run)
    world = World(job).running()
    deciding = ("chief-0", "worker-0", "worker-1") if strategy is Strategy.INDEPENDENT else ("chief-0",)
    for name in deciding:
        world.exit(name, 0)
    for seconds in (0, 30, 10):
        world.go(seconds)
    assert world.phase() is Phase.SUCCEEDED
    bare_pods_stay = recovery == WITHOUT_AGENTS and policy is CleanPodPolicy.NONE
    for role, found in world.status.replica_statuses.items():
        is_left = bare_pods_stay and strategy is Strategy.MULTI_WORKER_MIRRORED and role == "worker"
        expected = (found.desired, 0, 0) if is_left else (0, found.desired, 0)
        assert counts(world, role) == expected, role


def test_who_ends_by_our_deletion_after_the_success_has_not_failed() -> None:
    world = World(make_job(recovery=WITHOUT_AGENTS)).running()
    world.exit("chief-0", 0)
    world.step()
    assert counts(world, "worker") == (2, 0, 0)
    world.set("worker-0", phase=ReplicaPhase.FAILED, exit_code=143, deleting=True)
    world.step(30)
    assert counts(world, "worker") == (1, 1, 0)


def test_who_failed_after_the_success_stays_failed_when_its_pod_is_gone() -> None:
    job = make_job(recovery=WITHOUT_AGENTS, run_policy=RunPolicy(clean_pod_policy=CleanPodPolicy.ALL))
    world = World(job).running()
    world.exit("chief-0", 0)
    world.step()
    world.exit("worker-0", 1)
    world.step()
    assert counts(world, "worker") == (1, 0, 1)
    world.go(30)
    assert (world.pods, counts(world, "worker")) == ({}, (0, 1, 1))


def test_an_evaluator_that_is_over_has_not_succeeded() -> None:
    world = World(make_job(gang(1, evaluator=True))).running()
    (side,) = world.status.sides
    world.status = replace(world.status, sides=(replace(side, over=True),))
    world.exit("chief-0", 0)
    world.go()
    world.lose("evaluator-0")
    world.step()
    assert counts(world, "evaluator") == (0, 0, 0)
