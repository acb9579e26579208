"""One run of a replica outside the gang: who takes its seat, how its end is counted, when the next one starts."""

from msgspec.structs import replace

from orchestrator.api.status import Cause
from orchestrator.api.types import Recovery
from orchestrator.core.actions import DeleteReplica
from orchestrator.core.observed import Disruption, ReplicaPhase
from orchestrator.protocol.messages import ProgramState, Stop
from tests.simulation.jobs import WITHOUT_AGENTS
from tests.unit.core.test_sides import alone, deleted, served, side, watched

# --- taking a seat without agents


def test_a_bare_pod_of_an_older_run_goes_and_takes_no_seat() -> None:
    """Its end was written down, and the controller died before it deleted it."""
    world = alone(1, WITHOUT_AGENTS)
    world.exit("worker-0", 1)
    world.step()
    assert side(world, "worker-0").uid == ""
    assert deleted(world) == ["worker-0.1"]
    world.lose("worker-0")
    world.go()
    assert (side(world, "worker-0").uid, side(world, "worker-0").run) == ("worker-0.2", 2)


def test_a_bare_pod_that_others_end_before_it_was_seen_is_a_disruption() -> None:
    world = alone(1, WITHOUT_AGENTS)
    world.status = replace(world.status, sides=())
    world.set("worker-0", deleting=True, disruption=Disruption.PREEMPTED, phase=ReplicaPhase.FAILED)
    world.step()
    assert side(world, "worker-0").uid == "worker-0.1"
    world.step()
    assert (world.status.disruptions, world.status.restarts) == (1, 0)


# --- runs that end with the whole job


def test_a_success_just_before_a_suspension_stands() -> None:
    """It had not heard of the suspension yet."""
    world = alone()
    spec = world.job.spec
    world.job = replace(world.job, spec=replace(spec, run_policy=replace(spec.run_policy, suspend=True)))
    world.step()
    world.exit("worker-0", 0)
    world.exit("worker-1", None, signal=15, asked=True)
    world.step()
    assert [(one.uid, one.succeeded) for one in world.status.sides] == [("", True), ("", False)]
    world.job = replace(world.job, spec=spec)
    world.go()
    assert [one.run for one in world.status.sides] == [1, 2]
    assert (world.status.restarts, world.status.disruptions) == (0, 0)


# --- between two runs


def test_a_program_that_hangs_is_told_to_stop_until_it_does_though_its_next_start_has_to_wait() -> None:
    world = alone(recovery=Recovery(hang_timeout_seconds=60))
    for _ in range(2):
        world.go()
        world.tell("worker-1", step=3, seconds_since_step=60.0, reported=True)
        assert world.order(world.step(), "worker-1") == Stop(side(world, "worker-1").run, 0.0)
    assert world.order(world.step(), "worker-1") == Stop(2, 0.0)
    decision = world.go()
    assert world.state("worker-1") is ProgramState.EXITED
    assert (decision.requeue_after, world.order(decision, "worker-1")) == (1, None)


def test_a_program_that_is_ending_already_keeps_the_time_that_it_was_given() -> None:
    world = alone()
    world.exit("worker-1")
    world.step()
    world.tell("worker-1", state=ProgramState.STOPPING)
    decision = world.step()
    assert (world.order(decision, "worker-1"), side(world, "worker-1").run) == (None, 1)


def test_a_replica_that_is_cut_before_it_has_started_is_replaced_and_not_counted() -> None:
    world = alone()
    world.exit("worker-1")
    world.step()
    world.step()
    world.cut("worker-1")
    assert (world.step(119.9).actions, world.status.sides[1].uid) == ((), "worker-1.1")
    decision = world.step(0.2)
    assert [one.uid for one in decision.actions if isinstance(one, DeleteReplica)] == ["worker-1.1"]
    world.carry_out(decision)
    world.go()
    found = side(world, "worker-1")
    assert (found.uid, found.run, found.restarts, world.status.restarts) == ("worker-1.2", 3, 1, 1)


def test_a_replica_that_is_cut_while_it_runs_is_left_alone() -> None:
    world = alone()
    world.cut("worker-1")
    assert world.step(5000).actions == ()
    assert side(world, "worker-1").uid == "worker-1.1"


# --- a slow start


def test_a_replica_that_reports_but_makes_no_first_step_did_not_start_in_time() -> None:
    world = alone(recovery=Recovery(start_timeout_seconds=60, hang_timeout_seconds=0))
    world.tell("worker-1", reported=True)
    assert world.step(59).requeue_after == 1
    world.step(1)
    assert (side(world, "worker-1").cause, side(world, "worker-0").cause) == (Cause.START_TIMEOUT, None)
    assert "no first step in 60 s" in world.events[-1].message
    assert world.status.restarts == 1


def test_a_replica_that_does_not_start_its_program_did_not_start_in_time() -> None:
    world = alone(recovery=Recovery(start_timeout_seconds=60, hang_timeout_seconds=0))
    world.exit("worker-1")
    world.obedient = False
    world.go()
    assert world.go(1).requeue_after == 59
    world.step(59)
    found = side(world, "worker-1")
    assert (found.cause, found.restarts) == (Cause.START_TIMEOUT, 2)


def test_a_replica_that_waits_for_others_may_be_late_with_its_first_step_but_not_with_its_process() -> None:
    recovery = Recovery(start_timeout_seconds=60)
    for world, name in ((served(recovery=recovery), "worker-1"), (watched(recovery), "evaluator-0")):
        world.tell(name, reported=True)
        world.step(5000)
        assert side(world, name).restarts == 0
        world.exit(name)
        world.obedient = False
        world.go()
        world.step(60)
        assert (side(world, name).cause, side(world, name).restarts) == (Cause.START_TIMEOUT, 2)


def test_bare_replicas_have_no_start_timeout() -> None:
    world = alone(recovery=replace(WITHOUT_AGENTS, start_timeout_seconds=60))
    world.set("worker-1", phase=ReplicaPhase.PENDING)
    assert world.step(5000).requeue_after is None
    assert side(world, "worker-1").restarts == 0


def test_an_end_that_is_told_and_announced_is_waited_for() -> None:
    """Its agent has stopped the program because its pod has to go."""
    world = alone()
    world.set("worker-1", deleting=True, foreign_deletion=True)
    world.exit("worker-1", 143, asked=True)
    assert world.order(world.step(), "worker-1") is None
    world.lose("worker-1")
    world.step()
    assert (side(world, "worker-1").cause, world.status.disruptions) == (Cause.EVICTED, 1)
