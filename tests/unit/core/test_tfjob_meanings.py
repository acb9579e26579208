"""What fields that are TFJob's do here, as docs/explanation/from-tfjob.md tells its users."""

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Phase
from orchestrator.api.types import CleanPodPolicy, RunPolicy, TensorFlowJob
from orchestrator.core.actions import CreateReplica, DeleteJob, DeleteReplica, Reason
from orchestrator.core.observed import ReplicaPhase
from orchestrator.protocol.messages import Finish
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job
from tests.unit.core.build import World

POLICIES = pytest.mark.parametrize("policy", CleanPodPolicy)


def changed(job: TensorFlowJob, **fields: object) -> TensorFlowJob:
    """The same job with another runPolicy."""
    return replace(job, spec=replace(job.spec, run_policy=replace(job.spec.run_policy, **fields)))


def truths(world: World) -> dict[str, bool]:
    return {one.type.value: one.status for one in world.status.conditions}


# --- suspend


def test_a_job_created_suspended_has_no_pods_and_no_start_time_until_it_is_resumed() -> None:
    world = World(make_job(run_policy=RunPolicy(suspend=True)))
    decision = world.go(100)
    assert (world.phase(), world.status.start_time, world.pods) == (Phase.SUSPENDED, None, {})
    assert truths(world) == {"Suspended": True}
    assert not any(isinstance(one, CreateReplica) for one in decision.actions)
    world.job = changed(world.job, suspend=False)
    world.go()
    assert (world.phase(), world.status.start_time) == (Phase.RUNNING, world.now)


@POLICIES
def test_a_suspended_job_keeps_no_pod_whatever_the_clean_pod_policy(policy: CleanPodPolicy) -> None:
    world = World(make_job(run_policy=RunPolicy(clean_pod_policy=policy))).running()
    world.job = changed(world.job, suspend=True)
    world.go()
    assert (world.phase(), world.pods) == (Phase.SUSPENDED, {})
    assert truths(world) == {"Created": True, "Running": False, "Suspended": True}


def test_a_resumed_job_is_restarting_until_it_runs() -> None:
    world = World().running()
    world.job = changed(world.job, suspend=True)
    world.go()
    world.job = changed(world.job, suspend=False)
    world.step()
    assert truths(world) == {"Created": True, "Running": False, "Suspended": False, "Restarting": True}
    assert world.status.reason == Reason.RESUMED
    world.go()
    assert truths(world) == {"Created": True, "Running": True, "Suspended": False, "Restarting": False}


def test_a_suspension_after_the_end_changes_nothing() -> None:
    world = World(make_job(run_policy=RunPolicy(ttl_seconds_after_finished=60))).running()
    world.exit("chief-0", 0)
    world.go()
    world.job = changed(world.job, suspend=True)
    world.go(40)
    assert (world.phase(), truths(world)["Succeeded"]) == (Phase.SUCCEEDED, True)
    assert "Suspended" not in truths(world)
    assert DeleteJob() in world.step(20).actions


# --- ends


def test_of_succeeded_and_failed_only_one_becomes_true() -> None:
    world = World(make_job(run_policy=RunPolicy(backoff_limit=0, active_deadline_seconds=100))).running()
    world.obedient = False
    world.exit("worker-1", 1)
    world.exit("chief-0", 0)
    world.step()
    world.step(1000)
    assert truths(world) == {"Created": True, "Running": False, "Succeeded": True}


@POLICIES
def test_pods_of_a_job_beyond_its_deadline_go_by_the_clean_pod_policy(policy: CleanPodPolicy) -> None:
    limits = RunPolicy(active_deadline_seconds=100, clean_pod_policy=policy)
    world = World(make_job(recovery=WITHOUT_AGENTS, run_policy=limits)).running()
    world.set("worker-1", phase=ReplicaPhase.SUCCEEDED, exit_code=0)
    world.go(100)
    assert (world.phase(), world.status.reason) == (Phase.FAILED, Reason.DEADLINE)
    kept = {"chief-0", "worker-0", "worker-1"} if policy is CleanPodPolicy.NONE else {"worker-1"}
    assert set(world.pods) == (set() if policy is CleanPodPolicy.ALL else kept)


@POLICIES
def test_survivors_of_a_failure_go_at_once_and_the_failed_pod_by_the_clean_pod_policy(
    policy: CleanPodPolicy,
) -> None:
    limits = RunPolicy(backoff_limit=0, clean_pod_policy=policy)
    world = World(make_job(recovery=WITHOUT_AGENTS, run_policy=limits)).running()
    world.exit("worker-1", 1)
    world.go()
    assert (world.phase(), world.status.reason) == (Phase.FAILED, Reason.BACKOFF_LIMIT)
    assert set(world.pods) == (set() if policy is CleanPodPolicy.ALL else {"worker-1"})


@pytest.mark.parametrize("has_agents", [True, False])
def test_clean_pod_policy_none_deletes_no_pod_and_agents_end_what_runs_in_them(has_agents: bool) -> None:
    run = RunPolicy(clean_pod_policy=CleanPodPolicy.NONE)
    job = make_job(gang(1), run_policy=run)
    job = job if has_agents else make_job(gang(1), run_policy=run, recovery=WITHOUT_AGENTS)
    world = World(job).running()
    world.obedient = False
    world.exit("chief-0", 0)
    world.step()
    decision = world.step(60)
    assert not any(isinstance(one, DeleteReplica) for one in decision.actions)
    assert world.order(decision, "worker-0") == (Finish(0, 10.0) if has_agents else None)
