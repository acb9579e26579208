"""Replicas outside the gang restart alone: evaluator, workers of parameter servers, replicas that are independent."""

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Cause, Phase, Side
from orchestrator.api.types import AgentMode, Recovery, RunPolicy, Strategy, SuccessPolicy
from orchestrator.core.actions import CreateReplica, DeleteReplica, Reason
from orchestrator.core.observed import Disruption, ReplicaPhase
from orchestrator.protocol.messages import ProgramState, Run, Stop
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job, servers
from tests.unit.core.build import World


def watched(recovery: Recovery | None = None) -> World:
    """A gang and its evaluator."""
    return World(make_job(gang(1, evaluator=True), recovery=recovery)).running()


def served(workers: int = 2, limit: int = 3, recovery: Recovery | None = None) -> World:
    run = RunPolicy(backoff_limit=limit)
    job = make_job(servers(workers, 1), strategy=Strategy.PARAMETER_SERVER, run_policy=run, recovery=recovery)
    return World(job).running()


def alone(workers: int = 2, recovery: Recovery | None = None) -> World:
    job = make_job(
        gang(workers, chief=False),
        strategy=Strategy.INDEPENDENT,
        success=SuccessPolicy.ALL_WORKERS,
        recovery=recovery,
    )
    return World(job).running()


def side(world: World, name: str) -> Side:
    return next(one for one in world.status.sides if one.name == name)


def deleted(world: World, seconds: float = 0) -> list[str]:
    return [one.uid for one in world.step(seconds).actions if isinstance(one, DeleteReplica)]


# --- the evaluator


def test_the_evaluator_is_told_beside_the_replicas_of_the_attempt() -> None:
    """Three replicas in all, as views and `tfo plan` count; two of them are members."""
    world = watched()
    world.tell("worker-0", checkpoint_step=40)
    world.exit("worker-0")
    world.go()
    assert [one.message for one in world.events if one.reason is Reason.STARTING] == [
        "attempt 1 starts with 2 replicas besides the evaluator",
        "attempt 2 starts with 2 replicas besides the evaluator from step 40",
    ]


def test_the_evaluator_starts_with_the_gang_under_its_own_run_number() -> None:
    world = watched()
    found = side(world, "evaluator-0")
    assert (found.uid, found.run) == ("evaluator-0.1", 1)
    assert world.state("evaluator-0") is ProgramState.RUNNING


def test_its_crashes_wait_longer_each_time_and_count_for_nothing() -> None:
    world = watched()
    waits = []
    for _ in range(5):
        world.exit("evaluator-0")
        waits.append(world.step().requeue_after)
        world.go()
        world.go(60)
    assert waits == [0, 1, 2, 4, 8]
    found = side(world, "evaluator-0")
    assert (found.restarts, found.run, found.cause) == (5, 6, Cause.PROGRAM_EXIT)
    assert (world.status.restarts, world.status.attempts) == (0, ())
    assert world.reasons().count(Reason.SIDE_RESTART) == 5


def test_its_next_start_waits_for_the_back_off() -> None:
    world = watched()
    for _ in range(2):
        world.exit("evaluator-0")
        world.go()
    assert world.state("evaluator-0") is ProgramState.EXITED
    assert world.step(0.4).requeue_after == pytest.approx(0.6)
    world.go(0.6)
    assert world.state("evaluator-0") is ProgramState.RUNNING


def test_a_lost_evaluator_is_replaced_after_its_back_off() -> None:
    world = watched()
    for _ in range(2):
        world.lose("evaluator-0")
        world.go()
    assert "evaluator-0" not in world.pods
    assert world.step(0.4).requeue_after == pytest.approx(0.6)
    world.go(0.6)
    assert world.pods["evaluator-0"].uid == "evaluator-0.3"
    assert world.state("evaluator-0") is ProgramState.RUNNING


def test_it_may_be_silent_as_long_as_it_likes() -> None:
    world = watched()
    world.tell("evaluator-0", step=3, seconds_since_step=99_999.0)
    world.step()
    assert side(world, "evaluator-0").restarts == 0


def test_it_outlives_an_attempt() -> None:
    world = watched()
    world.exit("worker-0", None, signal=9)
    world.go()
    assert world.opened().number == 2
    assert (side(world, "evaluator-0").run, side(world, "evaluator-0").restarts) == (1, 0)


def test_it_is_done_when_it_is() -> None:
    world = watched()
    world.exit("evaluator-0", 0)
    decision = world.go()
    assert side(world, "evaluator-0").succeeded
    assert world.order(decision, "evaluator-0") is None


def test_an_evaluator_on_a_pod_that_goes_is_deleted_after_its_end() -> None:
    world = watched()
    world.exit("evaluator-0")
    world.set("evaluator-0", disruption=Disruption.EVICTED)
    assert deleted(world) == ["evaluator-0.1"]
    assert side(world, "evaluator-0").uid == ""


def test_an_end_that_nobody_here_ordered_is_a_restart_of_it_alone() -> None:
    world = watched()
    world.exit("evaluator-0", None, signal=9, asked=True)
    world.go()
    assert side(world, "evaluator-0").cause is Cause.PREEMPTED


def test_an_announced_end_is_waited_for() -> None:
    world = watched()
    world.set("evaluator-0", foreign_deletion=True)
    world.step()
    assert side(world, "evaluator-0").restarts == 0
    world.lose("evaluator-0")
    world.step()
    assert side(world, "evaluator-0").cause is Cause.EVICTED


# --- taking a seat


def test_a_replica_that_is_not_ready_is_cleared_first() -> None:
    world = watched()
    world.lose("evaluator-0")
    world.go()
    world.create("evaluator-0")
    world.status = replace(world.status, sides=(replace(side(world, "evaluator-0"), uid=""),))
    world.tell("evaluator-0", state=ProgramState.RUNNING, attempt=9)
    assert world.order(world.step(), "evaluator-0") == Stop(9, 0.0)
    world.tell("evaluator-0", state=ProgramState.EXITED)
    order = world.order(world.step(), "evaluator-0")
    assert isinstance(order, Run)
    assert order.attempt == 10


def test_a_dead_replica_in_the_seat_is_deleted_and_not_used() -> None:
    world = watched()
    world.status = replace(world.status, sides=())
    world.set("evaluator-0", phase=ReplicaPhase.FAILED)
    assert deleted(world) == ["evaluator-0.1"]
    world.set("evaluator-0", deleting=True)
    assert world.step().actions == ()
    assert world.status.sides == ()


def test_a_recorded_start_is_ordered_until_it_is_done() -> None:
    world = watched()
    world.tell("evaluator-0", attempt=0, state=ProgramState.IDLE)
    for _ in range(2):
        assert isinstance(world.order(world.step(), "evaluator-0"), Run)


def test_an_agent_that_dies_at_its_start_waits_longer_each_time() -> None:
    world = watched()
    world.status = replace(world.status, sides=())
    world.lose("evaluator-0")
    del world.agents["evaluator-0"]
    waits = []
    for _ in range(4):
        world.step()
        decision = world.step()
        world.carry_out(decision)
        world.set("evaluator-0", phase=ReplicaPhase.FAILED, exit_code=1, last_lines=("no such module",))
        world.tell("evaluator-0", connected=False)
        decision = world.step()
        waits.append(decision.requeue_after)
        world.step()  # its deletion is not seen at once
        world.carry_out(decision)
        assert "evaluator-0" not in world.pods
        world.step(waits[-1] or 0)
    assert waits == [0, 1, 2, 4]
    assert (side(world, "evaluator-0").cause, side(world, "evaluator-0").restarts) == (Cause.AGENT_LOST, 4)
    told = [one for one in world.events if one.reason is Reason.SIDE_RESTART]
    assert {one.last_lines for one in told} == {("no such module",)}


# --- workers of parameter servers


def test_a_worker_restarts_alone_in_the_same_attempt_at_the_same_address() -> None:
    world = served()
    before = side(world, "worker-1")
    world.exit("worker-1", None, signal=9)
    world.go()
    after = side(world, "worker-1")
    assert world.opened().number == 1
    assert (after.address, after.run, after.restarts) == (before.address, 2, 1)
    assert world.status.restarts == 1
    assert world.agents["worker-1"].attempt == 2


def test_a_lost_worker_gets_a_new_replica_at_the_same_address() -> None:
    world = served()
    before = side(world, "worker-1").address
    world.lose("worker-1")
    world.go()
    assert side(world, "worker-1").address == before
    assert world.state("worker-1") is ProgramState.RUNNING


def test_one_worker_restart_too_many_fails_the_job() -> None:
    world = served(limit=1)
    world.exit("worker-0", 5)
    world.go()
    world.exit("worker-0", 5)
    world.step()
    assert (world.status.phase, world.status.reason) == (Phase.FAILED, "BackoffLimitExceeded")
    last, failure = world.events[-1], world.status.failure
    assert (last.member, last.cause, last.exit_code) == ("worker-0", Cause.PROGRAM_EXIT, 5)
    assert failure is not None
    assert (failure.member, failure.number, failure.exit_code) == ("worker-0", 1, 5)
    assert failure.message == "worker-0 exited with code 5"


def test_the_limit_is_shared_by_ends_of_one_turn() -> None:
    world = served(limit=1)
    world.exit("worker-0", 5)
    world.exit("worker-1", 6)
    world.step()
    assert world.status.restarts == 1
    assert world.events[-1].member == "worker-1"
    assert world.reasons()[-2:] == [Reason.SIDE_RESTART, Reason.BACKOFF_LIMIT]


def test_a_disrupted_worker_is_a_disruption() -> None:
    world = served(limit=0)
    world.set("worker-0", phase=ReplicaPhase.FAILED, disruption=Disruption.NODE_LOST)
    world.tell("worker-0", connected=False)
    world.go()
    assert (world.status.disruptions, world.status.restarts) == (1, 0)


def test_a_worker_may_wait_for_the_chief_as_long_as_it_likes() -> None:
    world = served(recovery=Recovery(hang_timeout_seconds=60))
    world.tell("worker-1", step=3, seconds_since_step=99_999.0, reported=True)
    world.step()
    assert side(world, "worker-1").restarts == 0


def test_a_new_attempt_takes_all_workers_along() -> None:
    world = served()
    world.exit("ps-0", None, signal=9)
    world.go()
    assert {one.attempt for one in world.status.sides} == {2}
    assert {one.run for one in world.status.sides} == {2}


def test_workers_are_held_while_the_attempt_is_ending() -> None:
    world = served()
    world.obedient = False
    world.exit("ps-0", 1)
    world.step()
    assert world.is_open()
    world.exit("worker-1", 1)
    world.step(0.1)
    assert side(world, "worker-1").restarts == 0


def test_a_worker_without_a_place_in_the_attempt_waits_for_the_next() -> None:
    world = served(1)
    spec = world.job.spec
    world.job = replace(world.job, spec=replace(spec, replica_specs=servers(2, 1)))
    world.create("worker-1")
    world.tell("worker-1", connected=False)
    world.step()
    assert [one.name for one in world.status.sides] == ["worker-0"]


# --- independent replicas


def test_independent_replicas_restart_by_themselves_and_restore_what_they_see() -> None:
    world = alone()
    world.tell("worker-0", checkpoint_step=40)
    world.exit("worker-1")
    world.go()
    assert (side(world, "worker-1").run, side(world, "worker-0").run) == (2, 1)
    assert side(world, "worker-1").restore_step is None
    world.exit("worker-0")
    world.go()
    assert side(world, "worker-0").restore_step == 40


def test_a_silent_replica_hangs_alone() -> None:
    world = alone(recovery=Recovery(hang_timeout_seconds=60))
    world.tell("worker-1", step=3, seconds_since_step=59.0, reported=True)
    assert world.step().requeue_after == 1
    world.tell("worker-1", seconds_since_step=60.0)
    world.step()
    assert (side(world, "worker-1").cause, side(world, "worker-0").cause) == (Cause.HANG, None)
    world.go()
    assert world.agents["worker-1"].attempt == 2


def test_a_given_up_seat_is_remembered() -> None:
    world = alone()
    spec = world.job.spec
    world.job = replace(world.job, spec=replace(spec, replica_specs=gang(1, chief=False)))
    world.go()
    assert "worker-1" not in world.pods
    assert (side(world, "worker-1").uid, side(world, "worker-1").run) == ("", 1)
    world.job = replace(world.job, spec=spec)
    world.go()
    assert side(world, "worker-1").run == 2


def test_a_user_stops_them_all() -> None:
    world = alone()
    world.others["stop_request"] = "Graceful"
    world.go()
    assert world.phase() is Phase.STOPPED
    assert {one.state for one in world.agents.values()} == {ProgramState.EXITED}


# --- without agents


def test_bare_workers_are_replaced_one_by_one() -> None:
    world = served(recovery=WITHOUT_AGENTS)
    first = world.pods["worker-1"].uid
    world.exit("worker-1", 1)
    decision = world.step()
    assert [one.uid for one in decision.actions if isinstance(one, DeleteReplica)] == [first]
    world.carry_out(decision)
    world.go()
    assert world.pods["worker-1"].uid != first
    assert (side(world, "worker-1").run, world.status.restarts) == (2, 1)
    assert world.opened().number == 1


def test_a_bare_pod_that_is_being_deleted_takes_no_seat() -> None:
    world = alone(1, Recovery(agent=AgentMode.DISABLED))
    world.status = replace(world.status, sides=())
    world.set("worker-0", deleting=True)
    world.step()
    assert world.status.sides == ()


def test_bare_replicas_run_alone() -> None:
    world = alone(2, WITHOUT_AGENTS)
    assert [one.uid for one in world.status.sides] == ["worker-0.1", "worker-1.1"]
    world.exit("worker-0", 0)
    world.go()
    assert side(world, "worker-0").succeeded
    assert not [one for one in world.step().actions if isinstance(one, CreateReplica)]
