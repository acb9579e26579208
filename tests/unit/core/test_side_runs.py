"""One run of a replica outside the gang: who takes its seat, how its end is counted, when the next one starts."""

from msgspec.structs import replace

from orchestrator.api.types import Recovery
from orchestrator.core.actions import DeleteReplica
from orchestrator.core.observed import Disruption, ReplicaPhase
from orchestrator.protocol.messages import ProgramState, Stop
from tests.simulation.jobs import WITHOUT_AGENTS
from tests.unit.core.test_sides import alone, deleted, side

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
