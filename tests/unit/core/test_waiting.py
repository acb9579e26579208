"""What the barrier waits for is told once, in a condition that time alone does not change."""

from orchestrator.api.status import Condition, ConditionType, Phase
from orchestrator.api.types import RunPolicy
from orchestrator.core.actions import CreateReplica, CreateService, Reason
from orchestrator.core.observed import StopRequest
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job
from tests.unit.core.build import World


def told(world: World) -> Condition | None:
    return next((one for one in world.status.conditions if one.type is ConditionType.WAITING), None)


def waiting(workers: int = 2) -> World:
    """Its agents do not answer yet."""
    world = World(make_job(gang(workers)))
    world.services = ("job-tfo",)
    world.carry_out(world.step())
    world.cut("chief-0", *(f"worker-{index}" for index in range(workers)))
    return world


def test_a_long_wait_names_the_first_three_that_are_missing() -> None:
    world = waiting(workers=4)
    world.step(9)
    assert told(world) is None
    world.step(1)
    found = told(world)
    assert found is not None
    assert (found.status, found.reason) == (True, "WaitingForReplicas")
    assert found.message == "the attempt waits for chief-0, worker-0, worker-1 and others"
    assert world.events[-1].message == found.message


def test_it_is_told_once_and_time_alone_changes_nothing() -> None:
    world = waiting()
    world.step(10)
    first = told(world)
    world.step(60)
    assert told(world) == first
    world.tell("chief-0", connected=True)
    world.step(1)
    found = told(world)
    assert found is not None
    assert first is not None
    assert found.message == "the attempt waits for worker-0, worker-1"
    assert found.last_transition_time == first.last_transition_time
    assert world.reasons().count(Reason.WAITING) == 1


def test_the_open_attempt_waits_for_nobody() -> None:
    world = waiting()
    world.step(10)
    for name in world.agents:
        world.tell(name, connected=True)
    world.step(1)
    found = told(world)
    assert world.is_open()
    assert found is not None
    assert not found.status
    assert found.message == "attempt 1 starts with 3 replicas"


def test_a_job_that_was_stopped_waits_for_nobody() -> None:
    world = waiting()
    world.step(10)
    world.others["stop_request"] = StopRequest.NOW
    world.step(1)
    found = told(world)
    assert world.phase() is Phase.STOPPED
    assert found is not None
    assert not found.status


def test_a_job_that_never_waited_has_no_such_condition() -> None:
    world = World().running()
    assert told(world) is None


def test_without_agents_nobody_can_be_missing() -> None:
    world = World(make_job(recovery=WITHOUT_AGENTS, run_policy=RunPolicy(backoff_limit=3))).running()
    world.exit("worker-1")
    for _ in range(3):
        world.step(20)
    assert not world.is_open()
    assert told(world) is None


def test_a_service_of_somebody_else_is_told_once_and_left_alone() -> None:
    world = World(foreign=("job-tfo",))
    decisions = [world.step(), world.step(60)]
    found = told(world)
    assert found is not None
    assert found.message == "job-tfo belongs to somebody else; the job waits until this name is free"
    assert world.reasons().count(Reason.NAME_CONFLICT) == 1
    assert not any(isinstance(one, CreateService) for each in decisions for one in each.actions)


def test_a_replica_of_somebody_else_is_told_once_and_left_alone() -> None:
    world = World(foreign=("job-worker-1",))
    world.services = ("job-tfo",)
    made = [
        one.index for one in world.step().actions if isinstance(one, CreateReplica) and one.role == "worker"
    ]
    world.step(60)
    assert made == [0]
    assert world.reasons().count(Reason.NAME_CONFLICT) == 1
    world.others["foreign"] = ()
    world.go()
    found = told(world)
    assert world.is_open()
    assert found is not None
    assert not found.status
