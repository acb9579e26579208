"""Requested ends, and how the books of an attempt are closed."""

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Cause, Phase
from orchestrator.api.types import ReplicaSpec, ReplicaSpecs, RestartPolicy, Role, RunPolicy, Strategy
from orchestrator.core import stopping
from orchestrator.core.actions import DeleteReplica, EventType, Reason
from orchestrator.core.observed import Disruption, ReplicaPhase, StopRequest
from orchestrator.protocol.messages import ProgramState, SaveAndStop, Stop
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job, servers
from tests.unit.core.build import World, ended


def ask(world: World, request: StopRequest = StopRequest.GRACEFUL) -> World:
    world.others["stop_request"] = request
    return world


def suspend(world: World, wish: bool = True) -> World:
    run = replace(world.job.spec.run_policy, suspend=wish)
    world.job = replace(world.job, spec=replace(world.job.spec, run_policy=run))
    return world


# --- a user's stop


def test_a_users_stop_lets_everybody_save_and_ends_the_job() -> None:
    world = ask(World().running())
    decision = world.step()
    assert {world.order(decision, name) for name in world.pods} == {SaveAndStop(1, 30.0)}
    assert decision.requeue_after == 30
    world.go()
    assert world.phase() is Phase.STOPPED
    assert world.causes() == [(Cause.USER, "")]
    assert (world.status.restarts, world.status.disruptions, world.status.resizes) == (0, 0, 0)
    assert world.events[-1].type is EventType.NORMAL


def test_a_second_wish_ends_it_at_once() -> None:
    world = ask(World().running(), StopRequest.NOW)
    decision = world.step()
    assert world.phase() is Phase.STOPPED
    assert {world.order(decision, name) for name in world.pods} == {Stop(1, 0.0)}


def test_a_stop_before_any_attempt() -> None:
    world = ask(World())
    assert world.step().requeue_after == 0.0
    assert (world.status.phase, world.reasons()) == (Phase.STOPPED, [Reason.CREATED, Reason.STOPPED])


def test_a_stop_does_not_wait_for_who_has_not_started() -> None:
    world = World().running()
    world.tell("worker-1", attempt=0, state=ProgramState.IDLE)
    world.obedient = False
    ask(world).step()
    for name in ("chief-0", "worker-0"):
        world.exit(name, 143, asked=True)
    world.step()
    assert world.phase() is Phase.STOPPED


def test_at_the_deadline_what_is_left_is_killed() -> None:
    world = ask(World().running())
    world.obedient = False
    world.step()
    assert world.order(world.step(29), "chief-0") == SaveAndStop(1, 30.0)
    decision = world.step(1)
    assert world.order(decision, "chief-0") == Stop(1, 0.0)
    assert decision.requeue_after == 1.0


def test_who_had_to_be_killed_at_the_deadline_is_named() -> None:
    world = ask(World().running())
    world.obedient = False
    world.step()
    world.exit("chief-0", 143, asked=True)
    world.step(30)
    for name in ("worker-0", "worker-1"):
        world.exit(name, signal=9, asked=True)
    world.step()
    assert world.phase() is Phase.STOPPED
    assert world.status.attempts[-1].message == (
        "the job was stopped; worker-0 and 1 more had not ended after 30 s and got SIGKILL"
    )


def test_who_was_killed_at_once_is_not_said_to_have_been_waited_for() -> None:
    """As one that was still starting is, or that the kernel killed for want of memory."""
    world = ask(World().running())
    world.obedient = False
    world.step()
    world.exit("chief-0", signal=9, asked=True)
    world.exit("worker-1", 143, asked=True)
    world.step(30)
    world.exit("worker-0", signal=9, asked=True)
    world.step()
    assert world.status.attempts[-1].message == (
        "the job was stopped; worker-0 had not ended after 30 s and got SIGKILL"
    )


def test_who_was_killed_before_it_began_is_not() -> None:
    world = ask(World().running())
    world.obedient = False
    world.step()
    for name in ("chief-0", "worker-0", "worker-1"):
        world.exit(name, signal=9, asked=True)
    world.step()
    assert world.status.attempts[-1].message == "the job was stopped"


def test_an_unreachable_member_is_not_waited_for_without_end() -> None:
    world = ask(World().running())
    world.cut("worker-1")
    world.go()
    world.step(149)
    assert world.phase() is Phase.RUNNING
    world.step(1)
    assert world.phase() is Phase.STOPPED


def test_success_during_a_stop_is_success() -> None:
    world = ask(World().running())
    world.obedient = False
    world.step()
    world.exit("chief-0", 0)
    world.step()
    assert world.phase() is Phase.SUCCEEDED


# --- suspension


def test_suspension_saves_ends_and_deletes_and_resumes_as_if_nothing_happened() -> None:
    world = World(make_job(gang(1, evaluator=True))).running()
    suspend(world).go()
    assert (world.status.phase, world.pods) == (Phase.SUSPENDED, {})
    assert world.causes() == [(Cause.SUSPEND, "")]
    assert [one.uid for one in world.status.sides] == [""]
    suspend(world, False).go(100)
    assert world.phase() is Phase.RUNNING
    assert world.opened().number == 2
    assert (world.status.restarts, world.status.start_time) == (0, world.now)
    assert world.status.resume_time == world.now
    assert Reason.RESUMED in world.reasons()


def test_every_suspension_is_told_once() -> None:
    world = World().running()
    suspend(world).go()
    assert world.reasons().count(Reason.SUSPENDED) == 1
    suspend(world, False).step(5)
    suspend(world).step(5)
    assert world.phase() is Phase.SUSPENDED
    assert world.reasons().count(Reason.SUSPENDED) == 2, "no attempt was open: the phase is the news"


def test_suspended_replicas_get_time_and_are_deleted_once() -> None:
    world = World()
    world.create("chief-0")
    world.create("worker-0")
    world.set("worker-0", deleting=True)
    decision = suspend(world).step()
    assert [one.grace_seconds for one in decision.actions if isinstance(one, DeleteReplica)] == [30]
    assert suspend(world).step().events == ()


def test_a_suspension_that_is_taken_back_while_it_stops_restarts() -> None:
    world = World().running()
    world.obedient = False
    suspend(world).step()
    suspend(world, False)
    world.obedient = True
    world.go()
    assert (world.status.phase, world.status.restarts) == (Phase.RUNNING, 0)


def test_a_suspension_asks_once() -> None:
    world = World().running()
    world.obedient = False
    suspend(world).step()
    wish = world.opened().stopping
    world.step(5)
    assert world.opened().stopping == wish


# --- who stops along


def test_the_evaluator_goes_on_while_a_disrupted_gang_saves() -> None:
    world = World(make_job(gang(1, evaluator=True))).running()
    world.set("worker-0", disruption=Disruption.EVICTED)
    decision = world.step()
    assert world.order(decision, "evaluator-0") is None
    assert world.order(decision, "chief-0") == SaveAndStop(1, 30.0)


def test_parameter_servers_and_their_workers_stop_when_the_chief_has_saved() -> None:
    """It saves what they hold."""
    world = World(make_job(servers(2, 1), strategy=Strategy.PARAMETER_SERVER)).running()
    world.obedient = False
    world.set("ps-0", disruption=Disruption.EVICTED)
    decision = world.step()
    assert world.order(decision, "chief-0") == SaveAndStop(1, 30.0)
    assert [world.order(decision, name) for name in ("ps-0", "worker-1")] == [None, None]
    world.exit("chief-0", 143)
    decision = world.step()
    assert world.order(decision, "ps-0") == world.order(decision, "worker-1") == SaveAndStop(1, 30.0)


def test_a_chief_that_does_not_stop_in_time_ends_with_its_servers() -> None:
    world = World(make_job(servers(1, 1), strategy=Strategy.PARAMETER_SERVER)).running()
    world.obedient = False
    world.set("ps-0", disruption=Disruption.EVICTED)
    world.step()
    decision = world.step(30)
    assert {world.order(decision, name) for name in ("chief-0", "ps-0", "worker-0")} == {Stop(1, 0.0)}


def test_without_agents_the_chief_of_parameter_servers_goes_first() -> None:
    job = make_job(servers(1, 1), strategy=Strategy.PARAMETER_SERVER, recovery=WITHOUT_AGENTS)
    world = World(job).running()
    suspend(world)
    decision = world.step()
    assert [one.role for one in decision.actions if isinstance(one, DeleteReplica)] == [Role.CHIEF]
    world.lose("chief-0")
    decision = world.step()
    assert {one.role for one in decision.actions if isinstance(one, DeleteReplica)} == {Role.PS, Role.WORKER}


def test_a_worker_that_has_succeeded_is_left_alone() -> None:
    world = World(make_job(servers(2, 1), strategy=Strategy.PARAMETER_SERVER)).running()
    world.exit("worker-1", 0)
    world.step()
    world.exit("ps-0", None, signal=9)
    assert world.order(world.step(), "worker-1") is None


# --- the books


def test_a_restart_is_counted_once_with_its_facts() -> None:
    world = World().running()
    for name, at in (("chief-0", 90), ("worker-0", 90), ("worker-1", 91)):
        world.tell(name, step=at, reported=True, checkpoint_step=60)
    world.exit("worker-1", 7, last_lines=("boom",))
    world.step()
    world.step(1)
    closed = world.status.attempts[0]
    assert (closed.member, closed.exit_code, closed.last_lines) == ("worker-1", 7, ("boom",))
    assert (closed.step, closed.steps_lost, closed.progressed) == (91, 31, True)
    assert closed.message == "worker-1 exited with code 7"
    lost = world.events[-1]
    assert (lost.reason, lost.member, lost.exit_code, lost.type) == (
        Reason.MEMBER_LOST, "worker-1", 7, EventType.WARNING,
    )  # fmt: skip


def test_reaching_the_same_step_again_is_no_progress() -> None:
    world = World().running()
    world.status = replace(world.status, attempts=(ended(number=0, step=50),))
    for step, progressed in ((50, False), (51, True)):
        copy = World(world.job)
        copy.status, copy.pods, copy.agents = world.status, dict(world.pods), dict(world.agents)
        copy.services = world.services
        copy.tell("chief-0", step=step)
        copy.exit("worker-1", None, signal=9)
        copy.step()
        assert copy.status.attempts[-1].progressed is progressed


def test_only_the_newest_attempts_are_kept() -> None:
    world = World(make_job(run_policy=RunPolicy(backoff_limit=50))).running()
    for _ in range(12):
        world.exit("worker-1", None, signal=9)
        world.go()
        world.go(60)
    assert [one.number for one in world.status.attempts] == list(range(3, 13))
    assert world.status.restarts == 12


def test_one_end_too_many_fails_the_job() -> None:
    world = World(make_job(run_policy=RunPolicy(backoff_limit=0))).running()
    world.exit("worker-1", None, signal=9)
    world.step()
    assert (world.status.phase, world.status.reason) == (Phase.FAILED, "BackoffLimitExceeded")
    assert world.reasons()[-2:] == [Reason.MEMBER_LOST, Reason.BACKOFF_LIMIT]
    assert world.status.restarts == 0


@pytest.mark.parametrize("request_", list(StopRequest))
def test_a_restart_policy_never_judges_requests(request_: StopRequest) -> None:
    specs = ReplicaSpecs(chief=ReplicaSpec(restart_policy=RestartPolicy.NEVER))
    world = ask(World(make_job(specs)).running(), request_)
    world.go()
    assert world.phase() is Phase.STOPPED


def test_steps_lost() -> None:
    assert [stopping.lost(*pair) for pair in ((None, 5), (9, 5), (3, 5))] == [0, 4, 0]


# --- without agents


def test_without_agents_stopping_deletes_pods_with_the_time_that_is_left() -> None:
    world = ask(World(make_job(recovery=WITHOUT_AGENTS)).running())
    world.set("worker-0", deleting=True)
    world.set("worker-1", phase=ReplicaPhase.SUCCEEDED, exit_code=0)
    decision = world.step()
    assert decision.wanted == ()
    assert [(one.uid, one.grace_seconds) for one in decision.actions if isinstance(one, DeleteReplica)] == [
        ("chief-0.1", 30)
    ]
    world.go()
    assert world.phase() is Phase.RUNNING
    world.lose("worker-0")
    world.go()
    assert world.phase() is Phase.STOPPED
