"""One run of a replica outside the gang: who takes its seat, how its end is counted, when the next one starts."""

from msgspec.structs import replace

from orchestrator.core.observed import Disruption, ReplicaPhase
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
