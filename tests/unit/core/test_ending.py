"""Success, deadlines, refused replicas, and what is left to do after the end."""

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Phase
from orchestrator.api.types import CleanPodPolicy, RunPolicy, Strategy, SuccessPolicy, TensorFlowJob
from orchestrator.core.actions import DeleteJob, DeleteReplica, Reason
from orchestrator.core.ending import invalid
from orchestrator.core.observed import ReplicaPhase, StopRequest
from orchestrator.protocol.messages import Finish, ProgramState
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job, servers
from tests.unit.core.build import NOW, World


def policy(clean: CleanPodPolicy = CleanPodPolicy.RUNNING, ttl: int | None = None) -> TensorFlowJob:
    run = RunPolicy(clean_pod_policy=clean, ttl_seconds_after_finished=ttl)
    return make_job(gang(1, evaluator=True), run_policy=run)


def succeeded(job: TensorFlowJob | None = None) -> World:
    world = World(job or policy()).running()
    world.obedient = False
    world.exit("chief-0", 0)
    return world


def deleted(world: World, seconds: float = 0) -> list[str]:
    return [one.uid for one in world.step(seconds).actions if isinstance(one, DeleteReplica)]


# --- success


def test_the_chiefs_exit_0_is_success_and_others_get_half_a_minute() -> None:
    world = succeeded()
    decision = world.step()
    assert (world.status.phase, world.reasons()[-1]) == (Phase.SUCCEEDED, Reason.SUCCEEDED)
    assert world.order(decision, "chief-0") == Finish(0, 10.0)
    assert world.order(decision, "worker-0") is None
    assert decision.requeue_after == 30
    assert world.order(world.step(29), "worker-0") is None
    assert world.order(world.step(1), "worker-0") == Finish(0, 10.0)


def test_who_ends_by_itself_finishes_at_once() -> None:
    world = succeeded()
    world.step()
    world.exit("worker-0", 1)
    assert world.order(world.step(), "worker-0") == Finish(0, 10.0)
    assert (world.status.phase, world.status.restarts) == (Phase.SUCCEEDED, 0)


def test_exit_0_of_others_ends_nothing() -> None:
    world = World(make_job()).running()
    world.exit("worker-0", 0)
    world.go()
    assert (world.status.phase, world.status.attempts) == (Phase.RUNNING, ())


def test_all_workers() -> None:
    world = World(make_job(success=SuccessPolicy.ALL_WORKERS)).running()
    world.obedient = False
    for name in ("chief-0", "worker-0"):
        world.exit(name, 0)
        world.step()
    assert world.phase() is Phase.RUNNING
    world.exit("worker-1", 0)
    world.step()
    assert world.phase() is Phase.SUCCEEDED


def test_without_a_chief_the_first_member_decides() -> None:
    world = World(make_job(gang(2, chief=False))).running()
    world.obedient = False
    world.exit("worker-0", 0)
    world.step()
    assert world.phase() is Phase.SUCCEEDED


def test_parameter_servers_and_their_workers_finish_at_once_but_an_evaluator_gets_its_time() -> None:
    world = succeeded(make_job(servers(1, 1, evaluator=True), strategy=Strategy.PARAMETER_SERVER))
    decision = world.step()
    assert world.order(decision, "ps-0") == Finish(0, 10.0)
    assert world.order(decision, "worker-0") == Finish(0, 10.0)
    assert world.order(decision, "evaluator-0") is None


def test_workers_of_parameter_servers_decide_too_where_all_do() -> None:
    job = make_job(servers(1, 1), strategy=Strategy.PARAMETER_SERVER, success=SuccessPolicy.ALL_WORKERS)
    world = succeeded(job)
    world.step()
    assert world.phase() is Phase.RUNNING
    world.exit("worker-0", 0)
    world.step()
    assert world.phase() is Phase.SUCCEEDED


def test_a_decider_that_was_never_seated_has_not_succeeded() -> None:
    job = make_job(servers(1, 1), strategy=Strategy.PARAMETER_SERVER, success=SuccessPolicy.ALL_WORKERS)
    world = succeeded(job)
    world.lose("worker-0")
    world.status = replace(world.status, sides=())
    world.step()
    assert world.phase() is Phase.RUNNING


def test_every_replica_alone_has_to_succeed() -> None:
    job = make_job(gang(2, chief=False), strategy=Strategy.INDEPENDENT, success=SuccessPolicy.ALL_WORKERS)
    world = World(job).running()
    world.exit("worker-0", 0)
    world.go()
    assert world.phase() is Phase.RUNNING
    world.obedient = False
    world.exit("worker-1", 0)
    world.step()
    assert world.phase() is Phase.SUCCEEDED


# --- failure


def test_the_deadline_fires_by_itself() -> None:
    world = World(make_job(run_policy=RunPolicy(active_deadline_seconds=100))).running()
    assert world.step(99).requeue_after == 1
    world.step(1)
    assert (world.status.phase, world.status.reason) == (Phase.FAILED, "DeadlineExceeded")
    assert world.step().requeue_after == 30


def test_the_deadline_and_the_time_to_live_need_no_agents() -> None:
    run = RunPolicy(active_deadline_seconds=100, ttl_seconds_after_finished=200)
    world = World(make_job(recovery=WITHOUT_AGENTS, run_policy=run)).running()
    assert world.step(99).requeue_after == 1
    world.step(1)
    assert (world.status.phase, world.status.reason) == (Phase.FAILED, "DeadlineExceeded")
    world.step(199)
    decision = world.step()
    assert (decision.requeue_after, DeleteJob() in decision.actions) == (1, False)
    assert world.step(1).actions[-1] == DeleteJob()


def test_the_deadline_fires_while_the_barrier_waits() -> None:
    world = World(make_job(run_policy=RunPolicy(active_deadline_seconds=100)))
    world.services = ("job-tfo",)
    world.step()
    assert world.step(99.5).requeue_after == 0.5
    world.step(0.5)
    assert (world.status.phase, world.status.reason) == (Phase.FAILED, "DeadlineExceeded")


def test_a_suspended_job_has_no_deadline() -> None:
    world = World(make_job(run_policy=RunPolicy(active_deadline_seconds=100, suspend=True)))
    world.step()
    world.step(1000)
    assert world.phase() is Phase.SUSPENDED


def test_a_refused_replica_fails_the_job_with_the_servers_words() -> None:
    world = World()
    world.create("worker-1")
    world.set("worker-1", phase=ReplicaPhase.PENDING, error="no such image policy")
    world.step()
    assert world.status.message == "worker-1 cannot be created: no such image policy"
    assert world.status.reason == "ReplicaInvalid"


def test_last_words_of_a_pod_that_ended_are_no_refusal() -> None:
    world = World()
    world.create("worker-1")
    world.set("worker-1", phase=ReplicaPhase.FAILED, error="killed")
    world.step()
    assert world.phase() is Phase.CREATED


def test_a_failed_job_finishes_everybody_without_grace() -> None:
    world = World(make_job(run_policy=RunPolicy(backoff_limit=0))).running()
    world.obedient = False
    world.exit("worker-1", None, signal=9)
    world.step()
    assert world.order(world.step(), "chief-0") == Finish(1, 0.0)


def test_a_deadline_leaves_time_to_save() -> None:
    world = World(make_job(run_policy=RunPolicy(active_deadline_seconds=1))).running()
    assert world.order(world.step(2), "chief-0") == Finish(1, 10.0)


def test_a_user_in_a_hurry_waits_for_nobody() -> None:
    world = succeeded()
    world.step()
    world.others["stop_request"] = StopRequest.NOW
    assert world.order(world.step(30), "worker-0") == Finish(0, 0.0)


# --- what is left


@pytest.mark.parametrize(
    ("clean", "expected"),
    [
        (CleanPodPolicy.NONE, ["evaluator-0.1"]),
        (CleanPodPolicy.RUNNING, ["worker-0.1", "evaluator-0.1"]),
        (CleanPodPolicy.ALL, ["chief-0.1", "worker-0.1", "evaluator-0.1"]),
    ],
)
def test_which_pods_go_when_all_had_their_time(clean: CleanPodPolicy, expected: list[str]) -> None:
    world = succeeded(policy(clean))
    world.step()
    world.set("chief-0", phase=ReplicaPhase.SUCCEEDED, exit_code=0)
    assert set(deleted(world, 39)) == set(expected) & {"chief-0.1"}
    assert sorted(deleted(world, 1)) == sorted(expected)
    for name in world.pods:
        world.set(name, deleting=True)
    assert deleted(world) == []


def test_the_time_to_live_deletes_the_job() -> None:
    world = succeeded(policy(ttl=100))
    world.step()
    assert world.step(50).requeue_after == 50
    assert DeleteJob() not in world.step(49).actions
    decision = world.step(1)
    assert decision.actions[-1] == DeleteJob()
    assert decision.requeue_after is None


def test_a_time_to_live_of_0() -> None:
    assert succeeded(policy(ttl=0)).step().actions[-1] == DeleteJob()


def test_a_job_without_it_stays() -> None:
    world = succeeded()
    world.step()
    decision = world.step(1_000_000)
    assert DeleteJob() not in decision.actions
    assert decision.requeue_after is None


def test_without_agents_pods_of_a_success_get_half_a_minute() -> None:
    world = succeeded(make_job(gang(1), recovery=WITHOUT_AGENTS))
    assert deleted(world) == []
    assert deleted(world, 29) == []
    assert deleted(world, 1) == ["worker-0.1"]


@pytest.mark.parametrize("policy", CleanPodPolicy)
def test_without_agents_whoever_only_serves_the_chief_goes_at_once_whatever_the_policy(
    policy: CleanPodPolicy,
) -> None:
    job = make_job(
        servers(1, 1),
        strategy=Strategy.PARAMETER_SERVER,
        recovery=WITHOUT_AGENTS,
        run_policy=RunPolicy(clean_pod_policy=policy),
    )
    assert {"ps-0.1", "worker-0.1"} <= set(deleted(succeeded(job)))


def test_without_agents_pods_of_a_failure_go_at_once() -> None:
    world = World(make_job(recovery=WITHOUT_AGENTS, run_policy=RunPolicy(backoff_limit=0))).running()
    world.exit("worker-1", 137)
    world.step()
    assert deleted(world) == ["chief-0.1", "worker-0.1"]


def test_an_agent_that_never_ran_anything_finishes_at_once() -> None:
    world = succeeded()
    world.tell("worker-0", attempt=0, state=ProgramState.IDLE)
    assert world.order(world.step(), "worker-0") == Finish(0, 10.0)


def test_a_stored_job_that_is_none_has_failed_whatever_it_was() -> None:
    world = World().running()
    failed = invalid(world.status, "spec.workload: unknown", 7, NOW)
    assert (failed.phase, failed.reason, failed.message) == (
        Phase.FAILED,
        "InvalidSpec",
        "spec.workload: unknown",
    )
    assert (failed.attempt, failed.observed_generation) == (None, 7)
    assert invalid(failed, "something else", 8, NOW) == failed
