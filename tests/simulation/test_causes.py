"""Which end is told as the cause when the ends come to light late, in another order, or only in part."""

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Cause, JobStatus, Phase
from orchestrator.api.types import (
    ExitCodeAction,
    ExitCodeRule,
    Recovery,
    ReplicaSpec,
    ReplicaSpecs,
    RestartPolicy,
    RunPolicy,
    Strategy,
    SuccessPolicy,
)
from orchestrator.core.observed import Disruption
from orchestrator.protocol.messages import Report, Stop, Wanted
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job
from tests.simulation.programs import Script
from tests.simulation.world import World

LONG = Script(steps=200)
SEEDS = pytest.mark.parametrize("seed", range(4))


def causes(status: JobStatus) -> list[tuple[Cause, str]]:
    return [(one.cause, one.member) for one in status.attempts]


def trains(seed: int = 0, specs: ReplicaSpecs | None = None) -> World:
    """A job in its first attempt."""
    world = World(make_job(specs), LONG, seed=seed)
    world.advance(8)
    return world


@SEEDS
def test_a_member_that_died_while_it_was_unreachable_is_the_cause_once_it_is_heard(seed: int) -> None:
    """Its peers' exits were told first; that they came later is in what the agents say."""
    world = trains(seed)
    uid = world.replica("worker-1").uid
    world.network.cut.add(uid)
    world.advance(20)
    world.program("worker-1").end(signal=9)
    world.advance(30)
    assert causes(world.status) == [], "provisional while its fate is unknown"
    world.network.cut.clear()
    world.advance(10)
    assert causes(world.status) == [(Cause.PROGRAM_SIGNAL, "worker-1")]


def test_restart_policy_judges_the_true_cause_though_it_is_heard_last() -> None:
    by_code = ReplicaSpec(restart_policy=RestartPolicy.EXIT_CODE)
    workers = ReplicaSpec(replicas=2, restart_policy=RestartPolicy.EXIT_CODE)
    world = trains(specs=ReplicaSpecs(chief=by_code, worker=workers))
    uid = world.replica("worker-1").uid
    world.network.cut.add(uid)
    world.advance(20)
    world.program("worker-1").end(signal=9)
    world.advance(30)
    world.network.cut.clear()
    status = world.finish()
    assert (status.phase, status.restarts) == (Phase.SUCCEEDED, 1)


@SEEDS
def test_a_container_killed_for_memory_is_the_cause_though_its_pod_says_so_late(seed: int) -> None:
    """Its stream ends with it; its peers exit at once, and its pod's status comes two seconds later."""
    world = trains(seed)
    world.kill_container("worker-1", said_after=2.0)
    world.program("worker-0").end(1)
    world.advance(10)
    assert causes(world.status) == [(Cause.OUT_OF_MEMORY, "worker-1")]


@SEEDS
def test_of_several_ends_while_no_controller_listened_the_first_is_the_cause(seed: int) -> None:
    """Not the weightiest: a new leader is told when each of them was."""
    world = trains(seed)
    world.kill_controller()
    world.program("worker-0").end(3)
    world.advance(5)
    for one in world.living:
        one.end(signal=9)
    world.advance(60)
    world.start_controller()
    status = world.finish()
    assert causes(status) == [(Cause.PROGRAM_EXIT, "worker-0")]
    assert (status.attempts[0].exit_code, status.restarts) == (3, 1)


# --- disruptions that are announced while the fate of a member is unknown


def _waits_for_worker_1() -> World:
    """The chief has crashed with code 3; worker-1 has been unreachable for 20 seconds, worker-0 was heard after it."""
    world = trains()
    world.network.cut.add(world.replica("worker-1").uid)
    world.advance(20)
    world.program("chief-0").end(3)
    world.advance(60)
    assert causes(world.status) == []
    return world


def test_a_disruption_of_a_survivor_explains_no_crash_before_it() -> None:
    world = _waits_for_worker_1()
    world.cluster.disrupt(world.replica("worker-0").uid, Disruption.PREEMPTED)
    world.advance(20)
    world.network.cut.clear()
    world.advance(10)
    assert causes(world.status) == [(Cause.PROGRAM_EXIT, "chief-0")]
    assert (world.status.restarts, world.status.attempts[0].exit_code) == (1, 3)


def test_a_disruption_of_a_member_that_was_unreachable_before_explains_the_crash() -> None:
    world = _waits_for_worker_1()
    world.cluster.disrupt(world.replica("worker-1").uid, Disruption.PREEMPTED)
    world.advance(10)
    assert causes(world.status) == [(Cause.PREEMPTED, "worker-1")]
    assert world.status.restarts == 0


# --- without agents, where a pod that runs may be on a node that does not


def _loses_a_node_without_agents() -> tuple[World, str]:
    """The survivors have failed, and nobody has missed the node yet."""
    job = make_job(recovery=WITHOUT_AGENTS, run_policy=RunPolicy(backoff_limit=0))
    world = World(job, Script(steps=20))
    world.advance(8)
    node = world.node_of("worker-1")
    world.cluster.lose_node(node)
    world.advance(30)
    assert (causes(world.status), world.living) == ([], [])
    return world, node


@pytest.mark.parametrize("is_replaced", [False, True])
def test_bad_history_01_without_agents(is_replaced: bool) -> None:
    """One disruption, no restart, also if the controller is replaced meanwhile."""
    world, node = _loses_a_node_without_agents()
    if is_replaced:
        world.kill_controller()
        world.advance(5)
        world.start_controller()
        world.advance(5)
    world.cluster.announce_loss(node)
    world.advance(1)
    assert causes(world.status) == [(Cause.NODE_LOST, "worker-1")]
    world.cluster.restore_node(node)
    status = world.finish()
    assert (status.phase, status.restarts, status.disruptions) == (Phase.SUCCEEDED, 0, 1)


def test_a_node_that_is_never_missed_is_waited_for_as_long_as_a_barrier_lasts() -> None:
    world, _ = _loses_a_node_without_agents()
    waited = world.wait_until(lambda: bool(world.status.attempts))
    assert 80 < waited < 120
    assert causes(world.status) == [(Cause.PROGRAM_EXIT, "chief-0")]
    assert world.status.phase is Phase.FAILED


@SEEDS
def test_survivors_without_agents_end_by_our_deletion_and_are_no_cause(seed: int) -> None:
    """They are killed at once, and the next attempt starts as soon as they are gone."""
    world = World(make_job(recovery=WITHOUT_AGENTS), Script(steps=20), seed=seed)
    world.advance(8)
    world.program("chief-0").end(1)
    assert world.wait_until(lambda: bool(world.status.attempts)) < 0.5
    assert world.wait_until(lambda: len(world.living) == 3) < 2.0
    status = world.finish()
    assert causes(status) == [(Cause.PROGRAM_EXIT, "chief-0")]
    assert (status.phase, status.restarts) == (Phase.SUCCEEDED, 1)


# --- without a coordinator an agent gives up in the end, and passes on its program's exit code


def _controller_dies_before_its_order(world: World, number: int) -> None:
    """The attempt is recorded, but nobody is told to run it."""
    world.wait_until(lambda: world.status.attempt is not None and world.status.attempt.number == number)
    world.kill_controller()
    world.network.cut |= set(world.agents)
    world.advance(1)
    world.network.cut.clear()


def test_a_code_passed_on_is_not_that_of_a_later_attempt() -> None:
    """worker-1 had done its work when worker-0 was lost for good; it leads the next attempt, which never began."""
    world = World(make_job(gang(2, chief=False, least=1)), Script(steps=60))
    world.advance(8)
    world.program("worker-1").end(0)
    node = world.node_of("worker-0")
    world.cluster.lose_node(node)
    for other in world.cluster.nodes.values():
        other.is_full = True
    world.advance(20)
    world.cluster.announce_loss(node)
    _controller_dies_before_its_order(world, 2)
    world.advance(120)
    assert world.replica("worker-1").exit_code == 0, "its agent gave up"
    for other in world.cluster.nodes.values():
        other.is_full = False
    world.cluster.restore_node(node)
    world.start_controller()
    status = world.finish()
    assert causes(status) == [(Cause.NODE_LOST, "worker-0"), (Cause.AGENT_LOST, "worker-1")]
    assert (status.phase, world.disk.step) == (Phase.SUCCEEDED, 60)


def test_a_success_of_an_earlier_attempt_is_none_of_this_one() -> None:
    world = World(make_job(gang(2, chief=False)), Script(steps=60))
    world.advance(8)
    world.program("worker-1").end(0)
    world.advance(1)
    world.program("worker-0").end(signal=9)
    _controller_dies_before_its_order(world, 2)
    world.advance(120)
    assert world.replica("worker-1").exit_code == 0
    world.start_controller()
    status = world.finish()
    assert causes(status) == [(Cause.PROGRAM_SIGNAL, "worker-0"), (Cause.AGENT_LOST, "worker-1")]
    assert status.phase is Phase.SUCCEEDED


def test_an_exit_that_was_counted_is_not_counted_again_when_its_agent_gives_up() -> None:
    """It was cut off during the back-off: it is replaced, and the code 3 with which its agent leaves means nothing."""
    rule = ExitCodeRule(codes=(3,), action=ExitCodeAction.FAIL)
    script = Script(strategy=Strategy.INDEPENDENT, steps=30)
    job = make_job(gang(2, chief=False), strategy=Strategy.INDEPENDENT, success=SuccessPolicy.ALL_WORKERS)
    world = World(job, script)
    world.advance(8)
    for _ in range(2):
        world.wait_until(lambda: any(one.seat[1] == 1 for one in world.living))
        world.program("worker-1").end(3)
        world.advance(0.2)
    world.network.cut.add(world.replica("worker-1").uid)
    world.backend.edit(world.key, lambda spec: replace(spec, recovery=Recovery(exit_codes=(rule,))))
    status = world.finish(limit=1500)
    side = next(one for one in status.sides if one.name == "worker-1")
    assert (status.phase, side.cause, side.restarts) == (Phase.SUCCEEDED, Cause.PROGRAM_EXIT, 2)


def test_the_controller_is_down_around_success() -> None:
    """The chief's agent gave up a minute after exit 0; whoever leads then finds the job's success in its code."""
    world = trains()
    world.kill_controller()
    world.program("chief-0").end(0)
    world.advance(120)
    assert world.replica("chief-0").exit_code == 0
    world.start_controller()
    status = world.finish()
    assert (status.phase, status.attempts) == (Phase.SUCCEEDED, ())


@SEEDS
def test_the_controller_is_down_for_so_long_that_all_agents_gave_up(seed: int) -> None:
    """They left in any order, long after the ends whose codes they passed on."""
    world = trains(seed)
    world.kill_controller()
    world.program("worker-1").end(signal=9)
    world.advance(1200)
    assert all(one.phase.is_terminal for one in world.cluster.replicas(world.key))
    world.start_controller()
    status = world.finish()
    assert causes(status) == [(Cause.PROGRAM_SIGNAL, "worker-1")]
    assert (status.phase, status.restarts) == (Phase.SUCCEEDED, 1)


# --- members that never started


def test_a_member_that_can_never_be_told_to_run_is_replaced() -> None:
    """It was cut off between the record and its Run; its peers report nothing, so nobody ever sees a step."""
    world = World(make_job(), Script(steps=30, reports=False))
    world.wait_until(lambda: world.status.attempt is not None)
    lost = world.replica("worker-1").uid
    world.network.cut.add(lost)
    status = world.finish()
    assert causes(status) == [(Cause.START_TIMEOUT, "worker-1")]
    assert world.replica("worker-1").uid != lost
    assert status.phase is Phase.SUCCEEDED


def test_a_program_whose_first_report_comes_after_the_start_timeout_is_found() -> None:
    """Nothing else is waited for here, and reports wake nobody."""
    recovery = Recovery(start_timeout_seconds=60, hang_timeout_seconds=0)
    world = World(make_job(gang(1, chief=False), recovery=recovery), Script(steps=30, start_seconds=10_000))
    world.advance(100)
    world.say(world.replica("worker-0").uid, Report(attempt=1, sequence=1))
    world.wait_until(lambda: world.status.restarts == 1)
    assert causes(world.status) == [(Cause.START_TIMEOUT, "worker-0")]


# --- ends that were our own doing


@pytest.mark.parametrize("policy", [RestartPolicy.ON_FAILURE, RestartPolicy.NEVER])
def test_orders_of_earlier_controllers_are_not_held_against_the_job(policy: RestartPolicy) -> None:
    """Each time they end everything before the next controller is heard: no restart, and not for want of progress."""
    role = ReplicaSpec(restart_policy=policy)
    job = make_job(ReplicaSpecs(chief=role, worker=role), run_policy=RunPolicy(backoff_limit=0))
    world = World(job, Script(steps=20, save_every=100))
    for number in range(1, 7):
        world.wait_until(lambda: len(world.living) == 2 and all(one.step == 1 for one in world.living))
        world.kill_controller()
        for agent in world.agents.values():
            agent.hear(Wanted(world.job_uid, agent.term, Stop(number, 0.0)))
        world.start_controller()
        world.wait_until(lambda number=number: len(world.status.attempts) == number)  # type: ignore[misc]  # mypy cannot infer such a lambda
    status = world.finish()
    assert (status.phase, status.restarts, status.disruptions) == (Phase.SUCCEEDED, 0, 6)


@pytest.mark.parametrize("strategy", [Strategy.MULTI_WORKER_MIRRORED, Strategy.INDEPENDENT])
def test_without_agents_exit_0_on_our_sigterm_is_no_success(strategy: Strategy) -> None:
    """Many programs answer SIGTERM so; a suspension must not make the job succeed."""
    success = SuccessPolicy.ALL_WORKERS if strategy is Strategy.INDEPENDENT else SuccessPolicy.CHIEF
    specs = gang(2, chief=strategy is not Strategy.INDEPENDENT)
    job = make_job(specs, strategy=strategy, success=success, recovery=WITHOUT_AGENTS)
    script = Script(strategy=strategy, steps=200, saves_on_sigterm=False, exit_terminated=0)
    world = World(job, script)
    world.advance(8)
    world.backend.edit(world.key, lambda spec: replace(spec, run_policy=RunPolicy(suspend=True)))
    world.advance(60)
    assert world.status.phase is Phase.SUSPENDED
    world.backend.edit(world.key, lambda spec: replace(spec, run_policy=RunPolicy()))
    assert world.finish().phase is Phase.SUCCEEDED
    assert world.furthest_step == 200
