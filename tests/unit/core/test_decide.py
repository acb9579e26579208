"""The chain as a whole: what comes first, that a world that stands still decides nothing new, when to look again."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Cause, JobStatus, Phase
from orchestrator.api.types import (
    ReplicaSpec,
    ReplicaSpecs,
    RestartPolicy,
    RunPolicy,
    SchedulingPolicy,
    Strategy,
    SuccessPolicy,
    TensorBoard,
)
from orchestrator.core.actions import Decision, Reason
from orchestrator.core.decide import decide
from orchestrator.core.observed import Disruption, ReplicaPhase, StopRequest
from orchestrator.protocol.messages import Run
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job, servers
from tests.unit.core.build import NOW, World, later, observed, step


def test_the_first_turn_accepts_the_job() -> None:
    decision, _ = step(observed())
    assert (decision.status.phase, decision.status.start_time) == (Phase.CREATED, NOW)
    assert [one.reason for one in decision.events] == [Reason.CREATED]


def test_a_job_that_is_being_deleted_is_left_to_the_backend() -> None:
    world = World().running()
    world.others["deleting"] = True
    assert world.step() == Decision(status=world.status)


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.STOPPED])
def test_an_ended_job_stays_so(phase: Phase) -> None:
    world = World().running()
    world.status = replace(world.status, phase=phase, completion_time=NOW)
    world.others["stop_request"] = StopRequest.GRACEFUL
    world.exit("worker-1", None, signal=9)
    decision = world.step(100)
    assert (decision.status.phase, decision.events) == (phase, ())


def test_an_ended_job_that_was_never_started_starts_no_clock() -> None:
    decision, _ = step(observed(status=JobStatus(phase=Phase.FAILED)))
    assert (decision.status.start_time, decision.events) == (None, ())


def test_success_beats_a_deadline_of_the_same_turn() -> None:
    world = World(make_job(run_policy=RunPolicy(active_deadline_seconds=60))).running()
    world.exit("chief-0", 0)
    world.step(60)
    assert world.phase() is Phase.SUCCEEDED


def test_success_beats_a_loss_of_the_same_turn() -> None:
    world = World().running()
    world.exit("chief-0", 0)
    world.exit("worker-1", None, signal=9)
    world.step()
    assert (world.phase(), world.causes()) == (Phase.SUCCEEDED, [])


def test_an_announced_end_explains_the_loss_of_a_peer() -> None:
    world = World().running()
    world.exit("worker-0", None, signal=9)
    world.set("worker-1", disruption=Disruption.EVICTED)
    world.step()
    assert world.causes() == [(Cause.EVICTED, "worker-1")]


def test_a_member_without_a_uid_is_told_nothing() -> None:
    world = World(make_job(servers(1, 1), strategy=Strategy.PARAMETER_SERVER)).running()
    world.lose("worker-0")
    world.step()
    assert all(one.uid for one in world.step().wanted)


def test_without_agents_nobody_is_told_anything() -> None:
    world = World(make_job(gang(1, evaluator=True), recovery=WITHOUT_AGENTS)).running()
    world.exit("worker-0", 1)
    assert world.step().wanted == ()


def test_a_clock_that_steps_back_starts_nothing_anew() -> None:
    world = World().running()
    before = world.status
    world.step(-3600)
    assert world.status == before


# --- a world that stands still decides nothing new


HAPPENINGS: dict[str, Callable[[World], None]] = {
    "nothing": lambda world: None,
    "exit": lambda world: world.exit("worker-1", 1),
    "signal": lambda world: world.exit("worker-1", None, signal=9),
    "success": lambda world: world.exit("chief-0", 0),
    "pod lost": lambda world: world.lose("worker-0"),
    "agent unreachable": lambda world: world.cut("worker-0"),
    "evicted": lambda world: world.set("worker-0", phase=ReplicaPhase.FAILED, disruption=Disruption.EVICTED),
    "announced": lambda world: world.set("worker-0", foreign_deletion=True),
    "evaluator": lambda world: world.exit("evaluator-0", 1),
    "stop": lambda world: world.others.update(stop_request=StopRequest.GRACEFUL),
    "halted": lambda world: world.tell("worker-0", stopped=True),
}


@pytest.mark.parametrize("happening", HAPPENINGS)
def test_the_same_world_twice_decides_nothing_new(happening: str) -> None:
    """Whatever happened is told and counted once; what is wanted is said again, since it may have been lost."""
    world = World(make_job(gang(2, evaluator=True))).running()
    HAPPENINGS[happening](world)
    world.obedient = False
    for _ in range(5):
        decision = world.step()
        world.carry_out(decision)
    again = decide(world.observed(), world.now)
    assert (again.status, again.actions, again.events) == (world.status, (), ())
    assert decide(world.observed(), world.now) == again


@pytest.mark.parametrize("happening", HAPPENINGS)
def test_deciding_is_a_function_of_its_arguments(happening: str) -> None:
    world = World(make_job(gang(2, evaluator=True))).running()
    HAPPENINGS[happening](world)
    seen = world.observed()
    assert decide(seen, later(7)) == decide(seen, later(7))


@pytest.mark.parametrize("happening", HAPPENINGS)
def test_every_job_that_has_not_ended_is_looked_at_again(happening: str) -> None:
    """A timeout must not need another event to be noticed."""
    world = World(make_job(gang(2, evaluator=True))).running()
    HAPPENINGS[happening](world)
    for _ in range(6):
        decision = world.step()
        assert decision.requeue_after is not None
        assert decision.requeue_after >= 0
        world.carry_out(decision)


# --- what is recorded is recorded before it is done


def test_run_is_never_said_of_an_attempt_that_is_not_in_the_status() -> None:
    world = World(make_job(gang(2, evaluator=True), success=SuccessPolicy.ALL_WORKERS))
    for turn in range(24):
        decision = world.step(1)
        for one in decision.wanted:
            if isinstance(one.order, Run):
                attempt = decision.status.attempt
                members = {each.uid: attempt.number for each in attempt.members} if attempt else {}
                seated = {each.uid: each.run for each in decision.status.sides}
                assert one.order.attempt == {**members, **seated}[one.uid]
        world.carry_out(decision)
        if turn % 7 == 5:
            world.lose("worker-1")
    assert world.opened().number > 1


def test_a_decision_whose_write_was_refused_is_made_again() -> None:
    """Nothing of it was performed, so from the old status the same follows."""
    world = World().running()
    world.exit("worker-1", None, signal=9)
    before = world.observed()
    first = decide(before, world.now)
    assert decide(before, world.now) == first
    assert first.status.restarts == 1


def test_what_is_not_built_yet_is_said_when_the_job_is_accepted() -> None:
    job = make_job(run_policy=RunPolicy(scheduling_policy=SchedulingPolicy()))
    job = replace(job, spec=replace(job.spec, tensorboard=TensorBoard(enabled=True)))
    created, *_ = World(job).step().events
    assert created.message == (
        "the job was accepted; without effect in this version: runPolicy.schedulingPolicy, tensorboard.enabled"
    )
    created, *_ = World().step().events
    assert created.message == "the job was accepted"


def test_that_always_means_on_failure_is_said_when_the_job_is_accepted() -> None:
    always = ReplicaSpec(restart_policy=RestartPolicy.ALWAYS)
    created, *_ = World(make_job(ReplicaSpecs(chief=always, worker=ReplicaSpec()))).step().events
    assert created.message == "the job was accepted; restartPolicy Always of chief means OnFailure"
    created, *_ = World(make_job(ReplicaSpecs(chief=ReplicaSpec(), evaluator=always))).step().events
    assert created.message == "the job was accepted"
